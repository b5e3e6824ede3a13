"""Landing files that were damaged, by real runs: quarantined with a reason, or stopped with one.

And machines in other time zones, which see the same days.
"""

import gzip
import io
import os
import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from chaos.process import NIGHT, Job, submitted
from chaos.report import Report
from conftest import collected
from lakeshop.bronze.ingest import ingest
from lakeshop.silver.clean import clean
from lakeshop.storage.lake import Lake
from shops import TinyShop, action, csv_text, json_text, line, product, tiny_shop

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]
DAY = date(2026, 3, 10)
ROWS = 40
FILES = 60
Damage = Callable[[bytes, random.Random], bytes]


def flipped(content: bytes, chance: random.Random) -> bytes:
    wounded = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        wounded[chance.randrange(len(wounded))] ^= 1 << chance.randrange(8)
    return bytes(wounded)


DAMAGES: dict[str, Damage] = {
    "as it was": lambda content, chance: content,
    "cut": lambda content, chance: content[: chance.randrange(len(content))],
    "flipped": flipped,
    "zeroed": lambda content, chance: content[:50] + bytes(90) + content[140:],
    "NULs between": lambda content, chance: content.replace(b",", b"\0,", 3),
    "UTF-16": lambda content, chance: content.decode(errors="replace").encode("utf-16"),
    "Latin-1": lambda content, chance: content.replace(b'"view"', b'"vi\xebw"'),
    "a mark of UTF-8": lambda content, chance: b"\xef\xbb\xbf" + content,
    "a long line": lambda content, chance: b"x" * 10_000_000 + b"\n" + content,
    "deep": lambda content, chance: b"[" * 100_000 + b"\n" + content,
    "quotes": lambda content, chance: content.replace(b'"', b'""', chance.randrange(9)),
    "empty": lambda content, chance: b"",
    "a bomb": lambda content, chance: bytes(2**23),
    "twice": lambda content, chance: content + content,
}


def lines_in(content: bytes) -> int:
    return sum(bool(text.strip()) for text in content.split(b"\n"))


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> TinyShop:
    """A shop whose entities may come in any number of files, gzipped or not, and all be bad."""
    shop = tiny_shop(spark, tmp_path, quality={"max_rejected_rows": 1, "max_unreadable_files": 1})
    path = shop.home / "conf/shops/tiny.yaml"
    conf = yaml.safe_load(path.read_text())
    for name, entity in conf["shop"]["entities"].items():
        entity.update(path=f"{name}/{{date}}/*", required=False)
    path.write_text(yaml.safe_dump(conf))
    return shop


def test_damaged_files_are_rows_or_reasons(shop: TinyShop, chaos_report: Report) -> None:
    """Each file is accounted for: by its rows, or by one row that says why it has none."""
    chance = random.Random(5)
    folder = shop.landing / "user_actions" / f"{DAY}"
    folder.mkdir(parents=True)
    expected = {}
    for number in range(FILES):
        rows = [action(1000 * number + n, f"{DAY} 09:00:00") for n in range(ROWS)]
        damage = [*DAMAGES][number % len(DAMAGES)]
        content = DAMAGES[damage](json_text(rows).encode(), chance)
        is_packed = chance.random() < 0.5
        name = f"{number:03} {damage}.jsonl{'.gz' if is_packed else ''}"
        if is_packed:
            packed = gzip.compress(content)
            content, whole = (
                (flipped(packed, chance), None) if number % 3 == 0 else (packed, content)
            )
        else:
            whole = content
        (folder / name).write_bytes(content)
        expected[f"user_actions/{DAY}/{name}"] = None if whole is None else lines_in(whole)
    run = shop.run(DAY)
    ingest(run)
    clean(run)  # asserts its own balance
    lake = shop.lake()
    bronze = lake.read("bronze.user_actions").groupBy("source_file")
    found = {
        row[0]: (row[1], row[2]) for row in bronze.agg(F.count("*"), F.min("source_line")).collect()
    }
    for file, lines in expected.items():
        rows, first_line = found.get(file, (0, None))
        assert (rows == lines) if lines is not None else (rows == 1 or first_line == 1), file
    held = [lake.read(f"{layer}.user_actions") for layer in ("silver", "quarantine")]
    good, bad = (table.count() for table in held)
    delivered = sum(rows for rows, _ in found.values())
    assert held[1].where("size(reasons) = 0 OR reasons IS NULL").isEmpty()
    assert good > 5 * ROWS
    assert 0 < good + bad <= delivered  # the rest are duplicates, which the balance counts
    chaos_report("landing file damaged", tried=FILES)


def reason_of(shop: TinyShop, day: date, entity: str) -> str | None:
    """Why a run could not load or clean an entity; what it raises is a fault of ours."""
    run = shop.run(day)
    ingest(run)
    clean(run)
    failed = [f for f in run.failures if not f.because]
    assert {f.table.partition(".")[2] for f in failed} <= {entity}
    return failed[0].reason if failed else None


