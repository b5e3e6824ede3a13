"""One user with 30 % of all rows: the night needs little more than where all buy alike."""

import os
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from benchmarks.memory import family
from chaos.nights import NO_SPARK
from chaos.process import NIGHT, Ended, Job, submitted
from chaos.report import Report
from shops import FIRST, line, product, tiny_shop

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
DAYS, LINES = 2, 20_000  # lines a day
USERS, PRODUCTS = 1500, 1500  # more products than a history keeps
SHARE = 0.3
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """What a night took: CPU seconds of all its processes, MiB of its largest Python."""

    ended: Ended
    cpu_seconds: float
    python_mib: float


def delivered(home: Path, share: float) -> None:
    """A shop of which one user buys the share of all lines, in baskets of five."""
    shop = tiny_shop(NO_SPARK, home)
    shop.deliver("products", FIRST, [product(n) for n in range(PRODUCTS)])
    for n in range(DAYS):
        day = FIRST + timedelta(days=n)
        lines = []
        for i in range(LINES):
            number = n * LINES + i
            basket = number // 5
            is_his = basket % 100 < 100 * share
            user = "u0" if is_his else f"u{basket * 7919 % USERS}"
            at = f"{day} {8 + i % 12:02}:{i // 12 % 60:02}:00"
            bought = f"p{(basket * 31 + i * i) % PRODUCTS}"
            lines.append(line(number, at, user=user, order=f"o{basket}", product=bought))
        shop.deliver("transactions", day, lines)


def night(home: Path) -> Spent:
    """All days as one night, watched."""
    days = ("--from", str(FIRST), "--to", str(FIRST + timedelta(days=DAYS - 1)))
    many = {"spark.sql.shuffle.partitions": "8"}  # as on a cluster: one holds his rows
    command = submitted(NIGHT, home, *days, "--lake", str(home / "lake"), confs=many)
    job = Job(command, {}, home / "night.log")
    seconds: dict[int, float] = defaultdict(float)
    largest = 0.0
    while job.process.poll() is None:
        for pid in family(job.process.pid):
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue  # it has just ended
            seconds[pid] = max(seconds[pid], (int(fields[11]) + int(fields[12])) / TICKS)
            if status.startswith("Name:\tpython") and "VmHWM:" in status:
                kib = int(status.partition("VmHWM:")[2].split()[0])
                largest = max(largest, kib / 1024)
        time.sleep(0.5)
    return Spent(job.wait(), sum(seconds.values()), largest)


def test_one_user_with_a_third_of_all_rows(tmp_path: Path, chaos_report: Report) -> None:
    spent = {}
    for share in (0.0, SHARE):
        home = tmp_path / f"{share}"
        home.mkdir()
        delivered(home, share)
        spent[share] = night(home)
        assert spent[share].ended.code == 0, spent[share].ended.said[-3000:]
        sold = DeltaTable(str(home / "lake/silver/transactions")).to_pyarrow_table(
            columns=["user_id"]
        )
        lost = DAYS * LINES - sold.num_rows
        most = max(count["counts"] for count in sold["user_id"].value_counts().to_pylist())
        assert most < 0.01 * sold.num_rows or share
        assert most == pytest.approx(share * sold.num_rows, rel=0.02) or not share
        assert lost == 0
    alike, skewed = spent[0.0], spent[SHARE]
    chaos_report(f"one user with {SHARE:.0%} of all rows", lost=lost)
    assert skewed.python_mib < 1.5 * alike.python_mib, (skewed.python_mib, alike.python_mib)
    assert skewed.cpu_seconds < 1.5 * alike.cpu_seconds, (skewed.cpu_seconds, alike.cpu_seconds)
