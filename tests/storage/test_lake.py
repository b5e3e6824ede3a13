"""Delta tables in a temporary folder: a day is replaced whole or not at all."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from pyspark import InheritableThread
from pyspark.errors import PySparkException
from pyspark.sql import Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from chaos.process import until
from conftest import collected
from disks import leave, resize, small_disk
from lakeshop.contracts.migration import migration
from lakeshop.contracts.model import Check, Column, Contract
from lakeshop.engine.failures import summarize_error
from lakeshop.errors import ContractError
from lakeshop.storage.lake import Lake

D1 = date(2026, 3, 10)
D2, D3 = D1 + timedelta(days=1), D1 + timedelta(days=2)


def column(name, kind, required=False, personal=False):
    return Column(name, kind, required, personal, f"the {name}")


T1 = Contract(
    name="gold.t",
    grain="one row per id",
    about="A table of tests.",
    owner="us",
    rows="event",
    key=("id",),
    columns=(
        column("business_date", T.DateType(), required=True),
        column("id", T.IntegerType(), required=True),
        column("a", T.StringType()),
        column("b", T.StringType(), personal=True),
        column("xs", T.ArrayType(T.StringType())),
        column("ys", T.ArrayType(T.StringType())),
    ),
    partition_by=("business_date",),
    checks=(Check("id_is_positive", "id > 0", "fail", "ids should be above 0"),),
    inputs=(),
    look_back_days=None,
    retention_days=10,
    has_latest_twin=True,
)
TABLE = T1.name


@pytest.fixture
def lake(spark, tmp_path):
    return Lake(spark, str(tmp_path / "lake"), {TABLE: T1})


def frame(lake, *rows):
    """Rows of (day, id, a, b, xs, ys), what is missing at the end is NULL."""
    filled = [(*row, *[None] * (6 - len(row))) for row in rows]
    kinds = "business_date date, id int, a string, b string, xs array<string>, ys array<string>"
    return lake.spark.createDataFrame(filled, kinds)


def replaced(lake, *rows, first=D1, last=None):
    return lake.replace_days(TABLE, frame(lake, *rows), first, last or first, run_id="r")


def rows_of(lake):
    return collected(lake.read(TABLE), "business_date", "id", "a", "b")


def again(lake, contract=T1):
    """The lake as another process finds it, with this contract."""
    return Lake(lake.spark, lake.root, {contract.name: contract})


# -- days ------------------------------------------------------------------------------------------


def test_a_range_is_replaced_and_nothing_else(lake):
    replaced(lake, (D1, 1, "a"), (D2, 2, "b"), (D3, 3, "c"), last=D3)
    replaced(lake, (D2, 5, "new"), first=D2)
    assert rows_of(lake) == [(D1, 1, "a", None), (D2, 5, "new", None), (D3, 3, "c", None)]
    assert collected(lake.read(TABLE, D2, D3), "id") == [(3,), (5,)]
    assert collected(lake.read(TABLE, None, D1), "id") == [(1,)]
    # An empty range clears its days.
    replaced(lake, first=D1, last=D2)
    assert rows_of(lake) == [(D3, 3, "c", None)]
    assert set(lake.content(TABLE, D1, D3)) == {D3}
    assert lake.is_empty(TABLE, D1, D2)


def test_a_large_day_is_written_by_several_tasks(lake, monkeypatch):
    monkeypatch.setattr("lakeshop.storage.lake.ROWS_PER_FILE", 3)
    whole = again(lake, replace(T1, partition_by=()))
    rows = frame(lake, *[(D1, n, "a") for n in range(1, 7)]).repartition(5)
    for n_rows, files in ((2, 1), (3, 2), (6, 3)):
        whole.replace_days(TABLE, rows, D1, D1, run_id="r", n_rows=n_rows)
        assert whole.snapshot(TABLE).allFiles().count() == files, n_rows
    later = rows.withColumn("business_date", F.lit(D2))
    whole.replace_days(TABLE, later, D2, D2, run_id="r", n_rows=3, are_new=True)
    assert whole.snapshot(TABLE).allFiles().count() == 3 + 2
    assert len(rows_of(whole)) == 12


@pytest.mark.parametrize("are_new", [False, True])
def test_what_is_counted_as_it_is_written_is_what_the_table_holds(lake, are_new):
    rows = frame(lake, (D1, 1, "a", None, ["x"]), (D1, 2, None, "b", ["x", None])).repartition(2)
    version, contents = lake.replace_and_count(
        TABLE, rows, D1, D1, run_id="r", are_new=are_new, n_rows=2
    )
    assert version == lake.version(TABLE)
    assert contents == lake.content(TABLE, D1, D1)
    assert contents[D1].rows == 2
    days = frame(lake, (D2, 3, "c"), (D3, 4, "d"))
    _, contents = lake.replace_and_count(TABLE, days, D2, D3, run_id="r", are_new=are_new)
    assert contents == lake.content(TABLE, D2, D3)
    assert lake.replace_and_count(TABLE, frame(lake), D1, D1, run_id="r")[1] == {}
    assert set(lake.content(TABLE, D1, D3)) == {D2, D3}


class LostObservation(Observation):
    """Is never told anything, as where Spark's bus of listeners has dropped the message."""

    def _on(self, df, *exprs):
        observed = super()._on(df, *exprs)
        self._jo = self._jvm.org.apache.spark.sql.Observation()
        return observed


