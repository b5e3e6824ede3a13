"""How large files may grow, what the code may not call, and that it is shipped at all.

Who may import whom is said in pyproject.toml and checked by import-linter.
"""

import ast
import shutil
import subprocess
from functools import cache

import pytest

from conftest import HOME

LIB = HOME / "lib"
MODULES = sorted(LIB.rglob("*.py"))
JOBS = sorted((HOME / "jobs").glob("*.py"))
CLOCKS = {"datetime.now", "date.today", "datetime.today", "time.time", "datetime.utcnow"}
CHANCE = {"random.random", "np.random.rand"} | {
    f"F.{name}"
    for name in (
        "current_date",
        "current_timestamp",
        "now",
        "rand",
        "randn",
        "uuid",
        "shuffle",
        "monotonically_increasing_id",
        "spark_partition_id",
    )
}


@cache
def nodes_of(path):
    return list(ast.walk(ast.parse(path.read_text())))


def functions_of(path):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in nodes_of(path) if isinstance(node, kinds)]


def code_lines(function):
    """Lines of a function without its docstring, which is to be as long as it needs."""
    first = function.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    documented = first.end_lineno - first.lineno + 1 if is_doc else 0
    return function.end_lineno - function.lineno + 1 - documented


def test_files_and_functions_are_short():
    lengths = {path: len(path.read_text().splitlines()) for path in MODULES}
    assert {str(path): lines for path, lines in lengths.items() if lines > 400} == {}
    functions = {f"{p}:{f.name}": code_lines(f) for p in [*MODULES, *JOBS] for f in functions_of(p)}
    assert {name: lines for name, lines in functions.items() if lines > 45} == {}


def test_jobs_are_short_and_hold_no_functions_for_executors():
    for path in JOBS:
        text = path.read_text()
        assert len(text.splitlines()) <= 60, path
        assert not {"pyspark", "pandas", "numpy", "jobs"} & {
            name.split(".")[0]
            for node in nodes_of(path)
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }, path


def test_no_clock_and_no_chance():
    """The engine's run alone may know when something ran."""
    for path in MODULES:
        nodes = nodes_of(path)
        calls = {ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)}
        allowed = {"datetime.now"} if path.parent.name == "engine" else set()
        assert not calls & (CLOCKS | CHANCE) - allowed, path


def test_storage_alone_reads_and_writes_files_of_tables():
    for path in MODULES:
        text = path.read_text()
        assert ".parquet(" not in text, path
        assert 'format("delta")' not in text or path.parent.name == "storage", path
        assert "_jvm" not in text or path.parent.name == "storage", path


def test_git_tracks_the_code():
    """`lakeshop` begins with `lake`, and `lib` is on many lists of what to ignore."""
    if shutil.which("git") is None or not (HOME / ".git").exists():
        pytest.skip("not a checkout")
    asked = "\n".join(str(path.relative_to(HOME)) for path in MODULES)
    command = ["git", "-C", str(HOME), "check-ignore", "--no-index", "--stdin"]
    ignored = subprocess.run(command, input=asked, capture_output=True, text=True, check=False)
    assert ignored.returncode == 1, f"ignored, and so missing from the wheel: {ignored.stdout}"


def test_ignored_folders_are_those_of_the_top():
    """Wheels are built by what .gitignore says, also where git is not at hand."""
    patterns = (HOME / ".gitignore").read_text().split()
    assert "/lake*/" in patterns
    assert not {"lib", "lib/", "/lib", "/lib/", "lake*/", "lake*"} & set(patterns)


def test_the_lock_names_no_index():
    lock = (HOME / "requirements.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "http://" not in lock
    assert "https://" not in lock
