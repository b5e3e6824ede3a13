"""A shop's texts as the entity's columns: found, typed, or NULL; never silently something else."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from lakeshop.config.shop import ColumnMapping, Entity
from lakeshop.contracts.model import Column as ContractColumn
from lakeshop.contracts.model import Contract
from lakeshop.errors import ConfigError
from lakeshop.sources.json_rows import with_elements
from lakeshop.sources.mapping import (
    FAILED,
    KEYS,
    MALFORMED,
    TEXT,
    UNREAD,
    assert_mapped,
    source_columns,
    typed,
    with_text,
)


def entity_of(columns, **options):
    return Entity.model_validate(
        {"path": "{date}", "format": "json", "columns": columns, **options}
    )


def texts(spark, entity, *raws, header=None):
    """Per raw text the mapped texts as a dict, None where the line is malformed."""
    lines = [(n, raw, header) if isinstance(raw, str) else (n, *raw) for n, raw in enumerate(raws)]
    rows = spark.createDataFrame(lines, "source_line int, raw string, header string")
    found = with_text(rows, entity)
    assert found.columns == ["source_line", "raw", "header", KEYS, MALFORMED, TEXT, FAILED, UNREAD]
    by_line = {
        r["source_line"]: None if r[MALFORMED] else r[TEXT].asDict() for r in found.collect()
    }
    return [by_line[n] for n in range(len(raws))]


# -- JSON ----------------------------------------------------------------------------------------


def test_a_csv_row_is_parsed_once_however_many_fields_are_read(spark):
    entity = entity_of({f"_{n}": f"c{n}" for n in range(8)}, format="csv")
    rows = spark.createDataFrame([("1", "c0,c1"), ("2", "c1,c7")], "raw string, header string")
    plan = with_text(rows, entity)._jdf.queryExecution().optimizedPlan()
    assert plan.toString().count("from_csv(") == 2  # once by each header


@pytest.mark.parametrize("lines", [None, "items"])
def test_an_object_is_parsed_once_however_many_fields_are_read(spark, lines):
    names = [f"items.{n}" if lines and n < 4 else f"c{n}" for n in range(8)]
    entity = entity_of({f"_{n}": name for n, name in enumerate(names)}, lines=lines)
    rows = spark.createDataFrame([("{}",)], "raw string")
    plan = with_text(with_elements(rows, entity), entity)._jdf.queryExecution().optimizedPlan()
    arrays = 1 if lines else 0
    # The whole object for its array, the array, and then one object of each kind.
    assert plan.toString().count("from_json(") == 1 + 3 * arrays


def test_json_columns_constants_and_expressions(spark):
    entity = entity_of(
        {
            "user_id": "Kunde Nr.",
            "currency": {"constant": "EUR"},
            "key": {"expression": "concat_ws('-', `a.b`, user_id)", "reads": ["a.b", "user_id"]},
            "size": {"expression": "length(user_id)", "reads": ["user_id"]},
        }
    )
    [one, two] = texts(
        spark,
        entity,
        '{"Kunde Nr.": "u1", "a.b": "x", "user_id": "their own", "more": 1}',
        '{"a.b": "x"}',
    )
    # An expression means the shop's own columns, even where a mapped one has the same name.
    assert one == {"user_id": "u1", "currency": "EUR", "key": "x-their own", "size": "9"}
    assert two == {"user_id": None, "currency": "EUR", "key": "x", "size": None}


def test_an_expression_cannot_see_what_lakeshop_adds(spark):
    entity = entity_of({"a": {"expression": "raw", "reads": ["raw"]}})
    assert texts(spark, entity, '{"raw": "mine"}') == [{"a": "mine"}]


CODEGEN = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "CODEGEN_ONLY"}


@pytest.fixture(params=["interpreted", "generated"])
def code(request, spark):
    """Both ways in which Spark runs an expression; nights generate code, tests do not else."""
    before = {name: spark.conf.get(name) for name in CODEGEN}
    for name, value in CODEGEN.items():
        spark.conf.set(name, value if request.param == "generated" else before[name])
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize("form", ["json", "csv"])
def test_an_expression_that_fails_on_a_row_leaves_others_their_values(spark, form):
    """Also where two share the part that fails, or a comparison implies it."""
    entity = entity_of(
        {
            "amount": {"expression": "CAST(q AS INT) * CAST(p AS INT)", "reads": ["q", "p"]},
            "double": {"expression": "CAST(q AS INT) + CAST(q AS INT)", "reads": ["q"]},
            "size": {"expression": "CASE WHEN q > 2 THEN 'many' ELSE 'few' END", "reads": ["q"]},
            "day": {"expression": "date_add(to_date(d), 1)", "reads": ["d"]},
            "at": {"expression": "split(d, '-')[2]", "reads": ["d"]},
            "p": "p",
        },
        format=form,
    )
    lines = {
        "csv": ("n/a,3,soon", "3,4,2026-03-09", ",,", "2000000000,9,9999-12-31"),
        "json": (
            '{"q": "n/a", "p": "3", "d": "soon"}',
            '{"q": "3", "p": "4", "d": "2026-03-09"}',
            "{}",
            '{"q": "2000000000", "p": "9", "d": "9999-12-31"}',
        ),
    }
    found = texts(spark, entity, *lines[form], header="q,p,d" if form == "csv" else None)
    nothing = dict.fromkeys(("amount", "double", "size", "day", "at", "p"))
    assert found[0] == nothing | {"p": "3"}
    assert found[1] == {
        **{"amount": "12", "double": "6", "size": "many"},
        **{"day": "2026-03-10", "at": "09", "p": "4"},
    }
    assert found[2] == nothing | {"size": "few"}
    assert found[3]["size"] == "many"
    assert (found[3]["amount"], found[3]["double"]) == (None, None), "it does not wrap around"


@pytest.mark.parametrize("blank", ['""', '"  "', '"\\t"', '" \\r\\n"', "null"])
def test_blank_and_absent_are_null(spark, blank):
    assert texts(spark, entity_of({"a": "a"}), f'{{"a": {blank}}}', "{}") == [{"a": None}] * 2


def test_texts_are_trimmed_and_otherwise_kept(spark):
    entity = entity_of({"a": "a"})
    found = texts(spark, entity, '{"a":"  Ü b "}', '{"a":"Nullarbor"}', '{"a":"a\\u0000b"}')
    assert found == [{"a": "Ü b"}, {"a": "Nullarbor"}, {"a": "a\x00b"}]


def test_json_values_of_other_kinds_are_texts(spark):
    found = texts(
        spark,
        entity_of({"a": "a"}),
        '{"a": 12345678901234567890123}',  # more than a bigint holds
        '{"a": 0.1}',
        '{"a": -0.75}',
        '{"a": true}',
        '{"a": {"x": [1, 2]}}',
    )
    numbers = [row["a"] for row in found]
    assert numbers == ["12345678901234567890123", "0.1", "-0.75", "true", '{"x":[1,2]}']


def test_json_numbers_keep_their_value(spark):
    """Spark may write 1.10 as 1.1 and 1e3 as 1000.0; the value is the same."""
    written = ["1.10", "1e3", "100000000.00", "0.00001", "1234567890123.45"]
    found = texts(spark, entity_of({"a": "a"}), *[f'{{"a": {number}}}' for number in written])
    assert [Decimal(row["a"]) for row in found] == [Decimal(number) for number in written]


@pytest.mark.parametrize(
    "raw",
    [
        '{"a": ',
        "not json",
        '{"a" "b"}',
        "null",
        "5",
        '"text"',
        '[{"a": "1"}]',
        '[{"a": "1"}, {"a": "2"}]',
        '{"a": "1"} and more',
        '{"a": "1"}{"a": "2"}',
        '{"a": "1"},{"a": "2"}',
        '{"a": "1"}]',
        '{"a": "x',
        '{"a": "p\x00, "b": 1}',  # what stands behind the broken text is none of its own
        '{"a": NaN}',
    ],
)
def test_what_is_not_one_json_object_is_malformed(spark, raw):
    assert texts(spark, entity_of({"a": "a"}), raw, '{"a": "1"}  ') == [None, {"a": "1"}]


def test_an_empty_object_is_a_row_of_nulls(spark):
    assert texts(spark, entity_of({"a": "a", "b": "b"}), "{}") == [{"a": None, "b": None}]


def test_a_brace_or_bracket_in_a_text_is_text(spark):
    assert texts(spark, entity_of({"a": "a"}), '{"a": "}],[{"}') == [{"a": "}],[{"}]


def test_a_row_without_text_is_malformed(spark):
    assert texts(spark, entity_of({"a": "a"}), (None, None)) == [None]
    assert texts(spark, entity_of({"a": "a"}, format="csv"), (None, None), ("1", "a")) == [
        None,
        {"a": "1"},
    ]


# -- CSV -----------------------------------------------------------------------------------------


def test_csv_by_header_with_quotes(spark):
    entity = entity_of({"name": "name", "id": "id"}, format="csv")
    raws = ['1,"Salt, sea"', '2,"say ""hi"""', "3,", '4,""', "5, x ", "6,\\", "#7,x"]
    found = texts(spark, entity, *raws, header="id,name")
    names = ["Salt, sea", 'say "hi"', None, None, "x", "\\", "x"]
    assert [row["name"] for row in found] == names
    assert [row["id"] for row in found] == ["1", "2", "3", "4", "5", "6", "#7"]


