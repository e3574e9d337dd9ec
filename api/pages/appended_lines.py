"""Files beside the portfolio that only grow: a JSON object a line, whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["append_line"]


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
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    try:
        os.write(handle, f"{json.dumps(entry, ensure_ascii=False)}\n".encode())
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
