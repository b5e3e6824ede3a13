"""Rows of a step, against lists of rows. No Spark and no TensorFlow."""

from dataclasses import replace

import numpy as np
import pytest

from lakeshop.training.batches import Schedule

PLAIN = Schedule(shard=0, rows=23, batch_size=4, batches_per_chunk=2, seed=5, shuffle=False)
MIXED = replace(PLAIN, shuffle=True)


def chunks_of(schedule):
    records = np.arange(schedule.rows, dtype=np.float32)[:, None]
    size = schedule.batch_size * schedule.batches_per_chunk
    return {c: records[c * size : (c + 1) * size] for c in range(schedule.chunks)}


def batches(schedule, first, steps):
    found = schedule.batches(chunks_of(schedule), first, steps)
    return [batch[:, 0].astype(int).tolist() for batch in found]


def test_without_shuffling_batches_are_those_of_fit():
    epoch = [list(range(start, min(start + 4, 23))) for start in range(0, 23, 4)]
    assert batches(PLAIN, 0, 15) == (epoch * 3)[:15]
    assert batches(PLAIN, 4, 5) == (epoch * 3)[4:9], "a round begins where the last one ended"


@pytest.mark.parametrize("rows", [1, 3, 4, 8, 9, 23, 24])
def test_each_epoch_has_each_row_once_in_an_order_of_its_own(rows):
    schedule = replace(MIXED, rows=rows)
    steps = schedule.steps_per_epoch
    epochs = [
        [row for batch in batches(schedule, e * steps, steps) for row in batch] for e in range(6)
    ]
    assert [sorted(epoch) for epoch in epochs] == [list(range(rows))] * 6
    assert rows < 3 or len({tuple(epoch) for epoch in epochs}) > 1


def test_the_order_is_that_of_seed_and_shard_and_not_of_where_a_round_begins():
    whole = batches(MIXED, 0, 14)
    assert whole == batches(MIXED, 0, 5) + batches(MIXED, 5, 9)
    assert whole != batches(replace(MIXED, seed=6), 0, 14)
    assert whole != batches(replace(MIXED, shard=1), 0, 14)


def test_a_round_reads_only_the_chunks_of_its_steps():
    assert PLAIN.chunks_of(0, 2) == [0]
    assert PLAIN.chunks_of(5, 2) == [0, 2]
    for first in range(12):
        needed = set(MIXED.chunks_of(first, 3))
        given = {c: r for c, r in chunks_of(MIXED).items() if c in needed}
        assert len(list(MIXED.batches(given, first, 3))) == 3


def test_a_shard_smaller_than_a_batch_repeats_and_one_without_rows_does_nothing():
    assert batches(replace(PLAIN, rows=3), 7, 2) == [[0, 1, 2]] * 2
    assert batches(replace(PLAIN, rows=0), 0, 9) == []
    assert replace(PLAIN, rows=0).chunks_of(0, 9) == []
