"""`conf/*.yaml` read into one frozen Settings; an unknown key is an error.

`base.yaml` holds what is true everywhere, `<env>.yaml` what differs on a laptop or a cluster,
`shops/<shop>.yaml` what is true of one shop. Later files win, key by key. Each application has a
section of its own name, checked by a class of its own. Settings of the Spark engine are not here
but in `conf/spark/*.conf`.
"""

import hashlib
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from lakeshop.config.base import FrozenModel, Share, read_document
from lakeshop.config.shop import Shop
from lakeshop.config.training import Training
from lakeshop.config.validation import assert_name
from lakeshop.errors import ConfigError


class Maintenance(FrozenModel):
    """Upkeep of tables.

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
    """The place of the pseudonyms' key: an environment variable, or a file."""

    key_variable: str
    key_file: Path | None = None


class LockSettings(FrozenModel):
    """Terms of the lake's lock."""

    seconds: PositiveFloat
    wait_seconds: Annotated[float, Field(ge=0)]


class Quality(FrozenModel):
    """Limits: the share of bad rows and files that stops an entity, and sizes of files.

    A user with a share of all lines above `largest_user_share` is told of.
    """

    max_rejected_rows: Share
    max_unreadable_files: Share
    largest_file_mib: PositiveInt
    largest_unpacked_mib: PositiveInt
    largest_user_share: Share = 0.05


class Features(FrozenModel):
    """Windows, half-lives and priors, all in days.

    Lines of `most_units_per_line` units or more are no sales by the piece: daily sums of products
    leave them out.
    """

    windows: tuple[PositiveInt, PositiveInt, PositiveInt]
    half_life_days: PositiveFloat
    recent_half_life_days: PositiveFloat
    preferred_departments: PositiveInt
    repeat_prior_days: PositiveFloat
    interval_prior_days: PositiveFloat
    most_units_per_line: PositiveFloat | None = None


Action = Literal["purchase", "cart", "view"]
Measure = Literal["co_count", "cosine", "asymmetric_cosine", "jaccard", "lift", "log_likelihood"]
NoneOrMore = Annotated[tuple[Measure, ...], AfterValidator(_each_once)]
Measures = Annotated[NoneOrMore, Field(min_length=1)]


class Similarity(FrozenModel):
    """Measures of neighbours, when and with which limits they are searched for.

    Visits count where the shop delivers views of products; without `visit_measures` they do not.
    With 0 `user_neighbours` no users like a user are searched for.
    """

    schedule: Literal["nightly", "training"]
    user_measures: Measures
    basket_measures: Measures
    visit_measures: NoneOrMore = ("cosine",)
    neighbours: PositiveInt
    user_neighbours: NonNegativeInt = 0
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


class Evaluation(FrozenModel):
    """Terms of the evaluation of an earlier night."""

    horizon_days: PositiveInt
    cutoff: PositiveInt


Section = TypeVar("Section", bound=FrozenModel)
# Keys that have another name by now.
RENAMED = {
    "forecasts": "demand",
    "forecasts.teaching": "demand.global_model",
    "forecasts.most_units_per_line": "features.most_units_per_line",
    "demand.teaching": "demand.global_model",
    "demand.most_units_per_line": "features.most_units_per_line",
    "reorder": "inventory",
}
# Where a run works, not what it makes.
OF_A_MACHINE = {"lake", "tables_at_once", "lease", "pseudonyms", "maintenance"}


