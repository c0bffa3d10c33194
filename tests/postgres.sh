#!/usr/bin/env bash
# A PostgreSQL server (14 or newer) to test on.
#
#   tests/postgres.sh start   prints its URL: of one that answers on 127.0.0.1:5432 without a password, or else of one that
#                             is started here, in a folder of its own
#   tests/postgres.sh stop    ends the one that was started here
#
# Needs PostgreSQL's programs: `./test` installs them where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# Where the one that is started here is remembered: its folder and the user that it runs as.
remembered=target/postgres.started

as() {
    local user=$1
    shift
    if [ "$user" = "$(id -un)" ]; then "$@"; else runuser -u "$user" -- "$@"; fi
}

# The newest version there is: Debian keeps the server's programs out of the path.
programs() {
    local found
    found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$found" ] && echo "$found" || dirname "$(command -v initdb)"
}

answers() {
    command -v psql >/dev/null &&
        version=$(PGCONNECT_TIMEOUT=2 psql -w -X -A -t -c 'SHOW server_version_num' "$1" 2>/dev/null) &&
        [ "$version" -ge 140000 ]
}

start() {
    local url=postgres://postgres@127.0.0.1:5432/postgres bin user folder port
    if answers "$url"; then
        echo "$url"
        return
    fi
    bin=$(programs)
    # The server refuses to run as root. Its package brings a user for it, who must be able to get at its folder.
    user=$(id -un)
    [ "$(id -u)" -ne 0 ] || user=postgres
    mkdir -p target
    if as "$user" test -x "$PWD/target"; then
        folder=$PWD/target/postgres
        rm -rf "$folder"
        mkdir "$folder"
    else
        folder=$(mktemp -d)
    fi
    [ "$(id -u)" -ne 0 ] || chown "$user" "$folder"
    echo "$folder $user" >"$remembered"
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    # What is in it need not outlive the machine: nothing waits for the disk.
    as "$user" "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale -N >"$folder.log" 2>&1
    as "$user" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o "-p $port -k '' -h 127.0.0.1 -F -c max_connections=300" \
        start >>"$folder.log" 2>&1
    echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
    [ -f "$remembered" ] || return 0
    local folder user
    read -r folder user <"$remembered"
    rm -f "$remembered"
    as "$user" "$(programs)/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder" "$folder.log"
}

case "${1:-}" in
start) start ;;
stop) stop ;;
*) echo "tests/postgres.sh start | stop" >&2 && exit 2 ;;
esac
