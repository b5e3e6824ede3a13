"""Tables of a real PostgreSQL as a source: what a night delivers, and what it does when it fails.

Days are of 2020, New York's: the server's own clock says that they have ended.
"""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from postgres import READER, READERS_PASSWORD, running
from pyspark.sql import functions as F

from conftest import HOME, collected
from lakeshop.bronze.ingest import ingest
from lakeshop.bronze.jdbc_days import end_of, load_table, reading
from lakeshop.config.shop import Database
from lakeshop.errors import ConfigError, InputError
from lakeshop.maintenance.maintain import maintain
from lakeshop.privacy.erasure_list import add_to_list
from lakeshop.sources import jdbc
from lakeshop.sources.jdbc import Source, Window
from lakeshop.sources.jdbc_connection import Connection, Login
from lakeshop.sources.mapping import TEXT, typed, with_text
from shops import ENTITIES, KEY, SHOP, ZONE, reason_of, tiny_shop

D1, D2, D3, D4 = (date(2020, 3, 7) + timedelta(days=n) for n in range(4))  # clocks change on D2
USER, PASSWORD = "TINY_DB_USER", "TINY_DB_PASSWORD"
TABLE = "bronze.transactions"
COLUMNS = ENTITIES["transactions"]["columns"] | {
    "order_id": "order_id",
    "user_id": "customer",
    "occurred_at": {"column": "sold_at", "zone": ZONE},
}


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


@pytest.fixture(autouse=True)
def login(monkeypatch):
    monkeypatch.setenv(USER, READER)
    monkeypatch.setenv(PASSWORD, READERS_PASSWORD)


@pytest.fixture
def sales(server):
    """An empty table of order lines, as a shop's till keeps them."""
    server.do(
        f"""DROP SCHEMA IF EXISTS till CASCADE; CREATE SCHEMA till;
        GRANT USAGE ON SCHEMA till TO {READER};
        CREATE TABLE till.sales (
          id bigint PRIMARY KEY, order_id uuid, customer text, product text, store text,
          quantity int, amount numeric, sold_at timestamp, tags text[], card text,
          changed_at timestamptz);
        GRANT SELECT ON till.sales TO {READER};"""
    )
    return server


def sold(server, number, at, zone=ZONE, **columns):
    """Write a line, or write it again; times are those of New York's clocks."""
    row = {
        "id": number,
        "order_id": f"00000000-0000-0000-0000-{number:012}",
        "customer": f"u{number % 3}",
        "product": f"p{number % 4}",
        "store": "s1",
        "quantity": 1,
        "amount": "2.50",
        "sold_at": at,
        "tags": '{"a","b c"}',
        "card": "4111",
        "changed_at": f"{at} {zone}",
    } | columns
    values = ", ".join("NULL" if v is None else f"'{v}'" for v in row.values())
    server.do(
        f"INSERT INTO till.sales VALUES ({values}) ON CONFLICT (id) DO UPDATE SET "
        "amount = EXCLUDED.amount, changed_at = EXCLUDED.changed_at"
    )


def database(server, **keys):
    return {
        "url": server.url,
        "table": "till.sales",
        "key": ["id"],
        "updated_at": "changed_at",
        "overlap_minutes": 120,
        "user_variable": USER,
        "password_variable": PASSWORD,
    } | keys


def shop_of(spark, home, server, **keys):
    entity = {"jdbc": database(server, **keys), "columns": COLUMNS, "ignored": ["card"]}
    return tiny_shop(spark, home, shop=SHOP | {"entities": {"transactions": entity}})


@pytest.fixture
def shop(spark, tmp_path, sales):
    return shop_of(spark, tmp_path, sales)


def night(shop, first, last=None, *, lake="lake", is_forgotten=False, **options):
    """As a job does it: work, then remember it; or is killed in between."""
    run = shop.run(first, last, lake=lake, **options)
    ingest(run)
    if not is_forgotten:
        run.flush()
    return run


