"""The simulated shop without Spark: what it claims of users, products, stock and fraud is so."""

import ast
from datetime import date

import numpy as np
import pandas as pd
import pytest

from conftest import HOME
from lakeshop.errors import ConfigError
from lakeshop_demo.simulator.arguments import Arguments, assert_possible, claim, number_of_days
from lakeshop_demo.simulator.chance import Chance
from lakeshop_demo.simulator.people import people_of
from lakeshop_demo.simulator.products import products_of, shelves
from lakeshop_demo.simulator.season import Season
from lakeshop_demo.simulator.stock import ledger
from lakeshop_demo.simulator.visits import due_staples, visit_chances, visits_of
from lakeshop_demo.simulator.world import BRANDS, CATEGORIES, WORLD
from simulations import Simulated, files_below, simulated_by_hand

ARGUMENTS = Arguments(users=900, products=400, days=91, seed=7)
PACKAGE = HOME / "lib/lakeshop_demo/simulator"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulated_by_hand(ARGUMENTS, tmp_path_factory.mktemp("simulated"))


@pytest.fixture(scope="module")
def lines(shop: Simulated) -> pd.DataFrame:
    """Order lines without refunds."""
    rows = shop.rows("transactions")
    rows["sold_at"] = pd.to_datetime(rows["sold_at"])
    return rows[rows["pieces"] > 0]


@pytest.fixture(scope="module")
def actions(shop: Simulated) -> pd.DataFrame:
    return shop.rows("user_actions")


