"""Which applications a shop gets, and which tables are made for them."""

import pytest

from conftest import HOME
from lakeshop.contracts.application import Application, resolve
from lakeshop.engine.applications import choose, find
from lakeshop.errors import ConfigError
from lakeshop.pipeline import APPLICATIONS, SHARED, all_contracts, configuration, read_settings

CHURN = Application("churn", "my_shop.churn", needs=("users",))


def settings(applications=None, entities=("transactions", "users")):
    found = read_settings(HOME / "conf", env="local", shop="simulated")
    kept = {name: found.shop.entities[name] for name in entities}
    shop = found.shop.model_copy(update={"entities": kept})
    return found.model_copy(update={"shop": shop, "applications": applications})


def names(applications):
    return [a.name for a in applications.active]


def test_without_a_choice_all_that_the_shop_can_feed_are_on():
    assert names(choose(settings(), APPLICATIONS, SHARED)) == [
        "recommendations", "fraud", "demand", "inventory",
    ]  # fmt: skip
    assert names(choose(settings(), (*APPLICATIONS, CHURN), SHARED))[-2:] == ["churn", "inventory"]
    of_users = choose(settings(entities=("users",)), (*APPLICATIONS, CHURN), SHARED)
    assert names(of_users) == ["churn"]


def test_an_application_comes_after_those_that_it_needs():
    found = choose(settings(("inventory", "demand")), APPLICATIONS, SHARED)
    assert names(found) == ["demand", "inventory"]


@pytest.mark.parametrize(
    ("chosen", "entities", "said"),
    [
        (("inventory",), ("transactions",), "inventory needs demand, which is no application"),
        (("fraud",), ("users",), "fraud needs transactions, which is no entity"),
        (("froud",), ("transactions",), "'froud' is unknown"),
        (("no_such_package:APPLICATION",), ("transactions",), "no module no_such_package"),
        (("lakeshop.fraud:NONE",), ("transactions",), "no NONE in lakeshop.fraud"),
        (("lakeshop.fraud.settings:Fraud",), ("transactions",), "is no Application"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(chosen, entities, said):
    with pytest.raises(ConfigError, match=said) as error:
        choose(settings(chosen, entities), APPLICATIONS, SHARED)
    assert error.value.exit_code == 2


def test_a_name_that_stands_for_two_applications_is_refused():
    with pytest.raises(ConfigError, match="bears the name of another application, fraud"):
        find(("lakeshop.fraud:APPLICATION",), APPLICATIONS)


def test_payments_makes_the_tables_that_fraud_needs_and_no_others():
    _, applications, contracts = configuration(
        HOME / "conf", HOME / "schemas", env="local", shop="payments"
    )
    assert names(applications) == ["fraud"]
    assert applications.wanted(contracts) == [
        "features.transactions", "models.fraud", "gold.fraud_scores",
    ]  # fmt: skip
    assert {i.table for i in contracts["ops.metrics"].inputs} == {
        "features.transactions", "gold.fraud_scores", "models.fraud", "silver.fraud_labels",
        "silver.users",
    }  # fmt: skip


def test_inputs_of_applications_that_are_off_are_marked():
    contracts = all_contracts(HOME / "schemas")
    off = choose(settings(("demand",)), APPLICATIONS, SHARED).contracts(contracts)
    plan = {i.table: i.is_off for i in off["gold.category_forecasts"].inputs}
    assert not any(plan.values())
    marked = {t for c in off.values() for i in c.inputs if i.is_off for t in (i.table,)}
    assert {"models.fraud", "features.transactions"} <= marked
    assert not {t for t in marked if t.startswith(("silver.", "features.user"))}


def test_each_table_of_an_application_has_its_builder():
    contracts = all_contracts(HOME / "schemas")
    by_name = {a.name: a for a in (*SHARED, *APPLICATIONS)}
    made = [c for c in contracts.values() if c.application]
    assert len(made) > 15
    for contract in made:
        assert callable(resolve(by_name[contract.application].builder(contract.name)))
    for application in APPLICATIONS:
        assert callable(resolve(application.evaluation.function))
        assert application.models is None or f"models.{application.name}" in contracts
