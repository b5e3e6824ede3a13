"""`.ci/submit.sh` and the archive of classes: the first job leaves it, later ones start from it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import HOME

ARCHIVE, PART = ".venv/classes.jsa", ".venv/classes.jsa.part"
# Says what it was given, leaves an archive where it is told to, and ends as it is told to.
SPARK_SUBMIT = f"""#!/usr/bin/env bash
echo "$@"
! grep -q 'ArchiveClassesAtExit={PART}' "$2" || echo classes >{PART}
exit ${{CODE:-0}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's folder in which `spark-submit` is no more than its words."""
    (tmp_path / "conf" / "spark").mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(HOME / "conf" / "spark" / "local.conf", tmp_path / "conf" / "spark")
    fake = tmp_path / ".venv" / "bin" / "spark-submit"
    fake.write_text(SPARK_SUBMIT)
    fake.chmod(0o755)
    return tmp_path


def submitted(place: Path, code: int = 0) -> str:
    path = os.pathsep.join([str(place / ".venv" / "bin"), os.environ["PATH"]])
    done = subprocess.run(
        [HOME / ".ci" / "submit.sh", "jobs/nightly.py", "--date", "2026-03-10"],
        cwd=place,
        env={**os.environ, "PATH": path, "CODE": f"{code}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout.strip()


def test_the_first_job_archives_and_later_ones_do_not(place: Path) -> None:
    said = submitted(place)
    job = "jobs/nightly.py --date 2026-03-10"
    assert said == f"--properties-file .venv/archiving.conf {job}"
    assert (place / ARCHIVE).read_text() == "classes\n"
    assert submitted(place) == f"--properties-file conf/spark/local.conf {job}"
    assert not (place / PART).exists()


def test_a_job_that_fails_leaves_no_archive(place: Path) -> None:
    submitted(place, code=1)
    assert not (place / ARCHIVE).exists()


def test_java_takes_an_archive_and_says_nothing_where_there_is_none(tmp_path: Path) -> None:
    options = (HOME / "conf" / "spark" / "local.conf").read_text()
    quiet = re.findall(r"-Xlog:cds\S*=off", options)
    assert f"-XX:SharedArchiveFile={ARCHIVE} " in options
    (tmp_path / ".venv").mkdir()

    def java(*flags: str) -> str:
        command = ["java", *quiet, *flags, "-version"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return (done.stdout + done.stderr).replace(", sharing", "")

    plain = java()
    use = f"-XX:SharedArchiveFile={ARCHIVE}"
    assert java(use) == plain
    assert java(f"-XX:ArchiveClassesAtExit={ARCHIVE}") == plain
    assert "shared objects file (top)" in java(use, "-Xlog:class+load")
    (tmp_path / ARCHIVE).chmod(0o644)
    (tmp_path / ARCHIVE).write_bytes(b"half")
    assert java(use) == plain