def test_csv_with_another_separator(spark):
    entity = entity_of({"a": "a", "b": "b"}, format="csv", separator=";")
    assert texts(spark, entity, '"1;2";3,5', header="a;b") == [{"a": "1;2", "b": "3,5"}]


@pytest.mark.parametrize("raw", ["1", "1,2,3", "1,2,,"])
def test_too_few_or_too_many_fields_are_malformed(spark, raw):
    entity = entity_of({"a": "a"}, format="csv")
    assert texts(spark, entity, raw, "1,2", header="a,b") == [None, {"a": "1"}]


def test_two_headers_on_one_day(spark):
    entity = entity_of({"a": "a", "b": "b"}, format="csv")
    found = texts(spark, entity, ("1,2", "a,b"), ("3,4", "b,a"), ("5", "a"), ("6,7,8", "c,b,d"))
    assert found == [
        {"a": "1", "b": "2"},
        {"a": "4", "b": "3"},
        {"a": "5", "b": None},
        {"a": None, "b": "7"},
    ]


def test_a_header_of_odd_names(spark):
    columns = {"one": "the `id`", "two": "a,b", "three": "x.y", "four": 'Größe "L"', "none": "no"}
    header = 'the `id`,"a,b",x.y,,"Größe ""L""",_0'
    found = texts(spark, entity_of(columns, format="csv"), "1,2,3,4,5,6", header=header)
    assert found == [{"one": "1", "two": "2", "three": "3", "four": "5", "none": None}]


