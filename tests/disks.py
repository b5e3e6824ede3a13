"""A small disk of its own, that a test can fill."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SIZE = 256 * 2**20


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A disk of `SIZE` bytes below a folder; the test is skipped where we may mount none."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "lakeshop", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def leave(place: Path, size: int) -> None:
    """Leave so many bytes free."""
    done = subprocess.run(["df", "-B1", "--output=used", place], capture_output=True, check=True)
    resize(place, int(done.stdout.split()[-1]) + size)


def resize(place: Path, size: int = SIZE) -> None:
    """Give the disk so many bytes in all."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)
