"""Room on the lake's disk, looked at before a run begins.

A full disk publishes nothing half, but takes the night: it is cheaper to hear of it before.
"""

import shutil
from pathlib import Path

from lakeshop.errors import DiskSpaceError


def check_disk_space(lake: str, least_mib: int) -> None:
    """See to it that so much is free where a lake lies, unless that is no disk of ours.

    Raises:
        RoomError: less is free.
    """
    if "://" in lake:
        return
    place = next(folder for folder in (Path(lake), *Path(lake).parents) if folder.exists())
    free = shutil.disk_usage(place).free // 2**20
    if free < least_mib:
        msg = (
            f"The disk of {lake} should have {least_mib:,} MiB free before a run "
            f"(least_free_mib). Received {free:,} MiB. Nothing was touched: make room, and run "
            "again."
        )
        raise DiskSpaceError(msg)
