"""Attribution of a row's score to inputs or families of inputs: Shapley values by sampling.

A row's score moves from a reference to its own value by exchanging one player's inputs after
another, in many orders. A player's contribution is its mean step (Castro et al. 2009). Each order
is also traversed backwards, which reduces the sampling variance (Mitchell et al. 2022). The steps
of an order sum to the whole difference: contributions are complete for any number of orders. The
model is a black box: any function of rows. No Spark and no Keras here.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lakeshop.ml.arrays import Floats, Floats32, Integers
from lakeshop.ml.calibration import log_odds
from lakeshop.ml.hashing import draws_of

Predict = Callable[[Floats32], NDArray[np.floating]]
Players = Sequence[Sequence[int]]
MOST_POINTS = 65_536  # rows given to the model in one call


def contributions(
    predict: Predict,
    rows: NDArray[np.floating],
    reference: NDArray[np.floating],
    keys: Sequence[str],
    *,
    players: Players | None = None,
    orders: int = 16,
) -> Floats:
    """Contribution of each player to each row's log-odds, float64[n, players].

    Contributions sum to log-odds(row) - log-odds(reference). Seeds come from the rows' keys: a
    row's contributions depend neither on the rows beside it nor on chance.

    Args:
        predict: float32[m, d] to probabilities [m] or [m, 1].
        rows: float[n, d], NaN where missing.
        reference: usual inputs, float[d], or float[n, d] with one reference per row.
        keys: one name per row.
        players: columns of each player, disjoint; by default each column is one. Columns of no
            player keep the reference's value and contribute to nobody.
        orders: even number of orders per row.

    Raises:
        ValueError: keys do not name each row, or orders is not an even number from 2 on.
    """
    values = np.asarray(rows, np.float32)
    if len(keys) != len(values) or orders < 2 or orders % 2:
        msg = (
            "keys should name each row, and orders be an even number from 2 on. "
            f"Received {len(keys)} keys of {len(values)} rows, and {orders} orders."
        )
        raise ValueError(msg)
    columns = [[i] for i in range(values.shape[1])] if players is None else list(players)
    usual = np.broadcast_to(np.asarray(reference, np.float32), values.shape)
    result = np.zeros((len(values), len(columns)))
    if not columns:
        return result
    for part in _parts(len(values), orders * (len(columns) + 1)):
        drawn = np.stack(
            [orders_of(keys[i], len(columns), orders) for i in range(len(values))[part]]
        )
        result[part] = _steps(predict, values[part], usual[part], drawn, columns)
    return result


def orders_of(key: str, players: int, orders: int) -> Integers:
    """int64[orders, players]: permutations drawn from a row's key, each followed by its reverse."""
    chance = draws_of(key)
    drawn = chance.permuted(np.tile(np.arange(players), (orders // 2, 1)), axis=1)
    return np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(orders, players)


def _parts(rows: int, points: int) -> Iterator[slice]:
    size = max(1, MOST_POINTS // points)
    return (slice(start, min(rows, start + size)) for start in range(0, rows, size))


def _steps(
    predict: Predict, values: Floats32, usual: Floats32, drawn: Integers, players: Players
) -> Floats:
    """Mean step of each player, of rows [n, d] on orders [n, orders, players]."""
    rows, orders, n = drawn.shape
    rank = np.argsort(drawn, axis=2)  # of each player in each order
    # A point has exchanged its first `place` players: all points of all orders at once.
    is_exchanged = rank[:, :, None, :] < np.arange(n + 1)[None, None, :, None]
    belongs = np.zeros((n, values.shape[1]), dtype=bool)
    for player, columns in enumerate(players):
        belongs[player, list(columns)] = True
    chosen = (is_exchanged.reshape(-1, n).astype(np.float32) @ belongs.astype(np.float32)) > 0
    per_row = orders * (n + 1)
    points = np.where(chosen, values.repeat(per_row, axis=0), usual.repeat(per_row, axis=0))
    odds = log_odds(np.asarray(predict(points)).reshape(rows, orders, n + 1))
    moves = np.diff(odds, axis=2)
    of_player = np.take_along_axis(moves, rank, axis=2)
    mean: Floats = of_player.mean(axis=1)
    return mean
