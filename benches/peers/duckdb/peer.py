"""The decisions of a made-up fleet in SQL, with DuckDB. See ../README.md."""

import argparse
import hashlib
import json
import re
import time
from datetime import datetime
from pathlib import Path

import duckdb

APPLICATIONS, PACKAGES, PLAIN = 340, 30, 80
# Numbers of conditions on exposures, as decide.sql has them.
KEV, EXPOSED = 1, [1, 2, 3, 4, 5]
DAY = 86_400

# The conditions of the policies that have one, in the order of the bench; what is unknown does not hold.
CONDITIONS = [
    "department = 'Finance'",
    "department in ('Engineering', 'IT')",
    "list_contains(tags, 'kiosk')",
    "list_contains(tags, 'developer') and platform = 'macos'",
    "vip",
    "employment = 'contractor'",
    "country in ('DE', 'FR', 'ES', 'PL') and department != 'IT'",
    "kind = 'server'",
    "list_contains(tags, 'lab') or list_contains(tags, 'pilot')",
    "department = 'Legal' and not list_contains(tags, 'canary')",
    "platform = 'windows' and manufacturer = 'Dell'",
    "site in ('Tokyo', 'Singapore')",
    "department = 'Sales' and platform = 'windows'",
    "kind in ('vm', 'server') and os = 'debian'",
    "country = 'US' and employment = 'active'",
    "department = 'People'",
    "department in ('Operations', 'Support')",
    "platform = 'linux' and site = 'Berlin'",
    "employment = 'leave'",
    "department is not null",
]
FACTS = ["platform", "kind", "site", "country", "department", "employment", "manufacturer", "os"]


def seconds(text):
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def managed(titles):
    """The titles that policies speak of, in the order of the file."""
    applications = [title for title in titles if "/" not in title][:APPLICATIONS]
    debs = [title for title in titles if title.startswith("deb/")][:PACKAGES]
    rpms = [title for title in titles if title.startswith("rpm/")][:PACKAGES]
    return applications + debs + rpms


def load(connection, path):
    """Reads a world file into tables. What nobody asks for is left out."""
    titles, ranks, now = {}, [], None
    advisories, devices = [], []
    number_of, count = None, 0
    # Of a million devices these are forty million rows: they are never in memory as a whole.
    installs = Path(".install.csv")
    with open(path, encoding="utf-8") as lines, open(installs, "w", encoding="utf-8") as out:
        for line in lines:
            if not line.strip():
                continue
            entry = json.loads(line)
            if "now" in entry:
                now = seconds(entry["now"])
            elif "title" in entry:
                title = entry["title"]
                titles[title] = entry["releases"]
                ranks += [(title, rank) for rank in range(len(entry["releases"]))]
            elif "advisory" in entry:
                advisories.append(entry["advisory"])
            elif "device" in entry:
                if number_of is None:
                    number_of = {title: number for number, title in enumerate(managed(titles))}
                facts = {}
                for said in entry["facts"]:
                    facts.update(said["values"])
                value = lambda name: facts.get(f"person.{name}", facts.get(f"device.{name}"))
                position = int.from_bytes(hashlib.sha256(entry["device"].encode()).digest()[:8], "big") / 2**64
                index = len(devices)
                row = [value(name) for name in FACTS]
                devices.append([index, *row, facts.get("device.tags") or [], bool(value("vip")), position])
                for since, releases in entry["installs"]:
                    for release in releases:
                        title, rank = ranks[release]
                        if title in number_of:
                            out.write(f"{index},{number_of[title]},{rank},{since or 0}\n")
                            count += 1
    connection.execute("create table install (device integer, title smallint, rank smallint, since bigint)")
    columns = "{'device': 'integer', 'title': 'smallint', 'rank': 'smallint', 'since': 'bigint'}"
    read = f"read_csv('{installs}', header = false, columns = {columns})"
    connection.execute(f"insert into install select * from {read} order by all")
    installs.unlink()
    tables(connection, titles, number_of, advisories, devices)
    return len(devices), count, now


