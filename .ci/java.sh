#!/usr/bin/env bash
# Spark 4.1 runs on Java 17 or 21. Install a runtime where there is none and we may.
set -euo pipefail
version() { java -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p'; }
case "$(command -v java >/dev/null && version)" in
  17 | 21) exit 0 ;;
esac
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing a Java runtime ..."
  apt-get update -qq
  for package in openjdk-17-jre-headless openjdk-21-jre-headless; do
    if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null; then
      java=$(ls -d /usr/lib/jvm/java-{17,21}-openjdk-*/bin/java 2>/dev/null | head -1)
      update-alternatives --set java "$java" >/dev/null 2>&1 || true
      case "$(version)" in 17 | 21) exit 0 ;; esac
    fi
  done
fi
echo "Lakeshop needs a Java runtime of version 17 or 21 on the PATH; install one, for example the package openjdk-17-jre-headless, and run make again." >&2
exit 1
