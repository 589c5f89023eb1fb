#!/usr/bin/env bash
# The guide feedback-and-exceptions.md, from the beginning to its two decisions. It needs a running `refit serve --approvals 0` on this
# machine that has no policy yet, with REFIT_DATA naming its data folder; curl and git. Nothing outside that server and the folder that it
# makes is touched.
set -euo pipefail

data=${REFIT_DATA:?name the data folder of a server that runs}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$data/server.json" | head -n 1; }
address=$(field address)
secret=$(cat "$data/$(field token_file)")
call() { # METHOD PATH BODY
    curl --silent --show-error --fail-with-body --cacert "$data/$(field ca)" -X "$1" "$address$2" \
        -H "Authorization: Bearer $secret" -H 'Content-Type: application/json' --data "$3"
    echo
}
step() { printf '\n# %s\n' "$1"; }

step "The policy: who answers for the editor, and who may ask for which exceptions"
mkdir "$work/policies" && cd "$work/policies" && git init --quiet .
cat > refit.yaml <<'POLICY'
organization: acme
defaults: { mode: enforce }
exceptions: { longest: 90d }
---
title: editor
name: Editor
scheme: semver
---
policy: editors
owner: desk@acme.example
software: [editor]
deadline: [{ within: 7d }]
---
exception_rules: a few days for anybody
longest: 7d
devices_most: 5
terms: [due]
decided: at_once
---
exception_rules: longer
longest: 30d
approvers: ["*@security.acme.example"]
POLICY
refit check .
refit plan . --server --out "$work/plan.json" > /dev/null
refit apply "$work/plan.json"

step "A laptop has the editor, got 1.1.0 an hour ago, and now it loses files"
an_hour_ago=$(date -u -d '1 hour ago' +%FT%TZ)
call POST /api/v1/devices '{"id": "laptop-7", "name": "laptop of the front desk"}' > /dev/null
call POST /api/v1/devices/laptop-7/observations '{"source": "agent", "facts": {"device.platform": "linux"},
    "installs": {"all": [{"title": "editor", "version": "1.1.0"}]}}' > /dev/null
call POST /api/v1/devices/laptop-7/receipts "{\"id\": \"r1\", \"slot\": {\"title\": \"editor\"}, \"result\": \"succeeded\",
    \"before\": \"1.0.0\", \"after\": \"1.1.0\", \"at\": \"$an_hour_ago\", \"duration_ms\": 900}" > /dev/null
refit reports open "The editor loses my files" --device laptop-7 --title editor
refit reports

step "Decision of the owner: it is the release, and it is blocked"
report=$(refit reports --json | sed -n 's/.*"report": *"\([^"]*\)".*/\1/p' | head -n 1)
refit reports acknowledge "$report"
refit reports close "$report" block --why "1.1.0 loses files on slow disks"
refit reports patch "$report" | git apply
cat blocks/editor-1.1.0.yaml
refit check .

step "One fact is another: nothing was changed on the device, so that it was no update"
call POST /api/v1/devices '{"id": "laptop-8"}' > /dev/null
call POST /api/v1/devices/laptop-8/observations '{"source": "agent", "facts": {"device.platform": "linux"},
    "installs": {"all": [{"title": "editor", "version": "1.1.0"}]}}' > /dev/null
refit reports open "It is slow" --device laptop-8
report=$(refit reports --json | sed -n 's/.*"report": *"\([^"]*\)".*/\1/p' | head -n 1)
refit reports show "$report"
refit reports close "$report" not-us --why "the disk is full"

step "An exception for three days: the rule grants it at once, and it is written back"
until=$(date -u -d '3 days' +%F)
refit exceptions request trade-fair --title editor --device laptop-7 --until "$until" --why "The fair has no network"
refit exceptions patch trade-fair | git apply
cat exceptions/trade-fair.yaml

step "One fact is another: twenty days are too long for that rule, and wait for a person"
until=$(date -u -d '20 days' +%F)
refit exceptions request long-fair --title editor --device laptop-8 --until "$until" --why "The fair has no network"
refit exceptions show long-fair
refit exceptions