def catalogue(kind: str, title: str) -> bytes:
    """Products whose title no other day has: else they would be versions that change nothing."""
    rows = [dict(product(n, title=title)) for n in range(ROWS)]
    if kind == "csv":
        return csv_text(rows).encode()
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def test_headers_and_parquet_that_are_damaged_fail_alone_or_are_cleaned(
    shop: TinyShop, chaos_report: Report
) -> None:
    """Each catalogue has its rows in silver or quarantine, or the entity fails with a reason."""
    chance = random.Random(6)
    path = shop.home / "conf/shops/tiny.yaml"
    failed = 0
    cases = [("csv", "flipped"), ("csv", "UTF-16"), ("parquet", "cut"), ("parquet", "flipped")]
    for number, (kind, damage) in enumerate(cases):
        conf = yaml.safe_load(path.read_text())
        conf["shop"]["entities"]["products"]["format"] = kind
        path.write_text(yaml.safe_dump(conf))
        day = DAY + timedelta(days=number)
        file = shop.landing / "products" / f"{day}" / f"a.{kind}"
        file.parent.mkdir(parents=True)
        file.write_bytes(DAMAGES[damage](catalogue(kind, f"Käse {number}"), chance))
        reason = reason_of(shop, day, "products")
        if reason is not None:
            assert file.name in reason
            failed += 1
            continue
        rows = shop.lake().read("bronze.products", day, day).count()
        tables = ("quarantine.products", "silver.products")
        held = sum(shop.lake().read(table, day, day).count() for table in tables)
        assert 0 < held <= rows
    assert failed >= 1
    chaos_report("catalogue damaged", tried=len(cases))


def test_what_is_no_file_is_told(shop: TinyShop, chaos_report: Report) -> None:
    folder = shop.landing / "user_actions" / f"{DAY}"
    (folder / "a folder.jsonl").mkdir(parents=True)
    (folder / "dangling.jsonl").symlink_to("/no/where")
    (folder / "good.jsonl").write_text(json_text([action(1, f"{DAY} 09:00:00")]))
    (folder / "link.jsonl").symlink_to(folder / "good.jsonl")
    run = shop.run(DAY)
    ingest(run)
    clean(run)
    [(file, reasons)] = collected(
        shop.lake().read("quarantine.user_actions"), "source_file", "reasons"
    )
    assert file == f"user_actions/{DAY}/a folder.jsonl"
    assert "received a folder" in reasons[0]
    assert shop.lake().read("silver.user_actions").count() == 1
    chaos_report("folder or link where a file should be", tried=3)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to root")
def test_an_unreadable_file_fails_its_entity(shop: TinyShop) -> None:
    path = shop.landing / "user_actions" / f"{DAY}" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    path.chmod(0)
    run = shop.run(DAY)
    ingest(run)
    assert "ermission denied" in run.failures[0].reason


# -- time zones ------------------------------------------------------------------------------------

CHANGES = (date(2026, 3, 8), date(2026, 11, 1))  # 23 and 25 hours in New York
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")


def test_the_zone_of_the_machine_changes_nothing(
    spark: SparkSession, tmp_path: Path, chaos_report: Report
) -> None:
    """Both days on which the shop's clocks change, in three zones of the machine."""
    shop = tiny_shop(spark, tmp_path)
    for day in CHANGES:
        times = [f"{day} {hour:02}:{minute:02}:00" for hour in range(24) for minute in (0, 30)]
        shop.deliver("transactions", day, [line(n, at) for n, at in enumerate(times)])
        shop.deliver("user_actions", day, [action(n, at) for n, at in enumerate(times)])
        shop.deliver("products", day, [product(n, title=f"{day}") for n in range(4)])
    found = {}
    for zone in ZONES:
        lake = tmp_path / zone.replace("/", "-")
        for day in CHANGES:
            command = submitted(NIGHT, shop.home, "--date", f"{day}", "--lake", str(lake))
            variables = {"TZ": zone, "LAKESHOP_REDUCED": "1"}
            ended = Job(command, variables, tmp_path / "log").wait()
            assert ended.code == 0, ended.said
        tables = Lake(spark, str(lake), shop.lake().contracts)
        found[zone] = {
            (name, day): tables.content(name, day, day)
            for name in tables.contracts
            if not name.startswith("ops.") and tables.exists(name)
            for day in CHANGES
        }
    assert len(found["UTC"]) > 10
    assert found["UTC"]["silver.transactions", CHANGES[0]][CHANGES[0]].rows == 48
    assert found["Asia/Kolkata"] == found["UTC"]
    assert found["America/New_York"] == found["UTC"]
    chaos_report("machine in another time zone", tried=len(ZONES) - 1)
