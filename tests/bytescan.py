"""A scan of every byte below a folder for texts: no table format is asked what it holds.

Parquet files are decoded, values of dictionary pages and statistics among them; what is gzipped is
unpacked; everything is looked at as bytes as well.
"""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def files_with(root: Path, texts: Iterable[str]) -> list[str]:
    """The files below `root` in which one of the texts stands, by content or by name."""
    needles = [text.encode() for text in texts]
    assert needles
    assert min(map(len, needles)) >= 8, "a hit should mean something"
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        haystack = b"\n".join([path.relative_to(root).as_posix().encode(), *contents(path)])
        if any(needle in haystack for needle in needles):
            found.append(path.relative_to(root).as_posix())
    return found


def contents(path: Path) -> Iterable[bytes]:
    """A file's bytes, unpacked or decoded too where it is packed."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    if content[:4] == b"PAR1" and content[-4:] == b"PAR1":
        file = pq.ParquetFile(pa.BufferReader(content))
        # What a column's dictionary page holds, whether a row points to it or not, is of the rows.
        for batch in file.iter_batches():
            yield repr(batch.to_pydict()).encode()
        yield repr(file.metadata.to_dict()).encode()
        yield repr(file.schema_arrow.metadata).encode()
