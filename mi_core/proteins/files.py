"""What a user hands over, as text: a path or the bytes of an upload, gzip or not, and never more than a stated size."""

import gzip
import zlib
from io import BytesIO
from pathlib import Path

from mi_core.errors import FormatError, InputError

MEGABYTE = 2**20
_GZIP = b"\x1f\x8b"


def read_text(source: Path | bytes, *, limit: int, what: str) -> str:
    """The text of a file; gzip is recognised by its first bytes, not by its name.

    Args:
        limit: bytes that it may have, packed and unpacked.
        what: how messages call it, e.g. "structure".

    Raises:
        InputError: no such file, one that cannot be read, empty or too large.
        FormatError: damaged gzip, or not text.
    """
    data = _bytes_of(source, limit, what)
    if data.startswith(_GZIP):
        data = _unpacked(data, limit, what)
    if not data.strip():
        raise InputError(f"The {what} file is empty.")
    if b"\0" in data:
        raise FormatError(f"This is not a text file, so it holds no {what} that can be read here.")
    return data.decode("utf-8", errors="replace").removeprefix("\ufeff")  # what is not ASCII is only in remarks


def _bytes_of(source: Path | bytes, limit: int, what: str) -> bytes:
    if isinstance(source, bytes):
        _check_size(len(source), limit, what)
        return source
    if not source.is_file():
        raise InputError(f"There is no {what} file at {source}.")
    _check_size(source.stat().st_size, limit, what)
    try:
        return source.read_bytes()
    except OSError as error:
        raise InputError(f"The {what} file {source} cannot be read: {error.strerror}.") from error


def _unpacked(data: bytes, limit: int, what: str) -> bytes:
    """Contents of a gzip file; stops as soon as it holds more than `limit` bytes, whatever the header claims."""
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            contents = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FormatError(f"This gzip file is damaged, so the {what} in it cannot be read.") from error
    _check_size(len(contents), limit, what)
    return contents


def _check_size(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise InputError(f"A {what} file may have at most {limit // MEGABYTE} MB, unpacked; this one has more.")
