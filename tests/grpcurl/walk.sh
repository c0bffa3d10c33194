#!/usr/bin/env bash
# Walks the main calls with a client that is not ours: grpcurl, which learns the contract by reflection.
#
#   tests/grpcurl/walk.sh <folder of the programs> <grpcurl>
#
# Starts a sandbox and a `pandaport up` in a temporary folder, and ends them again. The last line counts what passed.
set -euo pipefail

programs=$(cd "$1" && pwd)
grpcurl=$2
service=pandaport.v1.ControlPlaneService
folder=$(mktemp -d)
pids=()
passed=0
failed=0
# A caller's own settings are not those of this walk.
for name in $(compgen -v PANDAPORT_ || true); do
    unset "$name"
done

finish() {
    for pid in "${pids[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT

# A value of a JSON text, by path: value kandji_url <text; value sync state <text
value() {
    python3 -c '
import json, sys
at = json.load(sys.stdin)
for key in sys.argv[1:]:
    at = at[int(key)] if isinstance(at, list) else at.get(key, "")
print(at if isinstance(at, str) else json.dumps(at))' "$@"
}

wait_for() {
    for _ in $(seq 300); do
        [ -s "$1" ] && return
        sleep 0.1
    done
    echo "$1 never came; the logs:" >&2
    cat "$folder"/*.log >&2
    exit 1
}

# check <what> <expected part> <text>
check() {
    if [[ "$3" == *"$2"* ]]; then
        passed=$((passed + 1))
        echo "  ok      $1"
    else
        failed=$((failed + 1))
        echo "  NOT ok  $1: \"$2\" is not in:"
        echo "            ${3//$'\n'/$'\n            '}"
    fi
}

# call <method> <request as JSON>: the answer or the error, as grpcurl prints it. The request goes by standard input, so
# that no secret stands in a process list or a shell's history.
call() {
    "$grpcurl" -plaintext -d @ "$address" "$service/$1" <<<"$2" 2>&1 || true
}

echo "A sandbox and pandaport up, in $(basename "$folder")"
"$programs/pandaport-sandbox" --devices 25 --kandji-listen 127.0.0.1:0 --asset-panda-listen 127.0.0.1:0 \
    --control-listen 127.0.0.1:0 --ready-file "$folder/sandbox.json" >"$folder/sandbox.log" 2>&1 &
pids+=($!)
wait_for "$folder/sandbox.json"
ready() { value "$@" <"$folder/sandbox.json"; }
kandji=$(ready kandji_url)
asset_panda=$(ready asset_panda_url)

PANDAPORT_DATABASE_URL="sqlite://$folder/pandaport.db" \
    PANDAPORT_ALLOWED_HOSTS="${kandji#http://},${asset_panda#http://}" \
    "$programs/pandaport" up --grpc-listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --ready-file "$folder/up.json" \
    >"$folder/up.log" 2>&1 &
pids+=($!)
wait_for "$folder/up.json"
address=$(value grpc <"$folder/up.json")

echo "Reflection and health"
services=$("$grpcurl" -plaintext "$address" list 2>&1 || true)
check "the service is listed" "$service" "$services"
check "health is listed" "grpc.health.v1.Health" "$services"
described=$("$grpcurl" -plaintext "$address" describe "$service.TriggerSync" 2>&1 || true)
check "a call is described with its comments" "queues a sync of a mapping now" "$described"
health=$("$grpcurl" -plaintext "$address" grpc.health.v1.Health/Check 2>&1 || true)
check "the service is healthy" "SERVING" "$health"

echo "ConfigureConnection"
settings=$(cat <<JSON
{"display_name": "Sandbox", "verify": true,
 "kandji": {"base_url": "$kandji", "api_token": "$(ready kandji_token)"},
 "asset_panda": {"base_url": "$asset_panda", "access_key_id": "$(ready access_key_id)",
                 "access_key_secret": "$(ready access_key_secret)"}}
JSON
)
answer=$(call ConfigureConnection "$settings")
check "the test passes, and it is saved" '"saved": true' "$answer"
check "the connection is verified" "CONNECTION_STATE_VERIFIED" "$answer"
check "the only module is taken" "$(ready module_id)" "$answer"
connection=$(value connection connectionId <<<"$answer" 2>/dev/null || true)
if [[ "$answer" == *"$(ready kandji_token)"* || "$answer" == *"$(ready access_key_secret)"* ]]; then
    check "no secret comes back" "(none)" "$answer"
else
    check "no secret comes back" "" ""
fi

echo "TestConnection"
answer=$(call TestConnection "{\"connection_id\": \"$connection\"}")
check "it passes" "TEST_RESULT_PASSED" "$answer"
check "writing is known to be untried" "CHECK_STATUS_SKIPPED" "$answer"

echo "SuggestMapping"
answer=$(call SuggestMapping "{\"connection_id\": \"$connection\", \"collection_id\": \"$(ready collection_id)\"}")
check "it names an identifier" '"identifier": true' "$answer"
check "it says how sure it is" "SUGGESTION_CONFIDENCE_HIGH" "$answer"
check "and why" "The column has the field's name" "$answer"

echo "CreateMapping, with two mistakes"
collection=$(ready collection_id)
serial=$(ready columns "Serial Number")
answer=$(call CreateMapping "$(cat <<JSON
{"connection_id": "$connection", "mapping": {"display_name": "Wrong", "collection_id": "$collection",
 "identifier": {"source_field": "platform", "column_id": "$serial"},
 "fields": [{"source_field": "model", "column_id": "no-such-column"}]}}
JSON
)")
check "it is refused" "InvalidArgument" "$answer"
check "the details are decoded" "google.rpc.BadRequest" "$answer"
check "the first mistake has its path" "mapping.identifier.source_field" "$answer"
check "the second mistake has its path" "mapping.fields[0].column_id" "$answer"
check "the guidance is given" "ot unique" "$answer"
check "the reason is given" "google.rpc.ErrorInfo" "$answer"

echo "CreateMapping"
answer=$(call CreateMapping "$(cat <<JSON
{"connection_id": "$connection", "mapping": {"display_name": "Kandji Device Import", "collection_id": "$collection",
 "identifier": {"source_field": "serial_number", "column_id": "$serial"},
 "fields": [{"source_field": "model", "column_id": "$(ready columns Model)"},
            {"source_field": "device_id", "column_id": "$(ready columns "Device ID")"},
            {"source_field": "user_email", "column_id": "$(ready columns "User Email")"}]}}
JSON
)")
check "it is active" "MAPPING_STATE_ACTIVE" "$answer"
mapping=$(value mapping mappingId <<<"$answer" 2>/dev/null || true)
sync=$(value sync syncId <<<"$answer" 2>/dev/null || true)

# until_final <sync id>: its last answer of GetSync
until_final() {
    local answer
    for _ in $(seq 300); do
        answer=$(call GetSync "{\"sync_id\": \"$1\"}")
        if [[ "$answer" =~ SYNC_STATE_(SUCCEEDED|COMPLETED_WITH_REJECTIONS|HELD|FAILED|CANCELLED) ]]; then
            break
        fi
        sleep 0.1
    done
    echo "$answer"
}

echo "GetSync, until the first sync has ended"
answer=$(until_final "$sync")
check "it succeeded" "SYNC_STATE_SUCCEEDED" "$answer"
check "all devices were created" '"created": 25' "$answer"

echo "TriggerSync, and GetSync"
answer=$(call TriggerSync "{\"mapping_id\": \"$mapping\", \"mode\": \"SYNC_MODE_FULL\", \"request_id\": \"walk-1\"}")
check "it is queued" "SYNC_TRIGGER_CALL" "$answer"
again=$(call TriggerSync "{\"mapping_id\": \"$mapping\", \"mode\": \"SYNC_MODE_FULL\", \"request_id\": \"walk-1\"}")
sync=$(value sync syncId <<<"$answer" 2>/dev/null || true)
check "the same request gives the same sync" "${sync:-none}" "$again"
answer=$(until_final "$sync")
check "it succeeded" "SYNC_STATE_SUCCEEDED" "$answer"
check "nothing was to be written" '"unchanged": 25' "$answer"
answer=$(call TriggerSync '{"mapping_id": "not-an-id"}')
check "what is no id is refused with its path" "mapping_id" "$answer"
answer=$(call GetSync '{"sync_id": "01890000-0000-7000-8000-000000000000"}')
check "what is not there is not found" "NotFound" "$answer"

echo "WatchSync, and ListDevices"
answer=$(call WatchSync "{\"sync_id\": \"$sync\"}")
check "the stream shows the end" "SYNC_STATE_SUCCEEDED" "$answer"
answer=$(call ListDevices "{\"mapping_id\": \"$mapping\", \"page_size\": 3}")
check "devices are listed" "DEVICE_STATE_CURRENT" "$answer"
check "and there are more" "nextPageToken" "$answer"

echo "ExplainDevice"
device=$(sed -n 's/.*"deviceId": "\([^"]*\)".*/\1/p' <<<"$answer" | head -1)
answer=$(call ExplainDevice "{\"mapping_id\": \"$mapping\", \"device_id\": \"$device\"}")
check "it says what comes next" "NEXT_ACTION_NOTHING" "$answer"
check "and why" "unchanged since" "$answer"

echo "GetStatus"
answer=$(call GetStatus '{}')
check "a worker is alive" "lastSeenTime" "$answer"
check "it counts what is the caller's" '"mappings": 1' "$answer"

echo "Lists by state"
answer=$(call ListMappings '{"states": ["MAPPING_STATE_PAUSED"]}')
check "no mapping is paused" "{}" "${answer//[[:space:]]/}"
answer=$(call ListConnections '{"states": ["CONNECTION_STATE_VERIFIED"]}')
check "the connection is verified" "$connection" "$answer"

echo "DeleteConnection, and DeleteMapping"
answer=$(call DeleteConnection "{\"connection_id\": \"$connection\"}")
check "one that has mappings is refused" "CONNECTION_IN_USE" "$answer"
answer=$(call DeleteMapping "{\"mapping_id\": \"$mapping\", \"etag\": \"no such\"}")
check "what has changed since is refused" "ETAG_MISMATCH" "$answer"
answer=$(call DeleteMapping "{\"mapping_id\": \"$mapping\", \"request_id\": \"walk-2\"}")
check "the records stay" '"records": 25' "$answer"
again=$(call DeleteMapping "{\"mapping_id\": \"$mapping\", \"request_id\": \"walk-2\"}")
check "the same request gives the same answer" '"records": 25' "$again"
answer=$(call GetMapping "{\"mapping_id\": \"$mapping\"}")
check "it is not found any more" "NotFound" "$answer"
answer=$(call DeleteConnection "{\"connection_id\": \"$connection\"}")
check "now the connection can go" "leftBehind" "$answer"

echo "grpcurl walk: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
