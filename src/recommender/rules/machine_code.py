"""How the rules are compiled to machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile at the first call, keep the machine code on disk, and run without the interpreter lock."""
    return cast("_Function", njit(cache=True, nogil=True)(function))