@pytest.fixture(scope="module")
def demand(shop: Simulated) -> pd.DataFrame:
    """Product-days of the truth, with the lift of their promotion (1 where there is none)."""
    days = shop.read_truth("demand")
    since = (pd.to_datetime(days["day"]) - pd.Timestamp(ARGUMENTS.start)).dt.days
    lifts = shop.read_truth("promotions")
    first = (pd.to_datetime(lifts["starts_on"]) - pd.Timestamp(ARGUMENTS.start)).dt.days
    days, lifts = days.assign(week=since // 7, since=since), lifts.assign(week=first // 7)
    joined = days.merge(
        lifts[["product_id", "week", "lift"]], on=["product_id", "week"], how="left"
    )
    return joined.fillna({"lift": 1.0})


# -- chance ---------------------------------------------------------------------------------------


def test_numbers_depend_on_seed_purpose_and_ids_alone():
    ids = np.arange(1000)
    drawn = Chance(1).uniform("x", ids, 5)
    assert np.array_equal(Chance(1).uniform("x", ids[::-1], 5)[::-1], drawn)
    assert Chance(1).uniform("x", 17, 5) == drawn[17]
    for other in (Chance(2).uniform("x", ids, 5), Chance(1).uniform("y", ids, 5)):
        assert not np.isin(other, drawn).any()
    assert Chance(1).uniform("x", 3, 4) != Chance(1).uniform("x", 4, 3)


def test_numbers_are_even_and_independent_of_their_neighbours():
    drawn = Chance(3).uniform("x", np.arange(400)[:, None], np.arange(400))
    counts = np.histogram(drawn, bins=50, range=(0, 1))[0]
    expected = drawn.size / 50
    assert ((counts - expected) ** 2 / expected).sum() < 95  # chi-square, 49 degrees: p > 1e-4
    for a, b in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    normal = Chance(3).normal("y", np.arange(100_000))
    assert normal.mean() == pytest.approx(0, abs=0.015)
    assert normal.std() == pytest.approx(1, abs=0.01)


# -- users and products ---------------------------------------------------------------------------


def test_activity_is_log_normal_with_the_worlds_parameters():
    people = people_of(Arguments(20_000, 100, 10, 1), 0, 20_000)
    logs = np.log(people.activity)
    assert logs.mean() == pytest.approx(WORLD.activity_mean, abs=0.02)
    assert logs.std() == pytest.approx(WORLD.activity_deviation, abs=0.02)
    skew = ((logs - logs.mean()) ** 3).mean() / logs.std() ** 3
    assert abs(skew) < 0.06
    assert np.quantile(people.activity, 0.99) > 5 * np.median(people.activity)


def test_users_come_as_often_as_they_are_active(shop, lines):
    """Poisson noise and unequal days of membership are part of the answer: compared in tenths."""
    users = shop.read_truth("users").set_index("user_id")
    old = users[pd.to_datetime(users["registered_on"]) < pd.Timestamp(ARGUMENTS.start)]
    orders = lines.groupby("customer")["receipt"].nunique().reindex(old.index).fillna(0)
    tenth = pd.qcut(old["visits_per_day"], 10, labels=False)
    mean = orders.groupby(tenth).mean()
    assert (mean.diff().dropna() > 0).all()
    expected = (1 - np.exp(-old["visits_per_day"])).groupby(tenth).mean() * ARGUMENTS.days
    conversion = mean / expected
    assert conversion.between(0.8 * WORLD.buying, 1.2 * WORLD.buying).all()


def test_no_user_buys_before_registering_and_the_youngest_is_of_age(shop, lines):
    users = shop.read_truth("users").set_index("user_id")
    joined = pd.to_datetime(users["registered_on"]).reindex(lines["customer"])
    assert (lines["sold_at"].to_numpy() >= joined.to_numpy()).all()
    assert (joined >= pd.Timestamp(ARGUMENTS.start)).any()
    born = pd.to_datetime(users["birth_date"])
    assert (pd.Timestamp(ARGUMENTS.start) - born).dt.days.min() >= 18 * 365


def test_popularity_is_zipf_mandelbrot():
    popularity = np.sort(products_of(Arguments(10, 5000, 10, 1)).popularity)[::-1]
    rank = np.arange(1, 5001) + WORLD.rank_shift
    slope = np.polyfit(np.log(rank), np.log(popularity), 1)[0]
    assert slope == pytest.approx(-WORLD.rank_exponent, abs=1e-6)
    assert popularity.sum() == pytest.approx(1)


def test_sales_have_the_long_tail(shop, lines):
    sold = lines.groupby("sku")["line"].nunique().sort_values(ascending=False)
    assert sold.head(40).sum() > 0.35 * sold.sum()  # a tenth of the products
    assert sold.tail(200).sum() > 0.1 * sold.sum()  # the less popular half is bought too
    popularity = shop.read_truth("products").set_index("product_id")["popularity"]
    assert sold.corr(popularity.reindex(sold.index), method="spearman") > 0.6


def test_products_are_sold_from_their_first_day_to_their_last(shop, lines):
    products = shop.read_truth("products").set_index("product_id")
    day = pd.to_datetime(lines["sold_at"].dt.date)
    starts = pd.to_datetime(products["starts_on"]).reindex(lines["sku"]).to_numpy()
    ends = pd.to_datetime(products["ends_on"]).reindex(lines["sku"])
    assert (day.to_numpy() >= starts).all()
    assert (ends.isna() | (day.to_numpy() < ends.to_numpy())).all()
    assert ends.notna().any()
    assert (pd.to_datetime(products["starts_on"]) > pd.Timestamp(ARGUMENTS.start)).sum() > 20


def test_the_end_of_a_product_is_announced_a_week_or_a_day_ahead(shop):
    recorded = shop.read_truth("products").set_index("product_id")
    entries = shop.rows("products")
    assert not entries.duplicated(["sku", "drop"]).any()
    drop, starts, ends = (
        pd.to_datetime(days).reset_index(drop=True)
        for days in (
            entries["drop"],
            recorded["starts_on"].reindex(entries["sku"]),
            recorded["ends_on"].reindex(entries["sku"]),
        )
    )
    is_announced = entries["until"].notna()
    one_day = pd.Timedelta(days=1)
    assert (pd.to_datetime(entries["until"]) + one_day)[is_announced].tolist() == ends[
        is_announced
    ].tolist()
    first = pd.DataFrame({"sku": entries["sku"], "drop": drop, "starts": starts, "ends": ends})
    first = first[is_announced].groupby("sku").min()
    ahead = (first["ends"] - first["drop"]).dt.days
    assert set(ahead[first["drop"] > first["starts"]]) == {1, 7}
    assert (ahead >= 1).all()
    within = pd.to_datetime(recorded["ends_on"]) <= pd.Timestamp(
        ARGUMENTS.date_of(ARGUMENTS.days - 1)
    )
    assert set(recorded.index[within]) <= set(first.index)
    # What changes afterwards does not take it back.
    in_order = entries.sort_values(["sku", "drop"])
    stays = (
        in_order["until"].notna().groupby(in_order["sku"]).agg(lambda n: n.is_monotonic_increasing)
    )
    assert stays.all()


def test_users_buy_by_their_tastes(shop, lines):
    tastes = shop.read_truth("users").set_index("user_id")["tastes"]
    of_product = shop.read_truth("products").set_index("product_id")["tastes"]
    sample = lines.sample(4000, random_state=1)
    pairs = zip(tastes[sample["customer"]], of_product[sample["sku"]], strict=True)
    shared = np.mean([bool(set(a) & set(b)) for a, b in pairs])
    others = np.roll(sample["customer"].to_numpy(), 1)
    strangers = zip(tastes[others], of_product[sample["sku"]], strict=True)
    by_chance = np.mean([bool(set(a) & set(b)) for a, b in strangers])
    assert shared > 0.85
    assert by_chance < 0.65


def test_a_draw_follows_the_weights():
    arguments = Arguments(10, 60, 20, 3)
    products, days = products_of(arguments), np.arange(5, 9)
    shelf, cluster = shelves(products, days), 2
    drawn = shelf.draw(
        np.full(200_000, 7), np.full(200_000, cluster), Chance(1).uniform("d", np.arange(200_000))
    )
    share = np.where(
        products.clusters == cluster, [1 - WORLD.second_cluster, WORLD.second_cluster], 0
    )
    weight = share.sum(axis=1) * products.demand(np.arange(60), np.full(60, 7))
    found = np.bincount(drawn, minlength=60) / 200_000
    assert np.abs(found - weight / weight.sum()).max() < 0.005
    assert set(np.nonzero(found)[0]) <= set(np.nonzero(weight)[0])


# -- baskets --------------------------------------------------------------------------------------


def test_partners_are_bought_together(shop, lines):
    orders = lines.groupby("sku")["receipt"].apply(set)
    total, pairs = (
        lines["receipt"].nunique(),
        shop.read_truth("products").dropna(subset="partner_id"),
    )
    often = set(orders[orders.map(len) >= 40].index)
    lifts, others = [], []
    popular = sorted(often)
    for a, b in zip(pairs["product_id"], pairs["partner_id"], strict=True):
        if a < b and {a, b} <= often:
            stranger = popular[(popular.index(b) + 7) % len(popular)]
            for other, into in ((b, lifts), (stranger, others)):
                together = len(orders[a] & orders[other])
                into.append(together * total / len(orders[a]) / len(orders[other]))
    assert len(lifts) >= 10
    assert np.median(lifts) > 8
    assert np.median(others) < 4


def test_staples_come_back_at_personal_intervals():
    """A user who comes every day buys a staple at the mean interval that is theirs."""
    arguments = Arguments(300, 200, 364, 5)
    people = people_of(arguments, 0, 300)
    always = type(people)(**{**vars(people), "activity": np.full(300, 50.0)})
    visits = visits_of(arguments, always, 0, 364)
    due = due_staples(Chance(5), always, visits)
    old = always.joined < 0
    for slot in (0, 4):
        bought = np.bincount(visits.row, due[:, slot], minlength=300)
        is_there = old & (always.staples[:, slot] >= 0)
        expected = 364 / always.intervals[:, slot] * (1 - WORLD.skips)
        ratio = bought[is_there] / expected[is_there]
        assert np.median(ratio) == pytest.approx(1, abs=0.08)
        assert np.corrcoef(bought[is_there], expected[is_there])[0, 1] > 0.97


def test_people_buy_their_staples_again_and_again(shop, lines):
    staples = shop.read_truth("staples")
    own = set(zip(staples["user_id"], staples["product_id"], strict=True))
    times = lines.groupby(["customer", "sku"])["receipt"].nunique()
    is_own = pd.Series([pair in own for pair in times.index], times.index)
    assert times[is_own].mean() > 1.8
    assert times[~is_own].mean() < 1.3


def test_promotions_raise_demand_by_the_truths_lift(demand):
    usual = demand[demand["lift"] == 1].groupby("product_id")["demanded"].mean()
    promoted = demand[demand["lift"] > 1]
    base = promoted["product_id"].map(usual)
    assert len(promoted) > 1000
    measured = promoted["demanded"].sum() / base.sum()
    expected = (promoted["lift"] * base).sum() / base.sum()
    assert expected > 1.5
    assert measured == pytest.approx(expected, rel=0.12)
    strong, weak = promoted["lift"] > 2.2, promoted["lift"] < 1.7
    by_lift = [promoted["demanded"][is_].sum() / base[is_].sum() for is_ in (strong, weak)]
    assert by_lift[0] > 1.25 * by_lift[1]


def test_weekdays_and_season_are_visible(shop, demand):
    per_day = demand.groupby("since")["demanded"].sum()
    factor = shop.read_truth("days")["visits"].to_numpy()
    weekday = (per_day.index.to_numpy() + ARGUMENTS.start.weekday()) % 7
    share = per_day.groupby(weekday).mean()
    expected = pd.Series(factor).groupby(weekday).mean()
    assert np.corrcoef(share, expected)[0, 1] > 0.9
    season = Season(date(2026, 1, 1))
    year = season.visits(np.arange(0, 364, 7))  # all of one weekday
    december, june = year[-3:].mean(), year[23:26].mean()
    assert december / june == pytest.approx(1.12 / 0.88 * 1.1**0.5, rel=0.02)


def test_birthdays_and_anniversaries_draw_visits():
    arguments = Arguments(400, 50, 364, 1)
    people, days = people_of(arguments, 0, 400), np.arange(364)
    season = Season(arguments.start)
    chances, is_birthday = visit_chances(people, season, days)
    alone = people.ring < 0
    assert (is_birthday.sum(axis=1) == 7).mean() > 0.95
    usual = 1 - np.exp(-people.activity[:, None] * season.visits(days))
    there = (days >= people.joined[:, None]) & alone[:, None]
    lifted = np.log(1 - chances) / np.log(1 - usual)
    assert np.allclose(np.unique(np.round(lifted[there], 6)), [1.0, 1.8, 2.0, 3.6])
    assert (chances[days < people.joined[:, None]] == 0).all()
    assert chances[~alone].max(axis=1).min() > 0.3, "linked accounts are busy for a while"


def test_birthday_coupons_are_used_in_the_week_up_to_the_birthday(shop, lines):
    gift = lines[lines["voucher"] == "BDAY10"]
    born = pd.to_datetime(shop.read_truth("users").set_index("user_id")["birth_date"])
    born = born.reindex(gift["customer"]).to_numpy()
    birthday = [(day.month, day.day) for day in pd.DatetimeIndex(born)]
    ahead = [
        {((at + pd.Timedelta(days=n)).month, (at + pd.Timedelta(days=n)).day) for n in range(8)}
        for at in gift["sold_at"]
    ]
    assert len(gift) > 100
    # Leap years shift the day of the year by one.
    assert all(day in days for day, days in zip(birthday, ahead, strict=True))
    full = lines[lines["voucher"].isna()]
    assert gift["saved"].sum() / (gift["saved"] + gift["paid"]).sum() > 0.09
    assert full["saved"].sum() / (full["saved"] + full["paid"]).sum() < 0.05


def test_a_higher_price_is_bought_less():
    """Demand by taste falls by the price's power of the elasticity, all else equal."""
    products = products_of(Arguments(10, 400, 100, 1))
    ids = np.nonzero((products.reprice_day < 100) & (products.reprice_factor > 1))[0]
    day = products.reprice_day[ids]
    plain = products.discount(ids, day) + products.discount(ids, day - 1) == 0
    kept = plain & products.on_sale(ids, day - 1) & products.on_sale(ids, day)
    ids, day = ids[kept], day[kept]
    assert len(ids) > 20
    assert (products.list_price(ids, day) > products.list_price(ids, day - 1)).mean() > 0.9
    ratio = products.demand(ids, day) / products.demand(ids, day - 1)
    expected = products.reprice_factor[ids] ** -products.elasticity[ids]
    assert ratio == pytest.approx(expected, rel=0.02)  # the season moves on by a day


def test_searches_name_what_is_looked_for(actions):
    kinds = {c.name for c in CATEGORIES}
    brands = {brand.lower() for brand in BRANDS}
    texts = set(actions["typed"].dropna())
    assert texts <= kinds | brands | {f"{b} {k}" for b in brands for k in kinds}
    assert len(texts) > 100


# -- stock ----------------------------------------------------------------------------------------


def test_stock_is_balanced_on_every_day(demand):
    days = demand.sort_values(["product_id", "since"])
    before = days.groupby("product_id")["on_hand"].shift(1, fill_value=0)
    assert (days["on_hand"] == before + days["delivered"] - days["sold"]).all()
    assert (days["on_hand"] >= 0).all()
    assert (days["on_order"] >= 0).all()
    assert (days["sold"] <= days["demanded"]).all()
    lost = (days["demanded"] - days["sold"]).sum() / days["demanded"].sum()
    assert 0.01 < lost < 0.1, "sales are lost, not many"
    served = days["sold_until"] == 24
    assert (days["sold"] == days["demanded"])[served].all()
    assert (days["sold"] < days["demanded"])[~served].all()


def test_sales_are_those_of_the_stock(lines, demand):
    sold = lines.assign(
        since=(lines["sold_at"].dt.normalize() - pd.Timestamp(ARGUMENTS.start)).dt.days
    )
    pieces = sold.groupby(["sku", "since"])["pieces"].sum()
    recorded = demand.set_index(["product_id", "since"])
    assert pieces.reindex(recorded.index).fillna(0).astype(int).equals(recorded["sold"].astype(int))
    until = recorded["sold_until"].reindex(pd.MultiIndex.from_frame(sold[["sku", "since"]]))
    assert (sold["sold_at"].dt.hour.to_numpy() < until.to_numpy()).all()


def test_the_delivered_stock_is_the_truth(shop, demand):
    rows = shop.rows("stock")
    since = (
        pd.to_datetime(rows["counted_at"]).dt.normalize() - pd.Timestamp(ARGUMENTS.start)
    ).dt.days
    found = rows.assign(since=since).set_index(["sku", "since"])[
        ["on_shelf", "ordered", "hours_out"]
    ]
    recorded = demand.set_index(["product_id", "since"])
    assert len(found) == len(recorded)
    found = found.reindex(recorded.index)
    assert (found["on_shelf"] == recorded["on_hand"]).all()
    assert (found["ordered"] == recorded["on_order"]).all()
    assert (found["hours_out"][recorded["sold_until"] < 20] > 0).all()
    assert (found["hours_out"][recorded["on_hand"] > 0][recorded["sold_until"] == 24] == 0).all()


def test_a_ledger_by_hand():
    """One product whose stock is known: the order that does not fit any more is lost, whole."""
    products = products_of(Arguments(10, 24, 90, 1))
    wanted = np.zeros((24, 90, 24), dtype=np.int64)
    held = ledger(Chance(1), products, np.arange(24), wanted)
    one = int(np.nonzero(products.starts == 0)[0][0])
    opening = held.delivered[one, 0]
    assert opening > 0
    wanted[one, 0, 9], wanted[one, 0, 12], wanted[one, 0, 15] = 1, 10_000, 1
    held = ledger(Chance(1), products, np.arange(24), wanted)
    assert held.demanded[one, 0] == 10_002
    assert held.sold[one, 0] == 1
    assert held.sold_until[one, 0] == 12
    assert held.hours_sold_out[one, 0] == WORLD.closes - 12
    assert held.on_hand[one, 0] == held.delivered[one, 0] - 1


# -- fraud ----------------------------------------------------------------------------------------


def test_fraud_is_rare_and_each_pattern_can_be_recognised(shop, lines):
    frauds = shop.read_truth("frauds").set_index("transaction_id")["pattern"]
    assert frauds.index.is_unique
    assert set(frauds) == {"amount", "terminal", "stolen_card", "coupon_abuse"}
    assert frauds.index.isin(lines["line"]).all()
    assert 0.001 < len(frauds) / len(lines) < 0.01
    pattern = lines["line"].map(frauds)
    usual = lines["paid"].groupby(lines["customer"]).transform("median")
    ratio = (lines["paid"] / usual).groupby(pattern.fillna("genuine")).median()
    assert ratio["amount"] > 10
    assert 2 < ratio["stolen_card"] < 8
    assert 0.5 < ratio["terminal"] < 2
    at_terminal = lines[pattern == "terminal"]
    assert at_terminal["branch"].nunique() <= 2
    span = at_terminal.groupby("branch")["sold_at"].agg(lambda at: (at.max() - at.min()).days)
    assert span.max() < WORLD.terminal_days
    stolen = lines[pattern == "stolen_card"].groupby("customer")["sold_at"]
    assert stolen.agg(lambda at: (at.max() - at.min()).days).max() < WORLD.stolen_days
    abused = lines[pattern == "coupon_abuse"]
    assert (abused["voucher"] == "WELCOME40").all()
    shared = abused.groupby("card").agg(
        users=("customer", "nunique"), devices=("device", "nunique")
    )
    assert shared["users"].max() > 1
    assert (shared["devices"] == 1).all()
    genuine = lines[pattern.isna()]
    assert (genuine.groupby("card")["customer"].nunique() == 1).all()


def test_labels_come_a_week_after_the_event_or_later(shop, lines):
    labels = shop.rows("fraud_labels").set_index("line")
    labels["found_at"] = pd.to_datetime(labels["found_at"])
    event = lines.set_index("line")["sold_at"].reindex(labels.index)
    assert event.notna().all()
    delay = labels["found_at"] - event
    assert delay.min() >= pd.Timedelta(days=7)
    assert delay.max() > pd.Timedelta(days=21)
    assert (labels["drop"] == labels["found_at"].dt.date).all()
    frauds = shop.read_truth("frauds").set_index("transaction_id")
    known = frauds[pd.to_datetime(frauds["labelled_on"]) <= labels["found_at"].max().normalize()]
    assert set(labels.index[labels["verdict"]]) == set(known.index)
    assert (
        labels["scheme"].dropna() == frauds["pattern"].reindex(labels["scheme"].dropna().index)
    ).all()
    assert (~labels["verdict"]).sum() > 20, "some genuine lines are checked"


# -- files ----------------------------------------------------------------------------------------


def test_actions_tell_of_every_line_and_of_what_came_before(actions, lines):
    assert actions["id"].is_unique
    kinds = actions["what"].value_counts()
    assert set(kinds.index) == {
        "impression", "click", "search", "view", "cart", "coupon", "purchase"
    }  # fmt: skip
    bought = actions[actions["what"] == "purchase"]
    pairs = set(zip(bought["session"], bought["sku"], strict=True))
    assert pairs == set(zip(lines["receipt"], lines["sku"], strict=True))
    assert len(bought) == len(lines)
    assert actions["typed"].notna().equals(actions["what"] == "search")
    in_time = actions.sort_values(["session", "at"], kind="stable")
    numbers = in_time["id"].str.split("-").str[1].astype(int)
    assert (numbers.groupby(in_time["session"]).diff().dropna() > 0).all()
    gone = actions[actions["what"] == "cart"]
    assert len(gone) > 1.1 * len(bought)


def test_every_event_is_delivered_on_its_day_and_refunds_follow_their_line(shop, lines):
    rows = shop.rows("transactions")
    assert (pd.to_datetime(rows["sold_at"]).dt.date == rows["drop"]).all()
    back = rows[rows["pieces"] < 0]
    assert 0.005 < len(back) / len(lines) < 0.03
    original = lines.set_index("line").reindex(back["line"].str.removesuffix("R"))
    assert (original["paid"].to_numpy() == -back["paid"].to_numpy()).all()
    later = pd.to_datetime(back["sold_at"]).to_numpy() - original["sold_at"].to_numpy()
    assert later.min() >= np.timedelta64(2, "D")
    assert shop.read_truth("rows")["kind"].eq("as it is").all()


def test_the_same_again_and_another_by_another_seed(tmp_path):
    small = Arguments(60, 30, 16, 1, dirt=0.1)
    one, two = (simulated_by_hand(small, tmp_path / name) for name in ("one", "two"))
    files = files_below(one.landing, one.truth)
    assert len(files) > 50
    assert files_below(two.landing, two.truth) == files
    times = {path: path.stat().st_mtime_ns for path in one.landing.rglob("*.gz")}
    simulated_by_hand(small, tmp_path / "one")
    assert {path: path.stat().st_mtime_ns for path in one.landing.rglob("*.gz")} == times
    other = simulated_by_hand(Arguments(60, 30, 16, 2, dirt=0.1), tmp_path / "three")
    changed = files_below(other.landing, other.truth)
    name = next(n for n in files if "/user_actions/" in f"/{n}" and len(files[n]) > 200)
    assert changed.get(name) != files[name]


def test_dirt_lies_beside_what_the_clean_shop_delivers(tmp_path):
    clean = simulated_by_hand(Arguments(80, 30, 16, 1), tmp_path / "clean")
    dirty = simulated_by_hand(Arguments(80, 30, 16, 1, dirt=0.3), tmp_path / "dirty")
    for entity in ("transactions", "user_actions", "stock", "products", "users"):
        good = {text for _, text in clean.lines(entity)}
        found = {text for _, text in dirty.lines(entity)}
        recorded = dirty.read_truth("rows").query("entity == @entity")
        delivered = sum(1 for _ in dirty.lines(entity))
        assert recorded["rows"].sum() == delivered
        # Late rows that would come after the last day are missing.
        assert len(good - found) < 0.05 * len(good)
        bad = recorded[recorded["kind"] != "as it is"]["rows"].sum()
        assert bad / delivered == pytest.approx(0.25, abs=0.08)


def test_the_simulator_knows_no_spark_but_in_its_shell():
    for path in PACKAGE.glob("*.py"):
        imported = {
            (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom)
        }
        assert ("pyspark" in imported) == (path.stem == "simulate"), path.name


# -- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": 0}, "--users should lie in 1 to"),
        ({"products": 3}, "--products should lie in 24 to"),
        ({"days": -1}, "--days should lie in 1 to 3660, received -1"),
        ({"seed": -5}, "--seed"),
        ({"dirt": 0.51}, "--dirt should lie in 0 to 0.5, received 0.51"),
        ({"dirt": float("nan")}, "--dirt"),
        ({"start": date(1900, 1, 1)}, "--start"),
    ],
)
def test_impossible_arguments(change, message):
    base = {"users": 10, "products": 30, "days": 5, "seed": 1}
    with pytest.raises(ConfigError) as caught:
        assert_possible(Arguments(**(base | change)))
    assert message in str(caught.value)
    assert "Nothing was written" in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_impossible_arguments_are_named_at_once():
    with pytest.raises(ConfigError, match=r"--users .*; --products .*; --days "):
        assert_possible(Arguments(0, 0, 0, 1))


