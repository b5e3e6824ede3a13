"""Rounds of a training: committed once, in order, and found again."""

from dataclasses import replace
from datetime import date
from threading import Event

import numpy as np
import pytest

from lakeshop.storage.lake import Lake
from lakeshop.training import checkpoints as module
from lakeshop.training.checkpoints import Best, Checkpoint, Checkpoints, Progress, best_of

DAY = date(2026, 3, 10)
WEIGHTS = np.array([0.1, -2.0, 1e-300])


def progress(number, validation_loss=None, **others):
    return Progress(
        round=number,
        local_steps=10 * number,
        rows=320,
        loss=0.5,
        shard_losses=(0.4, None, 0.6),
        validation_loss=validation_loss,
        seconds=1.5,
        training_seconds=1.0,
        **others,
    )


@pytest.fixture
def lake(spark, tmp_path, contracts):
    return Lake(spark, str(tmp_path / "lake"), contracts)


@pytest.fixture
def checkpoints(lake):
    found = Checkpoints(lake, "t1", DAY)
    yield found
    found.close()


def test_rounds_are_committed_in_order_and_read_back_whole(lake, checkpoints, monkeypatch):
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.0)
    assert checkpoints.history() == []
    rounds = [progress(1, 0.7), progress(2, None)]
    for number, done in enumerate(rounds):
        checkpoints.write(Checkpoint(done, WEIGHTS + number, np.arange(2.0)))
    checkpoints.wait()
    assert checkpoints.history() == rounds
    weights, slots = checkpoints.weights(2)
    np.testing.assert_array_equal(weights, WEIGHTS + 1)
    np.testing.assert_array_equal(slots, [0.0, 1.0])
    row = lake.read("ops.rounds").where("round = 1").first()
    assert (row["business_date"], row["training_id"]) == (DAY, "t1")
    assert len(row["weights_sha256"]) == 64
    assert lake.version("ops.rounds") == 2, "the table itself, and a commit for each round"


def written(checkpoints, *numbers):
    for number in numbers:
        checkpoints.write(Checkpoint(progress(number), WEIGHTS + number, WEIGHTS))


def test_short_rounds_share_a_commit(lake, checkpoints):
    written(checkpoints, 1, 2, 3)
    assert not lake.exists("ops.rounds")
    checkpoints.wait()
    assert checkpoints.history() == [progress(1), progress(2), progress(3)]
    np.testing.assert_array_equal(checkpoints.weights(2)[0], WEIGHTS + 2)
    assert lake.version("ops.rounds") == 1, "the table itself, and one commit"


@pytest.mark.parametrize("limit", ["COMMIT_EVERY", "MOST_HELD"])
def test_rounds_are_held_for_a_time_and_up_to_a_size(lake, checkpoints, monkeypatch, limit):
    sizes = {"COMMIT_EVERY": 0.0, "MOST_HELD": 5 * WEIGHTS.nbytes}
    written(checkpoints, 1, 2)
    monkeypatch.setattr(module, limit, sizes[limit])
    written(checkpoints, 3)
    checkpoints._finish()
    assert [done.round for done in checkpoints.history()] == [1, 2, 3]
    assert lake.version("ops.rounds") == 1


def test_a_training_that_fails_keeps_the_rounds_that_it_held(lake):
    failing = Checkpoints(lake, "t1", DAY)
    written(failing, 1, 2)
    failing.close()
    again = Checkpoints(lake, "t1", DAY)
    assert again.resume() == [progress(1), progress(2)]
    again.close()


def test_a_round_in_two_groups_is_read_once(lake, checkpoints):
    """As by two drivers of which each thought the other dead."""
    written(checkpoints, 1, 2)
    checkpoints.wait()
    other = Checkpoints(lake, "t1", DAY)
    written(other, 2, 3)
    other.close()
    assert lake.read("ops.rounds").count() == 4
    assert checkpoints.history() == [progress(1), progress(2), progress(3)]
    assert checkpoints.resume() == checkpoints.history()


def test_a_round_that_is_written_again_changes_nothing(lake, checkpoints):
    """As by a driver that was thought to be dead."""
    checkpoints.commit(Checkpoint(progress(1), WEIGHTS, WEIGHTS))
    checkpoints.commit(Checkpoint(progress(2), WEIGHTS, WEIGHTS))
    other = Checkpoints(Lake(lake.spark, lake.root, lake.contracts), "t1", DAY)
    other.commit(Checkpoint(replace(progress(1), seconds=9.0), WEIGHTS + 1, WEIGHTS))
    other.close()
    assert checkpoints.history() == [progress(1), progress(2)]


def test_trainings_do_not_see_one_another(lake, checkpoints):
    other = Checkpoints(lake, "t2", DAY)
    other.commit(Checkpoint(progress(1), WEIGHTS, WEIGHTS))
    other.close()
    assert checkpoints.history() == []
    checkpoints.commit(Checkpoint(progress(1), WEIGHTS, WEIGHTS))
    assert lake.read("ops.rounds").count() == 2


def test_a_failed_commit_is_raised_soon(checkpoints, monkeypatch):
    def failing(*_rounds):
        message = "the disk is full"
        raise OSError(message)

    monkeypatch.setattr(checkpoints, "commit", failing)
    checkpoints.write(Checkpoint(progress(1), WEIGHTS, WEIGHTS))
    with pytest.raises(OSError, match="disk is full"):
        checkpoints.wait()


def test_after_a_commit_that_failed_none_is_made(checkpoints, monkeypatch):
    """The third round waits in the queue when the second one fails, this once."""
    third_waits, usual = Event(), Lake.append

    def failing(lake, *arguments, transaction, **others):
        if transaction[1] == 2 and third_waits.wait(60):
            message = "the store is away"
            raise OSError(message)
        return usual(lake, *arguments, transaction=transaction, **others)

    monkeypatch.setattr(Lake, "append", failing)
    monkeypatch.setattr(module, "COMMIT_EVERY", 0.0)
    for number in (1, 2, 3):
        checkpoints.write(Checkpoint(progress(number), WEIGHTS, WEIGHTS))
    third_waits.set()
    for _ in range(2):
        with pytest.raises(OSError, match="store is away"):
            checkpoints.wait()
    assert checkpoints.history() == [progress(1)]


def test_a_history_with_a_gap_is_begun_anew_under_another_name(lake, checkpoints):
    for number in (1, 3):
        checkpoints.commit(Checkpoint(progress(number), WEIGHTS, WEIGHTS))
    assert checkpoints.resume() == []
    assert checkpoints.training_id == "t1.1"
    checkpoints.commit(Checkpoint(progress(1), WEIGHTS + 1, WEIGHTS))
    again = Checkpoints(lake, "t1", DAY)
    assert again.resume() == [progress(1)]
    np.testing.assert_array_equal(again.weights(1)[0], WEIGHTS + 1)
    again.close()


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([], None),
        ([None, None], None),
        ([0.5], Best(0, 0.5, 0)),
        ([0.5, 0.4, None, 0.45, 0.4], Best(1, 0.4, 2)),
        ([0.5, 0.6, 0.7, 0.3], Best(3, 0.3, 0)),
    ],
)
def test_the_best_round_is_the_one_whose_weights_were_measured(losses, expected):
    """A round measures the weights that it begins with: those after the round before."""
    history = [progress(number + 1, loss) for number, loss in enumerate(losses)]
    end = progress(99, 0.0, is_finished=True, best_round=0)
    assert best_of([*history, end]) == expected
