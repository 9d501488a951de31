#!/bin/sh
# Finds a suitable Python and hands over to set_up.py: scripts/setup.sh runtime|dev
# PYTHON=/path/to/python3 names one. Plain sh, because it must also run where Python is too old to read set_up.py.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
environment=$here/../.venv/bin/python
suits='import sys; sys.exit(0 if (3, 11) <= sys.version_info[:2] <= (3, 13) else 1)'

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
elif [ -x "$environment" ]; then
    candidates="$environment python3 python3.13 python3.12 python3.11"
else
    candidates="python3 python3.13 python3.12 python3.11"
fi
for candidate in $candidates; do
    if "$candidate" -I -c "$suits" >/dev/null 2>&1; then
        exec "$candidate" -I "$here/set_up.py" "$@"
    fi
done

found=$("${PYTHON:-python3}" -c 'import sys; print("Python %d.%d.%d" % sys.version_info[:3])' 2>/dev/null) ||
    found='not there'
echo "set-up: Python 3.11, 3.12 or 3.13 is needed, ${PYTHON:-python3} is $found:" \
    "install python3.13 and its venv module (Debian, Ubuntu: apt install python3 python3-venv)," \
    "or name one: make PYTHON=/path/to/python3.13" >&2
exit 1
