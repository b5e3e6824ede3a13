"""Every contract follows the standard and our rules; every fault of one is told."""

import json
import os
import zipfile
from importlib import resources

import pytest
import yaml
from jsonschema import Draft201909Validator
from pyspark.sql import types as T

from conftest import HOME
from lakeshop.contracts.derived import entities
from lakeshop.contracts.model import BOTH, BUSINESS_DATE, DAILY, TRAINING
from lakeshop.contracts.odcs import (
    MADE_BY_APPLICATIONS,
    ON_FAILURE,
    merge_contracts,
    read_contract,
    read_contracts,
)
from lakeshop.contracts.types import inner_types
from lakeshop.errors import ContractError

FILES = sorted((HOME / "schemas").glob("*/*.yaml"))
GOLDEN = HOME / "tests" / "golden"
# What Delta may store for a table that readers of protocol version 1 can read.
READER_1_TYPES = (
    T.StringType,
    T.BooleanType,
    T.IntegerType,
    T.LongType,
    T.DoubleType,
    T.DateType,
    T.TimestampType,
    T.DecimalType,
    T.BinaryType,
)
# No personal column may have statistics in what leaves the restricted layers.
PUBLIC_LAYERS = {"silver", "features", "similarity", "gold"}


def document_of(path):
    return yaml.safe_load(path.read_text())


def named(path):
    return f"{path.parent.name}.{path.stem}"


@pytest.fixture(scope="module")
def standard():
    schema = resources.files("open_data_contract_standard") / "schema.json"
    return Draft201909Validator(json.loads(schema.read_text()))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_follows_the_open_data_contract_standard(path, standard):
    faults = [f"{e.json_path}: {e.message}" for e in standard.iter_errors(document_of(path))]
    assert faults == []


def test_the_standard_would_refuse_a_fault(standard):
    document = document_of(FILES[0]) | {"no_such_word": 1}
    assert list(standard.iter_errors(document))


def test_names_and_ids_are_unique_and_those_of_their_place():
    documents = [document_of(path) for path in FILES]
    assert [d["name"] for d in documents] == [named(path) for path in FILES]
    assert [d["id"] for d in documents] == [f"lakeshop.{named(path)}" for path in FILES]
    assert [d["schema"][0]["name"] for d in documents] == [path.stem for path in FILES]
    assert len({d["id"] for d in documents}) == len(FILES)


def test_all_files_are_read(contracts):
    written = [name for name, contract in contracts.items() if not contract.derived_from]
    assert written == sorted(named(path) for path in FILES)
    assert list(contracts) == sorted(contracts)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_columns_and_keys(path, contracts):
    contract = contracts[named(path)]
    names = contract.column_names
    assert len(set(map(str.lower, names))) == len(names), "engines differ on case"
    assert set(contract.key) <= set(names)
    required = {c.name for c in contract.columns if c.required}
    assert set(contract.key) <= required, "a NULL is no key"
    assert BUSINESS_DATE in names
    assert contract.partition_by == ((BUSINESS_DATE,) if contract.rows == "snapshot" else ())
    needs_key = contract.rows in {"event", "version", "aggregate", "snapshot"}
    assert bool(contract.key) or not needs_key