def test_of_a_name_that_stands_twice_the_first_counts(spark):
    entity = entity_of({"a": "a"}, format="csv")
    assert texts(spark, entity, "1,2,3", header="a,b,a") == [{"a": "1"}]


def test_csv_numbers_are_kept_as_written(spark):
    entity = entity_of({"a": "a", "b": "b"}, format="csv")
    [row] = texts(spark, entity, "007,1.10", header="a,b")
    assert row == {"a": "007", "b": "1.10"}


def test_source_columns_are_those_read():
    origins = [
        ColumnMapping(column="b"),
        ColumnMapping(constant="c"),
        ColumnMapping(expression="x + a", reads=("x", "a")),
        ColumnMapping(column="a"),
    ]
    assert source_columns(origins) == ["a", "b", "x"]


# -- types ---------------------------------------------------------------------------------------


def values(spark, kind, given, **origin):
    column = ContractColumn("c", kind, False, False, "")
    rows = spark.createDataFrame(list(enumerate(given)), "n int, c string")
    made = typed(F.col("c"), ColumnMapping.model_validate({"column": "c", **origin}), column)
    assert rows.select(made.alias("v")).schema["v"].dataType == kind
    found = rows.select("n", made.alias("v")).collect()
    return [row["v"] for row in sorted(found, key=lambda row: row["n"])]


