"""Models as bytes: the same weights give the same file, and no altered file is ever loaded."""

import hashlib
import importlib
import io
import json
import math
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from lakeshop.contracts.model import BUSINESS_DATE
from lakeshop.engine.context import BuildContext
from lakeshop.errors import ModelError
from lakeshop.training.backend import KERAS, configured

NO_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file knows
METADATA, CONFIG = "metadata.json", "config.json"
SHARED = "shared_object_id"
CODE = {"Lambda", "__lambda__"}
LAYER_MODULES = ("lakeshop.ml.layers",)  # to be imported before a file of Lakeshop's is loaded
MODEL_COLUMNS = (
    "name",
    "method",
    "is_champion",
    "inputs",
    "usual",
    "reference",
    "model",
    "sha256",
    "litert",
    "litert_sha256",
    "metrics",
    "parameters",
    "score_quantiles",
    "training_id",
    "trained_rows",
    "trained_from",
    "trained_to",
)
Model = dict[str, Any]  # a row of models.<application> without day and provenance


def as_table(rows: Sequence[Model], context: BuildContext) -> DataFrame:
    """Return rows of `models.<application>`: models of a training day, and where they are from.

    Args:
        rows: one per name and method, with MODEL_COLUMNS; a reference and a LiteRT file may lack.
        context: the training day, its code and its inputs.
    """
    origin = context.provenance
    missing = dict.fromkeys(("reference", "litert", "litert_sha256"))
    whole = [missing | row for row in rows]
    made = SparkSession.active().createDataFrame(whole, context.schema(*MODEL_COLUMNS))
    return made.withColumns(
        {
            "code": F.lit(origin.code),
            "data": F.array(*[F.lit(version) for version in origin.versions]),
        }
    )


def earlier(models: DataFrame, context: BuildContext) -> DataFrame:
    """Return the models of the training days before."""
    return models.where(F.col(BUSINESS_DATE) < F.lit(context.day))


def as_bytes(model: Any) -> bytes:
    """A model as the bytes of a `.keras` file, without the time at which they were made."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return _without_dates(path.read_bytes())


def sha256_of(payload: bytes) -> str:
    """The digest by which a model's file is known."""
    return hashlib.sha256(payload).hexdigest()


def verify(payload: bytes, sha256: str) -> None:
    """Refuse a model's file that is not the one registered, or holds anything but a model.

    A pickle, or a Lambda layer, would run its own code where it is loaded. Keras refuses both in
    its safe mode, but in a task; here nothing was started yet.

    Raises:
        ModelError: its digest is another one, it is no `.keras` file, or it holds code.
    """
    found = sha256_of(bytes(payload))
    if found != sha256:
        msg = (
            f"A model's file should have the SHA-256 under which it was registered, {sha256}. "
            f"Received {found}: it was altered. Restore the table's earlier version or train anew."
        )
        raise ModelError(msg)
    try:
        with zipfile.ZipFile(io.BytesIO(payload)) as archive:
            config = json.loads(archive.read(CONFIG))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        msg = f"A model's file should be one that Keras saved. Received another: {error}."
        raise ModelError(msg) from error
    if CODE & set(_classes(config)):
        msg = "A model's file should hold layers alone. Received Python code; name a layer instead."
        raise ModelError(msg)


def _classes(config: Any) -> Iterator[str]:
    """The names of all classes in a configuration."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            yield config["class_name"]
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _classes(part)


def model_of(payload: bytes, sha256: str, modules: Sequence[str] = ()) -> Any:
    """The Keras model in the bytes of a `.keras` file, not compiled.

    Args:
        payload: the file.
        sha256: the digest under which it was registered.
        modules: imported first, where layers of one's own are registered with Keras.

    Raises:
        ModelError: the bytes are not those registered, or not a model that may be loaded; a lambda
            or another piece of code in the file is refused.
    """
    verify(payload, sha256)
    keras = configured()
    for module in modules:
        importlib.import_module(module)
    with KERAS, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(payload)
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError, KeyError, zipfile.BadZipFile) as error:
            msg = f"A model's file should be one that Keras {keras.__version__} loads. {error}"
            raise ModelError(msg) from error


def champion(models: DataFrame, name: str) -> Row | None:
    """The newest row of a model's name that was promoted; None where none was.

    Args:
        models: rows with `name`, `is_champion` and `business_date`, of the days that may be seen.
        name: which model.

    Raises:
        ModelError: its file is not the one that was registered, or holds anything but a model.
    """
    promoted = models.where((F.col("name") == name) & F.col("is_champion"))
    found = promoted.orderBy(F.col(BUSINESS_DATE).desc()).first()
    if found is not None:
        try:
            verify(bytes(found["model"]), found["sha256"])
        except ModelError as error:
            msg = f"The champion of {name}, of {found[BUSINESS_DATE]}: {error}"
            raise ModelError(msg) from error
    return found


def is_promoted(
    candidate: float | None,
    present: float | None,
    *,
    higher_is_better: bool,
    tolerance: float = 0.0,
) -> bool:
    """Return whether a new model replaces the present one: it does if it is not worse.

    Args:
        candidate: its metric on a validation slice; None or NaN where it is not known.
        present: that of the present champion on the same slice; None where there is none, or
            where it is not known.
        higher_is_better: of the metric.
        tolerance: by how much the metric may fall all the same.
    """
    if present is None or math.isnan(present):
        return True
    if candidate is None or math.isnan(candidate):
        return False
    gain = candidate - present if higher_is_better else present - candidate
    return gain >= -tolerance


def _without_dates(payload: bytes) -> bytes:
    """The same archive with its files in the order of their names, no dates and no addresses."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(payload)) as old, zipfile.ZipFile(result, "w") as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == METADATA:
                metadata = json.loads(content)
                metadata.pop("date_saved", None)
                content = json.dumps(metadata, sort_keys=True).encode()
            elif name == CONFIG:
                content = json.dumps(_numbered(json.loads(content), {})).encode()
            new.writestr(zipfile.ZipInfo(name, NO_DATE), content)
    return result.getvalue()


def _numbered(config: Any, seen: dict[int, int]) -> Any:
    """A configuration whose shared objects are counted, where Keras has their addresses."""
    if isinstance(config, list):
        return [_numbered(part, seen) for part in config]
    if not isinstance(config, dict):
        return config
    return {
        key: seen.setdefault(value, len(seen) + 1)
        if key == SHARED and value is not None
        else _numbered(value, seen)
        for key, value in config.items()
    }
