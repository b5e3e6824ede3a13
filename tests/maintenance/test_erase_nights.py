"""A person of whole nights, models included, is in no byte of the lake once erased."""

from datetime import timedelta

import pytest

from bytescan import files_with
from lakeshop.maintenance.maintain import maintain
from lakeshop.pipeline import STAGES
from lakeshop.privacy.pseudonyms import pseudonym_of
from shops import FIRST, KEY, TAUGHT, action, line, run_stages, stale_days, ten_day_shop

ID = "Xk3v9TqLw7ZrB2mNp8sYd4Hc"
LAST = FIRST + timedelta(days=4)  # a Monday is among the days: models are trained


@pytest.mark.chaos
def test_nobody_is_left_of_whole_nights_and_the_next_night_works(spark, tmp_path):
    shop = ten_day_shop(spark, tmp_path, **TAUGHT)
    for n in range(5):
        day = FIRST + timedelta(days=n)
        path = shop.landing / "transactions" / f"{day}.jsonl"
        more = shop.deliver("transactions", f"{n}", [line(900 + n, f"{day} 09:00:00", user=ID)])
        path.write_bytes(path.read_bytes() + more.read_bytes() + f'{{"u": "{ID}"\n'.encode())
        shop.deliver("user_actions", day, [action(90 + n, f"{day} 09:00:00", user=ID)])
    run_stages(shop, "lake", FIRST, LAST, list(STAGES))
    models = shop.lake().read("models.fraud").where("model IS NOT NULL")
    assert not models.isEmpty(), "a network has learned from these lines"
    assert not shop.lake().read("ops.rounds").isEmpty()
    names = [ID, pseudonym_of(ID, KEY.encode())]
    layers = {path.split("/")[0] for path in files_with(shop.home / "lake", names)}
    assert {"bronze", "quarantine", "restricted", "silver", "features", "gold"} <= layers

    stale = stale_days(shop, LAST)
    run = shop.run(LAST)
    upkeep = run.settings.maintenance.model_copy(update={"keep_days": 0})
    run.settings = run.settings.model_copy(update={"maintenance": upkeep})
    run.erase = (ID,)
    maintain(run)
    run.flush()
    assert files_with(shop.home / "lake", names) == []

    assert {table for table, _ in stale} <= {"ops.metrics"}, "which names its sources by itself"
    assert stale_days(shop, LAST) == stale, "nothing is made anew because of it"
    run_stages(shop, "lake", LAST, LAST + timedelta(days=1), list(STAGES))
    assert files_with(shop.home / "lake", names) == []
