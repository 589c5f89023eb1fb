"""Finance: does the quarter's end stay closed, and which machines are replaced?"""

from acme import Acme, day

with Acme() as acme:
    if acme.changed:
        # The one fact: CISA lists a hole as exploited that waits behind the freeze.
        advisory = next(acme.all("/api/v1/advisories", id="CVE-2026-13281"))
        listed = {name: advisory[name] for name in ("id", "title", "affected", "known_at")} | {"kev": "2026-07-01T00:00:00Z"}
        acme.call("POST", "/api/v1/advisories", {"source": "kev", "advisories": [listed]})
        acme.settled()

    finance = []
    for person in acme.all("/api/v1/people"):
        if any(fact["field"] in ("department", "person.department") and fact.get("value") == "Finance" for fact in person["facts"]):
            finance += person["devices"]

    waits, moves, replaced = [], [], []
    for device in sorted(finance):
        for slot in acme.decisions(device):
            title, branch = slot["slot"]["title"], slot["slot"].get("branch")
            exploited = [exposure["advisory"] for exposure in slot["exposures"] if exposure["kev"]]
            if "freeze" in slot["holds"]:
                waits.append(device)
                when = "was due" if slot["compliance"] == "overdue" else "is due"
                due = f", {when} on {day(slot['due'])}" if slot.get("due") else ""
                print(f"  {device}: {title} waits behind the freeze{due}")
            if exploited and "freeze" not in slot["holds"]:
                moves.append(device)
                print(f"  {device}: {title} does not wait, {', '.join(exploited)} is exploited")
            # An operating system that is asked to change and has no release that would do, or that tried in vain.
            goal = slot.get("decided", {}).get("goal")
            failed = list(acme.stream(f'event.type == "update.failed" && event.subject == "{device}" && event.title == "{title}"'))
            if branch and slot["compliance"] in ("due", "overdue") and (goal == "nothing" or failed):
                why = f"no {title} after {branch} runs on it" if failed else f"nothing is published for {title} {branch} any more"
                print(f"  {device}: {why}")
                replaced.append(device)
    if moves:
        print(f"Decision: the freeze yields on {', '.join(dict.fromkeys(moves))}; replace {' and '.join(dict.fromkeys(replaced))}.")
    else:
        print(f"Decision: stay closed until 2026-07-03, {len(set(waits))} machines wait; replace {' and '.join(dict.fromkeys(replaced))}.")
