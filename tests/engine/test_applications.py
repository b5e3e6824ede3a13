"""Which applications a shop gets, and which tables are made for them."""

import shutil
import sys
from dataclasses import replace
from datetime import date
from importlib import import_module
from types import SimpleNamespace

import pytest

from conftest import HOME
from lakeshop.contracts.application import Application, Evaluation, Models, resolve
from lakeshop.contracts.model import Input
from lakeshop.engine.applications import choose, find
from lakeshop.engine.run import Run
from lakeshop.errors import ConfigError, ContractError, ShopError
from lakeshop.pipeline import (
    APPLICATIONS,
    EVERY_APPLICATION,
    SHARED,
    all_contracts,
    configuration,
    read_settings,
)
from lakeshop.storage.lake import Lake

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
        ((":APPLICATION",), ("transactions",), "Received another text"),
        ((".fraud:APPLICATION",), ("transactions",), "Received another text"),
    ],
)
def test_a_choice_that_cannot_be_met_is_refused(chosen, entities, said):
    with pytest.raises(ConfigError, match=said) as error:
        choose(settings(chosen, entities), APPLICATIONS, SHARED)
    assert error.value.exit_code == 2


def test_a_name_that_stands_for_two_applications_is_refused():
    with pytest.raises(ConfigError, match="bears the name of another application, fraud"):
        find(("lakeshop.fraud:APPLICATION",), APPLICATIONS)


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """A package of another's, as far as it is written."""
    package = tmp_path / "other_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    sys.modules.pop("other_package", None)


def contract(name, application="churn"):
    text = (HOME / "schemas/gold/similar_products.yaml").read_text()
    owner = "{property: application, value: recommendations}"
    assert owner in text
    text = text.replace("gold.similar_products", name)
    return text.replace(owner, f"{{property: application, value: {application}}}")


FOREIGN = Application("churn", "other_package")


@pytest.mark.parametrize(
    ("application", "files", "said"),
    [
        (replace(FOREIGN, name="training"), {}, "bears the name 'training', which is no free"),
        (replace(FOREIGN, name="Churn rate"), {}, "bears the name 'Churn rate', which is no free"),
        (replace(FOREIGN, settings="other_package:None_"), {}, "no None_ in other_package"),
        (replace(FOREIGN, settings="lakeshop.pipeline:main"), {}, "a class after FrozenModel"),
        (replace(FOREIGN, sections=("trainings",)), {}, "the section trainings, which there"),
        (replace(FOREIGN, package="no_package"), {}, "folder of its modules. Received no_package"),
        (FOREIGN, {}, "Received none"),
        (FOREIGN, {"gold/a.yaml": contract("gold.a", "fraud")}, "application should be churn"),
        (FOREIGN, {"bold/a.yaml": contract("bold.a")}, "Received bold"),
        (
            FOREIGN,
            {"gold/similar_products.yaml": contract("gold.similar_products")},
            "one contract",
        ),
        (
            replace(FOREIGN, evaluation=Evaluation("a:b", (Input("gold.b", 0),))),
            {"gold/a.yaml": contract("gold.a")},
            "The evaluation of churn should read tables with contracts. Received gold.b",
        ),
        (
            replace(FOREIGN, models=Models(("churn",), (Input("gold.b", 0),))),
            {"gold/a.yaml": contract("gold.a")},
            "models.churn: input gold.b should be a table with a contract",
        ),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path, declared, application, files, said):
    for name, text in files.items():
        path = declared / "schemas" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    import_module("other_package").APPLICATION = application
    shutil.copytree(HOME / "conf", tmp_path / "conf")
    shop = tmp_path / "conf/shops/simulated.yaml"
    shop.write_text(f"{shop.read_text()}\napplications: ['other_package:APPLICATION']\n")
    with pytest.raises(ShopError, match=said) as error:
        configuration(tmp_path / "conf", HOME / "schemas", env="local", shop="simulated")
    assert error.value.exit_code == 2


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


@pytest.mark.parametrize(
    ("section", "changes", "renamed"),
    [
        ("demand", {"active_days": 85}, {"features.demand", "ops.metrics"}),
        ("quality", {"max_rejected_rows": 0.2}, {"ops.metrics"}),
        ("similarity", {"neighbours": 7}, {"similarity.neighbours", "ops.metrics"}),
    ],
)
def test_a_key_makes_the_tables_anew_that_depend_on_its_section(section, changes, renamed):
    before = read_settings(HOME / "conf", env="local", shop="simulated")
    part = getattr(before, section).model_copy(update=changes)
    lake = Lake(None, "lake", all_contracts(HOME / "schemas"))
    ledger = SimpleNamespace(input_digest=lambda *given, **named: "")
    day = date(2026, 3, 9)
    tables = ("silver.transactions", "features.demand", "similarity.neighbours", "ops.metrics")

    def names(settings):
        run = Run("test", lake, ledger, settings, day, day, applications=EVERY_APPLICATION)
        return {table: run.run_id(table, day) for table in tables}

    old, new = names(before), names(before.model_copy(update={section: part}))
    assert {table for table in tables if old[table] != new[table]} == renamed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def", "a module that fails with SyntaxError"),
        ("import no_such_module", "fails with ModuleNotFoundError: No module named 'no_such_m"),
        ("from lakeshop.contracts.application import Application\nApplication(need=())", "TypeErr"),
    ],
)
def test_a_package_that_cannot_be_imported_is_a_wrong_configuration(declared, text, said):
    (declared / "broken.py").write_text(text)
    with pytest.raises(ConfigError, match=said):
        resolve("other_package.broken:APPLICATION")
    sys.modules.pop("other_package.broken", None)


def test_a_contract_of_an_application_that_there_is_not_is_refused(tmp_path):
    shutil.copytree(HOME / "schemas", tmp_path / "schemas")
    path = tmp_path / "schemas/gold/fraud_scores.yaml"
    owner = "application, value: fr{}d"
    assert owner.format("au") in path.read_text()
    path.write_text(path.read_text().replace(owner.format("au"), owner.format("ua")))
    with pytest.raises(ContractError, match=r"gold.fraud_scores: application .* Received fruad"):
        all_contracts(tmp_path / "schemas")