@pytest.mark.parametrize("path", FILES, ids=named)
def test_types_need_no_newer_reader(path, contracts):
    def simple(kind):
        inner = inner_types(kind)
        return [s for i in inner for s in simple(i)] if inner else [kind]

    for column in contracts[named(path)].columns:
        assert all(isinstance(s, READER_1_TYPES) for s in simple(column.type)), column.name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_statistics_of_personal_columns(path, contracts):
    contract = contracts[named(path)]
    personal = {c.name for c in contract.columns if c.personal}
    stated = contract.table_properties()["delta.dataSkippingStatsColumns"]
    listed = list(filter(None, stated.split(",")))
    assert not personal & set(listed)
    assert set(listed) <= set(contract.column_names)
    telling = {"user_id", "session_id", "payment_id", "device_id", "raw"}
    ids = {c.name for c in contract.columns if c.name in telling}
    assert ids <= personal, "who somebody is, is personal wherever it stands"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_checks_name_columns_and_what_follows(path, contracts):
    contract = contracts[named(path)]
    names = [check.name for check in contract.checks]
    assert len(set(names)) == len(names)
    for check in contract.checks:
        assert check.on_failure in ON_FAILURE
        assert check.about
        assert any(column in check.holds for column in contract.column_names), check.name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_inputs_are_kept_as_long_as_they_are_read(path, contracts):
    for declared in contracts[named(path)].inputs:
        source = contracts[declared.table]
        if declared.look_back_days is not None:
            assert declared.look_back_days < source.retention_days, declared.table


def test_personal_text_stays_in_bronze_quarantine_and_restricted(contracts):
    for contract in contracts.values():
        if contract.name.split(".")[0] in PUBLIC_LAYERS | {"ops"}:
            assert not {"raw", "raw_user_id", "header"} & set(contract.column_names), contract.name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_application_is_named_where_one_makes_the_table(path, contracts):
    contract = contracts[named(path)]
    is_made = path.parent.name in MADE_BY_APPLICATIONS or contract.name == "ops.backtests"
    assert bool(contract.application) == is_made


def test_schedules_are_those_of_nights_and_trainings(contracts):
    assert contracts["gold.recommendations"].schedule == DAILY
    assert contracts["ops.backtests"].schedule == TRAINING
    assert contracts["features.demand"].schedule == BOTH


# -- what is derived from a contract ------------------------------------------------------------


def test_ddl_of_transactions_is_the_golden_one(contracts):
    golden = GOLDEN / "silver.transactions.sql"
    ddl = contracts["silver.transactions"].ddl("/lake/silver/transactions") + "\n"
    if os.environ.get("LAKESHOP_REFRESH_GOLDEN") == "1":
        golden.write_text(ddl)
    assert ddl == golden.read_text()


def test_struct_has_types_and_nullability(contracts):
    struct = contracts["silver.transactions"].struct
    assert struct["quantity"].dataType == T.DecimalType(12, 3)
    assert not struct["quantity"].nullable
    assert struct["user_id"].nullable
    assert struct.names == contracts["silver.transactions"].column_names


def test_checks_of_a_clean_table_are_constraints_those_of_bronze_and_warnings_are_not(contracts):
    silver = contracts["silver.transactions"].table_properties()
    assert silver["delta.constraints.not_in_the_future"] == "event_date <= business_date"
    assert "delta.constraints.product_is_known" not in silver
    bronze = contracts["bronze.transactions"].table_properties()
    assert not [name for name in bronze if "constraints" in name]


def test_latest_twin_is_the_same_table_of_one_day(contracts):
    contract = contracts["features.users"]
    assert contract.struct.names  # computed before: a twin must not stumble over it
    twin = contract.latest()
    assert twin.name == "features.users_latest"
    assert twin.partition_by == contract.partition_by
    assert not twin.has_latest_twin
    assert twin.struct == contract.struct
    assert twin.key == contract.key


# -- faults --------------------------------------------------------------------------------------


@pytest.fixture
def good():
    return document_of(HOME / "schemas/silver/transactions.yaml")


def written(folder, document, place="silver/transactions.yaml"):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    text = document if isinstance(document, str) else yaml.safe_dump(document)
    path.write_text(text)
    return path


def column(document, name):
    return next(p for p in document["schema"][0]["properties"] if p["name"] == name)


def fault_of(tmp_path, document):
    with pytest.raises(ContractError) as caught:
        read_contract(written(tmp_path, document), "silver")
    assert caught.value.exit_code == 2
    assert "transactions.yaml" in str(caught.value)
    return str(caught.value)


def test_a_written_copy_equals_its_original(tmp_path, good, contracts):
    assert read_contract(written(tmp_path, good), "silver") == contracts["silver.transactions"]


