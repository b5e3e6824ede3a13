"""`python -m lakeshop.packaging dist/lakeshop.zip`: the package as a zip for `--py-files`.

A wheel would not do: Spark puts only .zip, .egg and .jar on the executors' path. The same
sources give the same bytes.

`python -m lakeshop.packaging dist/environment.tar.gz`: what the nodes' Python needs.

For `--archives dist/environment.tar.gz#environment` and `./environment/bin/python`. Packed is what
Lakeshop depends on, and not this whole environment: tools of development are as large again, and
venv-pack refuses one with an editable install. Left out are

- Lakeshop itself, which comes by `--py-files` and changes more often;
- pyspark: Spark ships its own to its workers, and two versions would not understand each other;
- headers, to compile against TensorFlow.

The interpreter is a link: the nodes need the same Python at the same place. Compiled modules go
along, since a node would compile TensorFlow anew for each run.
"""

import io
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGES = ("lakeshop", "lakeshop_demo")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def bundle(target: Path) -> None:
    """Write the sources of the product and of its demo data to `target`."""
    library = Path(__file__).parent.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(s for package in PACKAGES for s in library.glob(f"{package}/**/*.py")):
            entry = zipfile.ZipInfo(str(source.relative_to(library)), _EPOCH)
            archive.writestr(entry, source.read_bytes())


EXTRAS = ("baselines",)
LEFT_OUT = {"lakeshop", "pyspark", "py4j", "libclang"}
HEADERS = "tensorflow/include/"
FAST = 1  # level of gzip: the next ones save a twentieth and take twice as long


def needed(name: str, extras: tuple[str, ...] = ()) -> dict[str, Distribution]:
    """All distributions that one needs, itself included, by their names."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    seen = set()
    while waiting:
        asked = waiting.pop()
        if asked in seen:
            continue
        seen.add(asked)
        found[canonicalize_name(asked[0])] = here = distribution(asked[0])
        for text in here.requires or ():
            wanted = Requirement(text)
            chosen = [{"extra": extra} for extra in ("", *asked[1])]
            if wanted.marker is None or any(map(wanted.marker.evaluate, chosen)):
                waiting.append((wanted.name, tuple(sorted(wanted.extras))))
    return found


def files(one: Distribution) -> Iterator[tuple[str, Path]]:
    """The files of a distribution, by their places below site-packages; no scripts."""
    for entry in one.files or ():
        path = Path(str(one.locate_file(entry)))
        if ".." in entry.parts or entry.as_posix().startswith(HEADERS) or not path.is_file():
            continue
        yield entry.as_posix(), path
        compiled = Path(cache_from_source(str(path))) if path.suffix == ".py" else path
        if compiled != path and compiled.is_file():
            yield (entry.parent / "__pycache__" / compiled.name).as_posix(), compiled


def pack(target: Path) -> None:
    """Write the environment to `target`, a .tar.gz."""
    target.parent.mkdir(parents=True, exist_ok=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    packed = {
        f"lib/{version}/site-packages/{name}": path
        for project, one in needed("lakeshop", EXTRAS).items()
        if project not in LEFT_OUT
        for name, path in files(one)
    }
    with tarfile.open(target, "w:gz", compresslevel=FAST) as archive:
        apart = "include-system-site-packages = false"  # else the node's own would be seen
        _add_text(archive, "pyvenv.cfg", f"home = {python.parent}\n{apart}\n")
        _add_link(archive, "bin/python", str(python))
        for name, path in sorted(packed.items()):
            archive.add(path, name, recursive=False)


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(text.encode())
    archive.addfile(entry, io.BytesIO(text.encode()))


def _add_link(archive: tarfile.TarFile, name: str, place: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, place
    archive.addfile(entry)


def main(target: Path) -> int:
    """Write what the name of `target` asks for; return the exit code."""
    writers = {".zip": bundle, ".gz": pack}
    if target.suffix not in writers:
        sys.stderr.write(f"The target should end with .zip or .tar.gz. Received {target}.\n")
        return 2
    writers[target.suffix](target)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(*sys.argv[1:2])))
