"""A simulated shop's drops, written to its landing folder, and the truth to a folder beside it.

The same arguments give the same bytes. Run it by spark-submit, as every job.
"""

import argparse
import sys
from pathlib import Path

from lakeshop.engine.cli import business_day, placed
from lakeshop.engine.session import spark_session
from lakeshop.errors import ShopError
from lakeshop.pipeline import read_settings
from lakeshop_demo.simulator.arguments import FIRST_DAY, arguments_of, claim
from lakeshop_demo.simulator.files import Folders
from lakeshop_demo.simulator.simulate import simulate

HOME = Path(__file__).resolve().parent.parent


def parser() -> argparse.ArgumentParser:
    """The arguments of the job."""
    arguments = argparse.ArgumentParser(prog="simulate.py", description=__doc__)
    add = arguments.add_argument
    add("--users", type=int, required=True, help="how many there are in the end")
    add("--products", type=int, required=True, help="how many there ever are")
    add("--days", type=int, help="how many; or say --end")
    add("--end", type=business_day, help="the last day")
    add("--start", type=business_day, default=FIRST_DAY, help=f"by default {FIRST_DAY}")
    add("--seed", type=int, required=True, help="another one gives another shop")
    add("--dirt", type=float, default=0.0, help="share of rows that get some, up to 0.5")
    add("--shop", default="simulated", help="the shop, from conf/shops")
    add("--conf", type=Path, default=HOME / "conf", help="the folder conf")
    add("--landing", help="folder of the drops, instead of the configured one")
    add("--truth", help="folder of the truth, by default <landing>_truth")
    return arguments


def main() -> int:
    """Simulate a shop; exit codes as of every job."""
    given = parser().parse_args()
    try:
        arguments = arguments_of(given)
        settings = read_settings(given.conf, env="local", shop=given.shop)
        home = given.conf.resolve().parent
        landing = placed(settings.shop.landing if given.landing is None else given.landing, home)
        truth = f"{landing.rstrip('/')}_truth" if given.truth is None else given.truth
        truth = placed(truth, home)
        folders = Folders(*claim(arguments, landing, truth))
        rows = simulate(spark_session("simulate"), arguments, folders)
        counts = ", ".join(f"{number:,} {entity}" for entity, number in rows.items())
        sys.stdout.write(f"{counts} in {landing}, the truth in {truth}\n")
    except ShopError as error:
        sys.stderr.write(f"simulate failed: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
