"""Engineering: the gateway is redeployed without the old protocol as soon as nobody needs it. Today?"""

from acme import Acme

TITLE, VERSION = "acme-vpn", "4.8.1"

with Acme() as acme:
    # A service remembers how far it has read, and goes on from there after any restart. This one has read half of the month.
    stream = f'event.title == "{TITLE}"'
    cursor = acme.get("/api/v1/stream", filter=stream, limit=40)["next"]
    if acme.changed:
        # The one fact: the last laptop has come back, and says that it has the new client.
        written = acme.call("POST", "/api/v1/devices/mac-07/observations", {
            "source": "agent", "installs": {"changes": {"present": [{"title": TITLE, "version": VERSION}], "gone": []}},
        })
        # It waits for the news instead of asking for it.
        acme.get("/api/v1/stream", filter=f'{stream} && event.type == "device.compliant"', after=written["seq"] - 1, wait=30)
    rings = set()
    for event in acme.stream(f'{stream} && event.version == "{VERSION}" && event.type == "rollout.ring_opened"', after="0"):
        rings.add((event["data"]["platform"], event["data"]["ring"]))
    news = list(acme.stream(stream, after=cursor))
    print(f"{len(news)} events of {TITLE} since the last time; open to the last ring on {', '.join(sorted(platform for platform, ring in rings if ring == 'rest'))}")

    behind = []
    for device in acme.all("/api/v1/devices"):
        for install in acme.get(f"/api/v1/devices/{device['id']}")["installs"]:
            if install["slot"]["title"] == TITLE and install["version"] != VERSION:
                behind.append(f"{device['id']} ({install['version']})")
    if behind:
        print(f"Decision: do not redeploy yet: {', '.join(behind)} would be locked out.")
    else:
        print(f"Decision: redeploy: everybody has {TITLE} {VERSION}.")