def tables(connection, titles, number_of, advisories, devices):
    """Bulk loads; not measured."""
    def put(name, columns, rows):
        connection.execute(f"create table {name} ({columns})")
        path = Path(f".{name}.json")
        names = [column.split()[0] for column in columns.split(", ")]
        with open(path, "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(dict(zip(names, row))) + "\n")
        spelled = ", ".join("'{}': '{}'".format(*column.split(" ", 1)) for column in columns.split(", "))
        connection.execute(f"insert into {name} select * from read_json('{path}', format='newline_delimited', columns={{{spelled}}})")
        path.unlink()

    facts = ", ".join(f"{name} varchar" for name in FACTS)
    put("raw", f"id integer, {facts}, tags varchar[], vip boolean, position double", devices)
    mask = " + ".join(f"(coalesce({condition}, false))::integer * {1 << bit}" for bit, condition in enumerate(CONDITIONS))
    connection.execute(
        f"create table device as select id, {mask} as mask, kind = 'server' as server, vip, position from raw order by id"
    )
    spoken = sorted(number_of.items(), key=lambda item: item[1])
    each = -(-len(spoken) // PLAIN)
    put("title", "title smallint, fifth smallint, plain smallint", [(n, n % 5, n // each) for _, n in spoken])
    releases = [(n, rank, seconds(release["published"])) for title, n in spoken for rank, release in enumerate(titles[title])]
    put("release", "title smallint, rank smallint, published bigint", releases)
    rows = []
    for it in advisories:
        known = number_of.get(it["title"])
        fixed = re.fullmatch(r"<(\S+)", it["affected"][0]) if known is not None else None
        versions = [release["version"] for release in titles[it["title"]]] if fixed else []
        if fixed and fixed[1] in versions and not it.get("withdrawn"):
            rows.append((known, versions.index(fixed[1]), seconds(it["known_at"]), it.get("cvss") or 0.0, it.get("epss") or 0.0,
                         bool(it.get("kev")), bool(it.get("ransomware"))))
    put("advisory", "title smallint, fixed smallint, known bigint, cvss double, epss double, kev boolean, ransomware boolean", rows)
    policies, entries = [], []
    for n in range(PLAIN):
        policies.append((n, n % 4 * DAY))
        entries += [(n, 0, KEV, 2 * DAY), (n, 1, EXPOSED[n % 5], (5 + n % 5) * DAY), (n, 2, 0, (14 + n % 30) * DAY)]
    for n in range(len(CONDITIONS)):
        policies.append((100 + n, 0))
        entries += [(100 + n, 0, EXPOSED[(n + 2) % 5], (1 + n % 3) * DAY), (100 + n, 1, 0, (7 + n) * DAY)]
    put("policy", "policy smallint, min_age bigint", policies)
    put("entry", "policy smallint, number smallint, condition smallint, within bigint", entries)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("world", help="a file that `refit fleet generate` wrote")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments = arguments.parse_args()
    connection = duckdb.connect()
    connection.execute(f"set threads = {arguments.threads}")
    devices, installs, now = load(connection, arguments.world)
    print(f"DuckDB {duckdb.__version__}, {arguments.threads} threads: {devices} devices, {installs} installs of managed titles")
    statements = (Path(__file__).parent / "decide.sql").read_text(encoding="utf-8")
    statements = re.sub(r"--.*", "", statements).replace("$now", str(now)).split(";")
    took = []
    for _ in range(arguments.rounds):
        start, busy = time.perf_counter(), time.process_time()
        for statement in filter(str.strip, statements):
            connection.execute(statement)
        took.append((time.process_time() - busy, time.perf_counter() - start))
    cohorts, overdue = connection.execute(
        f"select count(*), sum(devices) filter (due < {now}) from cohort where goal is not null"
    ).fetchone()
    busy, wall = min(took)
    print(f"decided in {wall * 1e3:.0f} ms with {busy * 1e3:.0f} ms of processor time, {busy * 1e9 / max(installs, 1):.0f} ns an install: "
          f"{cohorts} cohorts, {overdue} slots overdue")
    for text in ("platform = 'macos'", "department = 'Finance'", "list_contains(tags, 'canary') or vip",
                 "platform = 'windows' and department in ('Sales', 'Support') and not list_contains(tags, 'kiosk')"):
        took = []
        for _ in range(arguments.rounds):
            start = time.process_time()
            found = connection.execute(f"select count(*) from raw where {text}").fetchone()[0]
            took.append(time.process_time() - start)
        print(f"select: {min(took) * 1e9 / devices:.1f} ns a device ({found} hold): {text}")


main()
