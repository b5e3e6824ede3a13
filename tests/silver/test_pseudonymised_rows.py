"""Pseudonyms against the standard library's HMAC, and that the key stays hidden."""

import hashlib
import hmac
import inspect

import pandas as pd
import pytest
from pyspark import cloudpickle

from lakeshop.silver.pseudonyms import pseudonymiser, pseudonyms

KEY = b"a test key of at least 32 characters"


def expected(identifier, key=KEY):
    return hmac.new(key, identifier.encode("utf-8"), hashlib.sha256).hexdigest()[:32]


def hmac_by_definition(key, message):
    """RFC 2104, section 2, for keys up to the block size of 64 bytes."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + message).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()


def test_published_vector():
    # RFC 4231, test case 2: key "Jefe", data "what do ya want for nothing?".
    vector = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    message = "what do ya want for nothing?"
    assert hmac_by_definition(b"Jefe", message.encode()) == vector
    assert pseudonyms(pd.Series([message]), b"Jefe").tolist() == [vector[:32]]


@pytest.mark.parametrize("identifier", ["1", "ann@shop.example", "Ünal 東京", "0", " 1", ""])
def test_is_the_truncated_hmac(identifier):
    found = pseudonyms(pd.Series([identifier]), KEY).tolist()
    assert found == [expected(identifier)]
    assert found == [hmac_by_definition(KEY, identifier.encode())[:32]]


def test_none_stays_none_and_order_is_kept():
    found = pseudonyms(pd.Series(["b", None, "a", "b"], index=[7, 3, 3, 1]), KEY)
    assert found.tolist() == [expected("b"), None, expected("a"), expected("b")]
    assert pseudonyms(pd.Series([None, None], dtype=object), KEY).tolist() == [None, None]
    assert pseudonyms(pd.Series([], dtype=object), KEY).tolist() == []


def test_other_key_other_pseudonym():
    ids = pd.Series(["1"])
    assert pseudonyms(ids, KEY).tolist() != pseudonyms(ids, KEY[:-1] + b"S").tolist()


def test_distinct_ids_are_hashed_once(monkeypatch):
    hashed = []
    digest = hmac.digest

    def counted(key, message, method):
        hashed.append(message)
        return digest(key, message, method)

    monkeypatch.setattr(hmac, "digest", counted)
    found = pseudonyms(pd.Series(["a", "b", "a", None] * 50), KEY)
    assert sorted(hashed) == [b"a", b"b"]
    assert found.nunique() == 2


def test_column_hashes_and_hides_the_key(spark, capfd):
    pseudonym = pseudonymiser(spark, KEY)
    frame = spark.createDataFrame([("1",), (None,), ("2",), ("1",)], "id STRING").repartition(3)
    column = pseudonym("id")
    hidden = frame.select("id", column.alias("user_id"))
    rows = {(row.id, row.user_id) for row in hidden.collect()}
    assert rows == {("1", expected("1")), (None, None), ("2", expected("2"))}
    hidden.explain("extended")
    plan = hidden._jdf.queryExecution().toString()
    assert "pseudonym" in plan
    shown = (plan, str(column), repr(pseudonym), str(capfd.readouterr()))
    for text in shown:
        for secret in (KEY.decode(), KEY.hex(), repr(KEY)):
            assert secret not in text


def test_key_does_not_travel_with_the_function(spark):
    """Spark stores the pickled function in the plan; the broadcast stands outside."""
    column_function = pseudonymiser(spark, KEY)
    function = inspect.getclosurevars(column_function).nonlocals["pseudonym"].func
    sent = cloudpickle.dumps(function)
    assert len(sent) > 100
    assert KEY not in sent