def test_a_day_whose_count_is_lost_is_read_again(lake, monkeypatch):
    monkeypatch.setattr("lakeshop.storage.lake.Observation", LostObservation)
    monkeypatch.setattr("lakeshop.storage.lake.TOLD_WITHIN", "100 milliseconds")
    rows = frame(lake, (D1, 1, "a"), (D1, 2, "b"))
    version, contents = lake.replace_and_count(TABLE, rows, D1, D1, run_id="r")
    assert version == lake.version(TABLE)
    assert contents == lake.content(TABLE, D1, D1)
    assert contents[D1].rows == 2


def test_a_task_that_is_tried_again_counts_its_rows_once(lake, tmp_path):
    failed = tmp_path / "failed"

    def once(batches):
        yield from batches
        if not failed.exists():
            failed.touch()
            raise OSError(failed)

    rows = frame(lake, (D1, 1, "a"), (D1, 2, "b")).coalesce(1)
    _, contents = lake.replace_and_count(
        TABLE, rows.mapInArrow(once, rows.schema), D1, D1, run_id="r", n_rows=2
    )
    assert failed.exists()
    assert contents == lake.content(TABLE, D1, D1)
    assert contents[D1].rows == 2


def test_a_rerun_gives_the_same_digest_and_one_more_version(lake):
    rows = [(D1, 1, "a"), (D1, 2, None)]
    first = replaced(lake, *rows)
    content = lake.content(TABLE, D1, D1)
    assert replaced(lake, *reversed(rows)) == first + 1
    assert lake.content(TABLE, D1, D1) == content
    assert content[D1].rows == 2
    assert rows_of(lake) == [(D1, 1, "a", None), (D1, 2, None, None)]
    metadata = lake.spark.sql(f"DESCRIBE HISTORY delta.`{lake.path(TABLE)}` LIMIT 1").first()
    assert metadata["userMetadata"] == "r"


@pytest.mark.parametrize(
    "row",
    [(D2, 7, "outside"), (D1, -1, "breaks the constraint"), (D1, None, "no key")],
    ids=["outside the range", "constraint", "required"],
)
def test_a_row_that_does_not_belong_leaves_the_old_day_whole(lake, row):
    replaced(lake, (D1, 1, "old"))
    version = lake.version(TABLE)
    with pytest.raises(PySparkException):
        replaced(lake, (D1, 2, "new"), row)
    other = again(lake)
    assert other.version(TABLE) == version
    assert rows_of(other) == [(D1, 1, "old", None)]


