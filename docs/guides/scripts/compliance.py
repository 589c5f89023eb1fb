"""Compliance: which controls pass, and on what evidence?"""

from acme import Acme, day

with Acme() as acme:
    if acme.changed:
        # The one fact: the laptop that nobody had seen since the ninth was wiped, and is managed no more.
        acme.call("DELETE", "/api/v1/devices/mac-07")

    def control(name, failing, evidence):
        print(f"  {name}: {'pass' if not failing else 'NOT: ' + ', '.join(failing)}")
        print(f"    evidence: {evidence}")
        return not failing

    retired = {event["data"]["device"] for event in acme.stream('event.type == "device.retired"')}
    open_on, listed = {}, set()
    for event in acme.stream('event.type in ["exposure.exploited", "exposure.closed"]'):
        for advisory in event["data"]["advisories"]:
            for device in event["data"]["devices"]:
                key = (advisory, device)
                if event["type"] == "exposure.exploited":
                    open_on[key] = event["time"]
                    listed.add(key)
                else:
                    open_on.pop(key, None)
    exploited = sorted({f"{advisory} on {device}" for advisory, device in open_on if device not in retired})

    approved = {event["data"]["plan"]: event for event in acme.stream('event.type == "plan.approved"')}
    applied = list(acme.stream('event.type == "policy.applied"'))
    alone = [event["data"]["plan"] for event in applied if event["data"]["plan"] not in approved]

    forbidden = [device["id"] for device in acme.all("/api/v1/devices", title="teamviewer", compliance="overdue")]

    print("Controls on 2026-07-01:")
    passed = [
        control("no exploited hole is open", exploited, f"{len(listed)} times a device had one, {len(listed) - len(exploited)} of them are closed or the device is gone"),
        control("every policy in force was approved by a second person", alone, ", ".join(f"revision {event['data']['revision']} on {day(event['time'])}, plan {event['data']['plan']}" for event in applied)),
        control("remote control is on support's machines alone", forbidden, "decisions of the policy `no remote control`"),
    ]
    print(f"Decision: {sum(passed)} of {len(passed)} pass; {'sign the report' if all(passed) else 'do not sign the report'}.")
