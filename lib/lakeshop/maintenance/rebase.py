"""The ledger after an erasure: new contents, and days made from them as current as before."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date

from lakeshop.ledger import Ledger, Publication
from lakeshop.run import Run
from lakeshop.tables import Content

Contents = Mapping[str, Mapping[date, Content]]


def rebase(run: Run, contents: Contents) -> None:
    """Remember new contents of published days, and judge no other day otherwise because of them.

    What was current is made current again, by the digest of its new inputs; what was stale keeps
    its old digest and stays stale. No day is made anew: sums over persons stay as published.
    """
    scratch = Ledger(run.lake)
    scratch.record(
        replace(p, content=contents.get(p.table, {}).get(p.day, p.content))
        for p in _publications(run)
    )
    run.ledger.record(list(_changed(run, replace(run, ledger=scratch))))


def _publications(run: Run) -> Iterator[Publication]:
    for table in run.lake.contracts:
        for day in run.ledger.days(table):
            published = run.ledger.publication(table, day)
            assert published is not None
            yield published


def _changed(before: Run, after: Run) -> Iterator[Publication]:
    for was in _publications(before):
        contract = before.lake.contract(was.table)
        now = after.ledger.publication(was.table, was.day)
        assert now is not None
        old = before.ledger.input_digest(contract, was.day)
        new = after.ledger.input_digest(contract, was.day)
        declared = {read.table for read in contract.inputs}
        if old != new and was.reads() == declared and was.input_digest == old:
            now = replace(now, input_digest=new)
            if was.run_id == before.run_id(was.table, was.day):
                now = replace(now, run_id=after.run_id(was.table, was.day))
        if now != was:
            yield now
