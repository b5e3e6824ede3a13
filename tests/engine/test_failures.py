"""What a failed job says."""

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.errors import PythonException

from lakeshop.engine.failures import summarize_error


def test_a_spark_error_is_said_by_its_first_line_and_a_tasks_by_its_last() -> None:
    assert summarize_error(ValueError("what is wrong\nthe plan\n")) == "ValueError: what is wrong"
    assert summarize_error(ValueError()) == "ValueError"
    task = PythonException("An exception was thrown\n  File x\nKeyError: 'a'\n")
    assert summarize_error(task).endswith("PythonException: KeyError: 'a'")


def test_an_error_of_the_jvm_is_said_in_its_words_and_its_last_causes(spark) -> None:
    java = spark._jvm.java
    with pytest.raises(Py4JJavaError) as caught:
        java.io.FileInputStream("/nowhere")
    assert summarize_error(caught.value).startswith("java.io.FileNotFoundException: /nowhere (")
    full = java.io.IOException("No space left on device")
    aborted = java.lang.RuntimeException("Job aborted.", java.lang.Exception(full))
    caught.value.java_exception = aborted
    words = "java.lang.RuntimeException: Job aborted. Cause: java.io.IOException: No space left"
    assert summarize_error(caught.value) == f"{words} on device"


LOST = "Lost task 0.3: org.apache.spark.SparkException:"
TRACE = "  File y\n" * 9
FRAME = "\tat org.apache.spark.api.python.PythonWorkerFactory.create(PythonWorkerFactory.scala:1)"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (f"{LOST}\nError from python worker:\n  No module named 'x'\n{FRAME}\n\nDriver stacktrace:",
         f"{LOST} Error from python worker: No module named 'x'"),
        (f"{LOST}\nTraceback:\n{TRACE}KeyError: 'a'\n\n{FRAME}",
         f"{LOST} KeyError: 'a'"),
    ],
)  # fmt: skip
def test_what_a_task_died_of_is_said_without_the_stack(spark, message, words) -> None:
    error = ValueError()
    error.java_exception = spark._jvm.java.io.IOException(message)
    assert summarize_error(error) == f"java.io.IOException: {words}"
