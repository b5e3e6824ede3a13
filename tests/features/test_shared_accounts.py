"""Accounts that are hardly persons are told of, and big customers are not."""

import pytest

from lakeshop.features.shared_accounts import accounts, shared_account

CASES = {
    "all walk-ins": ([(120, 3.0), *[(3, 1.0)] * 40], "user u0 has 75% of all lines of users"),
    "of three days": ([(3, 30.0), *[(3, 2.0)] * 40], "user u0 has 27%"),
    "just above the share": ([(50, 10.0), *[(10, 4.0)] * 200], "user u0 has 6%"),
    "of a small shop": ([(10, 3.0), *[(3, 1.0)] * 13], "user u0 has 43%"),
    "a good customer": ([(50, 8.0), *[(10, 4.0)] * 200], None),
    "one large basket on the first day": ([(1, 200.0), *[(1, 12.0)] * 80], None),
    "few users": ([(50, 9.0), *[(1, 1.0)] * 8], None),
    "few lines": ([(5, 5.0), *[(1, 1.0)] * 20], None),
    "no users": ([], None),
}


@pytest.fixture(scope="module")
def told(spark):
    def told(case):
        values = [(f"u{n}", *user) for n, user in enumerate(CASES[case][0])]
        schema = "user_id STRING, visit_days BIGINT, lines_per_visit DOUBLE"
        users = spark.createDataFrame(values, schema).repartition(3)
        return shared_account(0.05, users.agg(accounts()).first()[0], users)

    return told


@pytest.mark.parametrize("case", CASES)
def test_who_is_told_of(told, case):
    expected, found = CASES[case][1], told(case)
    assert (found is None) if expected is None else found.startswith(expected)