def held(shop, lake="lake"):
    """Business date, line, id and amount of each row."""
    rows = collected(shop.lake(lake).read(TABLE), "business_date", "source_line", "raw")
    parsed = [(day, number, json.loads(raw, parse_float=str)) for day, number, raw in rows]
    return sorted((day, number, row["id"], row["amount"]) for day, number, row in parsed)


def days(shop, lake="lake"):
    return [(day, number) for day, _, number, _ in held(shop, lake)]


# -- what is delivered -----------------------------------------------------------------------------


def test_a_row_is_the_json_of_the_databases_row(shop, sales):
    sold(sales, 7, f"{D1} 23:59:59.123456", customer="Zoë", amount="12345678901234567890.10")
    sold(sales, 8, f"{D2} 00:00:00", product=None)
    night(shop, D1)
    columns = ("business_date", "source_file", "source_line", "header", "fault")
    assert collected(shop.lake().read(TABLE), *columns) == [(D1, "jdbc/till.sales", 1, None, None)]
    [raw] = [row["raw"] for row in shop.lake().read(TABLE).collect()]
    assert '"amount":12345678901234567890.10' in raw
    assert list(json.loads(raw)) == sorted(json.loads(raw))
    assert json.loads(raw) | {"amount": 0} == {
        "id": 7,
        "order_id": "00000000-0000-0000-0000-000000000007",
        "customer": "Zoë",
        "product": "p3",
        "store": "s1",
        "quantity": 1,
        "amount": 0,
        "sold_at": f"{D1}T23:59:59.123456",
        "tags": ["a", "b c"],
        "changed_at": "2020-03-08T04:59:59.123456+00:00",
    }


def test_what_is_ignored_is_not_read_and_the_key_always_is(spark, tmp_path, sales):
    entity = {"jdbc": database(sales), "columns": COLUMNS, "ignored": ["card", "tags", "id"]}
    shop = tiny_shop(spark, tmp_path, shop=SHOP | {"entities": {"transactions": entity}})
    sold(sales, 1, f"{D1} 10:00:00")
    look = reading(shop.run(D1), "transactions", shop.settings.shop.entities["transactions"])
    [row] = look.source.rows(look.kinds, look.window, look.extent).collect()
    assert set(json.loads(row["raw"])) == {
        *("id", "order_id", "customer", "product", "store", "quantity", "amount"),
        *("sold_at", "changed_at"),
    }


def test_nights_deliver_each_change_once(shop, sales):
    """History to D2, then two nights; what each holds is written down by hand."""
    sold(sales, 1, f"{D1} 09:00:00")
    sold(sales, 2, f"{D2} 23:00:00")  # read again by the overlap of the next night
    sold(sales, 3, f"{D2} 23:30:00", sold_at=f"{D1} 23:30:00")
    sold(sales, 8, f"{D2} 23:40:00", sold_at=f"{D1} 12:00:00")  # and that, filed days before
    night(shop, D1, D2, is_history=True)
    of_first_day = [(D1, 1, 1, "2.50"), (D1, 2, 3, "2.50"), (D1, 3, 8, "2.50")]
    by_event_day = [*of_first_day, (D2, 1, 2, "2.50")]
    assert held(shop) == sorted(by_event_day)
    sold(sales, 4, f"{D2} 22:30:00")  # commits late, within the overlap
    sold(sales, 5, f"{D2} 21:30:00")  # and before it: never seen again, as the page says
    sold(sales, 3, f"{D3} 08:00:00", amount="3.00")
    sold(sales, 6, f"{D3} 23:59:59.999999")
    sold(sales, 7, f"{D4} 00:00:00")
    night(shop, D3)
    first_night = [(D3, 1, 4, "2.50"), (D3, 2, 3, "3.00"), (D3, 3, 6, "2.50")]
    assert held(shop) == sorted(by_event_day + first_night)
    night(shop, D4)
    assert held(shop) == sorted([*by_event_day, *first_night, (D4, 1, 7, "2.50")])


