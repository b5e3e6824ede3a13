"""Numbers that follow from a text alone, on any machine: embedding indices and random draws."""

import hashlib
import zlib

import numpy as np


def bucket(name: str | None, buckets: int) -> int:
    """Embedding index of a name, from 1 on; 0 where it is unknown."""
    return 0 if not name else 1 + zlib.crc32(name.encode()) % (buckets - 1)


def draws_of(key: str) -> np.random.Generator:
    """Random draws that are the same for the same key."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))