@pytest.mark.parametrize("left", [0, 8192], ids=["for nothing", "for the rows alone"])
def test_a_full_disk_leaves_the_old_day_whole(lake, left):
    root = Path(lake.root)
    with small_disk(root):
        replaced(lake, (D1, 1, "old"))
        version = lake.version(TABLE)
        leave(root, left)
        with pytest.raises(Exception) as failed:  # noqa: PT011
            replaced(lake, (D1, 2, "new"))
        assert "No space left on device" in summarize_error(failed.value)
        resize(root)
        other = again(lake)
        assert other.version(TABLE) == version
        assert rows_of(other) == [(D1, 1, "old", None)]
        replaced(other, (D1, 2, "new"))
        assert rows_of(other) == [(D1, 2, "new", None)]


def test_missing_columns_are_told_and_others_dropped(lake):
    rows = frame(lake, (D1, 1, "x")).withColumn("more", F.lit(1))
    lake.replace_days(TABLE, rows, D1, D1, run_id="r")
    assert lake.read(TABLE).columns == T1.column_names
    with pytest.raises(ContractError, match=rf"Rows for {TABLE} .* Missing: a, ys\."):
        lake.replace_days(TABLE, rows.drop("a", "ys"), D1, D1, run_id="r")
    assert rows_of(lake) == [(D1, 1, "x", None)]


def test_columns_are_found_by_name_and_cast(lake):
    rows = frame(lake, (D1, 1, "x")).select(
        "a", "b", "xs", "ys", F.lit("7").alias("id"), "business_date"
    )
    lake.replace_days(TABLE, rows, D1, D1, run_id="r")
    assert rows_of(lake) == [(D1, 7, "x", None)]


# -- what was never written ------------------------------------------------------------------------


def test_a_table_never_written_is_empty_with_its_schema(lake, contracts):
    assert not lake.exists(TABLE)
    assert lake.read(TABLE, D1, D2).schema == T1.struct
    assert lake.read(TABLE).isEmpty()
    assert lake.content(TABLE, D1, D2) == {}
    assert not Path(lake.path(TABLE)).exists(), "reading makes nothing"


def test_a_table_without_a_contract(lake):
    for name in ("gold.u", "gold.u_latest"):
        with pytest.raises(ContractError, match=f"should have a contract.*'{name}'"):
            lake.read(name)
    bare = again(lake, replace(T1, has_latest_twin=False))
    with pytest.raises(ContractError, match=r"gold\.t_latest"):
        bare.contract("gold.t_latest")


def test_the_latest_twin_lies_beside_its_table_and_is_overwritten(lake):
    assert T1.struct  # a contract in use
    for day, n in ((D1, 1), (D2, 2)):
        lake.overwrite(f"{TABLE}_latest", frame(lake, (day, n, "x")), run_id="r")
    assert collected(again(lake).read(f"{TABLE}_latest"), "business_date", "id") == [(D2, 2)]
    assert (Path(lake.root) / "gold" / "t_latest").is_dir()
    assert not lake.exists(TABLE)


def test_a_log_is_appended_to(lake):
    first = lake.append(TABLE, frame(lake, (D1, 1)), run_id="r")
    assert lake.append(TABLE, frame(lake, (D1, 1)), run_id="r") == first + 1
    assert collected(lake.read(TABLE), "id") == [(1,), (1,)]


def test_a_transaction_is_added_once(lake):
    """What bears a number not above the last one of its application was added before."""
    for number in (1, 1, 2, 1):
        rows = frame(lake, (D1, number, "a"))
        again(lake).append(TABLE, rows, run_id="r", transaction=("training", number))
    again(lake).append(TABLE, frame(lake, (D1, 1, "b")), run_id="r", transaction=("other", 1))
    assert rows_of(lake) == [(D1, 1, "a", None), (D1, 1, "b", None), (D1, 2, "a", None)]


