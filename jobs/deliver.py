"""A packaged demo shop's drops, written to its landing folder as the shop would deliver them.

Without Spark. A shop that delivers its own drops has nothing to do here.
"""

import argparse
import sys
from pathlib import Path

from lakeshop.config.validation import local_folder
from lakeshop.engine.cli import business_day, placed
from lakeshop.errors import ShopError
from lakeshop.pipeline import read_settings
from lakeshop_demo import complete_journey

PACKAGED = {"complete_journey": complete_journey.deliver}
HOME = Path(__file__).resolve().parent.parent


def main() -> int:
    """Deliver the requested days; exit codes as of every job."""
    arguments = argparse.ArgumentParser(prog="deliver.py", description=__doc__)
    arguments.add_argument("--shop", default="complete_journey")
    arguments.add_argument("--conf", type=Path, default=HOME / "conf")
    arguments.add_argument("--landing")
    arguments.add_argument("--from", type=business_day, dest="first", required=True)
    arguments.add_argument("--to", type=business_day, dest="last", required=True)
    options = arguments.parse_args()
    try:
        settings = read_settings(options.conf, env="local", shop=options.shop)
        if options.shop in PACKAGED:
            home = options.conf.resolve().parent
            place = settings.shop.landing if options.landing is None else options.landing
            landing = local_folder(placed(place, home))
            drops = PACKAGED[options.shop](landing, options.first, options.last)
            sys.stdout.write(f"{len(drops)} drops of {settings.shop.name} in {landing}\n")
    except ShopError as error:
        sys.stderr.write(f"deliver failed: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
