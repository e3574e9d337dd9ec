"""How every inner loop of this room is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

__all__ = ["compiled"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile at the first call, keep the machine code on disk, and run without the interpreter lock.

    What is kept goes stale with the file of ``function`` only: who changes a compiled function that it calls from
    another file must delete ``__pycache__`` (an installation renews all files).
    """
    return cast("_Function", njit(cache=True, nogil=True)(function))
