"""Files beside the portfolio that only grow: a JSON object a line, whole or not there at all."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

__all__ = ["append_line", "read_lines"]

_log = structlog.get_logger(__name__)
_Line = TypeVar("_Line")


def read_lines(path: Path | None, kind: Callable[..., _Line], *, holding: str = "") -> list[_Line]:
    """Lines of a file as objects, oldest first; a line that is none is left out and told to the log.

    Parameters
    ----------
    path : Path or None
        Where there is none, there are no lines.
    kind : callable
        Takes the fields of a line.
    holding : str
        Only lines with this text are read.
    """
    if path is None or not path.is_file():
        return []
    found, damaged = [], 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip() or holding not in line:
                continue
            try:
                found.append(kind(**json.loads(line)))
            except (ValueError, TypeError):
                damaged += 1
    if damaged:
        _log.error("lines of a portfolio file cannot be read", file=path.name, lines=damaged)
    return found


def append_line(path: Path, entry: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write an object at the end of a file, in one piece, whoever else writes there.

    Parameters
    ----------
    path : Path
        Made, readable by its owner and group, where there is none.
    entry : mapping
        JSON-ready.
    durable : bool, default=True
        It is on disk when this returns.

    Raises
    ------
    OSError
        Where there is no room for all of it.
    """
    line = f"{json.dumps(entry, ensure_ascii=False)}\n".encode()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":  # one before was cut off: it must not spoil this one
            line = b"\n" + line
        if os.write(handle, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path.name)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
