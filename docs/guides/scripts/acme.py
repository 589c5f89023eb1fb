"""A server of June 2026 at Acme, for the scripts beside this file. Python's standard library is all that it needs.

`Acme()` makes the month with `refit fleet history` in a folder that is thrown away afterwards, and serves it on this machine, with a clock that stands
at the end of the month. `REFIT` names the program, else it is looked for in `target/` and on the path; `REFIT_HISTORY` names a month that was made
before: it is copied, and stays as it is.
"""

import json
import os
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]


def program():
    built = [ROOT / "target" / kind / "refit" for kind in ("release", "debug")]
    found = os.environ.get("REFIT") or next((str(path) for path in built if path.exists()), None) or shutil.which("refit")
    return found or sys.exit("there is no `refit`: build it with `cargo build --release -p refit`, or say where it is with REFIT=")


class Acme:
    """The server, from `with Acme() as acme:` to the end of the block."""

    # The time at which the month ends, and a week before it.
    now, a_week_ago = "2026-07-01T00:00:00Z", "2026-06-24T00:00:00Z"
    # Whether the one fact is another.
    changed = "--changed" in sys.argv[1:]

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="acme-")
        data = pathlib.Path(self.folder.name) / "data"
        if os.environ.get("REFIT_HISTORY"):
            shutil.copytree(os.environ["REFIT_HISTORY"], data)
        else:
            subprocess.run([program(), "fleet", "history", ROOT / "examples/acme", "--out", data], check=True, stdout=subprocess.DEVNULL)
        log = open(data / "server.log", "w")
        command = [program(), "serve", "--data", data, "--listen", "127.0.0.1:0"]
        self.server = subprocess.Popen(command, stdout=log, stderr=log)
        for _ in range(1200):
            if (data / "server.json").exists() or self.server.poll() is not None:
                break
            time.sleep(0.05)
        if not (data / "server.json").exists():
            self.__exit__()
            sys.exit((data / "server.log").read_text() if data.exists() else "the server did not start")
        where = json.loads((data / "server.json").read_text())
        self.address = where["address"]
        self.tls = ssl.create_default_context(cafile=data / where["ca"])
        self.token = (data / where["token_file"]).read_text().strip()
        # A server that has just started decides everything once more.
        self.settled()
        return self

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()
        self.folder.cleanup()

    def call(self, method, path, body=None, token=None, **query):
        query = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        request = urllib.request.Request(f"{self.address}{path}{'?' + query if query else ''}", method=method)
        request.add_header("Authorization", f"Bearer {token or self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, context=self.tls) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            sys.exit(f"{method} {path}: {refused.code} {refused.read().decode()}")
        return json.loads(text) if text else None

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def all(self, path, **query):
        """All items of a list, page after page."""
        cursor = None
        while True:
            page = self.get(path, cursor=cursor, limit=1000, **query)
            yield from page["items"]
            cursor = page.get("next")
            if not cursor:
                return

    def stream(self, filter, after="0"):
        """The events that pass a filter, from a position on to the end of the log."""
        while True:
            page = self.get("/api/v1/stream", filter=filter, after=after, limit=1000)
            yield from page["items"]
            after = page["next"]
            if "." not in after and int(after) >= page["head"]:
                return

    def decisions(self, device):
        """How the slots of a device stand, as soon as that is of what is known by now."""
        while True:
            decisions = self.get(f"/api/v1/devices/{device}/decisions")
            if decisions.get("decided_at") and not decisions["behind"]:
                return decisions["slots"]
            time.sleep(0.05)

    def settled(self):
        """Waits until what is known by now is decided of every device."""
        for device in self.all("/api/v1/devices"):
            self.decisions(device["id"])

    def reports(self, device, *installs):
        """A device says that it has these: the one fact that is another."""
        present = [{"title": title, "version": version} for title, version in installs]
        self.call("POST", f"/api/v1/devices/{device}/observations", {"source": "agent", "installs": {"changes": {"present": present, "gone": []}}})


def day(time):
    return time[:10]
