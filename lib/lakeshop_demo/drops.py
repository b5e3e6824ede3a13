"""Writing of a demo shop's drops: same content, same bytes; a file is whole or absent."""

import gzip
import os
from pathlib import Path


def packed(content: str | bytes) -> bytes:
    """Gzip without a time in its header (another zlib may pack the same text otherwise)."""
    data = content.encode() if isinstance(content, str) else content
    return gzip.compress(data, compresslevel=4, mtime=0)


def put(path: Path, content: bytes) -> Path:
    """Write whole or not at all; readers skip names that start with a dot.

    A file that lies there with the same bytes is not touched.
    """
    if path.is_file() and path.read_bytes() == content:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
