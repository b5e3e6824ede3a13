"""The order that suffices with a given probability, when unmet demand is lost.

Stock at an order's arrival is not the position less mean demand: a sold-out series loses further
sales and cannot fall below nothing. Stock is therefore projected as a distribution, period by
period: arrivals, then demand, nothing below 0. The order is a quantile of the demand from its
arrival to the next one, less the remaining stock (newsvendor with lost sales; Zipkin 2008). The
level's error is common to all periods: everything is computed at NODES levels and averaged by their
probabilities.
"""

import numpy as np

from lakeshop.inventory.demand import Demand
from lakeshop.ml.arrays import Floats
from lakeshop.ml.numeric import compiled

NODES = 5
LEAST_VARIANCE = 1e-6
MOST_UNITS = 1024  # in a table; of more units several are one step
RELATIVE_CUTOFF = 1e-12  # probability, relative to the likeliest count, at which a table ends


def orders(
    demand: Demand, on_hand: Floats, in_transit: Floats, *, level: float, review: int = 1
) -> Floats:
    """Whole units to order of each series.

    Args:
        demand: of the next periods, lead + review of them or more.
        on_hand: float64[n], 0 or more.
        in_transit: float64[n, lead], by period of arrival, the next one first.
        level: the probability that no unit is missing between the order's arrival and the next.
        review: periods from one order to the next.

    Raises:
        ValueError: fewer periods of demand.
    """
    needed = in_transit.shape[1] + review
    if demand.mean.shape[1] < needed:
        msg = (
            f"Demand should be of {needed} periods, lead time and review. "
            f"Received {demand.mean.shape[1]}; forecast further."
        )
        raise ValueError(msg)
    nodes = level_nodes(demand.level_variance)
    return _order_each(
        demand.mean[:, :needed], demand.dispersion[:, :needed], nodes, on_hand, in_transit, level
    )


def level_nodes(variance: Floats) -> tuple[Floats, Floats]:
    """Factors of the level and their probabilities, [n, NODES] each.

    Gauss quadrature of a gamma distribution of mean 1 (generalised Laguerre), by the eigenvalues
    of its Jacobi matrix (Golub and Welsch 1969).
    """
    shape = 1.0 / np.maximum(variance, LEAST_VARIANCE)[:, None]
    k = np.arange(NODES)
    between = np.sqrt(k[1:] * (k[1:] + shape - 1))
    matrix = np.zeros((len(variance), NODES, NODES))
    matrix[:, k, k] = 2 * k + shape
    matrix[:, k[1:], k[:-1]] = matrix[:, k[:-1], k[1:]] = between
    values, vectors = np.linalg.eigh(matrix)
    return values / shape, vectors[:, 0, :] ** 2


@compiled
def _order_each(
    means: Floats,
    dispersions: Floats,
    nodes: tuple[Floats, Floats],
    on_hand: Floats,
    in_transit: Floats,
    level: float,
) -> Floats:
    (factors, chances), (n, lead) = nodes, in_transit.shape
    orders = np.zeros(n)
    for i in range(n):
        mean, moments = means[i], np.zeros((2, means.shape[1]))
        units = on_hand[i] + in_transit[i].sum()
        deviation = np.sqrt(mean.sum() + ((dispersions[i] + 1) * mean * mean).sum())
        step = max(1.0, np.ceil((units + mean.sum() + 4 * deviation) / MOST_UNITS))
        held = int(units / step + 1e-9)
        short = np.zeros(8 * MOST_UNITS)
        for node in range(factors.shape[1]):
            moments[0] = mean * factors[i, node] / step
            moments[1] = moments[0] / step + dispersions[i] * moments[0] * moments[0]
            stock = _projected(moments[:, :lead], on_hand[i] / step, in_transit[i] / step, held)
            _add_missing(short, moments[:, lead:], stock, chances[i, node])
        orders[i] = _first_sufficient(short, level) * step
    return orders


@compiled
def _projected(moments: Floats, on_hand: float, in_transit: Floats, held: int) -> Floats:
    """Distribution of stock on hand at the order's arrival, by count from 0 to `held`."""
    stock = np.zeros(held + 1)
    stock[min(held, int(on_hand + 1e-9))] = 1.0
    for period in range(moments.shape[1]):
        arriving = int(in_transit[period] + 1e-9)
        demand = _counts(moments[0, period], moments[1, period])
        left = np.zeros(held + 1)
        for k in range(held + 1):
            if stock[k] <= 0:
                continue
            at_hand, gone = min(held, k + arriving), 0.0
            for wanted in range(min(at_hand, demand.size)):
                left[at_hand - wanted] += stock[k] * demand[wanted]
                gone += demand[wanted]
            left[0] += stock[k] * max(0.0, 1.0 - gone)
        stock = left
    return stock


@compiled
def _add_missing(short: Floats, moments: Floats, stock: Floats, weight: float) -> None:
    """Add the distribution of demand beyond stock; leftovers count as 0 missing."""
    demand = _counts(moments[0].sum(), moments[1].sum())
    for k in range(stock.size):
        if stock[k] > 0:
            for wanted in range(demand.size):
                missing = min(short.size - 1, max(0, wanted - k))
                short[missing] += weight * stock[k] * demand[wanted]


@compiled
def _first_sufficient(short: Floats, level: float) -> int:
    running = 0.0
    for k in range(short.size):
        running += short[k]
        if running >= level - 1e-9:
            return k
    return short.size - 1


@compiled
def _counts(mean: float, variance: float) -> Floats:
    """Probabilities of counts from 0 on, of a negative binomial or a Poisson distribution.

    A copy of `protection._add`: a compiled function calls only functions of its own file.
    """
    if mean <= 0:
        return np.ones(1)
    variance = max(mean, variance)
    table = np.zeros(int(mean + 8 * np.sqrt(variance) + 20 * variance / mean) + 10)
    more, rate = 1 - mean / variance, mean * mean / variance
    mode = max(0, int(mean - variance / mean))
    table[mode] = 1.0
    k = mode
    while k > 0 and table[k] > RELATIVE_CUTOFF:
        table[k - 1] = table[k] * k / ((k - 1) * more + rate)
        k -= 1
    k = mode
    while k < table.size - 1 and table[k] > RELATIVE_CUTOFF:
        table[k + 1] = table[k] * (k * more + rate) / (k + 1)
        k += 1
    chances: Floats = table[: k + 1] / table.sum()
    return chances
