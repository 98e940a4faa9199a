#!/usr/bin/env bash
# Install the Debian packages listed in the file $1 that are missing; without root or sudo print the line to run.
set -euo pipefail
mapfile -t wanted < <(grep -vE '^\s*(#|$)' "$1")
missing=()
for p in "${wanted[@]}"; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" = 0 ]; then run=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=(sudo)
else
    echo "The test suite needs Debian packages that are missing. Run this once, then 'make test' again:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
echo "installing Debian packages: ${missing[*]}"
log=$(mktemp)
# Policy: no service may be started by an installation; the tests start a MariaDB of their own.
if ! { "${run[@]}" apt-get update && "${run[@]}" "${install[@]}"; } >"$log" 2>&1; then
    tail -20 "$log" >&2; rm -f "$log"; exit 1
fi
rm -f "$log"