def test_name_is_that_of_the_place(tmp_path, good):
    good["name"] = "gold.transactions"
    text = fault_of(tmp_path, good)
    assert "name should be silver.transactions" in text
    assert "'gold.transactions'" in text


@pytest.mark.parametrize("kind", ["VARCHAR(10)", "string", "TIMESTAMP_NTZ", "ARRAY<FLOAT>", None])
def test_unknown_type(tmp_path, good, kind):
    column(good, "store_id")["physicalType"] = kind
    text = fault_of(tmp_path, good)
    assert "store_id" in text
    assert "physicalType should be one of" in text


def test_logical_type_belongs_to_the_physical(tmp_path, good):
    column(good, "quantity")["logicalType"] = "integer"
    text = fault_of(tmp_path, good)
    assert "quantity: logicalType should be number for DECIMAL(12,3). Received 'integer'" in text


def test_a_column_needs_a_description(tmp_path, good):
    del column(good, "quantity")["description"]
    assert "quantity: description should say" in fault_of(tmp_path, good)


def test_retention_is_stated(tmp_path, good):
    good["slaProperties"] = []
    assert "retention in days" in fault_of(tmp_path, good)


def test_kind_of_rows_is_known(tmp_path, good):
    good["customProperties"][0]["value"] = "facts"
    text = fault_of(tmp_path, good)
    assert "rows should be one of" in text
    assert "'facts'" in text


def test_schedule_is_known(tmp_path, good):
    good["customProperties"].append({"property": "schedule", "value": "nights"})
    assert "schedule should be one of" in fault_of(tmp_path, good)


def test_an_application_makes_what_is_gold(tmp_path, good):
    good["name"] = "gold.transactions"
    with pytest.raises(ContractError, match="application should name who makes the table"):
        read_contract(written(tmp_path, good, "gold/transactions.yaml"), "gold")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.update(retention=3), "retention should be a key that is known. Received 3."),
        (
            lambda d: column(d, "store_id").update(requierd=True),
            "schema.transactions.properties.store_id.requierd should be a key that is known",
        ),
        (
            lambda d: column(d, "store_id").update(required="no"),
            "store_id.required: should be a valid boolean. Received 'no'.",
        ),
        (
            lambda d: d["customProperties"].append({"property": "calendar", "value": "training"}),
            "calendar should be a key that is known. Received 'training'.",
        ),
        (
            lambda d: d["customProperties"].append({"property": "rows", "value": "event"}),
            "Each name should stand once. Twice: rows",
        ),
        (
            lambda d: d["customProperties"][-1]["value"][0].update(lookBackDays=-1),
            "inputs.0.lookBackDays: should be greater than or equal to 0. Received -1.",
        ),
        (
            lambda d: d["customProperties"][-1]["value"][0].pop("table"),
            "inputs.0.table should be stated. Received none; add it.",
        ),
        (lambda d: column(d, "store_id").pop("name"), "'' should be a name of letters"),
        (lambda d: d["schema"][0]["quality"][0].pop("name"), "'' should be a name of letters"),
        (lambda d: d["customProperties"][-1].pop("property"), "'' should be a name of letters"),
        (lambda d: d.update(schema=[]), "schema should have one table. Received 0."),
        (lambda d: d["schema"].append(d["schema"][0]), "schema should have one table. Received 2."),
        (lambda d: d["schema"][0].update(properties=[]), "properties should be the table's"),
        (
            lambda d: d["slaProperties"][0].update(value="x"),
            "slaProperties should state a retention in days. Received 'x'.",
        ),
        (lambda d: d["schema"][0].pop("dataGranularityDescription"), "should say what a row is of"),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path, good, change, told):
    change(good)
    assert told in fault_of(tmp_path, good)


def test_severity_is_known(tmp_path, good):
    good["schema"][0]["quality"][0]["severity"] = "error"
    assert "severity of price_is_not_negative should be one of" in fault_of(tmp_path, good)


