"""Settings of what is kept, and for how long.

`conf/*.yaml` read into one frozen Settings; an unknown key is an error.

`base.yaml` holds what is true everywhere, `<env>.yaml` what differs on a laptop or a
cluster, `shops/<shop>.yaml` what is true of one shop. Later files win, key by key.
Settings of the Spark engine are not here but in `conf/spark/*.conf`.
"""

import hashlib
import re
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from lakeshop.config.base import (
    FrozenModel,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    read_document,
)
from lakeshop.config.planning import Forecasts, Reorder
from lakeshop.config.shop import Shop
from lakeshop.config.training import Fraud, Training
from lakeshop.config.validation import assert_name
from lakeshop.errors import ConfigError


class Maintenance(FrozenModel):
    """How tables are kept.

    `erased` is the list of erased persons, outside the lake; `{shop}` in it stands for the shop.
    Files that no version needs any more are removed after `keep_days`, a table's log after
    `log_days`. Files below half of `file_mib` are small; where `small_files` of them or more hold
    closed days, they are made into files of that size. A run begins only where `least_free_mib` are
    free on the lake's disk.
    """

    erased: Path
    keep_days: NonNegativeInt
    log_days: PositiveInt
    small_files: int = Field(ge=2)
    file_mib: PositiveInt
    least_free_mib: int = Field(ge=0)

    @model_validator(mode="after")
    def _logs_last_as_long_as_files(self) -> "Maintenance":
        if self.log_days < self.keep_days:
            msg = (
                f"log_days should be keep_days or more, received {self.log_days} and "
                f"{self.keep_days}; an old version is read by its log"
            )
            raise ValueError(msg)
        return self


_PASSWORD = re.compile("(?i)pass|secret|token|^url$")  # keys whose values are not repeated


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        msg = "should name each measure once"
        raise ValueError(msg)
    return names


class Pseudonyms(FrozenModel):
    """Where the key of the pseudonyms lies: an environment variable, or a file."""

    key_variable: str
    key_file: Path | None = None


class LockSettings(FrozenModel):
    """How a run holds the lake."""

    seconds: PositiveFloat
    wait_seconds: Annotated[float, Field(ge=0)]


class Quality(FrozenModel):
    """How much may be bad before a run stops, and how large a file may be."""

    max_rejected_rows: Share
    max_unreadable_files: Share
    largest_file_mib: PositiveInt
    largest_unpacked_mib: PositiveInt


class Features(FrozenModel):
    """Windows, half-lives and priors, all in days."""

    windows: tuple[PositiveInt, PositiveInt, PositiveInt]
    half_life_days: PositiveFloat
    recent_half_life_days: PositiveFloat
    preferred_departments: PositiveInt
    repeat_prior_days: PositiveFloat
    interval_prior_days: PositiveFloat


Action = Literal["purchase", "cart", "view"]
Measure = Literal["co_count", "cosine", "asymmetric_cosine", "jaccard", "lift", "log_likelihood"]
Measures = Annotated[tuple[Measure, ...], Field(min_length=1), AfterValidator(_each_once)]


class Similarity(FrozenModel):
    """How neighbours are found."""

    user_measures: Measures
    basket_measures: Measures
    neighbours: PositiveInt
    shrinkage: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    asymmetry: Share
    min_support: PositiveInt
    action_weights: Mapping[Action, Share]
    half_life_days: PositiveFloat
    max_history: PositiveInt
    blocks: PositiveInt
    linear_products: PositiveInt
    linear_ridge: PositiveFloat
    linear_neighbours: PositiveInt
    linear_least: Annotated[float, Field(ge=0)]

    @property
    def measures_of_users(self) -> tuple[str, ...]:
        """Measures of what the same users did, as similarity.neighbours names them."""
        return (*[f"user_{measure}" for measure in self.user_measures], "user_linear")


