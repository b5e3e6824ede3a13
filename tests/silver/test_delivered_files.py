"""Files that hold the same rows as another one, and rows that equal another one of their file."""

from datetime import date, timedelta

from lakeshop.bronze.ingest import ingest
from lakeshop.config.shop import Entity
from lakeshop.silver.clean import clean
from lakeshop.silver.delivered_files import equal_rows_warning, twin_warnings, unreadable_warnings
from shops import ENTITIES, LINES_ALONE, line, tiny_shop

DAY = date(2026, 3, 10)
ONE, OTHER = (2, 5, 7), (3, 5, 7)
PLACE = {"path": "{date}.csv", "format": "csv"}


def test_files_with_the_same_rows_are_named_once():
    assert list(twin_warnings({"a": ONE, "b": OTHER}, {})) == []
    [text] = twin_warnings({"a": ONE, "b": OTHER, "c": ONE}, {"before": OTHER})
    assert text.startswith("files with the same rows: b and before, c and a; where ids name")
    [text] = twin_warnings({f"f{n}": ONE for n in range(6)}, {})
    assert " f3 and f0 and 2 more; " in text


def test_of_unreadable_files_a_few_are_shown():
    assert list(unreadable_warnings({}, 3)) == []
    [text] = unreadable_warnings({f"f{n}": "x" * 1000 for n in range(5)}, 7)
    assert text.startswith("files that cannot be read: 5 of 7: f0: xxx")
    assert "; and 2 more; deliver them again" in text
    assert len(text) < 800


def test_rows_are_equal_for_a_reason_where_the_shop_gives_an_id():
    def told(name, key, **columns):
        return equal_rows_warning(2, name, key, Entity(**PLACE, columns=columns))

    assert told("transactions", ["transaction_id"], transaction_id="id") == ()
    several = {"columns": ["receipt", "line"]}
    [text] = told("user_actions", ["action_id"], action_id=several)
    assert text.endswith("if each counts, have the id generated")
    [text] = told("stock", ["product_id", "store_id", "event_date"], product_id="sku")
    assert text.endswith("if each counts, set on_conflict: sum")


# -- nights ----------------------------------------------------------------------------------------


def shop_of(spark, home, *, on_conflict=None, **columns):
    entity = ENTITIES["transactions"]
    changed = {"columns": entity["columns"] | columns, "on_conflict": on_conflict}
    entity = entity | changed
    return tiny_shop(spark, home, shop=LINES_ALONE | {"entities": {"transactions": entity}})


def warnings(shop, day):
    """Warnings of one day's order lines, but of the catalogue, of new columns and other days."""
    run = shop.run(day)
    ingest(run)
    clean(run)
    run.flush()
    rows = shop.lake().read("ops.runs").where("table_name = 'silver.transactions'")
    said = rows.orderBy("finished_at").collect()[-1]["warnings"]
    others = ("product_is_known", "new columns", "nothing was delivered")
    return [text for text in said if not text.startswith(others)]


def receipts(day, number=3):
    return [line(n, f"{day} 10:0{n}:00") for n in range(number)]


def test_a_file_that_comes_again_is_told_of_where_its_rows_count_twice(spark, tmp_path):
    dated = {"columns": ["id", "{date}"]}
    shop, later = shop_of(spark, tmp_path, transaction_id=dated), DAY + timedelta(days=3)
    rows = receipts(DAY)
    shop.deliver("transactions", DAY, rows)
    shop.deliver("transactions", later, rows[::-1])
    assert warnings(shop, DAY) == []
    [text] = warnings(shop, later)
    twins = f"transactions/{later}.jsonl and transactions/{DAY}.jsonl"
    assert text.startswith(f"files with the same rows: {twins}; ")
    shop.deliver("transactions", later, receipts(later))
    assert warnings(shop, later) == []
    shop.deliver("transactions", later, receipts(later), zipped=True)
    told = warnings(shop, later)
    assert any("jsonl.gz and transactions/" in text for text in told)


def test_a_file_of_which_every_row_came_before_is_told_of(spark, tmp_path):
    shop, later = shop_of(spark, tmp_path), DAY + timedelta(days=1)
    for day in (DAY, later):
        shop.deliver("transactions", day, receipts(DAY))
    assert warnings(shop, DAY) == []
    none, twins = warnings(shop, later)
    assert none.startswith("none of 3 rows was accepted: 3 duplicate; was a file of an earlier day")
    assert twins.startswith("files with the same rows")


def test_a_product_scanned_twice_on_a_receipt_is_told_of(spark, tmp_path):
    parts = {"columns": ["order", "product"]}
    for mode in (None, "last"):
        shop = shop_of(spark, tmp_path / str(mode), transaction_id=parts, on_conflict=mode)
        rows = receipts(DAY)
        shop.deliver("transactions", DAY, [*rows, rows[0]])
        assert warnings(shop, DAY) == [
            "1 rows equal another one of the same file and count once; if each counts, have the "
            "id generated or set on_conflict: sum"
        ]


def test_far_more_rows_left_out_than_before_are_told_of(spark, tmp_path):
    where = {"expression": "store <> 'closed'", "reads": ["store"]}
    entity = ENTITIES["transactions"] | {"where": where}
    shop = tiny_shop(spark, tmp_path, shop=LINES_ALONE | {"entities": {"transactions": entity}})
    later = DAY + timedelta(days=1)
    for day, closed in ((DAY, 1), (later, 7)):
        rows = [line(100 * day.day + n, f"{day} 10:00:00") for n in range(20)]
        left = [row | {"store": "closed"} for row in rows[:closed]]
        shop.deliver("transactions", day, [*left, *rows[closed:]])
    assert warnings(shop, DAY) == []
    assert warnings(shop, later) == [
        "unusual: 7 of 20 rows left out (35.0%), 1 of 20 (5.0%) in the 28 days before"
    ]
