"""Support: somebody says that the browser is broken since today. Did we change it, and is it rolled back?"""

from acme import Acme

DEVICE, SINCE = "win-04", "2026-06-28T00:00:00Z"

with Acme() as acme:
    if acme.changed:
        # The one fact: the laptop got the newest browser two hours before the call.
        acme.call("POST", f"/api/v1/devices/{DEVICE}/receipts", {
            "id": "win-04-late", "slot": {"title": "google-chrome"}, "wanted": "149.0.7827.200", "result": "succeeded",
            "before": "149.0.7827.114", "after": "149.0.7827.200", "at": "2026-06-30T11:00:00Z", "duration_ms": 21000,
        })

    # The last three days of this laptop: what was done to it, and what its person says.
    complaints, changes = [], []
    for event in acme.stream(f'event.subject == "{DEVICE}" && event.type in ["complaint.received", "update.succeeded", "update.failed"]'):
        when = event["data"].get("ended", event["time"])
        if when < SINCE:
            continue
        if event["type"] == "complaint.received":
            complaints.append(event["data"]["title"])
        else:
            changes.append(event["data"])
            print(f"  {when[:16]} {event['data']['title']} {event['data']['before']} -> {event['data']['after']}")
    print(f"{DEVICE}: {len(changes) or 'nothing'} changed in three days, and a complaint about {', '.join(complaints)}")

    ours = [change for change in changes if change["title"] in complaints]
    if not ours:
        print("Decision: no roll-back: nothing was changed; the cause is elsewhere.")
    else:
        # Who else has it, and is anybody else unhappy?
        release = f"{ours[0]['title']}@{ours[0]['after']}"
        others = [event["subject"] for event in acme.stream(f'event.type == "update.succeeded" && event.title == "{ours[0]["title"]}" && event.version == "{ours[0]["after"]}"')]
        others = set(others) - {DEVICE}
        unhappy = {event["subject"] for event in acme.stream(f'event.type == "complaint.received" && event.title == "{ours[0]["title"]}"')} & others
        print(f"  {len(others)} others have {release}; of {len(unhappy) or 'none'} of them somebody complains")
        goes_on = "halt" if unhappy else "do not halt"
        print(f"Decision: roll {DEVICE} back to {ours[0]['before']}, and {goes_on} {release}.")
