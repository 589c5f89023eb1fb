"""Security: which exposures are escalated tonight?"""

from acme import Acme, day

with Acme() as acme:
    if acme.changed:
        # The one fact: CISA lists a hole of the newest browser as exploited.
        advisory = next(acme.all("/api/v1/advisories", id="CVE-2026-13774"))
        listed = {name: advisory[name] for name in ("id", "title", "affected", "known_at")} | {"kev": "2026-07-01T00:00:00Z"}
        written = acme.call("POST", "/api/v1/advisories", {"source": "kev", "advisories": [listed]})
        # The stream says it when it is decided what that means: nothing has to be asked again and again.
        acme.get("/api/v1/stream", after=written["seq"] - 1, filter='event.type == "exposure.exploited"', wait=30)
        acme.settled()

    # What is exploited and open: opened or listed, and not closed since.
    open_on = {}
    for event in acme.stream('event.type in ["exposure.opened", "exposure.exploited", "exposure.closed"]'):
        for advisory in event["data"]["advisories"]:
            for device in event["data"]["devices"]:
                exploited = open_on.get((advisory, device), (False, None))[0]
                open_on[advisory, device] = (exploited or event["type"] == "exposure.exploited", event["data"].get("due"))
                if event["type"] == "exposure.closed":
                    del open_on[advisory, device]
    exploited = {}
    for (advisory, device), (is_exploited, due) in sorted(open_on.items()):
        if is_exploited:
            exploited.setdefault(advisory, []).append((device, due))

    escalated = {}
    for advisory, devices in sorted(exploited.items()):
        print(f"{advisory} is exploited, and open on {len(devices)} device{'s' if len(devices) > 1 else ''}")
        for device, due in devices:
            seen = acme.get(f"/api/v1/devices/{device}")["presence"]["seen"]
            # What does not mend itself needs somebody: its device is late already, or nobody has seen it for a week.
            if seen < acme.a_week_ago or (due is not None and due <= acme.now):
                print(f"  {device}: late since {day(due)}, last seen {day(seen)}")
                escalated.setdefault(advisory, []).append(device)
    running = sum(map(len, exploited.values())) - sum(map(len, escalated.values()))
    escalated = "; ".join(f"{advisory} on {', '.join(devices)}" for advisory, devices in escalated.items())
    print(f"Decision: escalate {escalated or 'nothing'}; {running} others mend themselves in time.")