def test_days_are_given_once_and_end_after_the_start():
    start = date(2026, 1, 1)
    assert number_of_days(start, None, 5) == 5
    assert number_of_days(start, date(2026, 1, 5), None) == 5
    with pytest.raises(ConfigError, match="--end should not come before --start"):
        number_of_days(start, date(2025, 12, 31), None)
    for end, days in ((None, None), (start, 3)):
        with pytest.raises(ConfigError, match="Either --days or --end"):
            number_of_days(start, end, days)


def test_a_folder_that_holds_anything_else_is_left_alone(tmp_path):
    arguments = Arguments(10, 30, 5, 1)
    landing, truth = tmp_path / "landing", tmp_path / "truth"
    claim(arguments, str(landing), str(truth))
    claim(arguments, str(landing), str(truth))
    with pytest.raises(ConfigError, match="seed 1 there, 2 asked for"):
        claim(Arguments(10, 30, 5, 2), str(landing), str(truth))
    other = tmp_path / "other"
    other.mkdir()
    (other / "drop.csv").write_text("a")
    with pytest.raises(ConfigError, match="Received a folder with other content"):
        claim(arguments, str(other), str(tmp_path / "fresh"))
    assert not (tmp_path / "fresh").exists()
    (landing / "_simulation.json").write_text("[]")
    with pytest.raises(ConfigError, match="none of ours"):
        claim(arguments, str(landing), str(truth))


def test_folders_are_local_and_apart(tmp_path):
    arguments = Arguments(10, 30, 5, 1)
    with pytest.raises(ConfigError, match="without a scheme"):
        claim(arguments, "s3a://bucket/landing", str(tmp_path))
    with pytest.raises(ConfigError, match="should lie outside the landing folder"):
        claim(arguments, str(tmp_path / "a"), str(tmp_path / "a" / "truth"))
