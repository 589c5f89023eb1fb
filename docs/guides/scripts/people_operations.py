"""People operations: who is left in peace, and whose laptop is collected?"""

from acme import Acme, day

with Acme() as acme:
    if acme.changed:
        # The one fact: somebody is back from leave before the day that was planned.
        acme.call("PUT", "/api/v1/people/p17", {"source": "workday", "values": {"on_leave": False}})

    people = {person["id"]: person for person in acme.all("/api/v1/people")}

    def said(person, field):
        return next((fact.get("value") for fact in people[person]["facts"] if fact["field"] in (field, f"person.{field}")), None)

    def late(device):
        """What is overdue, and nothing but its person keeps from being done."""
        slots = acme.decisions(device)
        return [slot["slot"]["title"] for slot in slots if slot["compliance"] in ("overdue", "unseen") and not slot["holds"]]

    decisions = []
    for event in acme.stream('event.type == "person.left"'):
        person = event["data"]["person"]
        for device in people[person]["devices"]:
            seen = acme.get(f"/api/v1/devices/{device}")["presence"]["seen"]
            print(f"{person} left on {day(event['time'])}, and {device} was last seen on {day(seen)}")
            decisions.append(f"collect {device}" + (" today, it is in use" if seen > event["time"] else ""))
    for person in sorted(people):
        for device in people[person]["devices"]:
            if said(person, "employment") == "left" or not late(device):
                continue
            # Whether somebody is on leave is all that Refit keeps; why is no business of patching.
            if said(person, "on_leave"):
                print(f"{person} is on leave, and {device} waits")
                decisions.append(f"leave {person} in peace")
            else:
                print(f"{person} is at work, and {device} is late: {', '.join(late(device))}")
                decisions.append(f"remind {person}")
    print(f"Decision: {'; '.join(decisions)}.")
