"""Summaries of failures for the person on call: one line, and its cause."""

from itertools import takewhile
from typing import Any

from pyspark.errors import PythonException

FEW = 6  # lines


def summarize_error(error: Exception) -> str:
    """Summarize an error in one line.

    A Spark error carries its whole plan, and its first line says it; that of a Python task
    carries the task's trace, and its last line does. Of an exception of the JVM that nobody made
    into one of Python the first line says only who called: the JVM's own words do, and those of
    its last cause, such as a full disk below an aborted job.
    """
    thrown = getattr(error, "java_exception", None)
    if thrown is not None:
        return _with_cause(thrown)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    is_of_task = isinstance(error, PythonException)
    return f"{type(error).__name__}: {lines[-1 if is_of_task else 0]}"


def _with_cause(thrown: Any) -> str:
    chain = [thrown]
    while (cause := chain[-1].getCause()) is not None:
        chain.append(cause)
    first, last = _words(chain[0]), _words(chain[-1])
    return first if last in first else f"{first} Cause: {last}"


def _words(thrown: Any) -> str:
    """A message down to its stack; of one with a task's trace in it the first and the last line."""
    message = takewhile(lambda line: not line.startswith("\tat "), thrown.toString().splitlines())
    lines = [line.strip() for line in message if line.strip()]
    return " ".join(lines if len(lines) <= FEW else (lines[0], lines[-1]))
