"""Counts of a Spark application's event log, in all and by table.

A table is made in a pool of Spark's scheduler that bears its name, so that jobs know their table.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SQL_START = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart"
TOTAL, NO_TABLE = "total", "other"
SETTINGS: Mapping[str, str] = {
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
}


@dataclass
class Counts:
    """Work of an application, or of the jobs of one table.

    Attributes:
        spark_jobs: jobs.
        sql: SQL executions; by table those that started a job.
        stages: stages that ran.
        tasks: tasks that ended.
        executor_seconds: CPU seconds of the JVM's task threads.
        bytes_read: of files, by tasks.
        bytes_written: to files, by tasks.
        shuffle_bytes: written between stages.
    """

    spark_jobs: int = 0
    sql: set[str] = field(default_factory=set)
    stages: int = 0
    tasks: int = 0
    executor_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    shuffle_bytes: int = 0

    def figures(self) -> dict[str, float]:
        """Return the counts by metric."""
        return {
            "spark_jobs": self.spark_jobs,
            "sql_executions": len(self.sql),
            "stages": self.stages,
            "tasks": self.tasks,
            "executor_seconds": round(self.executor_seconds, 3),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "shuffle_bytes": self.shuffle_bytes,
        }


def counted(folder: Path) -> dict[str, Counts]:
    """Return the counts of the event logs in a folder, by table; `total` is of all."""
    found: dict[str, Counts] = defaultdict(Counts)
    found[TOTAL] = Counts()
    for log in sorted(folder.iterdir()):
        pools: dict[int, str] = {}  # by stage
        for event in _events(log):
            _count(event, found, pools)
    return dict(found)


def first_table_at(folder: Path) -> float | None:
    """Return when the first job of a table began, in seconds since the epoch."""
    found = (
        event["Submission Time"] / 1000
        for log in sorted(folder.iterdir())
        for event in _events(log)
        if event["Event"] == "SparkListenerJobStart"
        and "." in (event.get("Properties") or {}).get("spark.scheduler.pool", "")
    )
    return min(found, default=None)


def _events(log: Path) -> Iterator[Mapping[str, Any]]:
    with log.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _count(event: Mapping[str, Any], found: dict[str, Counts], pools: dict[int, str]) -> None:
    kind, total = event["Event"], found[TOTAL]
    if kind == SQL_START:
        total.sql.add(f"{event['executionId']}")
    elif kind == "SparkListenerJobStart":
        properties = event.get("Properties") or {}
        pool = properties.get("spark.scheduler.pool") or NO_TABLE
        pools.update(dict.fromkeys(event["Stage IDs"], pool))
        total.spark_jobs += 1
        found[pool].spark_jobs += 1
        if execution := properties.get("spark.sql.execution.id"):
            found[pool].sql.add(execution)
    elif kind == "SparkListenerStageCompleted":
        total.stages += 1
        found[pools.get(event["Stage Info"]["Stage ID"], NO_TABLE)].stages += 1
    elif kind == "SparkListenerTaskEnd":
        for counts in (total, found[pools.get(event["Stage ID"], NO_TABLE)]):
            counts.tasks += 1
            _add_metrics(counts, event.get("Task Metrics") or {})


def _add_metrics(counts: Counts, metrics: Mapping[str, Any]) -> None:
    counts.executor_seconds += metrics.get("Executor CPU Time", 0) / 1e9
    counts.bytes_read += metrics.get("Input Metrics", {}).get("Bytes Read", 0)
    counts.bytes_written += metrics.get("Output Metrics", {}).get("Bytes Written", 0)
    shuffled = metrics.get("Shuffle Write Metrics", {})
    counts.shuffle_bytes += shuffled.get("Shuffle Bytes Written", 0)