def test_the_content_of_bytes_is_seen(lake):
    binary = replace(T1, columns=(*T1.columns, column("payload", T.BinaryType())))
    lake = again(lake, binary)

    def content(payload):
        rows = frame(lake, (D1, 1)).selectExpr("*", f"{payload} payload")
        lake.replace_days(TABLE, rows, D1, D1, run_id="r")
        return lake.content(TABLE, D1, D1)

    assert content("X'0001'") == content("X'0001'") != content("X'0002'")


# -- digests ---------------------------------------------------------------------------------------


def digest(lake, *rows, shuffled=None):
    """The digest of rows without a table: what `content` would say of them."""
    made = frame(lake, *rows)
    made = made if shuffled is None else made.repartition(shuffled, F.rand(shuffled))

    class Given(Lake):
        def read(self, table, first=None, last=None):
            return made

    return Given(lake.spark, lake.root, lake.contracts).content(TABLE, D1, D1)[D1].digest


def test_a_digest_ignores_order_and_partitioning(lake):
    rows = [(D1, n, f"a{n}", None if n % 2 else "b", [str(n)], []) for n in range(1, 30)]
    found = {digest(lake, *rows, shuffled=n) for n in (None, 1, 2, 7)}
    assert len(found) == 1
    assert digest(lake, *reversed(rows)) in found
    assert digest(lake, *rows[1:]) not in found
    assert digest(lake, *rows, rows[0]) not in found, "a doubled row is seen"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((D1, 1, "x", None), (D1, 1, None, "x")),
        ((D1, 1, "", None), (D1, 1, None, None)),
        ((D1, 1, "xy", "z"), (D1, 1, "x", "yz")),
        ((D1, 1, "a", "b", ["x"], []), (D1, 1, "a", "b", [], ["x"])),
        ((D1, 1, "a", "b", ["x", "y"], []), (D1, 1, "a", "b", ["x"], ["y"])),
        ((D1, 1, "a", "b", ["x", None]), (D1, 1, "a", "b", ["x"])),
        ((D1, 1, "a", "b", []), (D1, 1, "a", "b", None)),
    ],
)
def test_a_digest_sees_a_value_that_moved(lake, one, other):
    assert digest(lake, one) != digest(lake, other)


def test_of_two_writers_of_a_day_at_once_the_second_fails_and_says_why(lake):
    """Where no lease is held, as on an object store, Delta sees to it that nothing is lost."""
    replaced(lake, (D1, 1, "old"))
    delta = lake.spark._jvm.org.apache.spark.sql.delta
    phases = delta.fuzzer.OptimisticTransactionPhases.forName("late")
    for phase in ("initial", "prepare", "backfill", "postCommit"):
        getattr(phases, f"{phase}Phase")().entryBarrier().unblock()
    failed = []

    def write_late():
        observers = getattr(delta, "TransactionExecutionObserver$")
        observer = delta.fuzzer.PhaseLockingTransactionExecutionObserver(phases)
        getattr(observers, "MODULE$").setObserver(observer)  # of this thread
        try:
            replaced(again(lake), (D1, 2, "late"))
        except PySparkException as error:
            failed.append(summarize_error(error))

    lake.ensure(TABLE)
    late = InheritableThread(target=write_late)
    late.start()
    until(phases.commitPhase().hasReached, "The late writer should come to its commit")
    replaced(lake, (D1, 3, "soon"))
    phases.commitPhase().entryBarrier().unblock()
    late.join(60)
    assert not late.is_alive()
    assert rows_of(again(lake)) == [(D1, 3, "soon", None)]
    assert len(failed) == 1
    assert "Concurrent" in failed[0] or "CONCURRENT" in failed[0]


