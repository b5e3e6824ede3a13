from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median

import numpy as np
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from conftest import Rows, collected
from lakeshop.builder import Night
from lakeshop.contract import DAY as BUSINESS_DATE
from lakeshop.contract import Contract
from lakeshop.gold.fraud_scores import fraud_scores
from lakeshop.settings import Settings

DAY = date(2026, 3, 10)
BEFORE = DAY - timedelta(days=1)


def _line(
    transaction_id: str, user_id: str | None, amount: object, **more: object
) -> dict[str, object]:
    base = {"business_date": DAY, "event_date": DAY, "quantity": Decimal(1), "currency": "USD"}
    ids = {"transaction_id": transaction_id, "user_id": user_id}
    return {**base, **ids, "amount": Decimal(str(amount)), **more}


def _earlier(user_id: str | None, *amounts: object, **more: object) -> list[dict[str, object]]:
    return [
        _line(f"{user_id}-{n}-{more}", user_id, amount, business_date=BEFORE, **more)
        for n, amount in enumerate(amounts)
    ]


def _night(settings: Settings, min_history: int = 3, review_score: float = 6) -> Night:
    options = {"min_history": min_history, "review_score": review_score}
    fraud = settings.fraud.model_copy(update=options)
    return Night(DAY, settings.model_copy(update={"fraud": fraud}))


def _scores(lines: DataFrame, night: Night) -> DataFrame:
    return fraud_scores({"silver.transactions": lines}, night)


def test_lines_by_hand(rows: Rows, settings: Settings, contracts: Mapping[str, Contract]) -> None:
    refund = {"quantity": Decimal(-1)}
    euros = {"currency": "EUR"}
    made = _scores(
        rows(
            "silver.transactions",
            *_earlier("doubling", 1, 3, 7),
            *_earlier("constant", "2.50", "2.50", "2.50"),
            *_earlier("new", 1, 1),
            # None of these is history: refunds, lines without amount, lines of this night.
            *_earlier("new", 0, 0),
            *_earlier("new", -9, -9, **refund),
            _line("doubling large", "doubling", 31),
            _line("doubling usual", "doubling", 3),
            _line("constant same", "constant", "2.50"),
            _line("constant twice", "constant", 5),
            _line("constant odd", "constant", 6),
            _line("new large", "new", 13, occurred_at=datetime(2026, 3, 1, 9)),
            _line("guest large", None, 13, store_id=None),
            _line("unseen", "unseen", 1),
            _line("refunded", "doubling", -500, **refund),
            _line("refunded nothing", "doubling", 0, **refund),
            _line("corrected", "doubling", "-0.50"),
            _line("free", "doubling", 0),
            _line("abroad", "doubling", 900, **euros),
        ),
        _night(settings),
    )
    found = {r["transaction_id"]: r for r in made.collect()}
    assert len(found) == made.count() == 13

    # log(1 + amount) of 1, 3, 7 is 1, 2, 3 times log 2: median 2, MAD 1 (times log 2). 31 is 5
    # times log 2: (5 - 2) / 1.4826 = 2.0235. The median stands for 2^2 - 1 = 3.00.
    # Shop: 1 1 1 2.5 2.5 2.5 3 7 has median 2.5; ratios (1 + amount) / 3.5 are 4/7 three times, 1
    # three times, 8/7, 16/7. MAD is midway between log 8/7 and log 7/4: log(2) / 2. Amount 13
    # has ratio 4: 2 log 2 / (1.4826 * log(2) / 2) = 4 / 1.4826 = 2.6980.
    # Constant: spread at least 0.1: log(6 / 3.5) / 0.1 = 5.3900, log(7 / 3.5) / 0.1 = 6.9315.
    assert {i: (r["score"], r["reason_code"], r["history_lines"]) for i, r in found.items()} == {
        "doubling large": (2.0235, "own_history", 3),
        "doubling usual": (0.0, "own_history", 3),
        "constant same": (0.0, "own_history", 3),
        "constant twice": (5.39, "own_history", 3),
        "constant odd": (6.9315, "own_history", 3),
        "new large": (2.698, "shop_history", 8),
        "guest large": (2.698, "shop_history", 8),
        "unseen": (0.0, "shop_history", 8),
        "refunded": (0.0, "refund", 0),
        "refunded nothing": (0.0, "refund", 0),
        "corrected": (0.0, "refund", 0),
        "free": (0.0, "zero_amount", 0),
        "abroad": (0.0, "no_history", 0),
    }
    assert {i for i, r in found.items() if r["is_review"]} == {"constant odd"}
    assert {r["method"] for r in found.values()} == {"robust_z_own_history"}
    usual = "this customer's usual 3.00, from 3 earlier lines"
    shop = "the shop's usual 2.50, from 8 earlier lines"
    above = "is 2.7 robust deviations above"
    assert {i: found[i]["reason"] for i in found if not i.startswith("constant")} == {
        "doubling large": f"amount 31.00 is 2.0 robust deviations above {usual}",
        "doubling usual": f"amount 3.00 is not above {usual}",
        "new large": f"amount 13.00 {above} {shop}; the customer has only 2",
        "guest large": f"amount 13.00 {above} {shop}; the customer is a guest",
        "unseen": f"amount 1.00 is not above {shop}; the customer has only 0",
        "refunded": "amount -500.00: a refund or correction is not scored",
        "refunded nothing": "amount 0.00: a refund or correction is not scored",
        "corrected": "amount -0.50: a refund or correction is not scored",
        "free": "amount 0.00: a line without amount is not scored",
        "abroad": "amount 900.00: the shop has no earlier lines to compare it with",
    }
    assert found["guest large"]["user_id"] is None
    assert found["guest large"]["store_id"] is None
    assert found["new large"]["occurred_at"] == datetime(2026, 3, 1, 9)
    _holds_to_its_contract(made, contracts["gold.fraud_scores"])