def test_days_in_any_order_and_as_a_range_hold_the_same(shop, sales):
    for n, day in enumerate((D1, D2, D3, D4)):
        sold(sales, 10 * n, f"{day} 00:00:00")
        sold(sales, 10 * n + 1, f"{day} 23:00:00")
    ordered = [(d, 10 * n + i) for n, d in enumerate((D1, D2, D3)) for i in (0, 1)]
    night(shop, D1, D3, lake="range")
    assert days(shop, "range") == ordered
    night(shop, D3, lake="mixed")
    assert {day for day, _ in days(shop, "mixed")} == {D3}, "nothing is published before"
    night(shop, D1, lake="mixed")
    assert days(shop, "mixed") == [(D1, 0), (D1, 1), (D3, 10), (D3, 11), (D3, 20), (D3, 21)]
    night(shop, D2, lake="mixed")
    assert shop.lake("mixed").content(TABLE, D1, D3) == shop.lake("range").content(TABLE, D1, D3)


def test_a_published_night_gains_what_came_late_and_loses_nothing(shop, sales):
    sold(sales, 1, f"{D1} 10:00:00")
    sold(sales, 2, f"{D1} 11:00:00")
    night(shop, D1)
    version = shop.lake().version(TABLE)
    night(shop, D1)
    assert shop.lake().version(TABLE) == version, "the same window is not published again"
    sold(sales, 2, f"{D2} 11:00:00", amount="9.00")  # what it was is nowhere but in bronze
    sold(sales, 3, f"{D1} 10:30:00")
    sales.do("DELETE FROM till.sales WHERE id = 1")
    night(shop, D1)
    gained = [(D1, 1, 1, "2.50"), (D1, 2, 3, "2.50"), (D1, 3, 2, "2.50")]
    assert held(shop) == gained
    night(shop, D2)
    assert held(shop) == [*gained, (D2, 1, 2, "9.00")]


def test_a_night_killed_before_it_is_remembered_is_done_again(shop, sales):
    sold(sales, 1, f"{D1} 22:30:00")
    night(shop, D1, is_forgotten=True)
    sold(sales, 1, f"{D2} 11:00:00", amount="9.00")
    sold(sales, 2, f"{D2} 12:00:00")
    night(shop, D2)  # the ledger knows of no night, bronze holds one
    assert held(shop) == [(D1, 1, 1, "2.50"), (D2, 1, 1, "9.00"), (D2, 2, 2, "2.50")]
    night(shop, D1)
    assert held(shop) == [(D1, 1, 1, "2.50"), (D2, 1, 1, "9.00"), (D2, 2, 2, "2.50")]


@pytest.mark.parametrize(
    "is_flushed",
    [pytest.param(False, marks=pytest.mark.chaos), True],
    ids=["alone", "as another table is remembered"],
)
def test_a_late_day_killed_before_it_took_its_rows_from_a_later_one(
    spark, tmp_path, sales, is_flushed
):
    """They are on both days then, in the database no more, and one of them is there twice."""
    sales.do(
        f"""CREATE VIEW till.shown AS SELECT * FROM till.sales
        UNION ALL SELECT * FROM till.sales WHERE id = 1;
        GRANT SELECT ON till.shown TO {READER}"""
    )
    shop = shop_of(spark, tmp_path, sales, table="till.shown")
    for number, day in enumerate((D1, D1, D2, D3), 1):
        sold(sales, number, f"{day} 10:00:00")
    for lake in ("undisturbed", "killed"):
        night(shop, D3, lake=lake)
    night(shop, D1, lake="undisturbed")
    kill_at_second_commit(shop.run(D1, lake="killed"), is_flushed=is_flushed)
    assert len(held(shop, "killed")) == 8
    sales.do("DELETE FROM till.sales")
    for day, moved in ((D1, 3), (D2, 1)):
        night(shop, day, lake="killed")
        night(shop, day, lake="undisturbed")
        right = collected(shop.lake("undisturbed").read(TABLE))
        assert collected(shop.lake("killed").read(TABLE)) == right
        assert [row[0] for row in right].count(day) == moved