def test_two_threads_that_need_a_new_table_create_it_once(lake, monkeypatch):
    """Two trainings begin side by side, and both write to a log that is not there yet."""
    looked, both, exists = [], Barrier(2), Lake.exists

    def exists_slowly(self, table):
        is_there = exists(self, table)
        looked.append(is_there)
        with suppress(BrokenBarrierError):  # whoever looks first waits for the other one
            both.wait(2)
        return is_there

    def add(row):
        replaced(again(lake), row, first=row[0])

    monkeypatch.setattr(Lake, "exists", exists_slowly)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, [(D1, 1, "one"), (D2, 2, "two")]))
    assert looked == [False, True]
    monkeypatch.undo()
    assert rows_of(again(lake)) == [(D1, 1, "one", None), (D2, 2, "two", None)]


# -- contracts that change -------------------------------------------------------------------------

WIDER = replace(T1, columns=(*T1.columns[:3], column("c", T.StringType()), *T1.columns[3:]))


def test_a_new_nullable_column_is_added_and_readable_before(lake):
    replaced(lake, (D1, 1, "x"))
    wider = again(lake, WIDER)
    assert wider.read(TABLE).schema.names == WIDER.column_names
    before = wider.content(TABLE, D1, D1)
    rows = frame(lake, (D2, 2, "y")).withColumn("c", F.lit("new"))
    wider.replace_days(TABLE, rows, D2, D2, run_id="r")
    found = collected(again(lake, WIDER).read(TABLE), "business_date", "id", "a", "c")
    assert found == [(D1, 1, "x", None), (D2, 2, "y", "new")]
    assert wider.content(TABLE, D1, D1) == before


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (
            replace(T1, columns=(*T1.columns[:2], column("a", T.LongType()), *T1.columns[3:])),
            "a bigint, stored string",
        ),
        (
            replace(T1, columns=(*T1.columns, column("c", T.StringType(), required=True))),
            "c, required and not stored",
        ),
    ],
    ids=["another type", "a new required column"],
)
def test_other_changes_are_refused_and_told(lake, contract, told):
    replaced(lake, (D1, 1, "x"))
    changed = again(lake, contract)
    rows = frame(lake, (D1, 2)).withColumns({"c": F.lit("c"), "a": F.lit("5")})
    with pytest.raises(ContractError) as caught:
        changed.replace_days(TABLE, rows, D1, D1, run_id="r")
    assert f"Different: {told}. Move the table away" in str(caught.value)
    assert rows_of(again(lake)) == [(D1, 1, "x", None)]


def constraints(lake):
    held = list(log_entries(lake.path(TABLE), "metaData"))[-1]["configuration"]
    return {n.split(".")[-1]: c for n, c in held.items() if n.startswith("delta.constraints.")}


def minima(lake):
    """Columns of which the log has the least value in the newest file."""
    adds = [json.loads(add["stats"]) for add in log_entries(lake.path(TABLE), "add")]
    return set(adds[-1].get("minValues", {}))


def test_checks_and_statistics_follow_the_contract(lake):
    flat = replace(T1, partition_by=())
    first = again(lake, flat)
    first.replace_days(TABLE, frame(lake, (D1, D1.day, "x")), D1, D1, run_id="r")
    assert minima(first) == {"business_date"}
    changed = replace(
        flat,
        checks=(
            Check("id_is_positive", "id>=-1 AND id != 0", "fail", "ids should not be 0"),
            Check("a_is_short", "length(a) <= 3", "quarantine", "a should be short"),
        ),
        columns=tuple(replace(c, personal=True) for c in T1.columns),
    )
    other = again(lake, changed)
    other.replace_days(TABLE, frame(lake, (D2, D2.day, "y")), D2, D2, run_id="r")
    assert minima(other) == set(), "personal columns have no statistics"
    assert set(constraints(other)) == {"id_is_positive", "a_is_short"}
    other.replace_days(TABLE, frame(lake, (D3, -1, "z")), D3, D3, run_id="r")
    for bad in ((D3, 0, "z"), (D3, 3, "long")):
        with pytest.raises(PySparkException, match="CHECK"):
            other.replace_days(TABLE, frame(lake, bad), D3, D3, run_id="r")
    before = other.version(TABLE)
    once_more = again(lake, changed)
    once_more.ensure(TABLE)
    assert once_more.version(TABLE) == before, "what follows the contract is left alone"
    without = again(lake, replace(T1, checks=()))
    without.replace_days(TABLE, frame(lake, (D3, 0, "long")), D3, D3, run_id="r")
    assert constraints(without) == {}