def test_decimals(spark):
    given = ["12.30", " 7 ", "-0.05", "1e2", "9999999999.99", None]
    expected = [Decimal(t) for t in ("12.30", "7.00", "-0.05", "100.00", "9999999999.99")]
    assert values(spark, T.DecimalType(12, 2), given) == [*expected, None]


def test_more_decimals_than_the_type_has_are_rounded_half_up(spark):
    found = values(spark, T.DecimalType(12, 2), ["1.3900000000000001", "0.125", "-0.125"])
    assert found == [Decimal("1.39"), Decimal("0.13"), Decimal("-0.13")]


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (T.DecimalType(12, 2), ["10000000000.00", "1,50", "abc", "1e400", "NaN", "12 EUR", "--1"]),
        (T.LongType(), ["1.5", "9223372036854775808", "1e3x", "ten"]),
        (T.IntegerType(), ["2147483648", "1.5", "0x10"]),
        (T.DoubleType(), ["1,5", "x"]),
        (T.BooleanType(), ["2", "maybe"]),
        (T.DateType(), ["2026-02-30", "10.03.2026", "2026", "2026-03", "today", "now", "20260310"]),
        (T.TimestampType(), ["2026-13-01 00:00:00", "2026-03-10 25:00:00", "x"]),
    ],
)
def test_what_does_not_fit_is_null(spark, kind, given):
    assert values(spark, kind, given) == [None] * len(given)


def test_a_time_without_a_day_is_none_of_today(spark):
    given = ["10:00", "T10:00:00", "2026", "2026-03", "now", "today", "epoch"]
    assert values(spark, T.TimestampType(), given) == [None] * len(given)


def at(*parts):
    return datetime(*parts)


def test_times_are_utc_by_default(spark):
    given = ["2026-03-10 08:05:01", "2026-03-10T08:05:01.250", "2026-03-10", "2026-03-10T08:05:01Z"]
    assert values(spark, T.TimestampType(), given) == [
        at(2026, 3, 10, 8, 5, 1),
        at(2026, 3, 10, 8, 5, 1, 250_000),
        at(2026, 3, 10),
        at(2026, 3, 10, 8, 5, 1),
    ]


def test_local_times_of_new_york_on_the_days_that_clocks_change(spark):
    """From 02:00 EST to 03:00 EDT on 8 March, from 02:00 EDT to 01:00 EST on 1 November."""
    given = [
        "2026-03-08 01:59:59",  # EST, UTC-5
        "2026-03-08 03:00:00",  # EDT, UTC-4
        "2026-03-08 02:30:00",  # never was: an hour later, 03:30 EDT
        "2026-11-01 00:59:59",  # EDT
        "2026-11-01 01:30:00",  # was twice: the first, EDT
        "2026-11-01 02:00:00",  # EST
    ]
    expected = [
        at(2026, 3, 8, 6, 59, 59),
        at(2026, 3, 8, 7),
        at(2026, 3, 8, 7, 30),
        at(2026, 11, 1, 4, 59, 59),
        at(2026, 11, 1, 5, 30),
        at(2026, 11, 1, 7),
    ]
    zone = "America/New_York"
    assert values(spark, T.TimestampType(), given, zone=zone) == expected
    formatted = values(spark, T.TimestampType(), given, zone=zone, format="yyyy-MM-dd HH:mm:ss")
    assert formatted == expected


