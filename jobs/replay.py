"""Replay a history of demand and compare the costs of order policies.

Files, rules and policies come from the replay's configuration. No Spark is needed.
"""

import argparse
import json
import sys
from pathlib import Path

from lakeshop.errors import ShopError
from lakeshop.inventory.replay.comparison import as_document, as_sentence, as_table, compare
from lakeshop.inventory.replay.files import read_input
from lakeshop.inventory.replay.settings import read_replay

HOME = Path(__file__).resolve().parent.parent


def parser() -> argparse.ArgumentParser:
    """The arguments of the job."""
    arguments = argparse.ArgumentParser(prog="replay.py", description=__doc__)
    add = arguments.add_argument
    add("--config", type=Path, required=True, help="the replay, conf/replays/<name>.yaml")
    add("--data", type=Path, help="folder of the files, instead of the configured one")
    add("--output", type=Path, help="write all figures as JSON to this file")
    return arguments


def main() -> int:
    """Replay a configuration; exit codes as of every job."""
    arguments = parser().parse_args()
    try:
        settings = read_replay(arguments.config)
        found = read_input(settings, arguments.data or HOME / settings.data.folder)
        lines, equal = compare(settings, found)
    except ShopError as error:
        sys.stderr.write(f"replay failed: {error}\n")
        return error.exit_code
    except ValueError as error:
        sys.stderr.write(f"replay failed: {error}\n")
        return 1
    periods = found.history.periods - found.first
    sys.stdout.write(f"{settings.name}: {len(found.series):,} series, {periods} scored periods\n")
    sys.stdout.write(as_table(lines))
    if settings.equal_service:
        sys.stdout.write(as_sentence(equal))
    if arguments.output:
        text = json.dumps(as_document(settings.name, lines, equal), indent=2)
        arguments.output.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
