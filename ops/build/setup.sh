#!/bin/sh
# Finds a Python 3.11 or newer and lets it build .venv. PYTHON=/path/to/python names one explicitly.
set -eu
cd "$(dirname "$0")/../.."

usable() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# With ensurepip or pip on board an interpreter can fill an environment without help from anybody. For those newer than
# 3.14 some of the locked packages have no builds.
complete() {
    "$1" -c 'import importlib.util as u, sys
filled = u.find_spec("venv") and (u.find_spec("ensurepip") or u.find_spec("pip"))
sys.exit(not (filled and sys.version_info < (3, 15)))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if ! usable "$PYTHON"; then
        echo "setup: PYTHON=$PYTHON is not a Python 3.11 or newer that runs." >&2
        exit 1
    fi
    exec "$PYTHON" ops/build/bootstrap.py
fi

fallback=
for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
    if usable "$candidate"; then
        if complete "$candidate"; then
            exec "$candidate" ops/build/bootstrap.py
        fi
        fallback="${fallback:-$candidate}"
    fi
done
if [ -n "$fallback" ]; then
    exec "$fallback" ops/build/bootstrap.py
fi

echo "setup: no Python 3.11 or newer found (looked for python3, python3.11 to python3.14, python)." >&2
echo "       Install one, on Debian or Ubuntu: apt-get install python3 python3-venv," >&2
echo "       or name one: make setup PYTHON=/path/to/python3.12" >&2
exit 1
