"""What is delivered and rejected of an entity follows from its silver contract."""

from dataclasses import replace

import pytest

from conftest import HOME
from lakeshop.contracts.derived import delivered, entities, is_entity, models_contract, rejected
from lakeshop.contracts.dictionary import dictionary
from lakeshop.contracts.model import TRAINING, Input
from lakeshop.contracts.odcs import merge_contracts, read_contract, read_contracts

ENTITIES = [
    "fraud_labels",
    "products",
    "promotions",
    "stock",
    "transactions",
    "user_actions",
    "users",
]
FILED = (
    "`business_date` DATE NOT NULL COMMENT 'day on which the shop delivered the row, in its own "
    "time zone'"
)
BRONZE = rf"""CREATE TABLE IF NOT EXISTS delta.`/lake` (
  {FILED},
  `source_file` STRING NOT NULL COMMENT 'delivered file, below the landing folder',
  `source_line` BIGINT NOT NULL COMMENT 'line in the file from 1, or row of a Parquet file; 0 stands for a file that cannot be read',
  `raw` STRING COMMENT 'the row as delivered; a Parquet row as JSON; NULL for a file that cannot be read',
  `header` STRING COMMENT 'header of the CSV file the row came from; a person\'s row where the file has none',
  `fault` STRING COMMENT 'why the line or file cannot be read'
) USING delta
COMMENT 'Delivered rows of order lines, raw, with file and line. Grain: one row per delivered row.'
TBLPROPERTIES (
  'delta.enableDeletionVectors' = 'false',
  'delta.dataSkippingStatsColumns' = 'business_date'
)"""  # noqa: E501
QUARANTINE = f"""CREATE TABLE IF NOT EXISTS delta.`/lake` (
  {FILED},
  `source_file` STRING NOT NULL COMMENT 'delivered file, below the landing folder',
  `source_line` BIGINT NOT NULL COMMENT 'line in the file, 0 for the whole file',
  `raw` STRING COMMENT 'the row as delivered',
  `reasons` ARRAY<STRING> NOT NULL COMMENT 'all that is wrong with the row',
  `run_id` STRING NOT NULL COMMENT 'the run that rejected it'
) USING delta
COMMENT 'Rows of bronze.transactions that were rejected, with all reasons. Grain: one row per rejected row.'
TBLPROPERTIES (
  'delta.enableDeletionVectors' = 'false',
  'delta.dataSkippingStatsColumns' = 'business_date'
)"""  # noqa: E501


def test_entities_are_what_shops_deliver(contracts):
    assert entities(contracts.values()) == ENTITIES
    assert not is_entity(contracts["features.users"])
    assert not is_entity(replace(contracts["silver.users"], rows="aggregate"))


def test_ddl_is_the_golden_one(contracts):
    assert contracts["bronze.transactions"].ddl("/lake") == BRONZE
    assert contracts["quarantine.transactions"].ddl("/lake") == QUARANTINE


@pytest.mark.parametrize("entity", ENTITIES)
def test_fields_are_those_of_rows_as_delivered(entity, contracts):
    silver = contracts[f"silver.{entity}"]
    bronze, quarantine = contracts[f"bronze.{entity}"], contracts[f"quarantine.{entity}"]
    for contract in (bronze, quarantine):
        assert contract.rows == "delivery"
        assert (contract.key, contract.partition_by, contract.checks) == ((), (), ())
        assert contract.look_back_days is None
        assert contract.owner == "data-engineering"
        assert not contract.has_latest_twin
        assert contract.derived_from == silver.name
    assert (bronze.retention_days, quarantine.retention_days) == (800, 90)
    assert bronze.inputs == ()
    assert quarantine.inputs == (Input(bronze.name, 0),)
    assert [c.name for c in bronze.columns if c.personal] == ["raw", "header", "fault"]
    assert [c.name for c in quarantine.columns if c.personal] == ["raw"]


def test_each_says_what_it_holds(contracts):
    told = {name: contracts[f"bronze.{name}"].about for name in ENTITIES}
    words = {name: text.removesuffix(", raw, with file and line.") for name, text in told.items()}
    assert words == {
        "fraud_labels": "Delivered rows of what investigations found of order lines",
        "products": "Delivered rows of the catalogue",
        "promotions": "Delivered rows of offers, displays and mailers",
        "stock": "Delivered rows of stock levels",
        "transactions": "Delivered rows of order lines",
        "user_actions": "Delivered rows of what users did",
        "users": "Delivered rows of what is known of users",
    }


def test_what_is_delivered_is_kept_as_long_as_what_is_clean(contracts):
    silver = replace(contracts["silver.users"], name="silver.tickets", retention_days=30)
    assert delivered(silver).name == "bronze.tickets"
    assert delivered(silver).retention_days == 30
    assert rejected(silver).inputs == (Input("bronze.tickets", 0),)


def test_the_dictionary_has_each_once_and_their_columns_once(contracts):
    text = dictionary(contracts)
    for entity in ENTITIES:
        assert text.count(f"\n| `bronze.{entity}` |") == 1
        assert text.count(f"\n| `quarantine.{entity}` |") == 1
    assert text.count("\n## bronze of ") == text.count("\n## quarantine of ") == 1
    assert text.count("| `header` |") == 1
    assert text.count("| all that is wrong with the row |") == 1


# -- models ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template():
    return read_contract(HOME / "schemas" / "models.yaml")


def test_the_template_is_no_table(template, contracts):
    assert template.name == "models"
    assert template.inputs == ()
    assert template.application is None
    assert "models" not in contracts


def test_models_of_an_application_read_its_inputs_and_their_own_earlier_days(template):
    inputs = (Input("features.demand", 0), Input("silver.products", None))
    contract = models_contract(template, "demand", inputs)
    assert contract.name == "models.demand"
    assert contract.application == "demand"
    assert contract.inputs == (*inputs, Input("models.demand", None))
    assert contract.schedule == TRAINING
    assert contract.retain_latest_per == ("name", "is_champion")
    assert contract.key == ("business_date", "name", "method")
    assert contract.derived_from == "models"
    assert contract.columns == template.columns


def test_models_of_two_applications_stand_side_by_side(template):
    made = [models_contract(template, name, ()) for name in ("demand", "fraud", "recommendations")]
    written = read_contracts(HOME / "schemas", is_whole=False)
    merged = merge_contracts(written, *({c.name: c} for c in made))
    assert set(merged) - set(written) == {"models.demand", "models.fraud", "models.recommendations"}


def test_ddl_of_models_is_that_of_the_template(template):
    ddl = models_contract(template, "demand", ()).ddl("/lake")
    assert ddl == template.ddl("/lake")
    assert "`model` BINARY NOT NULL" in ddl
    assert "PARTITIONED BY (business_date)" in ddl
