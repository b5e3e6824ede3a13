"""Rows past their retention are deleted; rows that something else needs stay."""

from datetime import timedelta

from conftest import collected
from lakeshop.engine.publishing import MadeDays
from lakeshop.maintenance.maintain import empty_finished_rounds
from lakeshop.maintenance.retention import remove_old
from lakeshop.training.checkpoints import ROUNDS
from shops import LAST, tiny_shop

KEYS = "restricted.user_keys"


def day(n):
    return LAST - timedelta(days=n)


def test_a_key_stays_while_a_silver_row_bears_it(spark, tmp_path, rows):
    run = tiny_shop(spark, tmp_path).run(LAST)
    ages = {"gone": 900, "buys": 900, "looks": 900, "is known": 900, "young": 2}
    keys = [{"user_id": user, "business_date": day(age)} for user, age in ages.items()]
    run.publish(MadeDays(KEYS, rows(KEYS, *keys), day(900), LAST, started=0.0))
    bearers = {
        "silver.transactions": {"user_id": "buys", "business_date": day(3)},
        "silver.user_actions": {"user_id": "looks", "business_date": day(3), "action": "view"},
        # Its newest version.
        "silver.users": {"user_id": "is known", "business_date": day(900)},
    }
    for table, row in bearers.items():
        run.publish(MadeDays(table, rows(table, row), day(900), LAST, started=0.0))
    run.flush()
    assert remove_old(run) == {KEYS: 1}
    kept = collected(run.lake.read(KEYS), "user_id")
    assert kept == [(user,) for user in sorted(ages) if user != "gone"]


def test_weights_of_rounds_go_once_their_training_has_ended(spark, tmp_path, rows):
    """Those of its end stay, and all of a training that another night may go on with."""
    run = tiny_shop(spark, tmp_path).run(LAST)
    rounds = [("ended", 2, 1, False), ("ended", 2, 2, True), ("broken off", 2, 1, False)]
    rounds += [("of today", 0, 1, False), ("of today", 0, 2, True)]
    written = [
        {"training_id": name, "business_date": day(age), "round": number, "is_finished": is_end}
        | {"weights": b"w", "slots": b"s"}
        for name, age, number, is_end in rounds
    ]
    run.lake.append(ROUNDS, rows(ROUNDS, *written), run_id="test")
    empty_finished_rounds(run)
    found = collected(run.lake.read(ROUNDS), "training_id", "round", "weights", "slots")
    emptied = {("ended", 1)}
    assert found == sorted(
        (name, number, *((b"", b"") if (name, number) in emptied else (b"w", b"s")))
        for name, _, number, _ in rounds
    )
