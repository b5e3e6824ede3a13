"""`python -m lakeshop.bundle dist/lakeshop.zip`: the package as a zip for `--py-files`.

A wheel would not do: Spark puts only .zip, .egg and .jar on the executors' path. The same
sources give the same bytes.
"""

import sys
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def bundle(target: Path) -> None:
    """Write the package's sources to `target`."""
    package = Path(__file__).parent
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(package.rglob("*.py")):
            entry = zipfile.ZipInfo(str(Path("lakeshop") / source.relative_to(package)), _EPOCH)
            archive.writestr(entry, source.read_bytes())


if __name__ == "__main__":
    bundle(Path(sys.argv[1]))
