"""The key of the pseudonyms: where it comes from, and that it is never told."""

import pytest

from lakeshop.config.settings import Pseudonyms
from lakeshop.errors import ConfigError
from lakeshop.privacy.pseudonyms import pseudonym_key

KEY = "k" * 16 + "0123456789abcdef"


def test_key_from_the_variable_comes_before_that_of_the_file(tmp_path):
    (tmp_path / "key").write_text("f" * 40)
    pseudonyms = Pseudonyms(key_variable="SECRET", key_file=tmp_path / "key")
    assert pseudonym_key(pseudonyms, {"SECRET": KEY}) == KEY.encode()


def test_key_from_the_file_without_its_newline(tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    pseudonyms = Pseudonyms(key_variable="SECRET", key_file=tmp_path / "key")
    assert pseudonym_key(pseudonyms, {}) == KEY.encode()


def test_a_key_is_the_same_with_a_line_break_after_it_wherever_it_comes_from():
    assert pseudonym_key(Pseudonyms(key_variable="S"), {"S": f" {KEY}\n"}) == KEY.encode()


def test_a_key_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ConfigError, match="should be a readable file"):
        pseudonym_key(Pseudonyms(key_variable="S", key_file=tmp_path), {})


def test_key_of_exactly_32_characters_is_enough():
    assert pseudonym_key(Pseudonyms(key_variable="S"), {"S": "a" * 32}) == b"a" * 32


@pytest.mark.parametrize("key", ["", KEY[:31]])
def test_a_missing_or_short_key_is_refused_and_not_told(key):
    with pytest.raises(ConfigError) as caught:
        pseudonym_key(Pseudonyms(key_variable="SECRET"), {"SECRET": key})
    text = str(caught.value)
    assert "at least 32 characters" in text
    assert f"Received {len(key)}" in text
    assert "SECRET" in text
    assert not key or key not in text


def test_a_short_key_in_the_file_is_not_told(tmp_path):
    (tmp_path / "key").write_text("tooshort\n")
    with pytest.raises(ConfigError) as caught:
        pseudonym_key(Pseudonyms(key_variable="S", key_file=tmp_path / "key"), {})
    assert "tooshort" not in str(caught.value)


def test_a_key_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="Received 0"):
        pseudonym_key(Pseudonyms(key_variable="S", key_file=tmp_path / "none"), {})


def test_a_key_file_that_is_no_text(tmp_path):
    (tmp_path / "key").write_bytes(b"\xff\xfe" * 20)
    with pytest.raises(ConfigError, match="key_file"):
        pseudonym_key(Pseudonyms(key_variable="S", key_file=tmp_path / "key"), {})
