"""The list of erased persons, and texts that mention them; no Spark."""

import argparse
import os
import stat

import pytest

from erasures import erased_of
from lakeshop.engine.cli import parser
from lakeshop.engine.run import Run
from lakeshop.errors import ConfigError
from lakeshop.pipeline import main
from lakeshop.privacy.erasure_list import add_to_list, read_list, requested

KEY = b"a key for tests, of 32 characters or more"
LONG = "Jörg.O'Neil+shop@example.org"
USERS = ["7", LONG, "+491701234567", "a/b-12345678"]
ERASED = erased_of(USERS, KEY)


@pytest.mark.parametrize(
    ("text", "alone", "found"),
    [
        ("7", True, False),
        ('{"user": "7", "amo', False, True),
        ('{"user": "17", "amo', False, False),
        (f'"note": "ask {LONG}."', True, True),
        ('"note": "ask J\\u00f6rg.O\'Neil+shop@example.org"', True, True),
        ("ask J\\xf6rg.O'Neil+shop@example.org", True, True),
        (f"ask x{LONG}", True, False),
        (f"ask {LONG}x", True, False),
        ("tel:+491701234567;", True, True),
        ("tel:491701234567;", True, False),
        ('"a\\/b-12345678"', True, True),
        ("\\ud83d 7", False, True),
        ("", False, False),
    ],
)
def test_a_text_speaks_of_a_person_by_the_whole_id(text, alone, found):
    assert ERASED.is_in(text, long_ones_alone=alone) is found


def test_the_list_is_for_the_jobs_user_alone_names_nobody_and_has_each_once(tmp_path):
    path = tmp_path / "new" / "shop.txt"
    assert not read_list(path, KEY)
    for users in (USERS[:2], USERS[1:], USERS[:1]):
        add_to_list(path, users, KEY)
    assert read_list(path, KEY) == ERASED
    text = path.read_text()
    assert len(text.splitlines()) == 1 + len(USERS)
    assert LONG not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(os.listdir(path.parent)) == [".shop.txt.lock", "shop.txt"]


def test_what_a_killed_job_left_does_not_hinder_the_next(tmp_path):
    path = tmp_path / "shop.txt"
    (tmp_path / ".shop.txt.part").write_text("half of")
    add_to_list(path, USERS, KEY)
    assert read_list(path, KEY) == ERASED


@pytest.mark.parametrize(
    "content", [b"7\n", b"# persons erased\n7 0 1 0\n", b"\xff\xfe", b"TITLE\n7 0\n"]
)
def test_a_list_that_is_none_is_refused_and_not_taken_for_an_empty_one(tmp_path, content):
    path = tmp_path / "shop.txt"
    add_to_list(path, ["x"], KEY)
    title = path.read_bytes().split(b"\n")[0]
    path.write_bytes(content.replace(b"TITLE", title))
    with pytest.raises(ConfigError, match=r"list of erased|numbers per line"):
        read_list(path, KEY)


def test_a_list_of_another_key_is_refused_and_kept(tmp_path):
    path = tmp_path / "shop.txt"
    add_to_list(path, USERS, KEY)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="another key"):
        add_to_list(path, ["x"], b"another key of 32 characters or more")
    assert path.read_bytes() == before


def test_a_request_has_an_id_a_line(tmp_path):
    file = tmp_path / "ids"
    file.write_bytes(b"\xef\xbb\xbf 7\t\r\n\nJ\xc3\xb6rg\n7\n")
    assert requested(str(file)) == ("7", "Jörg")


@pytest.mark.parametrize("content", [None, b"", b" \n\r\n", b"\xff"])
def test_a_request_that_asks_for_nobody_is_refused(tmp_path, content):
    file = tmp_path / "ids"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(argparse.ArgumentTypeError, match="one user id per line"):
        requested(str(file))


@pytest.mark.parametrize("job", ["maintain", "nightly"])
def test_the_job_ends_with_2_and_names_no_id(tmp_path, capsys, job):
    """A missing file, and a file given to a job that erases nobody."""
    file = tmp_path / "ids"
    if job == "nightly":
        file.write_text(LONG)
    with pytest.raises(SystemExit) as ended:
        main(job, print, ["--date", "2026-03-10", "--erase", str(file)])
    assert ended.value.code == 2
    assert LONG not in capsys.readouterr().err


def test_the_ids_are_read_and_not_shown(tmp_path, settings):
    file = tmp_path / "ids"
    file.write_text(LONG)
    options = parser("maintain").parse_args(["--date", "2026-03-10", "--erase", str(file)])
    assert options.erase == (LONG,)
    run = Run("maintain", None, None, settings, None, None, erase=options.erase)
    assert LONG not in repr(run)
