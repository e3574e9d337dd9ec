"""Files that a packing program wrote, by their first bytes: what holds one file is read as that file."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

__all__ = ["TORN", "is_packed", "kind_of_archive", "opened", "without_ending"]

_OPENS: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zX": lzma.open,
    b"\x28\xb5\x2f\xfd": lambda path: pa.input_stream(str(path), compression="zstd"),
}
_ARCHIVES = {b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}
_TAR = slice(257, 262)
_ENDINGS = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zstd")
#: What the readers raise beside OSError and ValueError where the bytes are torn.
TORN = (EOFError, lzma.LZMAError)


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where gzip, bzip2, xz or zstd packed it."""
    with path.open("rb") as stream:
        mark = stream.read(4)
    reader = next((one for begin, one in _OPENS.items() if mark.startswith(begin)), None)
    return path.open("rb") if reader is None else reader(path)


def is_packed(mark: bytes) -> bool:
    """Whether :func:`opened` unpacks what begins so."""
    return mark.startswith(tuple(_OPENS))


def kind_of_archive(head: bytes) -> str | None:
    """Name of a kind of archive that is not read, by its first 512 bytes; None = it is none of them."""
    if head[_TAR] == b"ustar":
        return "tar"
    return next((kind for begin, kind in _ARCHIVES.items() if head.startswith(begin)), None)


def without_ending(name: str) -> str:
    """Name of what a packed file holds."""
    return next((name[: -len(one)] for one in _ENDINGS if name.lower().endswith(one)), name)