def kill_at_second_commit(run, *, is_flushed):
    """Between the two of a day and a later one; another table's thread may remember just then."""
    before, died = run.lake.version(TABLE), []

    @contextmanager
    def guard():
        if run.lake.version(TABLE) > before and not died:
            died.append(True)
            if is_flushed:
                run.flush()
            raise KeyboardInterrupt
        yield

    run = replace(run, lake=replace(run.lake, commit_lock=guard))
    with pytest.raises(KeyboardInterrupt):
        ingest(run)


@pytest.mark.chaos
def test_the_erased_do_not_come_back(shop, sales):
    """Not by the overlap, nor by their own night or history again, nor by what they buy later."""
    for number in (1, 2, 3):
        sold(sales, number, f"{D1} 23:00:00")
    night(shop, D1)
    run = shop.run(D1)
    run.erase = ["u1"]
    maintain(run)
    run.flush()
    of_others = [(D1, 1, 2, "2.50"), (D1, 2, 3, "2.50")]
    assert [row[2:] for row in held(shop)] == [row[2:] for row in of_others]
    sold(sales, 4, f"{D2} 09:00:00")  # u1 again
    sold(sales, 5, f"{D2} 10:00:00")
    night(shop, D2)
    night(shop, D1)
    expected = [*of_others, (D2, 1, 5, "2.50")]
    assert [row[2:] for row in held(shop)] == [row[2:] for row in expected]
    night(shop, D1, D2, is_history=True)
    assert sorted(row[2] for row in held(shop)) == [2, 3, 5]


@pytest.mark.chaos
def test_what_retention_removed_is_not_read_again_by_the_next_night(shop, sales):
    """It is by its own, which is asked for by its date."""
    late = D1 + timedelta(days=801)
    sold(sales, 1, f"{D1} 10:00:00")
    sold(sales, 2, f"{D1} 10:00:00", changed_at=f"{late} 23:30:00 {ZONE}")
    night(shop, D1)
    night(shop, late)
    run = shop.run(late)
    maintain(run)
    run.flush()
    assert days(shop) == [(late, 2)]
    sold(sales, 3, f"{late + timedelta(days=1)} 10:00:00")
    night(shop, late + timedelta(days=1))
    assert days(shop) == [(late, 2), (late + timedelta(days=1), 3)]
    night(shop, D1)
    assert days(shop) == [(D1, 1), (late, 2), (late + timedelta(days=1), 3)]


def test_who_is_erased_is_not_read(shop, sales):
    add_to_list(shop.settings.maintenance.erased, ["u1"], KEY.encode())
    for number in (1, 2, 3, 4):
        sold(sales, number, f"{D1} 10:00:00")
    night(shop, D1)
    assert days(shop) == [(D1, 2), (D1, 3)]


def test_its_texts_are_understood_as_those_of_files(shop, sales, contracts):
    sold(sales, 1, f"{D1} 10:30:00.25")
    look = reading(shop.run(D1), "transactions", shop.settings.shop.entities["transactions"])
    rows = look.source.rows(look.kinds, look.window, look.extent)
    entity = look.source.entity
    kinds = {column.name: column for column in contracts["silver.transactions"].columns}
    names = ("transaction_id", "order_id", "quantity", "amount", "occurred_at")
    texts = with_text(rows, entity)
    read = [typed(F.col(TEXT)[name], entity.columns[name], kinds[name]) for name in names]
    assert tuple(texts.select(*read).first()) == (
        *("1", "00000000-0000-0000-0000-000000000001", 1, Decimal("2.50")),
        datetime(2020, 3, 7, 15, 30, 0, 250_000),  # sold_at has no zone: its origin says which
    )


# -- how it is read --------------------------------------------------------------------------------


