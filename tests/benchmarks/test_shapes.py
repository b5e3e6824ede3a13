"""Drawn interactions: as many as asked for, the same again, no pair twice, a long tail."""

import numpy as np
import pytest

from benchmarks.shapes import Shape, all_chunks, chunk_of, draws_per_user, popularity

SHAPE = Shape(interactions=600_000, users=60_000, items=5_000)


@pytest.fixture(scope="module")
def chunks():
    return list(all_chunks(SHAPE))


def joined(chunks, name):
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


def test_about_as_many_as_asked_for_and_no_pair_twice(chunks):
    user, item = joined(chunks, "user").astype(np.int64), joined(chunks, "item")
    assert len(chunks) == SHAPE.chunks == 2
    assert abs(user.size / SHAPE.interactions - 1) < 0.03
    assert np.unique(user * SHAPE.items + item).size == user.size
    assert user.max() < SHAPE.users
    assert item.max() < SHAPE.items


def test_a_chunk_is_the_same_again_whatever_came_before(chunks):
    again = chunk_of(SHAPE, 1, draws_per_user(SHAPE))
    for name in ("user", "item", "weight", "age"):
        assert np.array_equal(getattr(again, name), getattr(chunks[1], name))
    assert again.user.min() >= 50_000 > chunks[0].user.max()
    other = chunk_of(Shape(600_000, 60_000, 5_000, seed=1), 1, 11.0)
    assert not np.array_equal(other.item[:100], again.item[:100])


def test_a_long_tail_of_items_and_of_users(chunks):
    per_item = np.bincount(joined(chunks, "item"), minlength=SHAPE.items)
    drawn = np.diff(popularity(SHAPE.items), prepend=0) * per_item.sum()
    # Distinct pairs flatten the head a little.
    assert np.corrcoef(np.log(per_item[:1000]), np.log(drawn[:1000]))[0, 1] > 0.99
    lengths = np.bincount(joined(chunks, "user"), minlength=SHAPE.users)
    squares = (lengths.astype(float) ** 2).sum() / lengths.sum() ** 2 * SHAPE.users
    assert 3 < squares < 5, "exp(1.2**2) is 4.2; distinct pairs shorten the longest"


def test_weights_halve_with_age_within_the_kernel_s_limits(chunks):
    weight, age = joined(chunks, "weight"), joined(chunks, "age")
    assert (weight.min(), weight.max()) == (1, 1024)
    assert (age.min(), age.max()) == (0, 364)
    assert set(weight[age == 73]) == {256}
    assert weight.dtype == np.int64


def test_a_smaller_shape_keeps_the_activity_of_users():
    small = SHAPE.scaled(0.01)
    assert small.interactions / small.users == SHAPE.interactions / SHAPE.users
    assert small.items == 500
    assert SHAPE.scaled(1) == SHAPE
