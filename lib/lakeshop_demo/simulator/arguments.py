"""Checked arguments of a simulation, and folders that record their content."""

import json
from argparse import Namespace
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path

from lakeshop.config.validation import local_folder
from lakeshop.errors import ConfigError
from lakeshop_demo.drops import put
from lakeshop_demo.simulator.world import WORLD

MARK = "_simulation.json"  # readers skip names that start with an underscore
FIRST_DAY = date(2026, 1, 1)
MOST_DAYS = 3660
MOST_USERS = 10**8
MOST_PRODUCTS = 10**6
MOST_DIRT = 0.5


@dataclass(frozen=True)
class Arguments:
    """One simulation: the same arguments give the same bytes."""

    users: int
    products: int
    days: int
    seed: int
    dirt: float = 0.0
    start: date = FIRST_DAY

    def date_of(self, day: int) -> date:
        """The date of day 0, 1, 2 ..."""
        return self.start + timedelta(days=day)

    def as_text(self) -> str:
        """The arguments and the world's parameters, as JSON."""
        values = asdict(self) | {"start": self.start.isoformat(), "world": asdict(WORLD)}
        return json.dumps(values, indent=1, sort_keys=True) + "\n"


def arguments_of(options: Namespace) -> Arguments:
    """The arguments given on a command line.

    Raises:
        ConfigError: they are not possible.
    """
    days = number_of_days(options.start, options.end, options.days)
    size = (options.users, options.products, days)
    arguments = Arguments(*size, options.seed, options.dirt, options.start)
    assert_possible(arguments)
    return arguments


def assert_possible(arguments: Arguments) -> None:
    """Refuse arguments outside the range of a simulation.

    Raises:
        ConfigError: some are outside; all of them in one text.
    """
    ranges = {
        "users": (1, MOST_USERS),
        "products": (2 * WORLD.clusters, MOST_PRODUCTS),
        "days": (1, MOST_DAYS),
        "seed": (0, 2**63 - 1),
        "dirt": (0, MOST_DIRT),
    }
    faults = [
        f"--{name} should lie in {least} to {most}, received {getattr(arguments, name)}"
        for name, (least, most) in ranges.items()
        if not least <= getattr(arguments, name) <= most
    ]
    if not date(1970, 1, 1) <= arguments.start <= date(2200, 1, 1):
        faults.append(f"--start should lie in 1970 to 2199, received {arguments.start}")
    if faults:
        msg = "The simulation should be possible. " + "; ".join(faults) + ". Nothing was written."
        raise ConfigError(msg)


def number_of_days(start: date, end: date | None, days: int | None) -> int:
    """The number of days, given as such or by the last one.

    Raises:
        ConfigError: neither or both are given, or the end comes before the start.
    """
    if (end is None) == (days is None):
        msg = f"Either --days or --end should be given. Received --days {days}, --end {end}."
        raise ConfigError(msg)
    if end is None:
        assert days is not None
        return days
    if end < start:
        msg = f"--end should not come before --start. Received {end} before {start}."
        raise ConfigError(msg)
    return (end - start).days + 1


def claim(arguments: Arguments, landing: str, truth: str) -> tuple[Path, Path]:
    """The two folders, marked as holding this simulation and no other.

    Raises:
        ConfigError: a folder is not a local path, is the other one or within it, or holds
            anything else. Nothing was written.
    """
    folders = (local_folder(landing), local_folder(truth))
    if folders[1].resolve().is_relative_to(folders[0].resolve()):
        msg = f"The truth should lie outside the landing folder {landing}. Received {truth}."
        raise ConfigError(msg)
    text = arguments.as_text()
    for folder in folders:
        _assert_free(folder, text)
    for folder in folders:
        put(folder / MARK, text.encode())
    return folders


def _assert_free(folder: Path, text: str) -> None:
    mark = folder / MARK
    if mark.is_file():
        held = mark.read_text(encoding="utf-8", errors="replace")
        if held != text:
            msg = (
                f"{folder} should be empty or hold the same simulation. Received one with other "
                f"arguments: {_difference(held, text)}. Remove the folder or choose another."
            )
            raise ConfigError(msg)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = (
            f"{folder} should be empty or hold the same simulation. Received a folder with other "
            "content. Choose another one by --landing and --truth."
        )
        raise ConfigError(msg)


def _difference(held: str, requested: str) -> str:
    try:
        old, new = json.loads(held), json.loads(requested)
    except ValueError:
        return f"a {MARK} that cannot be read"
    if not isinstance(old, dict):
        return f"a {MARK} that is none of ours"
    named = [f"{k} {old.get(k)} there, {new[k]} asked for" for k in new if k != "world"]
    other = [text for text, k in zip(named, [k for k in new if k != "world"], strict=True)
             if old.get(k) != new[k]]  # fmt: skip
    return "; ".join(other) or "the parameters of the world"