def test_parts_together_are_the_whole(spark, shop, sales):
    """Bounds set the stride alone: ends, a lonely far value and NULL are in some part."""
    sales.do(
        f"""ALTER TABLE till.sales ADD born date;
        INSERT INTO till.sales (id, quantity, sold_at, changed_at, born)
        SELECT n, CASE WHEN n % 5 <> 0 THEN n END, TIMESTAMP '{D1}' + n * INTERVAL '7 minutes',
          TIMESTAMPTZ '{D1} 12:00+00' + n * INTERVAL '1 minute', DATE '1950-01-01' + n * 100
        FROM generate_series(-20, 20) AS n
        UNION ALL SELECT 1000000007, 9999, NULL, TIMESTAMPTZ '{D1} 13:00+00', NULL"""
    )
    entity = shop.settings.shop.entities["transactions"]
    for column in ("id", "quantity", "changed_at", "sold_at", "born"):
        keys = database(sales, partition_column=column, partitions=3)
        divided = entity.model_copy(update={"jdbc": Database.model_validate(keys)})
        login = Login(READER, READERS_PASSWORD)
        source = Source(Connection(spark, divided.jdbc, login), divided)
        window = Window(None, end_of(D1, ZONE))
        kinds = source.kinds()
        parts = source.rows(kinds, window, source.extent(kinds, window))
        assert parts.rdd.getNumPartitions() == 3
        found = sorted(json.loads(row["raw"])["id"] for row in parts.collect())
        assert found == [*range(-20, 21), 1000000007], column


@pytest.mark.parametrize("kind", ["timestamp", pytest.param("date", marks=pytest.mark.chaos)])
def test_a_time_without_a_zone_is_meant_in_the_configured_one(spark, tmp_path, sales, kind):
    """At 21:00 of Los Angeles the next day begins in New York."""
    sales.do(f"ALTER TABLE till.sales ALTER changed_at TYPE {kind} USING changed_at::{kind}")
    for number, at in enumerate((f"{D1} 20:59:59", f"{D1} 21:00:00", f"{D2} 20:59:59")):
        sold(sales, number, at, zone="")
    shop = shop_of(spark, tmp_path, sales, zone="America/Los_Angeles")
    night(shop, D1, D2)
    expected = [(D1, 0), (D2, 1), (D2, 2)] if kind == "timestamp" else [(D1, 0), (D1, 1), (D2, 2)]
    assert days(shop) == expected


def test_a_day_ends_at_the_shops_midnight():
    assert end_of(D1, ZONE) == datetime(2020, 3, 8, 5, tzinfo=UTC)
    assert end_of(D2, ZONE) == datetime(2020, 3, 9, 4, tzinfo=UTC)


# -- what fails ------------------------------------------------------------------------------------


def fault_of(shop, day=D1):
    text = reason_of(night(shop, day), TABLE)
    assert READER not in text
    assert READERS_PASSWORD not in text
    assert not shop.lake().exists(TABLE)
    return text


def test_a_wrong_password(shop, sales, monkeypatch):
    monkeypatch.setenv(PASSWORD, "canary-wrong")
    text = fault_of(shop)
    assert 'password authentication failed for user "***"' in text
    assert "canary-wrong" not in text


def test_no_login_in_the_environment(shop, monkeypatch):
    monkeypatch.delenv(PASSWORD)
    text = fault_of(shop)
    assert PASSWORD in text
    assert USER not in text


def test_no_driver_on_the_class_path(shop, monkeypatch):
    monkeypatch.setattr("lakeshop.sources.jdbc_connection.DRIVER", "org.postgresql.NoDriver")
    assert "docs/databases.md" in fault_of(shop)


def test_no_server(spark, tmp_path, sales):
    url = sales.url.replace(f":{sales.port}/", ":1/")
    text = fault_of(shop_of(spark, tmp_path, sales, url=url))
    assert "127.0.0.1:1/postgres" in text
    assert "refused" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DROP TABLE till.sales", "should have a table till.sales"),
        ("ALTER TABLE till.sales RENAME amount TO total", "amount is missing"),
        ("ALTER TABLE till.sales RENAME changed_at TO at", "changed_at is missing"),
        ("ALTER TABLE till.sales DROP id", "id is missing"),
        ("ALTER TABLE till.sales ALTER changed_at TYPE text", "changed_at is text, not date or"),
        ("REVOKE ALL ON till.sales FROM PUBLIC, " + READER, "permission denied"),
        ("INSERT INTO till.sales (id) VALUES (1)", "1 rows without"),
    ],
)
def test_a_table_that_is_not_as_it_was(shop, sales, change, message):
    sales.do(change)
    assert message in fault_of(shop)


