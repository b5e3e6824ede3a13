#!/usr/bin/env bash
# A virtual environment with Python 3.11 or newer: venv.sh PYTHON FOLDER
set -euo pipefail
python=$1 folder=$2
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Lakeshop needs Python 3.11 or newer; name one by make PYTHON=python3.12." >&2
  exit 1
fi
if ! "$python" -m venv --clear "$folder" 2>/dev/null; then
  # Debian ships the module apart.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    "$python" -m venv --clear "$folder"
  else
    echo "Lakeshop needs Python's venv module; install it, for example the package python3-venv, and run make again." >&2
    exit 1
  fi
fi
