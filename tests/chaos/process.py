"""Jobs of a tiny shop by the real spark-submit, each in a process group and a JVM of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chaos.report import HOME

SUBMIT = Path(sys.executable).parent / "spark-submit"
NIGHT = HOME / "tests" / "chaos" / "night.py"
ON_LAPTOP = ("--properties-file", str(HOME / "conf" / "spark" / "local.conf"))
SECONDS = 900  # a machine may be busy with other tests
PATIENCE = 60.0  # seconds for a JVM to be ready, or gone

# Machine code of the first tier: a night of a few rows is over before the second pays.
QUIET = f"-Dlog4j2.configurationFile={HOME / 'conf' / 'spark' / 'log4j2.properties'}"
JAVA = f"{QUIET} -Duser.timezone=UTC -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"
# Of executors that are processes of their own, which are not given the driver's class path.
OF_EXECUTORS = {"spark.executor.extraClassPath": str(HOME / ".venv" / "jars" / "*")}
SMALL = {
    "spark.sql.shuffle.partitions": "2",
    # Compiling plans of a few rows takes half of a cold night.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": JAVA,
    "spark.executor.extraJavaOptions": JAVA,
}


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds; fail if it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            msg = f"{what} should be so within {seconds:.0f} s."
            raise TimeoutError(msg)
        time.sleep(0.1)


def submitted(
    script: Path,
    home: Path,
    *arguments: str,
    confs: Mapping[str, str] = {},
    options: Sequence[str] = ON_LAPTOP,
) -> list[str]:
    """The command that runs a job of the shop below `home`.

    Args:
        script: the job.
        home: the shop's folder, with conf/ and schemas/.
        *arguments: of the job.
        confs: Spark's properties beside those of a small laptop.
        options: of spark-submit, which say where the job runs.
    """
    told = [part for pair in (SMALL | dict(confs)).items() for part in ("--conf", "=".join(pair))]
    places = ["--conf", str(home / "conf"), "--schemas", str(home / "schemas"), "--shop", "tiny"]
    return [str(SUBMIT), *options, *told, str(script), *places, *arguments]


def environment(**variables: str) -> dict[str, str]:
    """A clean environment, in which jobs use the Python of the tests."""
    kept = ("HOME", "JAVA_HOME", "TMPDIR", "LANG")
    paths = {"PATH": f"{SUBMIT.parent}:/usr/bin:/bin", "PYSPARK_PYTHON": sys.executable}
    return paths | {name: os.environ[name] for name in kept if name in os.environ} | variables


@dataclass
class Ended:
    """How a job ended."""

    code: int
    said: str
    seconds: float

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass
class Job:
    """A job at work, and all that it has started."""

    command: list[str]
    variables: Mapping[str, str]
    log: Path

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                env=environment(**self.variables),
                cwd=HOME,  # where the paths of conf/spark/local.conf begin
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def python(self) -> int:
        """The number of its Python, a child of the JVM; that of tasks has a group of its own."""
        jvm = str(self.process.pid)
        command = ["pgrep", "--parent", jvm, "--pgroup", jvm, "--exact", "python"]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    def until_said(self, text: str) -> None:
        """Wait until it has logged a text; fail if it does not in time."""
        until(lambda: text in self.log.read_text(), f"A log with {text!r}", SECONDS)

    def kill(self) -> None:
        """End it and its JVM at once, if they still run."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, seconds: float = SECONDS) -> Ended:
        """Its end, which is brought about if it does not come."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            self.process.wait()
            raise
        return Ended(code, self.log.read_text(), time.monotonic() - self.begun)
