"""Types of columns, as contracts, the standard, Spark and SQL call them."""

import pytest
from pyspark.sql import types as T

from lakeshop.contracts.types import holds, logical_type, spark_type, sql_type
from lakeshop.errors import ContractError


@pytest.mark.parametrize("kind", ["DECIMAL(39,2)", "DECIMAL(5,6)", "DECIMAL(0,0)"])
def test_a_decimal_that_spark_does_not_know(kind):
    with pytest.raises(ContractError, match="physicalType"):
        spark_type(kind)


@pytest.mark.parametrize(
    ("physical", "spark", "logical"),
    [
        ("STRING", "string", "string"),
        ("INT", "int", "integer"),
        ("BIGINT", "bigint", "integer"),
        ("DOUBLE", "double", "number"),
        ("DECIMAL(12, 3)", "decimal(12,3)", "number"),
        ("DECIMAL(38,0)", "decimal(38,0)", "number"),
        ("BOOLEAN", "boolean", "boolean"),
        ("DATE", "date", "date"),
        ("TIMESTAMP", "timestamp", "timestamp"),
        ("BINARY", "binary", "string"),
        ("ARRAY<DOUBLE>", "array<double>", "array"),
        ("ARRAY<ARRAY<STRING>>", "array<array<string>>", "array"),
        ("MAP<STRING,STRING>", "map<string,string>", "object"),
        ("MAP<DATE, ARRAY<DECIMAL(3,1)>>", "map<date,array<decimal(3,1)>>", "object"),
        ("STRUCT<a: STRING, B: INT>", "struct<a:string,B:int>", "object"),
        (
            "ARRAY<STRUCT<a:MAP<STRING,INT>,b:DECIMAL(12,2)>>",
            "array<struct<a:map<string,int>,b:decimal(12,2)>>",
            "array",
        ),
    ],
)
def test_types(physical, spark, logical):
    assert spark_type(physical).simpleString() == spark
    assert logical_type(physical) == logical


@pytest.mark.parametrize(
    "kind",
    [
        "MAP<STRING>",
        "MAP<STRING,STRING,STRING>",
        "MAP<DOUBLE,STRING>",
        "MAP<ARRAY<STRING>,STRING>",
        "MAP<STRING,MAP<STRING,STRING>>",
        "MAP<STRING,STRUCT<a: MAP<STRING,STRING>>>",
        "MAP<STRING,FLOAT>",
        "ARRAY<>",
        "ARRAY<STRING,STRING>",
        "ARRAY<STRING>>",
        "STRUCT<>",
        "STRUCT<a>",
        "STRUCT<a: FLOAT>",
        "STRUCT<a: INT, A: INT>",
        "STRUCT<1a: INT>",
        "STRUCT<a`: INT, `b: INT>",
        "ARRAY<" * 3000 + "INT" + ">" * 3000,
        f"DECIMAL({'9' * 5000},2)",
    ],
)
def test_what_is_no_type_of_a_table(kind):
    with pytest.raises(ContractError, match="physicalType should be one of") as caught:
        spark_type(kind)
    assert len(str(caught.value)) < 500


def test_sql_keeps_the_letters_of_fields():
    text = "MAP<STRING,ARRAY<STRUCT<Order_id: STRING, n: DECIMAL(5,2)>>>"
    wanted = "MAP<STRING,ARRAY<STRUCT<`Order_id`: STRING, `n`: DECIMAL(5,2)>>>"
    assert sql_type(spark_type(text)) == wanted


def test_what_a_type_is_made_of_is_found_wherever_it_stands():
    assert holds(spark_type("ARRAY<STRUCT<a: MAP<STRING,INT>>>"), T.MapType)
    assert not holds(spark_type("ARRAY<STRUCT<a: ARRAY<STRING>>>"), T.MapType)
    assert holds(spark_type("MAP<STRING,INT>"), T.StringType)
    assert not holds(spark_type("MAP<INT,ARRAY<DATE>>"), T.StringType)
