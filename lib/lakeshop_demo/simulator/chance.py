"""Random numbers without a state: a number is a hash of the seed, its purpose and its ids.

Counter-based, as in Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011); the mixing
function is the finaliser of SplitMix64 (Steele, Lea and Flood 2014). The same ids give the same
number, in any order, on any machine.
"""

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BITS_OF_DOUBLE = 53


@dataclass(frozen=True)
class Chance:
    """All randomness of one simulation.

    Ids are integers or arrays of them, broadcast against one another; `purpose` keeps draws for
    the same ids apart.
    """

    seed: int

    def bits(self, purpose: str, *ids: ArrayLike) -> NDArray[np.uint64]:
        """64 random bits for each combination of ids."""
        with np.errstate(over="ignore"):
            start = np.uint64(self.seed % 2**64) + np.uint64(zlib.crc32(purpose.encode())) * _GOLDEN
            mixed: NDArray[Any] = _mixed(np.asarray(start))
            for part in ids:
                numbers = np.asarray(part).astype(np.int64).view(np.uint64)
                mixed = _mixed(mixed + (numbers + np.uint64(1)) * _GOLDEN)
        return mixed

    def uniform(self, purpose: str, *ids: ArrayLike) -> Floats:
        """Numbers evenly spread over the open interval from 0 to 1."""
        high = self.bits(purpose, *ids) >> np.uint64(64 - _BITS_OF_DOUBLE)
        return np.asarray((high.astype(np.float64) + 0.5) * 2.0**-_BITS_OF_DOUBLE)

    def normal(self, purpose: str, *ids: ArrayLike) -> Floats:
        """Numbers of the standard normal distribution, by its inverse."""
        return np.asarray(ndtri(self.uniform(purpose, *ids)))

    def below(self, limit: ArrayLike, purpose: str, *ids: ArrayLike) -> Ints:
        """Whole numbers from 0 to `limit` - 1."""
        return np.asarray(self.uniform(purpose, *ids) * np.asarray(limit)).astype(np.int64)


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _FIRST
    value = (value ^ (value >> np.uint64(27))) * _SECOND
    return np.asarray(value ^ (value >> np.uint64(31)))
