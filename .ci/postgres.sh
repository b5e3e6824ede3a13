#!/usr/bin/env bash
# For the tests against a database: PostgreSQL's server, where there is none and we may install it,
# and its JDBC driver. Without them those tests are skipped, and say so: nothing here may fail.
set -uo pipefail
driver=org.postgresql:postgresql:42.7.14
shopt -s nullglob
servers=(/usr/lib/postgresql/*/bin/initdb)
if [ ${#servers[@]} = 0 ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing PostgreSQL, for tests ..."
  install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null; }
  # No server of the machine's own is to run: the tests start theirs.
  apt-get update -qq && install postgresql-common &&
    sed -ri 's/^#?(create_main_cluster) .*/\1 = false/' /etc/postgresql-common/createcluster.conf &&
    install postgresql ||
    echo "PostgreSQL could not be installed: its tests are skipped." >&2
fi
fetched=(.venv/jars/org.postgresql_postgresql-*.jar)
if [ ${#fetched[@]} = 0 ]; then
  echo "Fetching PostgreSQL's driver, for tests ..."
  python .ci/jars.py "$driver" 2>/dev/null ||
    echo "PostgreSQL's driver could not be fetched: its tests are skipped." >&2
fi
exit 0
