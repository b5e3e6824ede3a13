"""Rows of a local step: a function of shard, global step and seed, nothing else.

A shard's rows lie in chunks of a whole number of batches; the last chunk, and in it the last batch,
may be shorter. Step s is batch s mod S of epoch s div S, with S batches in an epoch: a short shard
restarts as often as needed. Rows are already in the order of a hash. Epochs differ by their first
chunk, and by the order of rows within each chunk. The chunks of a round stay adjacent in the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from lakeshop.ml.arrays import Floats32
from lakeshop.training.specification import seed_of


@dataclass(frozen=True)
class Schedule:
    """The batches of one shard."""

    shard: int
    rows: int
    batch_size: int
    batches_per_chunk: int
    seed: int
    shuffle: bool

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the last one perhaps shorter."""
        return -(-self.rows // self.batch_size)

    @property
    def chunks(self) -> int:
        """Chunks that the rows lie in."""
        return -(-self.steps_per_epoch // self.batches_per_chunk)

    def places(self, first: int, steps: int) -> Iterator[tuple[int, int, int]]:
        """Epoch, chunk and batch within the chunk of each step from `first` on."""
        for step in range(first, first + steps if self.rows else first):
            epoch, batch = divmod(step, self.steps_per_epoch)
            # The start moves by whole chunks: the short last one then lies in the middle.
            batch = (batch + self._start(epoch) * self.batches_per_chunk) % self.steps_per_epoch
            yield epoch, *divmod(batch, self.batches_per_chunk)

    def chunks_of(self, first: int, steps: int) -> list[int]:
        """The chunks that some steps read, in ascending order."""
        return sorted({chunk for _, chunk, _ in self.places(first, steps)})

    def batches(self, chunks: Mapping[int, Floats32], first: int, steps: int) -> Iterator[Floats32]:
        """The records of each step, cut from the chunks."""
        shuffled: tuple[int, int] | None = None
        records = np.zeros((0, 0), np.float32)
        for epoch, chunk, batch in self.places(first, steps):
            if shuffled != (epoch, chunk):
                shuffled, records = (epoch, chunk), self._in_order(chunks[chunk], epoch, chunk)
            yield records[batch * self.batch_size : (batch + 1) * self.batch_size]

    def _start(self, epoch: int) -> int:
        if not self.shuffle or self.chunks < 2:
            return 0
        return seed_of(self.seed, "start", self.shard, epoch) % self.chunks

    def _in_order(self, records: Floats32, epoch: int, chunk: int) -> Floats32:
        if not self.shuffle:
            return records
        seed = seed_of(self.seed, "order", self.shard, epoch, chunk)
        return records[np.random.default_rng(seed).permutation(len(records))]
