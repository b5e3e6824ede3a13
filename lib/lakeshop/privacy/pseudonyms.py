"""The secret key of the pseudonyms, which lies outside the lake and in no plan and no log."""

import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from lakeshop.config.settings import Pseudonyms
from lakeshop.errors import ConfigError

HEX_DIGITS = 32
USER_KEYS = "restricted.user_keys"  # which id each pseudonym stands for


def pseudonym_key(pseudonyms: Pseudonyms, environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret of the pseudonyms, from the environment if set there, else from the file.

    White space around it is none of it: it differs by how a key was put there.

    Raises:
        ConfigError: there is no key, it cannot be read, or has fewer than 32 characters.
    """
    key = environment.get(pseudonyms.key_variable, "").strip()
    if not key and pseudonyms.key_file is not None:
        key = _read(pseudonyms.key_file).strip()
    if len(key) < 32:
        msg = (
            "The key of the pseudonyms should have at least 32 characters. Received "
            f"{len(key)}. Set the variable {pseudonyms.key_variable} or name a file outside "
            "the lake under pseudonyms.key_file."
        )
        raise ConfigError(msg)
    return key.encode()


def _read(file: Path) -> str:
    try:
        # Bytes that are no text leave too short a key.
        return file.read_text(encoding="utf-8", errors="ignore")
    except FileNotFoundError:
        return ""
    except OSError as error:
        msg = f"pseudonyms.key_file, {file}, should be a readable file. {error.strerror}."
        raise ConfigError(msg) from None


def pseudonym_of(identifier: str, key: bytes) -> str:
    """HMAC-SHA-256 of an id of the shop, its first 128 bits (RFC 2104, section 5), in hex."""
    # Half of a pair of UTF-16, which a text from outside may hold, has no bytes.
    content = identifier.encode("utf-8", errors="replace")
    return hmac.digest(key, content, "sha256").hex()[:HEX_DIGITS]