class AgainTerms(FrozenModel):
    """Weights of the log-odds that a product bought before is bought again."""

    constant: float
    habit: float
    recent: float
    repeat_rate: float
    bought_once: float
    not_due: float
    trend: float
    mailer: float
    activity: float


class NewTerms(FrozenModel):
    """Weights of the log-odds that a product never bought before is bought."""

    constant: float
    similarity: float
    popularity: float
    trend: float
    mailer: float
    activity: float


class Recommendations(FrozenModel):
    """How users' lists are made."""

    list_length: PositiveInt
    active_days: PositiveInt
    new_measure: str
    again: AgainTerms
    new: NewTerms


class Evaluation(FrozenModel):
    """How an earlier night is scored."""

    horizon_days: PositiveInt
    cutoff: PositiveInt


class Settings(FrozenModel):
    """Everything a night can be told."""

    lake: str
    tables_at_once: PositiveInt
    lease: LockSettings
    shop: Shop
    pseudonyms: Pseudonyms
    quality: Quality
    features: Features
    similarity: Similarity
    recommendations: Recommendations
    forecasts: Forecasts
    reorder: Reorder
    training: Training
    fraud: Fraud
    evaluation: Evaluation
    maintenance: Maintenance

    @model_validator(mode="after")
    def _finds_what_it_recommends_by(self) -> "Settings":
        known = self.similarity.measures_of_users
        if self.recommendations.new_measure not in known:
            msg = (
                f"recommendations.new_measure should be one of {', '.join(known)}, received "
                f"{self.recommendations.new_measure!r}; add others to similarity.user_measures"
            )
            raise ValueError(msg)
        return self

    def digest(self) -> str:
        """Names these settings in a run id, whatever machine and folder they are used in."""
        of_a_machine = ("lake", "tables_at_once", "lease", "pseudonyms", "maintenance")
        left_out = dict.fromkeys(of_a_machine, True)
        text = self.model_dump_json(exclude={**left_out, "shop": {"landing"}})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_settings(folder: Path, *, env: str, shop: str) -> Settings:
    """Settings for one environment and one shop.

    Args:
        folder: the `conf` folder.
        env: name of the overlay `<env>.yaml`.
        shop: name of the overlay `shops/<shop>.yaml`.

    Raises:
        ConfigError: a file is missing or not YAML, a key is unknown or a value wrong; all
            faults in one text.
    """
    assert_name("The environment", env)
    assert_name("The shop", shop)
    merged: dict[str, object] = {}
    for path in (folder / "base.yaml", folder / f"{env}.yaml", folder / "shops" / f"{shop}.yaml"):
        merged = _overlaid(merged, _read_yaml(path))
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        faults = "\n".join(
            f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}.{_received(fault)}"
            for fault in error.errors()
        )
        msg = f"The configuration in {folder} ({env}, {shop}) should fit. Received:\n{faults}"
        raise ConfigError(msg) from None


def _received(fault: ErrorDetails) -> str:
    """What was received; never a secret that somebody wrote here, nor all that is around a gap."""
    is_secret = fault["loc"][:1] in {(), ("pseudonyms",)} or "jdbc" in fault["loc"]
    is_around = fault["type"] == "missing" or isinstance(fault["input"], dict)
    if is_secret or is_around or _PASSWORD.search(str(fault["loc"][-1])):
        return ""
    return f" Received {reprlib.repr(fault['input'])}."


def _read_yaml(path: Path) -> dict[str, object]:
    try:
        content = read_document(path)
    except FileNotFoundError:
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        msg = f"{path} should exist. Found there: {', '.join(known) or 'nothing'}."
        raise ConfigError(msg) from None
    except ValueError as error:
        msg = f"{path} should be YAML. Received: {error}"
        raise ConfigError(msg) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        msg = f"{path} should hold keys and values. Received {type(content).__name__}."
        raise ConfigError(msg)
    return content


def _overlaid(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = (
            _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return merged