def test_a_day_that_has_not_ended(shop):
    assert "when its day has ended" in fault_of(shop, date(2999, 1, 1))


def test_a_connection_cut_while_rows_are_read(spark, tmp_path, sales, monkeypatch):
    """The server ends the connection at the 500th row, when 499 are read; then it recovers."""
    monkeypatch.setattr(jdbc, "FETCHED_AT_ONCE", 10)
    shop = shop_of(spark, tmp_path, sales, table="till.shown")
    sold(sales, 1, f"{D1} 10:00:00")
    sales.do(
        f"""CREATE FUNCTION till.cut(n bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN
          IF n = 500 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN n;
        END $$;
        CREATE VIEW till.shown AS SELECT s.*, till.cut(n) AS nth
        FROM till.sales AS s, generate_series(1, 600) AS n;
        GRANT SELECT ON till.shown TO {READER}"""
    )
    assert "terminating connection" in fault_of(shop)
    sales.do(
        "CREATE OR REPLACE FUNCTION till.cut(n bigint) RETURNS bigint LANGUAGE sql AS 'SELECT n'"
    )
    night(shop, D1)
    assert len(held(shop)) == 600


def test_a_login_that_is_refused_once_rows_are_to_be_read(shop, sales):
    """By then others may have taken all connections; the server's words name who asks."""
    run = shop.run(D1)
    look = reading(run, "transactions", shop.settings.shop.entities["transactions"])
    sales.do(f"ALTER ROLE {READER} CONNECTION LIMIT 0")
    try:
        with pytest.raises(InputError) as caught:
            load_table(run, look, lambda rows: rows)
    finally:
        sales.do(f"ALTER ROLE {READER} CONNECTION LIMIT -1")
    assert 'too many connections for role "***"' in str(caught.value)
    assert not run.lake.exists(TABLE)


def test_plans_show_no_login(shop, sales):
    sold(sales, 1, f"{D1} 10:00:00")
    look = reading(shop.run(D1), "transactions", shop.settings.shop.entities["transactions"])
    rows = look.source.rows(look.kinds, look.window, look.extent)
    plan = rows._jdf.queryExecution().toString() + rows._jdf.queryExecution().debug().toString()
    assert "till" in plan, "the plan shows what is read"
    assert READER not in plan + repr(look)
    assert READERS_PASSWORD not in plan + repr(look)


@pytest.mark.chaos
def test_a_login_is_seen_nowhere(shop, sales, tmp_path):
    """By spark-submit: not in what is printed at level INFO, in event logs, or in the lake."""
    sold(sales, 1, f"{D1} 10:00:00")
    events = tmp_path / "events"
    events.mkdir()
    done = submitted(shop, events)
    outputs = [done.stdout + done.stderr]
    assert done.returncode == 0, outputs
    wrong = submitted(shop, events, **{PASSWORD: "canary-wrong"})
    outputs.append(wrong.stdout + wrong.stderr)
    assert wrong.returncode == 1
    assert "password authentication failed" in wrong.stdout
    sales.do("DROP TABLE till.sales")
    gone = submitted(shop, events)
    outputs.append(gone.stdout + gone.stderr)
    assert gone.returncode == 1
    assert "should have a table till.sales" in gone.stdout
    written = (*events.rglob("*"), *(shop.home / "lake").rglob("*"))
    texts = [*outputs, *[path.read_text(errors="replace") for path in written if path.is_file()]]
    assert any("SparkListenerJobStart" in text for text in texts), "events were logged"
    texts.append(str(shop.lake().read(TABLE).collect()))
    for secret in (READER, READERS_PASSWORD, "canary-wrong"):
        assert [text[:200] for text in texts if secret in text] == []


