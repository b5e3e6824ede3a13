"""conf/spark/: Spark and Delta know every key and can read every value, and versions agree."""

import re
import tomllib
import zipfile
from pathlib import Path

import pyspark
import pytest
from pyspark.sql import SparkSession

from conftest import HOME
from lakeshop.engine.session import below, properties

CONFS = {path.stem: properties(path) for path in sorted((HOME / "conf" / "spark").glob("*.conf"))}
CLUSTERS = sorted(set(CONFS) - {"local"})
OF_THE_SUBMIT_COMMAND = re.compile(
    r"spark\.(master|(driver|executor)\.(memory|cores|instances)|cores\.max|task\.cpus)\b"
)
# What follows is the user's choice: names of variables, of catalogs, of Hadoop's options.
FREE = ("spark.executorEnv.", "spark.sql.catalog.", "spark.hadoop.")
UNREGISTERED = {"spark.master"}  # older than Spark's register


def of_each_key() -> list[tuple[str, str, str]]:
    return [(name, key, value) for name, conf in CONFS.items() for key, value in conf.items()]


@pytest.fixture(scope="module")
def entries(spark: SparkSession):
    """Spark's own register of keys, with those of workers, YARN, Kubernetes and Delta in it."""
    org = spark._jvm.org
    for package, name in (
        (org.apache.spark.deploy.yarn.config, "package$"),
        (org.apache.spark.deploy.k8s, "Config$"),
        (org.apache.spark.internal.config, "Worker$"),
        (org.apache.spark.sql.delta.sources, "DeltaSQLConf$"),
    ):
        getattr(getattr(package, name), "MODULE$")
    return org.apache.spark.internal.config.ConfigEntry


def test_spark_and_delta_know_every_key_and_can_read_its_value(entries) -> None:
    assert entries.findEntry("spark.speculations") is None
    wrong = []
    for name, key, value in of_each_key():
        if key.startswith(FREE) or key in UNREGISTERED:
            continue
        entry = entries.findEntry(key)
        if entry is None:
            wrong.append(f"{name}: {key} is unknown")
            continue
        try:
            entry.valueConverter().apply(value)
        except Exception as error:  # of the JVM, of whatever kind
            wrong.append(f"{name}: {key} cannot be {value}: {error}")
    assert wrong == []


def test_spark_knows_the_keys_of_the_page(entries) -> None:
    page = (HOME / "docs" / "clusters.md").read_text()
    keys = set(re.findall(r"\bspark\.\w[\w.]*\w", page)) - UNREGISTERED - {"spark.jars.packages"}
    assert {key for key in keys if entries.findEntry(key) is None} == set()


def test_no_key_is_given_twice() -> None:
    for path in (HOME / "conf" / "spark").glob("*.conf"):
        keys = re.findall(r"^(spark\.\S+)", path.read_text(), re.MULTILINE)
        assert len(keys) == len(set(keys)) == len(CONFS[path.stem]), path


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_is_told_by_the_submit_command_how_large_it_is(name: str) -> None:
    told = {key for key in CONFS[name] if OF_THE_SUBMIT_COMMAND.match(key)}
    assert told <= ({"spark.master"} if name == "yarn" else set())


def test_no_code_sets_master_memory_or_cores() -> None:
    code = [*(HOME / "lib").rglob("*.py"), *(HOME / "jobs").glob("*.py")]
    by_call = re.compile(r"\.(master|setMaster)\(")
    found = {
        f"{path.name}: {match.group()}"
        for path in code
        for rule in (OF_THE_SUBMIT_COMMAND, by_call)
        for match in rule.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def test_clusters_differ_only_in_what_they_are() -> None:
    """Else a night on one would not be a night on another."""
    own = re.compile(
        r"spark\.(master|submit|pyspark|kubernetes|dynamicAllocation|executor\.memory)"
    )
    first, *others = (
        {key: value for key, value in CONFS[name].items() if not own.match(key)}
        for name in CLUSTERS
    )
    assert CLUSTERS == ["kubernetes", "standalone", "yarn"]
    assert all(other == first for other in others)


def delta() -> tuple[str, str]:
    """Name and version of the jar that belongs to the pinned libraries."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    pinned = dict(text.split("==") for text in project["dependencies"] if "==" in text)
    return f"delta-spark_{pinned['pyspark'].rpartition('.')[0]}_2.13", pinned["delta-spark"]


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_jars_are_of_the_versions_that_are_installed(name: str) -> None:
    assert CONFS[name]["spark.jars.packages"] == ":".join(("io.delta", *delta()))


def test_a_laptop_finds_the_jars_of_set_up() -> None:
    assert "spark.jars.packages" not in CONFS["local"], "resolved anew for each job"
    found = HOME.glob(CONFS["local"]["spark.driver.extraClassPath"])
    deltas = {path.name for path in found if "delta-spark" in path.name}
    assert deltas == {f"io.delta_{'-'.join(delta())}.jar"}


def test_no_jar_of_set_up_takes_the_place_of_one_of_sparks() -> None:
    """They come first on the class path."""
    sparks = {
        name
        for jar in (Path(pyspark.__file__).parent / "jars").glob("*.jar")
        for name in classes(jar)
    }
    for jar in HOME.glob(CONFS["local"]["spark.driver.extraClassPath"]):
        assert not classes(jar) & sparks, jar.name


def classes(jar: Path) -> set[str]:
    with zipfile.ZipFile(jar) as opened:
        names = set(opened.namelist())
    return {name for name in names if name.endswith(".class") and "module-info" not in name}


def test_a_laptops_spark_logs_as_a_file_of_ours_says() -> None:
    (file,) = re.findall(
        r"-Dlog4j2.configurationFile=(\S+)", CONFS["local"]["spark.driver.extraJavaOptions"]
    )
    assert "rootLogger.level = error" in (HOME / file).read_text()


@pytest.mark.parametrize("place", ["lake shop", "lakeshop"])
def test_files_of_the_project_are_found_from_any_folder(tmp_path: Path, place: str) -> None:
    home = tmp_path / place
    told = {key: below(home, key, value) for key, value in CONFS["local"].items()}
    assert told["spark.driver.extraClassPath"] == f"{home}/.venv/jars/*"
    for file in ("conf/spark/log4j2.properties", ".venv/classes.jsa"):
        assert f'File="{home}/{file}" -' in told["spark.driver.extraJavaOptions"]
    assert below(home, "spark.driver.extraClassPath", "/a:.venv/b/*:c") == f"/a:{home}/.venv/b/*:c"


def test_the_page_on_clusters_names_what_there_is() -> None:
    page = (HOME / "docs" / "clusters.md").read_text()
    hadoop = {p.name for p in (Path(pyspark.__file__).parent / "jars").glob("hadoop-client-api-*")}
    (version,) = re.findall(r"org\.apache\.hadoop:hadoop-aws:([\d.]+)", page)
    assert hadoop == {f"hadoop-client-api-{version}.jar"}
    for path in set(re.findall(r"\b(?:jobs|conf|docs)/[\w/]+\.\w+", page)):
        assert (HOME / path).exists(), path
    for name in CLUSTERS:
        assert f"--properties-file conf/spark/{name}.conf" in page
