"""Lists by rules of the shop: by hand, and against a plain loop over one list at a time."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from lakeshop.recommendations.filling import Cap
from lakeshop.recommendations.lists import (
    AGAIN,
    NEW,
    FixedPlaces,
    Picks,
    ProductGroups,
    Rules,
    Scored,
    picked_lists,
)

PLACES = ("product", "list", "place", "rule")
LEVELS = ("category", "brand", "department")


def scored_of(*rows: tuple[int, int, float, bool, bool]) -> Scored:
    kinds = (np.int64, np.int64, np.float64, bool, bool)
    columns = zip(*rows, strict=True) if rows else [()] * 5
    return Scored(*[np.array(c, dtype=kind) for c, kind in zip(columns, kinds, strict=True)])


def groups_of(n: int, **codes: list[int]) -> ProductGroups:
    filled = {level: np.array(codes.get(level, [-1] * n)) for level in LEVELS}
    return ProductGroups(**filled)


def rules_of(
    n: int,
    always: tuple[tuple[int, int, int], ...] = (),
    boost: dict[int, float] | None = None,
    never: tuple[int, ...] = (),
    *,
    caps: tuple[tuple[str, int], ...] = (),
    soft: tuple[tuple[str, int], ...] = (),
    share: float = 0.0,
) -> Rules:
    """Rules numbered as those of settings: places, then one boost, then caps."""
    rows = sorted((*entry, rule) for rule, entry in enumerate(always))
    listed, place, product, rule = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    added = np.array([(boost or {}).get(number, 0.0) for number in range(n)])
    first = len(always) + 1
    return Rules(
        names=("",) * (first + len(caps) + len(soft)),
        unmatched=(),
        never=np.isin(np.arange(n), never),
        boost=added,
        boosted_by=np.where(added != 0, len(always), -1).astype(np.int32),
        always=FixedPlaces(product, listed, place, rule.astype(np.int32)),
        caps=tuple(
            Cap(level, most, first + i, is_soft=i >= len(caps))
            for i, (level, most) in enumerate([*caps, *soft])
        ),
        explored_share=share,
    )


def tuples(picks: Picks) -> list[tuple[int, int, int, float, int]]:
    columns = (picks.list, picks.rank, picks.place, picks.log_odds, picks.rule)
    return list(zip(*[column.tolist() for column in columns], strict=True))


def shown(picks: Picks, scored: Scored, listed: int, user: int = 0) -> list[int]:
    mine = (picks.list == listed) & (scored.user[picks.place] == user)
    assert picks.rank[mine].tolist() == list(range(1, mine.sum() + 1))
    return scored.product[picks.place[mine]].tolist()


FIVE = scored_of(*[(0, product, 5.0 - product, False, False) for product in range(5)])


def test_without_rules_lists_follow_the_scores_and_ties_the_products() -> None:
    scored = scored_of(
        (0, 2, 1.0, False, False),
        (0, 1, 1.0, False, False),
        (0, 0, 0.5, True, False),
        (0, 3, 9.0, False, True),  # explored, where nothing is
        (2, 3, 0.0, True, False),
        (2, 0, 2.0, False, False),
    )
    picks = picked_lists(scored, groups_of(4), rules_of(4), 2)
    assert tuples(picks) == [
        (AGAIN, 1, 2, 0.5, -1),
        (NEW, 1, 1, 1.0, -1),
        (NEW, 2, 0, 1.0, -1),
        (AGAIN, 1, 4, 0.0, -1),
        (NEW, 1, 5, 2.0, -1),
    ]
    kinds = (picks.place.dtype, picks.list.dtype, picks.rank.dtype, picks.rule.dtype)
    assert kinds == (np.int64, np.int8, np.int32, np.int32)


def test_no_candidates_give_no_lists() -> None:
    rules = rules_of(3, always=((NEW, 1, 0),), caps=(("brand", 1),), share=0.5)
    picks = picked_lists(scored_of(), groups_of(3), rules, 5)
    assert tuples(picks) == []


def test_never_wins_over_a_boost() -> None:
    picks = picked_lists(FIVE, groups_of(5), rules_of(5, never=(0, 3), boost={3: 9.0}), 5)
    assert shown(picks, FIVE, NEW) == [1, 2, 4]


def test_a_boost_moves_a_product_and_says_so() -> None:
    picks = picked_lists(FIVE, groups_of(5), rules_of(5, boost={3: 2.5, 0: -9.0}), 3)
    assert tuples(picks) == [(NEW, 1, 3, 4.5, 0), (NEW, 2, 1, 4.0, -1), (NEW, 3, 2, 3.0, -1)]


def test_not_five_milks() -> None:
    groups = groups_of(5, category=[7, 7, 7, 1, 7])
    picks = picked_lists(FIVE, groups, rules_of(5, caps=(("category", 2),)), 4)
    # The third milk made room for product 3, and no other milk comes after it.
    assert tuples(picks) == [(NEW, 1, 0, 5.0, -1), (NEW, 2, 1, 4.0, -1), (NEW, 3, 3, 2.0, 1)]


def test_milks_beyond_variety_come_after_all_others() -> None:
    groups = groups_of(5, category=[7, 7, 7, 1, 7])
    picks = picked_lists(FIVE, groups, rules_of(5, soft=(("category", 2),)), 5)
    assert tuples(picks) == [
        (NEW, 1, 0, 5.0, -1),
        (NEW, 2, 1, 4.0, -1),
        (NEW, 3, 3, 2.0, 1),
        (NEW, 4, 2, 2.0, -1),  # the third milk, with no better odds than the row before it
        (NEW, 5, 4, 1.0, -1),
    ]
    # With a rule of the shop beside it there is no third milk.
    rules = rules_of(5, caps=(("category", 2),), soft=(("category", 1),))
    picks = picked_lists(FIVE, groups, rules, 5)
    assert shown(picks, FIVE, NEW) == [0, 3, 1]


def test_products_without_a_category_are_not_of_one_kind() -> None:
    picks = picked_lists(FIVE, groups_of(5), rules_of(5, caps=(("category", 1),)), 5)
    assert shown(picks, FIVE, NEW) == [0, 1, 2, 3, 4]


def test_a_fixed_place_has_the_odds_of_the_row_that_follows() -> None:
    picks = picked_lists(FIVE, groups_of(5), rules_of(5, always=((NEW, 2, 4),)), 3)
    assert tuples(picks) == [(NEW, 1, 0, 5.0, -1), (NEW, 2, 4, 4.0, 0), (NEW, 3, 1, 4.0, -1)]


def test_a_fixed_place_beyond_a_short_list_is_its_last() -> None:
    rules = rules_of(5, always=((NEW, 9, 0), (NEW, 20, 1)))
    picks = picked_lists(FIVE, groups_of(5), rules, 20)
    assert shown(picks, FIVE, NEW) == [2, 3, 4, 0, 1]
    assert picks.log_odds.tolist() == [3.0, 2.0, 1.0, 1.0, 1.0]


def test_a_list_of_fixed_places_alone_has_odds_that_do_not_rise() -> None:
    rules = rules_of(5, always=((NEW, 1, 4), (NEW, 2, 0)), never=(1, 2, 3))
    picks = picked_lists(FIVE, groups_of(5), rules, 20)
    assert tuples(picks) == [(NEW, 1, 4, 1.0, 0), (NEW, 2, 0, 1.0, 1)]


def test_a_product_is_placed_in_again_for_those_who_bought_it_and_in_new_for_others() -> None:
    scored = scored_of(
        (0, 0, 1.0, True, False),
        (0, 1, 3.0, True, False),
        (0, 2, 2.0, False, False),
        (1, 0, 0.0, False, False),
        (1, 2, 2.0, False, False),
    )
    both = rules_of(3, always=((NEW, 1, 0), (AGAIN, 1, 0)))
    picks = picked_lists(scored, groups_of(3), both, 2)
    assert shown(picks, scored, AGAIN) == [0, 1]
    assert shown(picks, scored, NEW) == [2]
    assert shown(picks, scored, NEW, user=1) == [0, 2]
    # In `new` alone, it is not in `again` as well.
    picks = picked_lists(scored, groups_of(3), rules_of(3, always=((NEW, 1, 0),)), 2)
    assert (shown(picks, scored, AGAIN), shown(picks, scored, NEW)) == ([1], [0, 2])


def test_fixed_places_count_to_a_cap_and_stay() -> None:
    groups = groups_of(5, brand=[1, 1, 2, 1, 1])
    rules = rules_of(5, always=((NEW, 1, 3), (NEW, 3, 4)), caps=(("brand", 2),))
    picks = picked_lists(FIVE, groups, rules, 5)
    assert shown(picks, FIVE, NEW) == [3, 2, 4]


def test_explored_ones_have_the_last_places() -> None:
    scored = scored_of(
        *[(0, product, 5.0 - product, False, product in {0, 3, 4}) for product in range(5)],
        (0, 5, 9.0, True, True),
        (1, 1, 1.0, False, False),
        (1, 2, 0.0, False, False),
    )
    picks = picked_lists(scored, groups_of(6), rules_of(6, share=0.5), 4)
    assert shown(picks, scored, NEW) == [1, 2, 0, 3]
    # Product 0 has odds of 5.0, and yet it stays behind product 2 where lists merge.
    assert picks.log_odds.tolist()[:4] == [4.0, 3.0, 3.0, 2.0]
    assert shown(picks, scored, AGAIN) == []
    assert shown(picks, scored, NEW, user=1) == [1, 2]  # nothing to explore, and no gap


@pytest.mark.parametrize(("share", "length", "n"), [(0.05, 20, 1), (0.05, 30, 2), (0.02, 20, 0)])
def test_the_share_is_rounded(share: float, length: int, n: int) -> None:
    rows = [(0, product, -product / 9, False, product >= 40) for product in range(50)]
    picks = picked_lists(scored_of(*rows), groups_of(50), rules_of(50, share=share), length)
    assert sum(product >= 40 for product in shown(picks, scored_of(*rows), NEW)) == n
    assert picks.rank.size == length


def test_rules_are_small() -> None:
    rules = rules_of(10_000, boost={3: 1.0}, caps=(("brand", 1),))
    again = pickle.loads(pickle.dumps(rules))
    assert len(pickle.dumps(rules)) < 200_000
    picks = [picked_lists(FIVE, groups_of(5), one, 3) for one in (rules, again)]
    assert tuples(picks[0]) == tuples(picks[1])


def oracle(scored: Scored, shelf: ProductGroups, rules: Rules, length: int) -> list[tuple]:
    """The same, list by list and row by row."""
    columns = (scored.user, scored.product, scored.log_odds, scored.is_known, scored.explored)
    rows = list(zip(*[column.tolist() for column in columns], strict=True))
    odds = [row[2] + rules.boost.tolist()[row[1]] for row in rows]
    entries = list(zip(*[getattr(rules.always, name).tolist() for name in PLACES], strict=True))
    found = []
    for user in sorted({row[0] for row in rows}):
        fixed: dict[int, list] = {AGAIN: [], NEW: []}
        others: dict[int, list] = {AGAIN: [], NEW: []}
        for i, (_, product, _, is_known, explored) in enumerate(rows):
            if rows[i][0] != user or rules.never[product]:
                continue
            own = {listed: (place, i, rule) for p, listed, place, rule in entries if p == product}
            if is_known and AGAIN in own:
                fixed[AGAIN].append(own[AGAIN])
            elif NEW in own:
                fixed[NEW].append(own[NEW])
            elif not (is_known and explored):
                others[AGAIN if is_known else NEW].append(i)
        for listed in (AGAIN, NEW):
            queue = sorted(others[listed], key=lambda i: (-odds[i], rows[i][1]))
            places = round(rules.explored_share * length + 1e-9) if listed == NEW else 0
            terms = {"shelf": shelf, "rules": rules, "length": length, "places": places}
            one = one_list(rows, odds, queue, sorted(fixed[listed]), **terms)
            found += [(listed, rank, *row) for rank, row in enumerate(one, 1)]
    return found


def one_list(rows, odds, queue, fixed, *, shelf, rules, length, places) -> list[tuple]:
    best = [i for i in queue if not rows[i][4]]
    explored = [i for i in queue if rows[i][4]]
    held = [i for _, i, _ in fixed]
    cause: dict[str, int] = {}

    def taken(queue: list[int], kind: str, until: int, caps=rules.caps) -> list[tuple[int, int]]:
        result = []
        while queue and len(held) < until:
            i = queue.pop(0)
            for cap in caps:
                codes = getattr(shelf, cap.level).tolist()
                code = codes[rows[i][1]]
                if code >= 0 and [codes[rows[h][1]] for h in held].count(code) >= cap.most:
                    cause.setdefault(kind, cap.rule)
                    break
            else:
                held.append(i)
                boosted = int(rules.boosted_by[rows[i][1]])
                result.append((i, boosted if boosted >= 0 else cause.get(kind, -1)))
        return result

    first = taken(best, "best", length - places)
    last = taken(explored, "explored", min(len(held) + places, length))
    line = first + taken(best, "best", length)
    hard = [cap for cap in rules.caps if not cap.is_soft]
    left = [i for i in queue if not rows[i][4] and i not in held]
    line += taken(left, "left", length, hard) + last
    result: list[tuple[int, int, bool]] = []
    while fixed or line:
        if fixed and (not line or fixed[0][0] <= len(result) + 1):
            _, i, rule = fixed.pop(0)
            result.append((i, rule, True))
        else:
            result.append((*line.pop(0), False))
    written, least = [], float("inf")
    for here, (i, rule, is_fixed) in enumerate(result):
        after = [j for j, _, f in result[here:] if not f]
        before = [j for j, _, f in result[:here] if not f]
        source = i if not is_fixed else after[0] if after else before[-1] if before else i
        least = min(least, odds[source])
        written.append((i, least, rule))
    return written


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), length=st.integers(1, 12))
@with_settings(max_examples=300, deadline=None, derandomize=True)
def test_equals_a_plain_loop(seed: int, n: int, length: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [
        (user, int(product), rng.integers(-4, 5) / 4, rng.random() < 0.4, rng.random() < 0.3)
        for user in range(3)
        for product in rng.permutation(n)[: rng.integers(0, n + 1)]
    ]
    groups = groups_of(n, **{level: rng.integers(-1, 3, n).tolist() for level in LEVELS})
    always = tuple(
        (listed, int(place), int(product))
        for listed in (AGAIN, NEW)
        for place, product in zip(
            1 + rng.permutation(length)[: rng.integers(0, 3)], rng.permutation(n), strict=False
        )
    )
    placed = {product for _, _, product in always}
    rules = rules_of(
        n,
        always=always,
        boost={int(p): rng.integers(-4, 5) / 4 for p in rng.permutation(n)[:3]},
        never=tuple(p for p in rng.permutation(n)[:2].tolist() if p not in placed),
        caps=tuple((level, int(rng.integers(1, 4))) for level in LEVELS if rng.random() < 0.5),
        soft=tuple((level, int(rng.integers(1, 3))) for level in LEVELS if rng.random() < 0.3),
        share=rng.choice([0.0, 0.0, 0.2, 0.5, 1.0]),
    )
    scored = scored_of(*rows)
    picks = picked_lists(scored, groups, rules, length)
    assert tuples(picks) == oracle(scored, groups, rules, length)
    assert np.diff(scored.user[picks.place]).min(initial=0) >= 0