def submitted(shop, events, **environment):
    confs = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": events.as_uri(),
        "spark.log.level": "INFO",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
    }
    options = [part for pair in confs.items() for part in ("--conf", "=".join(pair))]
    places = ["--conf", shop.home / "conf", "--schemas", shop.home / "schemas"]
    command = [
        *(Path(sys.executable).parent / "spark-submit", "--properties-file"),
        *(HOME / "conf/spark/local.conf", *options, HOME / "jobs/ingest.py"),
        *("--date", str(D1), "--shop", "tiny", *places),
    ]
    return subprocess.run(
        list(map(str, command)),
        env=os.environ | environment,
        cwd=HOME,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


# -- configuration ---------------------------------------------------------------------------------

PLAIN = {
    "url": "jdbc:postgresql://db.example.com:5432/shop?sslmode=verify-full",
    "table": "public.sales",
    "key": ["id"],
    "updated_at": "changed_at",
    "user_variable": "A",
    "password_variable": "B",
}
SERVER = "jdbc:postgresql://db.example.com/shop"


def configured(tmp_path, entity):
    shop = tiny_shop(None, tmp_path, shop=SHOP | {"entities": {"transactions": entity}})
    return shop.settings.shop.entities["transactions"]


def test_a_table_is_configured(tmp_path):
    entity = configured(tmp_path, {"jdbc": PLAIN, "columns": COLUMNS})
    assert entity.jdbc.place == "db.example.com:5432/shop"
    assert entity.jdbc.overlap_minutes == 60


def test_where_a_table_lies_changes_no_run_id(tmp_path):
    digests = []
    for n, keys in enumerate(({}, {"url": SERVER, "user_variable": "C"}, {"overlap_minutes": 5})):
        entity = {"jdbc": PLAIN | keys, "columns": COLUMNS}
        home = tmp_path / str(n)
        home.mkdir()
        shop = tiny_shop(None, home, shop=SHOP | {"entities": {"transactions": entity}})
        digests.append(shop.settings.digest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"password": "canary"}, "jdbc.password"),
        ({"url": f"{SERVER}?user=me&password=canary"}, "should hold no user and no password"),
        ({"url": f"{SERVER}?sslpassword=canary"}, "should hold no user and no password"),
        ({"url": "jdbc:postgresql://me:canary@db.example.com/shop"}, "should hold no user"),
        ({"url": f"{SERVER}?pass%77ord=canary"}, "jdbc.url"),
        ({"url": "jdbc:mysql://db.example.com/canary"}, "should be as jdbc:postgresql:"),
        ({"table": "sales; DROP TABLE sales"}, "jdbc.table"),
        ({"key": []}, "jdbc.key"),
        ({"partitions": 4}, "should have partition_column and 2 or more partitions"),
        ({"partition_column": "id"}, "should have partition_column and 2 or more partitions"),
        ({"overlap_minutes": -1}, "jdbc.overlap_minutes"),
        ({"zone": "Europe/Atlantis"}, "time zone"),
    ],
)
def test_a_wrong_table_is_refused_and_no_secret_repeated(tmp_path, keys, message):
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, {"jdbc": PLAIN | keys, "columns": COLUMNS})
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


def test_files_or_a_table_and_not_both(tmp_path):
    entity = {"jdbc": PLAIN, "columns": COLUMNS, "path": "{date}.csv", "format": "csv"}
    with pytest.raises(ConfigError, match="from files or by jdbc, received jdbc and path, format"):
        configured(tmp_path, entity)


def test_a_password_beside_the_table_is_not_repeated(tmp_path):
    with pytest.raises(ConfigError, match=r"transactions\.password") as caught:
        configured(tmp_path, {"jdbc": PLAIN, "columns": COLUMNS, "password": "canary"})
    assert "canary" not in str(caught.value)


def test_a_login_shows_nothing(tmp_path):
    login = Login("canary", "canary")
    assert "canary" not in f"{login!r} {login}"
    assert login.hidden_in("user canary") == "user ***"
