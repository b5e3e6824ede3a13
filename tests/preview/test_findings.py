"""What looks wrong in the first rows of a drop, each finding by itself."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
import pytest

from lakeshop.config.shop import Entity
from lakeshop.preview.findings import findings
from lakeshop.preview.report import lines_of
from lakeshop.preview.samples import Sample

DAY = date(2026, 3, 10)


def sample(
    values: Mapping[str, Sequence[str | None]],
    texts: Mapping[str, Sequence[str | None]] | None = None,
    **changes: Any,
) -> Sample:
    """A sample of transactions whose columns bear our names, unless it says otherwise."""
    columns = changes.pop("columns", {name: name for name in values})
    entity = {"path": "{date}.csv", "format": "csv", "columns": columns}
    found = pd.DataFrame(values, dtype=object)
    fields: dict[str, Any] = {
        "name": "transactions",
        "entity": Entity.model_validate(entity),
        "day": DAY,
        "files": ["2026-03-10.csv"],
        "texts": found if texts is None else pd.DataFrame(texts, dtype=object),
        "values": found,
        "reasons": [[] for _ in range(len(found))],
        "delivered": frozenset(values),
        "key": ("transaction_id",),
    }
    return Sample(**fields | changes)


GOOD = {"transaction_id": ["t1", "t2"], "user_id": ["u1", "u2"]}


def test_a_good_drop_has_no_findings():
    assert findings(sample(GOOD)) == []


@pytest.mark.parametrize(
    ("looked_at", "said"),
    [
        (sample(GOOD, required=["sku"], expected=["sku"]), "reads sku, which the drop lacks"),
        (sample(GOOD, delivered=frozenset([*GOOD, "till"])), "not mapped: till"),
        (sample(GOOD | {"store_id": [None, None]}), "always empty: store_id"),
        (sample({"product_id": ["12.0", "7"]}, key=()), "in 1 of 2 rows, such as 12.0"),
        (sample({"product_id": ["1.23E+11"]}, key=()), "such as 1.23E+11"),
        (
            sample(GOOD | {"currency": ["EUR", "CHF"]}),
            "more than one currency: EUR in 1 rows, CHF in 1 rows",
        ),
        (
            sample(GOOD | {"occurred_at": ["2026-01-10 10:00:00", "2026-01-10 11:00:00"]}),
            "2026-01-10 in a drop of 2026-03-10",
        ),
        (
            sample({"transaction_id": ["t1", "t1"], "amount": ["1", "2"]}),
            "2 rows share transaction_id with a row of other content, such as t1",
        ),
        (
            sample(
                {"transaction_id": ["1|2", "1|2", "1|3"], "amount": ["1", "1", "1"]},
                columns={"transaction_id": {"columns": ["a", "b"]}, "amount": "amount"},
                delivered=frozenset(["a", "b", "amount"]),
                are_events=True,
            ),
            "1 rows equal another one of the same file and count once; if each counts, have the "
            "id generated or set on_conflict: sum",
        ),
        (
            sample({"user_id": ["0"] * 30 + [f"u{n}" for n in range(30)]}, key=()),
            "one user_id has 50% of the rows",
        ),
        (
            sample(
                {"amount": [None, "2.00"]},
                {"amount": ["n/a", "2.00"]},
                reasons=[["wrong type: amount should be decimal(14,2)"], []],
                key=(),
            ),
            "1 of 2 rows: wrong type: amount should be decimal(14,2), such as 'n/a'",
        ),
    ],
)
def test_what_looks_wrong_is_said(looked_at, said):
    [found] = findings(looked_at)
    assert said in found


def test_equal_rows_are_no_conflict():
    equal = {"transaction_id": ["t1", "t1"], "amount": ["1", "1"]}
    assert findings(sample(equal, are_events=True)) == []


def test_days_that_python_knows_none_of_are_passed_over():
    odd = ["0000-03-10 10:00:00", "+10000-01-01 00:00:00", "2026-03-10 10:00:00", None]
    assert findings(sample({"occurred_at": odd}, key=())) == []


def test_no_person_is_shown():
    reasons = [["wrong type: user_id should be string"]]
    odd = sample({"user_id": ["12.0"]}, reasons=reasons, key=("user_id",))
    shown = "\n".join([*findings(odd), *lines_of(odd)])
    assert "12.0" not in shown
    assert "not shown" in shown


def test_lines_say_what_each_column_became():
    columns = {"amount": {"expression": "replace(paid, ',', '.')", "reads": ["paid"]}}
    odd = sample({"amount": ["1.50", None]}, {"amount": ["1,50", None]}, columns=columns, key=())
    head, titles, amount, *_ = lines_of(odd)
    assert head == "transactions: 2026-03-10.csv, 2 rows looked at, 2 fit"
    assert titles.split() == ["column", "from", "delivered", "becomes", "empty"]
    assert amount.split() == ["amount", "replace(paid,", "',',", "'.')", "1,50", "1.50", "50%"]


def test_a_row_in_the_place_of_a_header_is_not_repeated():
    strange = frozenset(["1", "anna@example.com"])
    odd = sample(GOOD, delivered=strange, required=["sku"], expected=["sku"])
    shown = "\n".join(findings(odd))
    assert "anna" not in shown
    assert "names unlike all of these" in shown
