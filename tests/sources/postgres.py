"""A PostgreSQL server of the tests' own: on loopback, a free port, in a temporary folder.

The server refuses to run as root: there it runs as the user that Debian's package makes.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import DRIVERS

OWNER, OWNERS_PASSWORD = "owner", "of-the-tests"
READER = "canary_reader_7f3a"  # neither of the two is to be seen anywhere
READERS_PASSWORD = "canary-password-91c2"
SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    binaries: Path
    port: int

    @property
    def url(self) -> str:
        """As the shop's configuration names it."""
        return f"jdbc:postgresql://127.0.0.1:{self.port}/postgres"

    def do(self, sql: str) -> str:
        """Run statements as the owner of the tables, and return what they print."""
        command = [self.binaries / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        done = subprocess.run(
            [*command, "-h", "127.0.0.1", "-p", str(self.port), "-U", OWNER, "postgres"],
            input=sql,
            env={"PGPASSWORD": OWNERS_PASSWORD, "PGTZ": "UTC", "PGCONNECT_TIMEOUT": "5"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running() -> Iterator[Server]:
    """Start a server and stop it at the end; skip the tests where there is none to start."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if not found:
        pytest.skip("PostgreSQL's server is not installed; .ci/postgres.sh does it where it may")
    if not DRIVERS:
        pytest.skip("PostgreSQL's driver was not fetched; .ci/postgres.sh does it")
    as_user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="lakeshop-postgres-"))
    try:
        if as_user:
            shutil.chown(folder, as_user["user"], as_user["group"])
        binaries = found[-1].parent
        _create(binaries, folder, as_user)
        with _started(binaries, folder, as_user) as server:
            server.do(f"CREATE ROLE {READER} LOGIN PASSWORD '{READERS_PASSWORD}'")
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _version(initdb: Path) -> float:
    return float(initdb.parent.parent.name)


def _unprivileged() -> Mapping[str, Any]:
    """Whom to run as, for `subprocess`; nothing where we are no root."""
    if os.getuid() != 0:
        return {}
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _create(binaries: Path, folder: Path, as_user: Mapping[str, Any]) -> None:
    password = folder / "password"
    password.write_text(OWNERS_PASSWORD)
    options = ["--auth=scram-sha-256", f"--username={OWNER}", f"--pwfile={password}"]
    plain = ["--no-sync", "--locale=C", "--encoding=UTF8"]
    done = subprocess.run(
        [binaries / "initdb", "-D", folder / "data", *options, *plain],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        **as_user,
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def _started(binaries: Path, folder: Path, as_user: Mapping[str, Any]) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fast = [part for name in ("fsync", "synchronous_commit") for part in ("-c", f"{name}=off")]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(binaries / "postgres", "-D", folder / "data", "-k", folder / "data"),
                *("-h", "127.0.0.1", "-p", str(port), *fast),
            ],
            cwd="/",
            stdout=log,
            stderr=log,
            **as_user,
        )
    try:
        _wait(binaries, port, process, folder / "log")
        yield Server(binaries, port)
    finally:
        process.send_signal(signal.SIGINT)  # end all connections, then stop
        try:
            process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=SECONDS)


def _wait(binaries: Path, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    ready = [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    end = time.monotonic() + SECONDS
    while subprocess.run(ready, check=False, timeout=SECONDS).returncode != 0:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
