#!/usr/bin/env bash
# A PostgreSQL server (14 or newer) to test on.
#
#   tests/postgres.sh start   starts one, in a folder of its own, and prints its URL; where one was started here and still
#                             runs, that one's
#   tests/postgres.sh stop    ends it
#
# Its own rather than one that happens to run: that one may allow too few connections for many processes at once, and takes
# seconds to drop each test's database, as it waits for the disk.
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

start() {
    local bin user folder port
    if [ -f "$remembered" ]; then
        read -r folder user port <"$remembered"
        if "$(programs)/pg_isready" -q -h 127.0.0.1 -p "$port"; then
            echo "postgres://postgres@127.0.0.1:$port/postgres"
            return
        fi
        stop
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
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    echo "$folder $user $port" >"$remembered"
    # What is in it need not outlive the machine: nothing waits for the disk.
    as "$user" "$bin/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale -N >"$folder.log" 2>&1
    as "$user" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o "-p $port -k '' -h 127.0.0.1 -F -c full_page_writes=off -c max_connections=400 -c max_wal_size=4GB" \
        start >>"$folder.log" 2>&1
    echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
    [ -f "$remembered" ] || return 0
    local folder user _port
    read -r folder user _port <"$remembered"
    rm -f "$remembered"
    as "$user" "$(programs)/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder" "$folder.log"
}

case "${1:-}" in
start) start ;;
stop) stop ;;
*) echo "tests/postgres.sh start | stop" >&2 && exit 2 ;;
esac
