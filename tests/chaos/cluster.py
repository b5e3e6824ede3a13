"""A standalone cluster on this machine: a master and workers, each a JVM of its own on loopback.

PyPI's Spark has no start scripts, but the classes that they start. A worker stands for a machine
that knows nothing of us: an empty environment, a folder of its own, no `.venv` on its path. The
secret by which all of them know each other is new for each cluster, and is in their environment
alone: neither a command line, which everybody may read, nor a log shows it.
"""

import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pyspark

from chaos.process import HOME, PATIENCE, until

SPARK = Path(pyspark.__file__).parent
DEPLOY = "org.apache.spark.deploy"
PROPERTIES = HOME / "conf" / "spark" / "standalone.conf"
# Beside those of a small laptop.
SMALL = {
    "spark.default.parallelism": "2",
    # Plans that are not worth adapting.
    "spark.sql.adaptive.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.executor.memory": "1g",
    "spark.cores.max": "2",
}
DEFAULTS = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.master.rest.enabled": "false",  # which asks nobody who he is
}


@dataclass
class Cluster:
    """A master and workers of one core each, below `home`; stopped at the end of `with`."""

    home: Path
    workers: int = 2
    memory: str = "2g"
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> "Cluster":
        self.conf.mkdir(parents=True, mode=0o700)
        defaults = DEFAULTS | {"spark.authenticate.secret": self.secret}
        file = os.open(self.conf / "spark-defaults.conf", os.O_CREAT | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w") as opened:
            opened.writelines(f"{key} {value}\n" for key, value in defaults.items())
        try:
            start = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
            self._begin("master", f"{DEPLOY}.master.Master", *start)
            until(lambda: "I have been elected leader" in self.said("master"), "A master")
            for number in range(self.workers):
                self.add_worker(f"worker{number}")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the master listens."""
        found = re.search(r"spark://127\.0\.0\.1:\d+", self.said("master"))
        assert found
        return found.group()

    @property
    def options(self) -> tuple[str, ...]:
        """Of spark-submit, for a job that is to run here; with the variables of `variables`."""
        properties = ("--properties-file", str(PROPERTIES), "--load-spark-defaults")
        return "--master", self.url, *properties

    @property
    def variables(self) -> Mapping[str, str]:
        """What a driver finds in its environment; it leaves nothing in the project's folder."""
        return {"SPARK_CONF_DIR": str(self.conf), "SPARK_LOCAL_DIRS": str(self.home)}

    @property
    def conf(self) -> Path:
        """The folder that SPARK_CONF_DIR names, of the driver too (--load-spark-defaults)."""
        return self.home / "conf"

    def said(self, name: str) -> str:
        """What a process has logged."""
        return (self.home / f"{name}.log").read_text(errors="replace")

    def add_worker(self, name: str) -> None:
        """Start one more worker, and wait until the master knows it."""
        work = self.home / name / "work"
        options = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        size = ("-c", "1", "-m", self.memory, "-d", str(work))
        self._begin(name, f"{DEPLOY}.worker.Worker", *options, *size, self.url)
        what = f"{name} should be known to the master"
        until(lambda: "Successfully registered with master" in self.said(name), what)

    def kill_machine(self, name: str) -> None:
        """End a worker and its executors at once, as when a machine loses its power."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE)

    def clear(self) -> None:
        """Remove what finished nights left with the workers: an environment of 3 GiB each."""
        for night in self.home.glob("worker*/work/*"):
            shutil.rmtree(night)

    def stop(self) -> None:
        """End all of it, the workers first; nothing is left but its logs."""
        for name in sorted(self.processes, reverse=True):
            process = self.processes[name]
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            self.kill_machine(name)
        for worker in self.home.glob("worker*/"):
            shutil.rmtree(worker, ignore_errors=True)

    def _begin(self, name: str, what: str, *options: str) -> None:
        folder = self.home / name
        (folder / "tmp").mkdir(parents=True)
        environment = {
            "PATH": "/usr/bin:/bin",
            "SPARK_HOME": str(SPARK),
            "SPARK_LOCAL_IP": "127.0.0.1",  # of the web pages too
            "SPARK_LOCAL_DIRS": str(folder / "tmp"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_CONF_DIR": str(self.conf),
        }
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [str(SPARK / "bin" / "spark-class"), what, *options],
                cwd=folder,
                env=environment | java,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group that can be ended with all that it started
            )
