"""The report of `make chaos`."""

import json

import pytest

from chaos import report
from chaos.report import BEGIN, END, added_up, as_markdown, main

NOTES = [
    {
        "kind": "night killed",
        "test": "a",
        "tried": 3,
        "lost": 0,
        "recovery_seconds": [9.0, 1.0, 4.0],
    },
    {"kind": "doubled", "test": "b", "tried": 1, "lost": 0, "recovery_seconds": []},
    {"kind": "night killed", "test": "c", "tried": 2, "lost": 1, "recovery_seconds": [2.0]},
]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RECORDS", tmp_path / "chaos.jsonl")
    monkeypatch.setattr(report, "LEAST_KILLED", 3)
    monkeypatch.setattr(report, "PAGE", tmp_path / "survival.md")
    (tmp_path / "survival.md").write_text(f"Before.\n{BEGIN}\nold\n{END}\nAfter.\n")
    return tmp_path


def write(place, notes):
    (place / "chaos.jsonl").write_text("".join(f"{json.dumps(note)}\n" for note in notes))


def test_notes_of_a_kind_are_added_up():
    doubled, killed = added_up(NOTES)
    assert (doubled["tried"], doubled["lost"], doubled["recovery_seconds_max"]) == (1, 0, None)
    assert (killed["tried"], killed["lost"], killed["tests"]) == (5, 1, ["a", "c"])
    assert (killed["recovery_seconds_median"], killed["recovery_seconds_max"]) == (3.0, 9.0)
    table = as_markdown([doubled, killed], "2026-03-05").splitlines()
    assert table[-2:] == ["| doubled | 1 | 0 | - | - |", "| night killed | 5 | 1 | 3.0 | 9.0 |"]


def test_the_page_gets_the_table_and_keeps_its_words(place, capsys):
    write(place, NOTES[:2])
    assert main([]) == 0
    page = (place / "survival.md").read_text()
    assert page.startswith(f"Before.\n{BEGIN}\nAs of ")
    assert page.endswith(f"| night killed | 3 | 0 | 4.0 | 9.0 |\n{END}\nAfter.\n")
    assert json.loads((place / "chaos.json").read_text())["exit_code"] == 0
    assert main([]) == 0
    assert (place / "survival.md").read_text() == page
    assert "killed" in capsys.readouterr().out


@pytest.mark.parametrize(("notes", "failed"), [(NOTES, 0), (NOTES[:2], 1)])
def test_the_page_never_hides_a_loss_or_a_failed_test(place, capsys, notes, failed):
    write(place, notes)
    assert main(["--exit", str(failed)]) == 1
    assert "\nold\n" in (place / "survival.md").read_text()
    assert "FAILED" in capsys.readouterr().out


def test_the_page_is_kept_where_less_was_tried_than_it_tells(place, capsys):
    write(place, NOTES[:2])
    assert main([]) == 0
    page = (place / "survival.md").read_text()
    for notes, text in (
        (NOTES[:1], "not tried: doubled"),
        ([NOTES[0] | {"tried": 2}, NOTES[1]], "nights killed: 2, should be 3 or more"),
    ):
        write(place, notes)
        assert main(["--part"]) == 0, "parts add up to the whole"
        assert main([]) == 1
        assert text in capsys.readouterr().out
        assert (place / "survival.md").read_text() == page


def test_a_test_notes_what_it_tried(pytester_free_notes):
    assert [n["kind"] for n in pytester_free_notes] == ["one", "two"]
    assert [n["recovery_seconds"] for n in pytester_free_notes] == [[2.5], []]


@pytest.fixture
def pytester_free_notes(place, request):
    steps = report.chaos_report.__wrapped__(request)
    note = next(steps)
    note("one", recovery_seconds=2.5)
    note("two", tried=4)
    assert next(steps, None) is None
    return [json.loads(line) for line in (place / "chaos.jsonl").read_text().splitlines()]
