#!/bin/sh
# Runs uv with the settings of pip, which uv does not read: tools/uv.sh <venv> pip install|compile ARGUMENTS
set -eu
venv=$1
shift
settings=$("$venv/bin/python" -m pip config list)
setting() { printf '%s\n' "$settings" | sed -n "s/^[^=]*[.]$1='\(.*\)'\$/\1/p" | head -n 1; }
for pair in index-url:--default-index extra-index-url:--index find-links:--find-links \
    trusted-host:--allow-insecure-host constraint:--constraint; do
    for value in $(setting "${pair%%:*}"); do set -- "$@" "${pair#*:}" "$value"; done
done
if [ -n "$(setting cert)" ]; then export SSL_CERT_FILE="$(setting cert)"; fi
exec "$venv/bin/uv" "$@" --index-strategy unsafe-best-match
