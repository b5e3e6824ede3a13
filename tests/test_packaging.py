"""The archive of libraries: what is in it, and that a Python of nothing else runs from it."""

import subprocess
import tarfile
from importlib.metadata import distribution

from lakeshop import packaging as environment
from lakeshop.packaging import EXTRAS, LEFT_OUT, files, needed, pack


def test_packed_is_what_lakeshop_needs_and_no_tool() -> None:
    found = set(needed("lakeshop", EXTRAS))
    libraries = {"tensorflow", "keras", "numpy", "numba", "pandas", "pyarrow", "delta-spark"}
    assert libraries | {"lightgbm", "scikit-learn", "pydantic-core", "h5py"} <= found
    assert not found & {"pytest", "mypy", "ruff", "polars", "duckdb", "deltalake"}
    assert found >= LEFT_OUT, "what is left out is what would else be there"
    assert "lightgbm" not in needed("lakeshop")


def test_headers_and_scripts_stay_behind() -> None:
    names = [name for name, _ in files(distribution("tensorflow"))]
    assert "tensorflow/__init__.py" in names
    assert not [name for name in names if name.startswith("tensorflow/include/") or ".." in name]


def test_a_python_of_the_archive_alone_runs_wherever_it_is_unpacked(tmp_path, monkeypatch) -> None:
    def little(*_):
        return {name: distribution(name) for name in ("pyyaml", "lakeshop", "pyspark")}

    monkeypatch.setattr(environment, "needed", little)
    pack(tmp_path / "dist" / "environment.tar.gz")
    with tarfile.open(tmp_path / "dist" / "environment.tar.gz") as archive:
        archive.extractall(tmp_path / "anywhere")
    script = (
        "import importlib.util as u, yaml; print(yaml.__file__, *map(u.find_spec, "
        "('lakeshop', 'pyspark', 'numpy', 'pytest')))"
    )
    python = [str(tmp_path / "anywhere" / "bin" / "python"), "-c", script]
    done = subprocess.run(python, env={}, cwd="/", capture_output=True, text=True, check=True)
    place, *others = done.stdout.split()
    assert place.startswith(str(tmp_path / "anywhere" / "lib"))
    assert others == ["None"] * 4