@pytest.mark.parametrize("part", ["team", "description", "schema", "customProperties", "name"])
def test_a_part_is_missing(tmp_path, good, part):
    del good[part]
    missing = {"customProperties": "rows"}.get(part, part)
    assert f"{missing} should" in fault_of(tmp_path, good)


def test_a_part_of_a_check_is_missing(tmp_path, good):
    del good["schema"][0]["quality"][0]["implementation"]
    assert "implementation" in fault_of(tmp_path, good)


def test_a_key_without_a_position(tmp_path, good):
    del column(good, "transaction_id")["primaryKeyPosition"]
    assert "primaryKeyPosition" in fault_of(tmp_path, good)


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "only text", "\x00"])
def test_no_contract_at_all(tmp_path, text):
    fault_of(tmp_path, text)


def test_all_faults_of_all_files_at_once(tmp_path, good):
    good["name"] = "elsewhere"
    column(good, "quantity")["logicalType"] = "integer"
    column(good, "store_id")["physicalType"] = "TEXT"
    written(tmp_path, good)
    written(tmp_path, good, "silver/products.yaml")
    with pytest.raises(ContractError) as caught:
        read_contracts(tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 6
    assert {line.split(":")[0] for line in lines} == {"transactions.yaml", "products.yaml"}


def test_an_input_without_a_contract(tmp_path, good):
    written(tmp_path, good)
    with pytest.raises(ContractError) as caught:
        read_contracts(tmp_path)
    text = str(caught.value)
    assert "silver.transactions: input silver.products should be a table" in text
    assert "bronze.transactions" not in text, "it follows from that of silver"


def test_a_part_of_the_contracts_may_read_what_others_have(tmp_path, good, contracts):
    good["name"] = "silver.sales"
    good["customProperties"][-1]["value"] = [{"table": "silver.products"}]
    written(tmp_path, good, "silver/sales.yaml")
    part = read_contracts(tmp_path, is_whole=False)
    assert list(part) == ["bronze.sales", "quarantine.sales", "silver.sales"]
    merged = merge_contracts(contracts, part)
    assert set(merged) == {*contracts, *part}
    assert list(merged) == sorted(merged)
    assert "sales" in entities(merged.values())
    with pytest.raises(ContractError, match=r"silver\.sales: input silver\.products should"):
        merge_contracts(part)


def test_a_table_is_declared_once(tmp_path, good, contracts):
    good["team"]["name"] = "somebody else"
    written(tmp_path, good)
    part = read_contracts(tmp_path, is_whole=False)
    with pytest.raises(ContractError) as caught:
        merge_contracts(contracts, part)
    text = str(caught.value)
    assert "silver.transactions should have one contract. Received one of data-engineering" in text
    assert "and one of somebody else" in text


def test_contracts_lie_in_a_zipped_package_too(tmp_path):
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as package:
        for path in FILES:
            package.write(path, f"their_package/schemas/{path.parent.name}/{path.name}")
    place = zipfile.Path(tmp_path / "package.zip") / "their_package" / "schemas"
    assert read_contracts(place, is_whole=False) == read_contracts(HOME / "schemas", is_whole=False)


@pytest.mark.parametrize("folder", ["missing", ""])
def test_no_contracts_in_the_folder(tmp_path, folder):
    with pytest.raises(ContractError, match="Received none"):
        read_contracts(tmp_path / folder)


# -- Spark accepts it -----------------------------------------------------------------------------


def test_a_quote_and_a_backslash_in_a_comment_survive(spark, tmp_path, good):
    column(good, "store_id")["description"] = r"the store's \ name; --  /* not a comment"
    contract = read_contract(written(tmp_path, good), "silver")
    path = str(tmp_path / "lake" / "silver" / "transactions")
    spark.sql(contract.ddl(path))
    stored = spark.read.format("delta").load(path).schema["store_id"]
    assert stored.metadata["comment"] == r"the store's \ name; -- /* not a comment"
