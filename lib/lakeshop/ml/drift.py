"""Drift of values since a reference: the population stability index. Pure NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lakeshop.ml.arrays import Floats

SMOOTHING = 0.5  # rows added to each bin, so that an empty one has a logarithm (Jeffreys' prior)


def population_stability_index(
    reference: ArrayLike, present: ArrayLike, *, bins: int = 10
) -> float:
    """Sum over bins of (p - q) * ln(p / q), of the shares p of the present, q of the reference.

    By convention below 0.1 is stable and above 0.25 has changed (Siddiqi 2006). Bins are equally
    likely in the reference, fewer where its values repeat. Missing values have their own bin.
    Infinite values fall into the outermost bins.

    Args:
        reference: values then, NaN or None where missing.
        present: values now.
        bins: of values.

    Returns:
        The index, 0 without any drift; NaN where either has no rows.
    """
    return Reference.of(reference, bins=bins).stability_index(present)


@dataclass(frozen=True)
class Reference:
    """Values that later ones are compared with: inner edges of bins, and the share of each bin.

    The last share is of missing values. Without values there are no shares.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, values: ArrayLike, *, bins: int = 10) -> "Reference":
        """Return the bins of values, NaN or None where missing."""
        then = _floats(values)
        if not then.size:
            return cls((), ())
        edges = _edges(then[np.isfinite(then)], bins)
        return cls(tuple(edges.tolist()), tuple(_shares(then, edges).tolist()))

    def stability_index(self, present: ArrayLike) -> float:
        """Return the population stability index of values now, as `population_stability_index`."""
        now = _floats(present)
        if not self.shares or not now.size:
            return float("nan")
        p, q = _shares(now, np.array(self.edges)), np.array(self.shares)
        return float(np.sum((p - q) * np.log(p / q)))


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64).ravel()


def _edges(known: Floats, bins: int) -> Floats:
    """Inner edges; a bin holds values above its lower edge and not above its upper one.

    A value so frequent that it equals two quantiles, as 0 of counts, has its own bin.
    """
    if not known.size:
        return np.empty(0)
    levels = np.linspace(0, 1, bins + 1)[1:-1]
    quantiles = np.quantile(known, levels, method="inverted_cdf")
    frequent = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    edges: Floats = np.unique(np.append(quantiles, np.nextafter(frequent, -np.inf)))
    return edges


def _shares(values: Floats, edges: Floats) -> Floats:
    is_missing = np.isnan(values)
    places = np.searchsorted(edges, values[~is_missing], side="left")
    counts = np.bincount(places, minlength=len(edges) + 1).astype(np.float64)
    counts = np.append(counts, is_missing.sum()) + SMOOTHING
    shares: Floats = counts / counts.sum()
    return shares