def test_review_begins_at_the_limit(rows: Rows, settings: Settings) -> None:
    # As above: 2.0235 of the doubling customer. A shorter history than asked for is the shop's.
    lines = rows("silver.transactions", *_earlier("u", 1, 3, 7), _line("t", "u", 31))
    found = [
        collected(_scores(lines, night), "is_review", "reason_code")
        for night in (
            _night(settings, review_score=2.0235),
            _night(settings, review_score=2.0236),
            _night(settings, min_history=4),
        )
    ]
    assert found == [[(True, "own_history")], [(False, "own_history")], [(False, "shop_history")]]


def test_the_first_night_of_a_shop_scores_nothing(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    lines = rows("silver.transactions", _line("1", "u", 5), _line("2", None, 999))
    made = _scores(lines, _night(settings))
    assert collected(made, "transaction_id", "score", "is_review", "reason_code") == [
        ("1", 0.0, False, "no_history"),
        ("2", 0.0, False, "no_history"),
    ]
    _holds_to_its_contract(made, contracts["gold.fraud_scores"])


@pytest.mark.parametrize("has_history", [False, True])
def test_a_night_without_lines_gives_no_rows(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract], has_history: bool
) -> None:
    lines = rows("silver.transactions", *(_earlier("u", 1, 3, 7) if has_history else ()))
    made = _scores(lines, _night(settings))
    assert made.count() == 0
    _has_the_columns(made, contracts["gold.fraud_scores"])


def test_scores_are_the_oracle_however_the_lines_are_partitioned(
    rows: Rows, settings: Settings, contracts: Mapping[str, Contract]
) -> None:
    random = np.random.default_rng(5)
    users = [None, *[f"u{n}" for n in range(12)]]
    lines = [
        _line(
            f"t{n:03}",
            users[int(random.integers(len(users)))],
            # Prices from a short list, so that medians fall on ties and between two values.
            Decimal(int(random.choice([-300, 0, 99, 199, 249, 500, 1250, 9900]))) / 100,
            business_date=DAY if n % 4 == 0 else BEFORE - timedelta(days=n % 7),
            currency="EUR" if n % 5 == 0 else "USD",
        )
        for n in range(400)
    ]
    frame = rows("silver.transactions", *lines)
    night = _night(settings, min_history=13, review_score=2)
    whole = _scores(frame.repartition(1), night)
    found = collected(whole)
    assert collected(_scores(frame.repartition(7), night)) == found

    names = ["score", "reason_code", "history_lines", "is_review"]
    place = [whole.columns.index(name) for name in ("transaction_id", *names)]
    by_id = {r[place[0]]: tuple(r[i] for i in place[1:]) for r in found}
    expected = _oracle(lines, min_history=13)
    assert {code for _, code, _ in expected.values()} == {
        *("own_history", "shop_history", "refund", "zero_amount")
    }
    assert by_id.keys() == expected.keys()
    for key, (score, code, count) in expected.items():
        assert by_id[key][:3] == (pytest.approx(score, abs=6e-5), code, count)
        assert by_id[key][3] == (by_id[key][0] >= 2)
    _holds_to_its_contract(whole, contracts["gold.fraud_scores"])


def _oracle(lines: list[dict[str, object]], min_history: int) -> dict[str, tuple[float, str, int]]:
    """Score, reason code and history lines by NumPy's logarithm and Python's median."""
    scores: dict[str, tuple[float, str, int]] = {}
    history = [x for x in lines if x["business_date"] != DAY and float(str(x["amount"])) > 0]
    for line in lines:
        amount, key = float(str(line["amount"])), str(line["transaction_id"])
        if line["business_date"] != DAY:
            continue
        if amount <= 0:
            scores[key] = (0.0, "refund" if amount < 0 else "zero_amount", 0)
            continue
        shop = [x for x in history if x["currency"] == line["currency"]]
        own = [x for x in shop if x["user_id"] == line["user_id"] and x["user_id"]]
        basis, code = (own, "own_history") if len(own) >= min_history else (shop, "shop_history")
        logs = [float(np.log1p(float(str(x["amount"])))) for x in basis]
        centre = median(logs)
        spread = max(1.4826 * median(abs(x - centre) for x in logs), 0.1)
        scores[key] = (max(0.0, (float(np.log1p(amount)) - centre) / spread), code, len(basis))
    return scores


def _has_the_columns(made: DataFrame, contract: Contract) -> None:
    given = {BUSINESS_DATE, "run_id"}
    types = {c.name: c.type for c in contract.columns if c.name not in given}
    assert {f.name: f.dataType for f in made.schema.fields} == types


def _holds_to_its_contract(made: DataFrame, contract: Contract) -> None:
    _has_the_columns(made, contract)
    dated = made.withColumns({BUSINESS_DATE: F.lit(DAY), "run_id": F.lit("x")})
    required = [F.col(c.name).isNotNull() for c in contract.columns if c.required]
    rules = [F.expr(check.holds) for check in contract.checks] + required
    broken = dated.select(*[F.count_if(~F.coalesce(rule, F.lit(False))) for rule in rules])
    assert set(broken.collect()[0]) == {0}
    assert made.select("transaction_id").distinct().count() == made.count()
