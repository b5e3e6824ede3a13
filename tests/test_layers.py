"""Who may import whom, how large files may grow, and that the code is shipped at all."""

import ast
import shutil
import subprocess

import pytest

from conftest import HOME

LIB = HOME / "lib"
PACKAGE = LIB / "lakeshop"
MODULES = sorted(PACKAGE.rglob("*.py"))
JOBS = sorted((HOME / "jobs").glob("*.py"))

# In data's way: each stage may use those before it. What is pure may be used by all.
STAGES = [
    "sources",
    "silver",
    "features",
    "similarity",
    "training",
    "models",
    "trainers",
    "gold",
    "ops",
    "maintenance",
]
PURE = {"evaluation", "forecasting", "inventory"}
FREE_OF_SPARK = {*PURE, "compilation", "errors", "learning", "planning", "values"}
TOP = {"night", "bundle", "dictionary"}
GROUND_FLOOR = {path.stem for path in PACKAGE.glob("*.py")} - TOP - {"__init__"}
WITHOUT_SPARK = [
    *PACKAGE.glob("evaluation/*.py"),
    *PACKAGE.glob("forecasting/*.py"),
    *PACKAGE.glob("inventory/*.py"),
    *PACKAGE.glob("models/*.py"),
    *[
        PACKAGE / "similarity" / f"{name}.py"
        for name in ("kernel", "compiled", "histories", "blocks")
    ],
    *[
        PACKAGE / "features" / f"{name}.py"
        for name in ("running", "windows", "columns", "user_columns", "entity_columns")
    ],
]


def place(path):
    return path.relative_to(LIB).with_suffix("").as_posix()


def imported(path):
    """All modules that a file imports, at its top or within functions, relative ones resolved."""
    package = path.relative_to(HOME).parent.as_posix().removeprefix("lib/").split("/")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def parts_of_lakeshop(path):
    """The stages and ground-floor modules that a file imports."""
    names = (name.split(".") for name in imported(path))
    return {name[1] for name in names if name[0] == "lakeshop" and len(name) > 1}


def roots(path):
    return {name.split(".")[0] for name in imported(path)}


def stages_beside_the_ground_floor():
    return {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}


def test_every_stage_has_its_place():
    assert stages_beside_the_ground_floor() <= set(STAGES) | PURE
    named = {"errors", "settings", "contracts", "quality", "frames", "tables", "ledger"}
    assert named | {"session", "run", "job"} <= GROUND_FLOOR


def test_imports_are_found_in_every_form(tmp_path):
    path = PACKAGE / "silver" / "clean.py"
    assert {"run", "quality", "sources", "silver", "contract"} <= parts_of_lakeshop(path)
    assert "features" in parts_of_lakeshop(PACKAGE / "night.py"), "from lakeshop import features"


@pytest.mark.parametrize("name", sorted(GROUND_FLOOR))
def test_the_ground_floor_stands_on_itself(name):
    assert parts_of_lakeshop(PACKAGE / f"{name}.py") <= GROUND_FLOOR


@pytest.mark.parametrize("path", [p for p in MODULES if p.parent != PACKAGE], ids=place)
def test_a_stage_uses_only_what_is_before_it(path):
    stage = path.relative_to(PACKAGE).parts[0]
    before = set(STAGES[: STAGES.index(stage)]) if stage in STAGES else set()
    assert parts_of_lakeshop(path) <= GROUND_FLOOR | before | PURE | {stage}


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_only_tables_touches_delta_and_nobody_touches_jobs(path):
    assert ("delta" in roots(path)) == (path.stem == "tables")
    assert "jobs" not in roots(path)
    assert ".parquet(" not in path.read_text()
    assert 'format("delta")' not in path.read_text() or path.stem == "tables"


def test_jobs_import_no_other_job():
    names = {path.stem for path in JOBS}
    for path in JOBS:
        assert not roots(path) & (names | {"jobs"}), path.name


@pytest.mark.parametrize("path", WITHOUT_SPARK, ids=place)
def test_plain_python_knows_no_spark(path):
    assert not roots(path) & {"pyspark", "delta", "py4j"}
    for part in parts_of_lakeshop(path) - {path.parent.name}:
        assert part in FREE_OF_SPARK, f"{part} may bring Spark with it"


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_no_clock_and_no_chance(path):
    """`ops` alone may know when something ran: `run.py` says so."""
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    clocks = {"datetime.now", "date.today", "datetime.today", "time.time", "datetime.utcnow"}
    functions = {"current_date", "current_timestamp", "now", "rand", "randn", "uuid", "shuffle"}
    forbidden = clocks | {f"F.{name}" for name in functions} | {"random.random", "np.random.rand"}
    found = calls & (forbidden | {"F.monotonically_increasing_id", "F.spark_partition_id"})
    assert found <= ({"datetime.now"} if path.stem == "run" else set())


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= 250


def code_lines(function):
    """Lines of a function without its docstring, which is to be as long as it needs."""
    first = function.body[0]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    documented = first.end_lineno - first.lineno + 1 if is_doc else 0
    return function.end_lineno - function.lineno + 1 - documented


@pytest.mark.parametrize("path", [*MODULES, *JOBS], ids=lambda p: p.relative_to(HOME).as_posix())
def test_functions_are_short(path):
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    lengths = {node.name: code_lines(node) for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > 40} == {}


@pytest.mark.parametrize("path", JOBS, ids=lambda p: p.name)
def test_jobs_are_short_and_hold_no_functions_for_executors(path):
    assert len(path.read_text().splitlines()) <= 60
    assert not roots(path) & {"pyspark", "pandas", "numpy"}


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
