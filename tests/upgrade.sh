#!/usr/bin/env bash
# Tries an upgrade: programs of an earlier release at work, the migration by the present ones, and the change to them.
#
#   tests/upgrade.sh <git ref of the release before>
#
# On a SQLite file, or with ON=postgres://<empty database> there. Builds that release in a worktree under target/upgrade, which
# takes minutes; with BEFORE=<folder> its programs are taken from there instead, and with AFTER=<folder> the present ones. Callers
# ask all the time, and no call may fail; in the end every device must be there once. By hand, not by ./test.
set -euo pipefail
cd "$(dirname "$0")/.."

ref=${1:?tests/upgrade.sh <git ref of the release before>}
root=$PWD/target/upgrade
old=$root/old
devices=${DEVICES:-1500}

say() { echo "==> $*"; }
fail() {
    echo "FAILED: $*" >&2
    tail -n 20 "$root"/run/*.log >&2 || true
    exit 1
}

mkdir -p "$root"
rm -rf "$root/run"
mkdir "$root/run"
after=${AFTER:-$PWD/target/debug}
if [ -z "${AFTER:-}" ]; then
    say "Building the present programs"
    cargo build --locked --package pandaport
fi
if [ -n "${BEFORE:-}" ]; then
    before=$BEFORE
else
    before=$root/target/debug
    say "Building $ref"
    git worktree prune
    git worktree add --force --detach "$old" "$ref"
    trap 'git worktree remove --force "$old"' EXIT
    (cd "$old" && CARGO_TARGET_DIR="$root/target" cargo build --locked --package pandaport)
fi

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; git worktree remove --force "$old" 2>/dev/null || true' EXIT

for name in $(compgen -v | grep -E '^(PANDAPORT|OTEL)_' || true); do unset "$name"; done

wait_for() {
    for _ in $(seq 300); do
        [ -s "$1" ] && return
        sleep 0.1
    done
    fail "$1 did not come"
}
of() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$1" "$2"; }
# start NAME PROGRAM ARGUMENT...: in the background, until its ready file is there
start() {
    local name=$1
    shift
    rm -f "$root/run/$name.ready"
    "$@" --ready-file "$root/run/$name.ready" >>"$root/run/$name.log" 2>&1 &
    pids+=($!)
    started=$!
    wait_for "$root/run/$name.ready"
}
stop() {
    kill -TERM "$1"
    wait "$1" || fail "a program ended badly"
}

start sandbox "$after/pandaport-sandbox" --kandji-listen 127.0.0.1:0 --asset-panda-listen 127.0.0.1:0 \
    --control-listen 127.0.0.1:0 --devices "$devices" --no-rate-limits
kandji=$(of "$root/run/sandbox.ready" kandji_url)
asset_panda=$(of "$root/run/sandbox.ready" asset_panda_url)
control=$(of "$root/run/sandbox.ready" control_url)
curl -fsS -X PATCH -H 'content-type: application/json' -d '{"asset_panda": {"latency_ms": 200}}' "$control/faults" >/dev/null

export PANDAPORT_DATABASE_URL=${ON:-sqlite://$root/run/pandaport.db}
export PANDAPORT_ALLOWED_HOSTS=${kandji#http://},${asset_panda#http://}
export PANDAPORT_KANDJI_BUDGET=off PANDAPORT_ASSET_PANDA_BUDGET=off PANDAPORT_SLICE=1s
export PANDAPORT_ENCRYPTION_KEY=cGFuZGFwb3J0LWVuZC10by1lbmQtdGVzdC1rZXktMDE=
export PANDAPORT_ADMIN_LISTEN=127.0.0.1:0
export PANDAPORT_GRPC_LISTEN=127.0.0.1:0

say "The programs of $ref, importing $devices devices"
"$before/pandaport" migrate
start control-plane-old "$before/pandaport-control-plane" && old_control_plane=$started
start worker-old "$before/pandaport-worker" && old_worker=$started
python3 - "$root/run" <<'PYTHON'
import json, sys
run = sys.argv[1]
ready = json.load(open(f"{run}/sandbox.ready"))
for name in ("kandji_token", "access_key_secret"):
    open(f"{run}/{name}", "w").write(ready[name])
PYTHON
calls=$before/pandaport
grpc=$(of "$root/run/control-plane-old.ready" grpc)
"$calls" connections configure --endpoint "http://$grpc" --name Sandbox --kandji-url "$kandji" \
    --kandji-token-file "$root/run/kandji_token" --asset-panda-url "$asset_panda" \
    --asset-panda-key-id "$(of "$root/run/sandbox.ready" access_key_id)" \
    --asset-panda-secret-file "$root/run/access_key_secret" \
    --account "$(of "$root/run/sandbox.ready" account_id)" --module "$(of "$root/run/sandbox.ready" module_id)" >/dev/null
"$calls" mappings create --endpoint "http://$grpc" --collection ITAM --identifier "serial_number=Serial Number" \
    --all-fields-by-name >/dev/null

# A caller asks ten times a second for as long as this goes on, whichever control plane is the one to ask.
echo "$grpc" >"$root/run/ask"
(
    while [ ! -e "$root/run/enough" ]; do
        if "$calls" syncs list --endpoint "http://$(cat "$root/run/ask")" --json >/dev/null 2>"$root/run/refusal"; then
            echo answered
        else
            cat "$root/run/refusal"
            echo refused
        fi
        sleep 0.1
    done >"$root/run/calls"
) &
pids+=($!)
caller=$!
written() { curl -fsS "$control/records/summary?column=Device%20ID" | python3 -c 'import json, sys; print(json.load(sys.stdin)["total"])'; }
until [ "$(written)" -ge 50 ]; do sleep 0.1; done

say "Migrating under them, after $(written) records"
"$after/pandaport" migrate
sleep 2
say "The new programs beside the old ones, after $(written) records"
start control-plane-new "$after/pandaport-control-plane"
start worker-new "$after/pandaport-worker"
grpc=$(of "$root/run/control-plane-new.ready" grpc)
echo "$grpc" >"$root/run/ask.new" && mv "$root/run/ask.new" "$root/run/ask"
sleep 1
say "The old ones stop, after $(written) records"
stop "$old_worker"
stop "$old_control_plane"
left=$(written)
[ "$left" -lt "$devices" ] || fail "the import was over before the change: set DEVICES to more"

state() {
    "$after/pandaport" syncs list --endpoint "http://$grpc" --json |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["syncs"][0]["state"])'
}
for _ in $(seq 600); do
    case $(state) in *SUCCEEDED*) break ;; *FAILED* | *CANCELLED* | *HELD* | *REJECTIONS*) fail "the sync: $(state)" ;; esac
    sleep 0.5
done
touch "$root/run/enough"
wait "$caller"
summary=$(curl -fsS "$control/records/summary?column=Device%20ID")
echo "$summary"
python3 -c 'import json, sys
told, devices = json.loads(sys.argv[1]), int(sys.argv[2])
assert told["total"] == told["distinct"] == devices, "not every device is there once"' "$summary" "$devices" || fail "the fleet is not right"
! grep -q refused "$root/run/calls" || fail "calls were refused: $(cat "$root/run/calls")"
say "Done: $(grep -c answered "$root/run/calls") calls, none refused; $devices devices, each once"
