"""Logs of a training: one line per round, and scalars for TensorBoard, by the driver alone.

TensorFlow writes TensorBoard's files by itself; the viewer is no dependency.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakeshop.events import ROUND, event
from lakeshop.storage.run_log import LOG
from lakeshop.training.checkpoints import Progress


def log_round(training_id: str, progress: Progress, rounds: int) -> None:
    """Log a round for a machine: a person has the counter and TensorBoard."""
    LOG.info(
        "training=%s round=%d/%d loss=%s validation_loss=%s rows_per_second=%.0f seconds=%.2f",
        training_id,
        min(progress.round, rounds),
        rounds,
        _number(progress.loss),
        _number(progress.validation_loss),
        progress.rows / max(progress.seconds, 1e-9),
        progress.seconds,
        extra=event(ROUND, training=training_id, round=progress.round, rounds=rounds),
    )


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6f}"


@dataclass(frozen=True)
class Board:
    """A folder of TensorBoard, or none; a scalar's step counts local steps."""

    writer: Any

    @classmethod
    @contextmanager
    def open(cls, folder: Path | None) -> Iterator["Board"]:
        """Write below a folder; a resumed training adds a file."""
        if folder is None:
            yield cls(None)
            return
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(folder))
        try:
            yield cls(writer)
        finally:
            writer.close()

    def add(self, progress: Progress, first_step: int) -> None:
        """Add a round that began after `first_step` local steps.

        The loss of each shard is added too, since a skewed one shows there.
        """
        if self.writer is None:
            return
        scalars = {
            "loss/training": progress.loss,
            "rows_per_second": progress.rows / max(progress.seconds, 1e-9),
            **{f"loss/shard_{i}": loss for i, loss in enumerate(progress.shard_losses)},
        }
        with self.writer.as_default():
            # That of the weights with which the round began.
            _write("loss/validation", progress.validation_loss, first_step)
            for name, value in scalars.items():
                _write(name, value if progress.rows else None, progress.local_steps)
        self.writer.flush()


def _write(name: str, value: float | None, step: int) -> None:
    """A scalar, if there is one, as TensorBoard's own `tf.summary.scalar` would write it."""
    if value is None:
        return
    import tensorflow as tf

    metadata = tf.compat.v1.SummaryMetadata(
        plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
    )
    tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=metadata)
