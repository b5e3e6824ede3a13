"""Expressions of a mapping are looked at before a run."""

import pytest

from lakeshop.config.shop import Entity
from lakeshop.errors import ConfigError
from lakeshop.sources.expressions import assert_expressions


def entity(expression: str, *reads: str) -> dict[str, Entity]:
    columns = {"amount": {"expression": expression, "reads": reads}, "user_id": "customer"}
    return {
        "transactions": Entity.model_validate(
            {"path": "{date}.csv", "format": "csv", "columns": columns}
        )
    }


@pytest.mark.parametrize(
    ("expression", "reads"),
    [
        ("replace(paid, ',', '.')", ["paid"]),
        ("CAST(pieces AS INT) * price", ["pieces", "price"]),
        ("extract(YEAR FROM sold_on)", ["sold_on"]),
        ("nullif(`till no.`, '0')", ["till no."]),
        ("'select now()'", []),
    ],
)
def test_sql_over_one_row_passes(spark, expression, reads):
    assert_expressions(spark, entity(expression, *reads))


@pytest.mark.parametrize(
    ("expression", "reads", "said"),
    [
        ("replace(paid, ',', '.'", ["paid"], "PARSE_SYNTAX_ERROR"),
        ("pieces * price", ["pieces"], "price"),
        ("no_such_function(paid)", ["paid"], "no_such_function"),
        ("sum(paid)", ["paid"], "one row"),
        ("explode(split(paid, ','))", ["paid"], "one row"),
        ("row_number() over (order by paid)", ["paid"], "one row"),
        ("paid + rand()", ["paid"], "rand("),
        ("(SELECT max(id) FROM range(3))", [], "same row"),
    ],
)
def test_what_spark_cannot_do_is_a_fault_of_the_configuration(spark, expression, reads, said):
    with pytest.raises(ConfigError) as caught:
        assert_expressions(spark, entity(expression, *reads))
    text = str(caught.value)
    assert "shop.entities.transactions, amount" in text
    assert said in text
    assert caught.value.exit_code == 2
