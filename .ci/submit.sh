#!/usr/bin/env bash
# spark-submit with the configuration of this machine. The first job that ends well leaves the
# classes that it loaded, parsed and verified, for the JVMs after it: they start a third faster. The
# JVM itself leaves an archive alone that is of another Java, or of other jars.
set -uo pipefail
conf=conf/spark/local.conf archive=.venv/classes.jsa
if [ ! -e $archive ]; then
  sed "s|-XX:SharedArchiveFile=$archive|-XX:ArchiveClassesAtExit=$archive.part|" $conf \
    >.venv/archiving.conf
  conf=.venv/archiving.conf
fi
rm -f $archive.part
.venv/bin/spark-submit --properties-file $conf "$@"
status=$?
[ $status != 0 ] || [ ! -e $archive.part ] || mv $archive.part $archive
exit $status