def test_a_check_that_stored_rows_break_is_refused_and_named(lake):
    replaced(lake, (D1, 1, "x"))
    tight = replace(T1, checks=(Check("id_is_large", "id > 1", "fail", "ids are large"),))
    with pytest.raises(ContractError, match="rows break: `id_is_large`"):
        again(lake, tight).ensure(TABLE)
    assert rows_of(again(lake)) == [(D1, 1, "x", None)]


def test_a_new_rule_of_deliveries_leaves_the_rows_that_break_it(lake):
    """It is tried once; one that changes is tried again, and so is one that rows would keep."""
    replaced(lake, (D1, 1, "long"))
    rules = [
        Check("a_is_short", f"length(a) <= {n}", "quarantine", "a should be short")
        for n in (3, 2, 4)
    ]
    for rule, kept in zip(rules, (False, False, True), strict=True):
        contract = replace(T1, checks=(*T1.checks, rule))
        again(lake, contract).ensure(TABLE)
        assert ("a_is_short" in constraints(lake)) == kept
        version = again(lake).version(TABLE)
        again(lake, contract).ensure(TABLE)
        assert again(lake).version(TABLE) == version, "it is remembered"
    assert rows_of(again(lake)) == [(D1, 1, "long", None)]


# -- what other engines see ------------------------------------------------------------------------


def log_entries(path, kind):
    for entry in sorted(Path(path, "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            if kind in (action := json.loads(line)):
                yield action[kind]


def test_every_table_can_be_read_by_readers_of_version_1(spark, tmp_path, contracts):
    """Each is made from its DDL, and its log says what a reader must know."""
    for contract in contracts.values():
        path = str(tmp_path / contract.name)
        spark.sql(contract.ddl(path))
        protocol = list(log_entries(path, "protocol"))[-1]
        assert protocol["minReaderVersion"] == 1, contract.name
        assert "readerFeatures" not in protocol, contract.name
        features = set(protocol.get("writerFeatures", ()))
        assert not features & {
            "deletionVectors",
            "columnMapping",
            "identityColumns",
            "timestampNtz",
        }
        stored = spark.read.format("delta").load(path).schema
        properties = list(log_entries(path, "metaData"))[-1]["configuration"]
        assert migration(contract, path, stored, properties) == [], "made as it should be"
        assert [(f.name, f.dataType) for f in stored] == [
            (f.name, f.dataType) for f in contract.struct
        ]


def test_reader_version_as_delta_describes_it(lake):
    replaced(lake, (D1, 1, "x"))
    detail = lake.spark.sql(f"DESCRIBE DETAIL delta.`{lake.path(TABLE)}`").first()
    assert detail["minReaderVersion"] == 1
    assert detail["partitionColumns"] == ["business_date"]


@pytest.mark.parametrize("all_personal", [False, True])
def test_files_carry_no_statistics_of_personal_columns(lake, all_personal):
    columns = [replace(c, personal=c.personal or all_personal) for c in T1.columns]
    lake = again(lake, replace(T1, columns=tuple(columns), partition_by=()))
    replaced(lake, (D1, 41, "open", "somebody"))
    [added] = log_entries(lake.path(TABLE), "add")
    statistics = json.loads(added.get("stats") or "{}")
    assert statistics["numRecords"] == 1
    known = {
        n for kind in ("minValues", "maxValues", "nullCount") for n in statistics.get(kind, {})
    }
    assert known == (set() if all_personal else {"business_date"})
    assert "somebody" not in json.dumps(added)