class Settings(FrozenModel):
    """The whole configuration of a run.

    Sections of applications are extra attributes under the applications' names; `section` finds
    one by its class.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    lake: str
    tables_at_once: PositiveInt
    lease: LockSettings
    applications: tuple[str, ...] | None = None
    shop: Shop
    pseudonyms: Pseudonyms
    quality: Quality
    features: Features
    similarity: Similarity
    training: Training
    evaluation: Evaluation
    maintenance: Maintenance

    def section(self, kind: type[Section]) -> Section:
        """Return the section of an application.

        Raises:
            LookupError: no section is of that class.
        """
        sections = (self.model_extra or {}).values()
        return next(s for s in sections if isinstance(s, kind))

    def digest(self, *names: str) -> str:
        """Name these sections, or all that is not of a machine, in a run id."""
        kept = set(names) or set(type(self).model_fields) | set(self.model_extra or {})
        kept -= OF_A_MACHINE
        exclude = {"shop": {"landing"}} if "shop" in kept else None
        text = self.model_dump_json(include=kept, exclude=exclude)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_settings(
    folder: Path,
    *,
    env: str,
    shop: str,
    sections: Callable[[tuple[str, ...] | None], Mapping[str, type[FrozenModel]]],
) -> Settings:
    """Read the settings of one environment and one shop.

    Args:
        folder: the `conf` folder.
        env: name of the overlay `<env>.yaml`.
        shop: name of the overlay `shops/<shop>.yaml`.
        sections: classes of the applications' sections by name, given what `applications` says.

    Raises:
        ConfigError: a file is missing or not YAML, a key is unknown or a value wrong; all
            faults in one text.
    """
    assert_name("The environment", env)
    assert_name("The shop", shop)
    paths = (folder / "base.yaml", folder / f"{env}.yaml", folder / "shops" / f"{shop}.yaml")
    files = {path: _read_yaml(path) for path in paths}
    merged: dict[str, Any] = {}
    for path, content in files.items():
        _refuse_renamed(content, path)
        merged = _overlaid(merged, content)
    names = _application_names(merged.get("applications"))
    faults: list[str] = []
    found: dict[str, object] = {}
    kinds = sections(names)
    for name, kind in kinds.items():
        try:
            found[name] = kind.model_validate(_with_defaults(kind, merged.pop(name, {})))
        except ValidationError as error:
            faults += _faults(error, kind, files, name)
    known = {*kinds, *Settings.model_fields}
    faults += [_unknown((key,), known, files) for key in sorted(set(merged) - known)]
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        faults += _faults(error, Settings, files)
    if faults:
        listed = "\n".join(faults)
        msg = f"The configuration in {folder} ({env}, {shop}) should fit. Received:\n{listed}"
        raise ConfigError(msg)
    return settings.model_copy(update=found)


def _with_defaults(kind: type[FrozenModel], stated: object) -> object:
    """Lay the stated keys of a section over its class's defaults; parts may be stated alone."""
    if not isinstance(stated, dict):
        return stated
    defaults = {
        name: default.model_dump()
        for name, field in kind.model_fields.items()
        if isinstance(default := field.get_default(call_default_factory=True), FrozenModel)
    }
    return _overlaid({name: defaults[name] for name in stated if name in defaults}, stated)


def _application_names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
        return tuple(value)
    msg = (
        "applications should be a list of names, such as [recommendations, fraud]. Received "
        f"{reprlib.repr(value)}; leave the key out for all that the shop's entities allow."
    )
    raise ConfigError(msg)


def _refuse_renamed(content: Mapping[str, object], path: Path) -> None:
    """Refuse keys of earlier versions.

    Raises:
        ConfigError: a key has another name by now.
    """
    sections = set()
    for old in RENAMED:
        section, _, key = old.partition(".")
        within = content.get(section)
        if section in content and (not key or (isinstance(within, dict) and key in within)):
            sections.add(section)
    if sections:
        names = [f"{o} is now {n}" for o, n in RENAMED.items() if o.partition(".")[0] in sections]
        msg = f"{path} should use the names of today. {'; '.join(names)}."
        raise ConfigError(msg)


Files = Mapping[Path, Mapping[str, object]]


def _faults(
    error: ValidationError, kind: type[FrozenModel], files: Files, *above: str
) -> list[str]:
    """Say what is wrong with a section, which its class `kind` found out."""
    faults = []
    for fault in error.errors():
        place = (*above, *fault["loc"])
        if fault["type"] == "extra_forbidden":
            faults.append(_unknown(place, _keys_within(kind), files))
        else:
            faults.append(f"  {'.'.join(map(str, place))}: {fault['msg']}.{_received(fault)}")
    return faults


def _unknown(place: Sequence[str | int], known: Iterable[str], files: Files) -> str:
    """Say that there is no such key, which file has it, and which one is nearest."""
    near = get_close_matches(str(place[-1]), sorted(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else "."
    holding = [path for path, content in files.items() if _holds(content, place)]
    where = f" in {holding[-1].name}" if holding else ""
    return f"  {'.'.join(map(str, place))}: there is no such key{where}{hint}"


def _holds(content: object, place: Sequence[str | int]) -> bool:
    for step in place:
        if not isinstance(content, Mapping) or step not in content:
            return False
        content = content[step]
    return True


def _keys_within(kind: type[FrozenModel]) -> set[str]:
    """Name the keys of a class and of all that it holds."""
    schema = kind.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


def _received(fault: ErrorDetails) -> str:
    """Say the value received, but never a secret, nor all that is around a gap."""
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
