"""How every inner loop is compiled: at its first call, when numba is first imported (a fifth of an import's time)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import update_wrapper
from types import CodeType
from typing import Any, TypeVar, cast

__all__ = ["Compiled", "Later", "compiled"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_ONE_AT_A_TIME = threading.RLock()


class Later:
    """Something of numba's that a compiled function calls, brought when that function is compiled.

    Parameters
    ----------
    bring : callable
        Returns it; may import numba.
    """

    def __init__(self, bring: Callable[[], Any]) -> None:
        self._bring = bring
        self._brought: Any = None

    def brought(self) -> Any:
        """Return it, the first time by bringing it."""
        with _ONE_AT_A_TIME:
            if self._brought is None:
                self._brought = self._bring()
        return self._brought


class Compiled(Later):
    """A function that runs as machine code; see :func:`compiled`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(self._compile)
        self._function = function
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Run it, the first time after compiling it."""
        return (self._brought or self.brought())(*arguments)

    @property
    def signatures(self) -> list[Any]:
        """Types of arguments for which there is machine code."""
        return [] if self._brought is None else list(self._brought.signatures)

    def _compile(self) -> Any:
        from numba import njit

        names = self._function.__globals__
        for name in set(_names_in(self._function.__code__)):
            if isinstance(used := names.get(name), Later) and used is not self:
                names[name] = used.brought()  # numba reads globals: it must find its own kind there
        return njit(cache=True, nogil=True)(self._function)


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def compiled(function: _Function) -> _Function:
    """Compile at the first call, keep the machine code on disk, and run without the interpreter lock.

    What is kept goes stale with the file of ``function`` only: who changes a compiled function that it calls from
    another file must delete ``__pycache__`` (an installation renews all files).
    """
    return cast("_Function", Compiled(function))
