#!/usr/bin/env bash
# A measurement, not a test: how fast, and in how much memory, `pandaport up` finds that nothing has changed.
# Builds in release, imports a fleet from the sandbox once, then syncs it again three times with call budgets off.
#
#   tests/bench/unchanged_fleet.sh [devices, default 10000]
#
# The first import takes about 2 s per thousand devices. The sandbox runs on the same machine and takes its share of it.
set -euo pipefail
cd "$(dirname "$0")/../.."
devices=${1:-10000}

cargo build --release --locked --quiet -p pandaport
bin=$PWD/target/release
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

await() { for _ in $(seq 600); do [ -s "$1" ] && return; sleep 0.1; done; echo "$1 did not appear" >&2; exit 1; }
field() { python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }

"$bin/pandaport-sandbox" --devices "$devices" --no-rate-limits --kandji-listen 127.0.0.1:0 \
    --asset-panda-listen 127.0.0.1:0 --control-listen 127.0.0.1:0 --ready-file sandbox.json >sandbox.log 2>&1 &
await sandbox.json
kandji=$(field sandbox.json kandji_url)
panda=$(field sandbox.json asset_panda_url)
field sandbox.json kandji_token >token
field sandbox.json access_key_secret >secret

PANDAPORT_ALLOWED_HOSTS="${kandji#http://},${panda#http://}" PANDAPORT_KANDJI_BUDGET=off PANDAPORT_ASSET_PANDA_BUDGET=off \
    "$bin/pandaport" up --grpc-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --ready-file up.json >up.log 2>up.err &
await up.json
pid=$(field up.json pid)
PANDAPORT_ENDPOINT=http://$(field up.json grpc)
export PANDAPORT_ENDPOINT

peak() { awk '/VmHWM/ {print $2/1024}' "/proc/$pid/status"; }
report() { # what, the sync's JSON
    python3 - "$1" "$2" "$(peak)" <<'PY'
import datetime, json, sys

what, text, peak = sys.argv[1:]
sync = json.loads(text)
sync = sync.get("sync", sync)
counts = sync.get("counts", {})
time = lambda name: datetime.datetime.fromisoformat(sync[name].replace("Z", "+00:00"))
seconds = (time("endTime") - time("startTime")).total_seconds()
read = int(counts.get("read", 0))
print(f"{what}: {sync['state']}, {read} devices in {seconds:.2f} s, {read / seconds:,.0f} devices/s; "
      f"created {counts.get('created', 0)}, unchanged {counts.get('unchanged', 0)}; peak memory so far {float(peak):.0f} MiB")
PY
}
last() { "$bin/pandaport" syncs list --json | python3 -c '
import json, sys
answer = json.load(sys.stdin)
print(json.dumps((answer["syncs"] if isinstance(answer, dict) else answer)[0]))'; }
ended() { # waits for the end of the newest sync, and prints it
    while last | grep -qE 'SYNC_STATE_(QUEUED|RUNNING|WAITING)'; do sleep 0.2; done
    last
}

"$bin/pandaport" connections configure --name bench --kandji-url "$kandji" --kandji-token-file token \
    --asset-panda-url "$panda" --asset-panda-key-id "$(field sandbox.json access_key_id)" --asset-panda-secret-file secret >/dev/null
"$bin/pandaport" mappings create --collection ITAM --identifier "serial_number=Serial Number" --all-fields-by-name >/dev/null
mapping=$("$bin/pandaport" mappings list --json | python3 -c '
import json, sys
answer = json.load(sys.stdin)
print((answer["mappings"] if isinstance(answer, dict) else answer)[0]["mappingId"])')
report "first import" "$(ended)"
for _ in 1 2 3; do
    "$bin/pandaport" syncs trigger "$mapping" >/dev/null
    report "no change" "$(ended)"
done