def test_a_time_that_names_its_zone_keeps_it(spark):
    """`zone` is for a time without one."""
    given = [
        "2026-07-01T12:00:00Z",
        "2026-07-01 12:00:00+02:00",
        "2026-07-01T12:00:00.5-04:00",
        "2026-07-01 12:00:00 Europe/Berlin",
        "2026-07-01 12:00:00",
        "2026-07-01",
    ]
    assert values(spark, T.TimestampType(), given, zone="America/New_York") == [
        at(2026, 7, 1, 12),
        at(2026, 7, 1, 10),
        at(2026, 7, 1, 16, 0, 0, 500_000),
        at(2026, 7, 1, 10),
        at(2026, 7, 1, 16),
        at(2026, 7, 1, 4),
    ]
    pattern = {"format": "yyyy-MM-dd'T'HH:mm:ssXXX", "zone": "America/New_York"}
    assert values(spark, T.TimestampType(), ["2026-07-01T12:00:00+02:00", "x"], **pattern) == [
        at(2026, 7, 1, 10),
        None,
    ]


def test_formats_of_days_and_times(spark):
    assert values(spark, T.DateType(), ["10.03.2026", "2026-03-10", None], format="dd.MM.yyyy") == [
        date(2026, 3, 10),
        None,
        None,
    ]
    given = ["03/10/2026 11:30 PM", "03/10/2026 23:30"]
    found = values(spark, T.TimestampType(), given, format="MM/dd/yyyy hh:mm a")
    assert found == [at(2026, 3, 10, 23, 30), None]


def test_days_of_a_text_with_a_time(spark):
    found = values(spark, T.DateType(), ["2026-03-10", "2026-3-1", "2026-03-10 23:00:00"])
    assert found == [date(2026, 3, 10), date(2026, 3, 1), date(2026, 3, 10)]


# -- the map and the contract ----------------------------------------------------------------------

DERIVED = {"business_date", "event_date", "is_known_product"}


def test_the_shipped_shop_is_mapped(settings, contracts):
    entity = settings.shop.entities["transactions"]
    assert_mapped("transactions", entity, contracts["silver.transactions"], DERIVED)


def test_an_id_of_a_persons_column_is_refused(settings, contracts):
    entity = settings.shop.entities["transactions"]
    own = entity.columns["user_id"].column
    ids = ColumnMapping(columns=("basket_id", own))
    mapped = entity.model_copy(update={"columns": {**entity.columns, "transaction_id": ids}})
    with pytest.raises(ConfigError) as caught:
        assert_mapped("transactions", mapped, contracts["silver.transactions"], DERIVED)
    assert f"should be made of columns that name no person. Received {own}" in str(caught.value)


def test_unknown_and_missing_columns_are_reported_together(settings, contracts):
    entity = settings.shop.entities["transactions"]
    columns = {
        **entity.columns,
        "colour": ColumnMapping(column="c"),
        "user_idd": ColumnMapping(column="u"),
    }
    del columns["amount"], columns["order_id"]
    mapped = entity.model_copy(update={"columns": columns})
    with pytest.raises(ConfigError) as caught:
        assert_mapped("transactions", mapped, contracts["silver.transactions"], DERIVED)
    text = str(caught.value)
    assert (
        "shop.entities.transactions.columns should map the columns of silver.transactions" in text
    )
    assert "Unknown: colour, user_idd; missing: amount, order_id" in text
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["+294247-01-10", "-0001-01-01", "10000-01-01"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_a_year_out_of_range_does_not_fit(
    spark: SparkSession, contracts: dict[str, Contract], text: str, zone: str | None
) -> None:
    column = next(c for c in contracts["silver.transactions"].columns if c.name == "occurred_at")
    origin = ColumnMapping(column="at", format="yyyy-MM-dd", zone=zone)
    frame = spark.createDataFrame([(text,)], "at STRING")
    assert frame.select(typed(F.col("at"), origin, column)).first() == (None,)
