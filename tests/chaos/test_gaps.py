"""Between the steps of a publication: what is written by then, and that a new run mends it.

Another table's thread writes the ledger at any moment. Here it does as the run is killed.
"""

import pytest

from lakeshop.engine.run import Run
from lakeshop.storage.lake import Lake
from shops import FIRST, tiny_shop

TABLE = "gold.similar_products"


class Killed(BaseException):
    """Nobody gets to tidy up."""


@pytest.fixture
def night(spark, rows, tmp_path):
    """Runs one table's day, as often as it is called."""
    shop = tiny_shop(spark, tmp_path)
    frame = rows(TABLE, {"business_date": FIRST, "score": 0.5})

    def once() -> Run:
        run = shop.run(FIRST)
        run.build({TABLE: lambda inputs, night: frame})
        run.flush()
        return run

    return once


def killed_before(monkeypatch, night, table, *, flushed):
    """The night is killed as it is about to write a table, just after or amid a flush."""
    runs = []
    started, write, copy = Run.__post_init__, Lake._write, Lake.publish_latest

    def noted(run):
        started(run)
        runs.append(run)

    def stop():
        if flushed:
            runs[0].flush()
        raise Killed

    def stopped(lake, name, *arguments):
        return stop() if name == table else write(lake, name, *arguments)

    def stopped_twin(lake, name, *arguments, **others):
        return stop() if f"{name}_latest" == table else copy(lake, name, *arguments, **others)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "__post_init__", noted)
        patched.setattr(Lake, "_write", stopped)
        patched.setattr(Lake, "publish_latest", stopped_twin)
        with pytest.raises(Killed):
            night()


def test_a_twin_that_was_not_written_is_written_by_the_next_run(night, monkeypatch):
    killed_before(monkeypatch, night, f"{TABLE}_latest", flushed=True)
    lake = night().lake
    assert lake.read(f"{TABLE}_latest").count() == lake.read(TABLE).count() == 1


@pytest.mark.parametrize(
    "table", ["ops.runs", pytest.param("ops.publications", marks=pytest.mark.chaos)]
)
def test_each_publication_has_its_run(night, monkeypatch, table):
    killed_before(monkeypatch, night, table, flushed=False)
    lake = night().lake
    assert lake.read("ops.publications").count() == 1
    assert lake.read("ops.runs").count() >= 1
