"""A training in a process of its own, which ends itself, or one of its executors, midway.

`python broken_off.py LAKE ROWS MASTER WHEN` prints the training's hash where it comes to an end.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from lakeshop.engine.session import local_session
from lakeshop.pipeline import all_contracts
from lakeshop.storage.lake import Lake
from lakeshop.training import checkpoints, tasks
from lakeshop.training.checkpoints import Checkpoint, Checkpoints
from lakeshop.training.specification import DILOCO, TrainingPlan

TESTS = Path(__file__).resolve().parents[1]
HOME = TESTS.parent
PLAN = TrainingPlan(shards=2, local_steps=4, rounds=4, outer=DILOCO)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def between_reduce_and_commit(number: int) -> None:
    usual = Checkpoints.commit

    def lethal(self: Checkpoints, *rounds: Checkpoint) -> None:
        if rounds[-1].progress.round == number:
            kill_self()
        usual(self, *rounds)

    Checkpoints.commit = lethal  # type: ignore[method-assign]


def after_commit(number: int) -> None:
    usual = Checkpoints.commit

    def lethal(self: Checkpoints, *rounds: Checkpoint) -> None:
        usual(self, *rounds)
        if rounds[-1].progress.round == number:
            kill_self()

    Checkpoints.commit = lethal  # type: ignore[method-assign]


def executor_in_round(number: int) -> None:
    """Kill one of the executors just before a round, so that it is still thought to live."""
    usual = tasks.outcomes_of

    def lethal(spark: SparkSession, shards: object, work: tasks.Work, weights: object) -> object:
        if work.training_round == number:
            found = subprocess.run(
                ["pgrep", "-P", str(spark.sparkContext._gateway.proc.pid), "-f", "CoarseGrained"],  # type: ignore[union-attr]
                capture_output=True,
                text=True,
                check=True,
            )
            executors = sorted(map(int, found.stdout.split()))
            sys.stderr.write(f"executors {executors}\n")
            os.kill(executors[0], signal.SIGKILL)
        return usual(spark, shards, work, weights)  # type: ignore[arg-type]

    import lakeshop.training.rounds

    lakeshop.training.rounds.outcomes_of = lethal  # type: ignore[assignment]


def main(lake: str, rows: str, master: str, when: str) -> None:
    sys.path[:0] = [str(TESTS), str(TESTS / "training")]
    from toy_trainings import hash_of, ship_networks, trained

    from chaos.process import JAVA, OF_EXECUTORS
    from conftest import SMALL

    event, _, number = when.partition("=")
    {
        "never": lambda _: None,
        "reduced": between_reduce_and_commit,
        "committed": after_commit,
        "executor": executor_in_round,
    }[event](int(number or 0))
    short = {"spark.master": master, "spark.driver.extraJavaOptions": JAVA}
    spark = local_session(HOME / "conf" / "spark" / "local.conf", SMALL | short | OF_EXECUTORS)
    ship_networks(spark)
    checkpoints.COMMIT_EVERY = 0.0
    tables = Lake(spark, lake, all_contracts(HOME / "schemas"))
    done = trained(tables, spark.read.json(rows), PLAN)
    sys.stdout.write(f"hash={hash_of(done.weights)}\n")
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
