"""The docs say what contracts and code say: links, commands, options and code of theirs hold."""

import ast
import importlib
import inspect
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from conftest import HOME
from lakeshop.contracts.dictionary import dictionary, table_list, with_tables
from lakeshop.contracts.model import Contract
from lakeshop.engine.cli import parser
from lakeshop.packaging import bundle
from lakeshop.pipeline import STAGES, read_settings

PAGES = {
    path.relative_to(HOME).as_posix(): path.read_text(encoding="utf-8")
    for path in (HOME / "README.md", *sorted((HOME / "docs").glob("*.md")))
}
WRITTEN = {name: text for name, text in PAGES.items() if name != "docs/dictionary.md"}
README = PAGES["README.md"]
JOBS = (*STAGES, "nightly", "maintain")
ALL_OPTIONS = {
    option for job in JOBS for action in parser(job)._actions for option in action.option_strings
}


def of_each_page(pages: dict[str, str] = WRITTEN) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", pages)


def blocks(language: str) -> list[tuple[str, str]]:
    """Blocks of code of a language, each with its page."""
    found = re.compile(rf"^```{language}\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    return [(name, block) for name, text in WRITTEN.items() for block in found.findall(text)]


def names_of(found: list[tuple[str, str]]) -> list[str]:
    return [f"{Path(page).stem}{n}" for n, (page, _) in enumerate(found)]


def anchors(text: str) -> set[str]:
    """The anchors that Markdown gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_table_list_and_the_dictionary_are_those_of_the_contracts(
    contracts: dict[str, Contract],
) -> None:
    hint = "run make docs"
    page = PAGES["docs/tables.md"]
    assert with_tables(page, table_list(contracts)) == page, hint
    assert PAGES["docs/dictionary.md"] == dictionary(contracts), hint


def test_the_readme_is_read_to_its_end() -> None:
    assert len(README.splitlines()) <= 150


@of_each_page(PAGES)
def test_links_resolve(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(PAGES[page])):
        if "://" in target:
            continue
        place, _, anchor = target.partition("#")
        path = (HOME / page).parent / place if place else HOME / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), target


def test_each_page_is_linked() -> None:
    linked = {Path(t).name for text in PAGES.values() for t in re.findall(r"\]\(([^)#\s]+)", text)}
    assert {Path(name).name for name in PAGES} - {"README.md"} <= linked


@of_each_page()
def test_targets_of_make_exist(page: str) -> None:
    makefile = (HOME / "Makefile").read_text()
    commands = re.findall(r"(?:`|^    )make ([a-z][\w -]*)", WRITTEN[page], re.MULTILINE)
    for target in {word for command in commands for word in re.findall(r"[a-z-]+", command)}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@of_each_page()
def test_files_that_are_named_exist(page: str) -> None:
    """`<name>` and the like stand for anything."""
    text = _without_diffs(WRITTEN[page])
    places = r"(?<![\w/.])(?:jobs|conf|schemas|lib|docs|tests)/[\w/.<>]+\.(?:py|yaml|conf|md|key)\b"
    for name in set(re.findall(places, text)) - _added_by_diffs():
        assert list(HOME.glob(re.sub("<.*?>", "*", name))), name


def test_tests_that_survival_is_shown_by_exist() -> None:
    named = set(re.findall(r"`((?:\w+/)?test_\w+)`", PAGES["docs/survival.md"]))
    assert len(named) > 20
    assert {name for name in named if not (HOME / "tests" / f"{name}.py").exists()} == set()


@of_each_page()
def test_jobs_take_the_options_that_are_named(page: str) -> None:
    """A command line of a job is one that its parser knows."""
    joined = _without_diffs(WRITTEN[page]).replace("\\\n", " ")
    for job, rest in re.findall(r"jobs/(\w+)\.py((?: [^`\n|]*)?)", joined):
        options = {word for word in rest.split() if word.startswith("--")}
        assert options <= _options_of(job) | {"--"}, (job, options)


@of_each_page()
def test_options_that_are_named_are_known(page: str) -> None:
    known = ALL_OPTIONS | set().union(*map(_options_of, ("simulate", "deliver", "replay")))
    for option in set(re.findall(r"`(--[a-z-]+)[ `=]", WRITTEN[page])):
        assert option in known | SUBMIT, option


SUBMIT = {
    "--archives", "--conf", "--keytab", "--packages", "--principal", "--properties-file",
    "--py-files",
}  # fmt: skip


def _options_of(job: str) -> set[str]:
    if job in JOBS:
        return {option for action in parser(job)._actions for option in action.option_strings}
    source = (HOME / "jobs" / f"{job}.py").read_text(encoding="utf-8")
    return set(re.findall(r'"(--[\w-]+)"', source))


@of_each_page()
def test_modules_that_are_named_exist(page: str) -> None:
    text = _without_diffs(WRITTEN[page])
    for name in set(re.findall(r"\blakeshop(?:_demo)?(?:\.\w+)+", text)):
        if name.endswith((".zip", ".py")):
            continue
        place = HOME / "lib" / name.replace(".", "/")
        above = place.parent.with_suffix(".py")
        is_module = place.is_dir() or place.with_suffix(".py").exists()
        is_name = above.exists() and place.name in above.read_text(encoding="utf-8")
        assert is_module or is_name, name


@of_each_page()
def test_sections_of_the_configuration_are_those_of_today(page: str) -> None:
    """A key in backquotes, such as `demand.level`, stands in base.yaml or a settings class."""
    base = yaml.safe_load((HOME / "conf" / "base.yaml").read_text(encoding="utf-8"))
    settings = read_settings(HOME / "conf", env="local", shop="complete_journey")
    for section, key in set(re.findall(r"`([a-z]+)\.([a-z_]+)`", WRITTEN[page])):
        if section in base and section not in {"features", "similarity"} and key != "py":
            assert hasattr(getattr(settings, section), key), f"{section}.{key}"


PYTHON = blocks("python")


@pytest.mark.parametrize(("page", "code"), PYTHON, ids=names_of(PYTHON))
def test_python_compiles_and_what_it_imports_of_ours_exists(page: str, code: str) -> None:
    tree = ast.parse(code, page)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lakeshop"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_the_training_on_the_page_is_a_call_that_train_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lakeshop.training import rounds

    signature = inspect.signature(rounds.train)

    def train(*given: object, **named: object) -> SimpleNamespace:
        signature.bind(*given, **named)
        return SimpleNamespace(model=lambda: "model")

    monkeypatch.setattr(rounds, "train", train)
    (code,) = [c for page, c in PYTHON if page == "docs/training.md" and "FeatureSpec" in c]
    known = {"Path": Path, "lake": None, "rows": None, "business_date": None}
    exec(code, known)
    assert known["model"] == "model"


# Files of an application of one's own have a test of their own, which writes and runs them.
YAML = [(page, text) for page, text in blocks("yaml") if "my_shop" not in text]


@pytest.mark.parametrize(("page", "text"), YAML, ids=names_of(YAML))
def test_yaml_is_a_shops_configuration(page: str, text: str, tmp_path: Path) -> None:
    """Laid over a shop of the demo data it is one that settings take."""
    shutil.copytree(HOME / "conf", tmp_path / "conf")
    shops = tmp_path / "conf" / "shops"
    given = yaml.safe_load(text)
    assert isinstance(given, dict), page
    below = yaml.safe_load((shops / "complete_journey.yaml").read_text(encoding="utf-8"))
    (shops / "page.yaml").write_text(yaml.safe_dump(_overlaid(below, given)), encoding="utf-8")
    read_settings(tmp_path / "conf", env="local", shop="page")


def _overlaid(below: dict[str, object], above: dict[str, object]) -> dict[str, object]:
    """What is above wins, key by key; an entity is taken whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and key != "entities"
        merged[key] = _overlaid(old, value) if both else value  # type: ignore[arg-type]
    return merged


SHELL = [
    line
    for text in WRITTEN.values()
    for line in re.findall(r"^    (\S.*)$", text.replace("\\\n", " "), re.MULTILINE)
    if line.startswith(("spark-submit ", ".venv/bin/"))
]


def test_commands_can_be_parsed() -> None:
    assert len(SHELL) > 5
    for command in SHELL:
        words = shlex.split(command, comments=True)
        files = [w for w in words if w.startswith(("conf/", "jobs/"))]
        assert files or "python" in words[0], command
        assert all((HOME / file).exists() for file in files), command


DIFFS = blocks("diff")


def _added_by_diffs() -> set[str]:
    return {
        path for _, diff in DIFFS for path in re.findall(r"^\+\+\+ b/(\S+)", diff, re.MULTILINE)
    }


def _without_diffs(text: str) -> str:
    return re.sub(r"^```diff\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


LOADS = """
import sys
from pathlib import Path
from lakeshop import pipeline
from lakeshop.contracts.application import resolve
from lakeshop.pipeline import EVERY_APPLICATION, all_contracts, configuration

home = Path(sys.argv[1])
contracts = all_contracts(home / "schemas")
owners = {c.name: EVERY_APPLICATION.owner(c) for c in contracts.values()}
made = {table: owner for table, owner in owners.items() if owner}
assert len(made) > 15
assert all(callable(resolve(owner.builder(table))) for table, owner in made.items())
configuration(home / "conf", home / "schemas", env="local", shop="simulated")
assert Path(pipeline.__file__).is_relative_to(home)
"""


@pytest.mark.skipif(shutil.which("git") is None, reason="git applies them")
@pytest.mark.parametrize(("page", "diff"), DIFFS, ids=names_of(DIFFS))
def test_diffs_apply_to_the_present_code_and_what_they_add_is_loaded(
    page: str, diff: str, tmp_path: Path
) -> None:
    """In a copy: contracts are read, builders found, settings taken; the new tests compile."""
    for folder in ("lib", "schemas", "conf", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.tar.gz")
        shutil.copytree(HOME / folder, tmp_path / folder, ignore=ignored)
    command = ["git", "apply", "-"]
    applied = subprocess.run(
        command, input=diff, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert applied.returncode == 0, f"{page}: {applied.stderr}"
    environment = {"PYTHONPATH": str(tmp_path / "lib"), "PYTHONDONTWRITEBYTECODE": "1"}
    loaded = subprocess.run(
        [sys.executable, "-c", LOADS, str(tmp_path)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert loaded.returncode == 0, loaded.stderr
    for path in re.findall(r"^\+\+\+ b/(\S+\.py)", diff, re.MULTILINE):
        compile((tmp_path / path).read_text(encoding="utf-8"), path, "exec")


def test_the_directions_of_imports_are_those_that_are_enforced() -> None:
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))
    enforced = project["tool"]["importlinter"]["contracts"][0]["layers"]
    table = PAGES["docs/contributing.md"].partition("| from the top |\n| --- |\n")[2]
    rows = table.partition("\n\n")[0].splitlines()
    assert [re.findall(r"\w+", row) for row in rows] == [row.split(" | ") for row in enforced]


def test_the_bundle_holds_every_module_and_is_the_same_again(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        bundle(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    names = set(zipfile.ZipFile(tmp_path / "a.zip").namelist())
    assert names == {str(p.relative_to(HOME / "lib")) for p in (HOME / "lib").rglob("*.py")}
