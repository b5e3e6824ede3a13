"""The README says what the contracts and the code say."""

import re
import zipfile
from pathlib import Path

import pytest

from conftest import HOME
from lakeshop.contracts.dictionary import dictionary, table_list, with_tables
from lakeshop.contracts.model import Contract
from lakeshop.packaging import bundle

README = (HOME / "README.md").read_text()


def test_the_table_list_and_the_dictionary_are_those_of_the_contracts(
    contracts: dict[str, Contract],
) -> None:
    hint = "run make docs"
    assert with_tables(README, table_list(contracts)) == README, hint
    assert (HOME / "docs" / "dictionary.md").read_text() == dictionary(contracts), hint


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b(?:jobs|conf)/[\w/.]+\.\w+", README))))
def test_files_named_in_the_readme_exist(path: str) -> None:
    assert (HOME / path.replace("<name>", "complete_journey")).exists()


def test_targets_named_in_the_readme_exist() -> None:
    makefile = (HOME / "Makefile").read_text()
    for target in set(re.findall(r"\bmake (night|test|zip|docs|setup|clean|help|bench)\b", README)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_bundle_holds_every_module_and_is_the_same_again(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        bundle(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    names = set(zipfile.ZipFile(tmp_path / "a.zip").namelist())
    assert names == {str(p.relative_to(HOME / "lib")) for p in (HOME / "lib").rglob("*.py")}
