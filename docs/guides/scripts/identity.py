"""Identity: is somebody from sales let in with the laptop in their hands?"""

from acme import Acme, day

DEVICE = "win-09"

with Acme() as acme:
    if acme.changed:
        # The one fact: the browser was closed at last, and the laptop says which one runs now.
        acme.reports(DEVICE, ("google-chrome", "149.0.7827.200"))
        acme.decisions(DEVICE)

    # The identity provider has a token that permits this question and no other; its name chooses the posture that counts (posture.yaml).
    token = acme.call("POST", "/api/v1/tokens", {"name": "okta", "bearer": "program", "scopes": ["posture"], "expires": "2026-07-02T00:00:00Z"})
    facts = acme.get(f"/api/v1/devices/{DEVICE}")["facts"]
    serial = next(fact["value"] for fact in facts if fact["field"] == "device.serial")
    answer = acme.call("POST", "/api/v1/posture", {"serial": serial}, token=token["secret"])["answer"]

    print(f"{serial} is {answer['about']['device']}; asked by {answer['by']['posture']} ({answer['by']['file']}:{answer['by']['line']})")
    for device in answer["devices"]:
        for late in device.get("overdue", []):
            print(f"  {late['slot']['title']} {late['installed']}: overdue since {day(late['due'])}; {late['fix']['text']}")
    decision = {"allow": "let them in", "warn": "let them in, with a warning", "block": "do not let them in"}[answer["access"]]
    print(f"Decision: {decision}.")
