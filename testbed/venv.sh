#!/usr/bin/env bash
# Make the virtual environment $2 with the interpreter $1 and install this project in it with the extras $3.
set -euo pipefail
python=$1 venv=$2 extras=$3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed; $python is $("$python" -V). Name another one: make PYTHON=/path/to/python3.11 ..." >&2
    exit 1
fi
if [ ! -x "$venv/bin/pip" ]; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv"; then
        rm -rf "$venv"
        echo "Python's venv module is missing. Run this once: sudo apt-get install -y python3-venv" >&2
        exit 1
    fi
fi
echo "installing into $venv (extras: $extras)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
