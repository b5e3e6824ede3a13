"""One copy of the histories per executor: made once, whole, and shared."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lakeshop.similarity.histories import as_histories, entry_type
from lakeshop.similarity.node_copy import node_copy


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"{tmp_path},/nowhere")
    return tmp_path


def part(*sets):
    offsets = np.cumsum([0, *map(len, sets)])
    items = [item for one in sets for item in one]
    return as_histories(offsets, items, [5] * len(items), n_items=9)


def never():
    msg = "the parts are read again"
    raise AssertionError(msg)
    yield


def test_parts_follow_one_another(scratch):
    copy = node_copy("a", iter([part([1, 2], []), part([3]), part()]), 9)
    assert copy.indptr.tolist() == [0, 2, 2, 3]
    assert copy.items.tolist() == [1, 2, 3]
    assert copy.entries.dtype == entry_type(9)


def test_the_second_reader_reads_no_parts(scratch):
    first = node_copy("a", iter([part([1, 2])]), 9)
    again = node_copy("a", never(), 9)
    assert again.entries.tolist() == first.entries.tolist()
    assert node_copy("b", iter([part([7])]), 9).items.tolist() == [7]


def test_pages_are_mapped_not_read(scratch):
    node_copy("a", iter([part([1, 2])]), 9)
    (scratch / "lakeshop-a" / "entries").write_bytes(part([4, 6]).entries.tobytes())
    assert node_copy("a", never(), 9).items.tolist() == [4, 6]


def test_what_a_reader_writes_is_its_own(scratch):
    node_copy("a", iter([part([1])]), 9).entries[0] = 0
    assert node_copy("a", never(), 9).items.tolist() == [1]


@pytest.mark.parametrize("parts", [[], [part()], [part([], [])]])
def test_nothing_is_a_copy_too(scratch, parts):
    assert node_copy("a", iter(parts), 9).items.size == 0
    assert node_copy("a", never(), 9).items.size == 0


def test_a_copy_that_broke_off_is_made_anew(scratch):
    def broken():
        yield part([1, 2])
        msg = "the connection is lost"
        raise OSError(msg)

    with pytest.raises(OSError, match="the connection is lost"):
        node_copy("a", broken(), 9)
    assert node_copy("a", iter([part([3])]), 9).items.tolist() == [3]


KILLED_WHILE_WRITING = """
import time
from lakeshop.similarity.node_copy import node_copy
def parts():
    print("writing", flush=True)
    time.sleep(60)
    yield
node_copy("a", parts(), 9)
"""


def test_a_killed_writer_leaves_no_lock_and_no_half_copy(scratch):
    environment = os.environ | {"SPARK_LOCAL_DIRS": str(scratch)}
    writer = subprocess.Popen(
        [sys.executable, "-c", KILLED_WHILE_WRITING], env=environment, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"writing\n"
    started = time.monotonic()
    writer.send_signal(signal.SIGKILL)
    writer.wait(10)
    writer.stdout.close()
    assert node_copy("a", iter([part([3])]), 9).items.tolist() == [3]
    assert time.monotonic() - started < 30
