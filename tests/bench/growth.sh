#!/usr/bin/env bash
# A measurement, not a test: many tenants and many workers on one PostgreSQL database, in release.
#
#   tests/bench/growth.sh mappings   what a worker needs for 10,000 mappings that are due every hour
#   tests/bench/growth.sh workers    how much more four workers do than one, where the APIs' latency is the limit
#
# Settings by environment: MAPPINGS, and SECONDS_WATCHED for the first. The database and the sandbox run on the same machine
# and take their share of it. What was seen stands in docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

case "${1:-}" in
mappings) what=what_a_worker_needs_for_ten_thousand_mappings ;;
workers) what=what_four_workers_do_more_than_one ;;
*) echo "tests/bench/growth.sh mappings | workers" >&2 && exit 2 ;;
esac

cargo build --release --locked --quiet -p pandaport
trap 'tests/postgres.sh stop' EXIT
PANDAPORT_TEST_DATABASE_URL=$(tests/postgres.sh start)
export PANDAPORT_TEST_DATABASE_URL
PROGRAMS=$PWD/target/release cargo test --workspace --locked --quiet --test end_to_end -- --ignored --exact --nocapture "growth::$what"
