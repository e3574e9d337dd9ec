"""Names of a face that are imported when they are first asked for: nobody pays for what they do not use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["late_names"]


def late_names(face: str, home: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a face.

    Parameters
    ----------
    face : str
        Its ``__name__``.
    home : mapping of str to str
        The module of each name.

    Returns
    -------
    callable
    """

    def of(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {face!r} has no attribute {name!r}")
        value = getattr(import_module(home[name]), name)
        setattr(sys.modules[face], name, value)
        return value

    return of
