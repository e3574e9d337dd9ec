"""How every inner loop is compiled: when it is first called, and numba itself is imported no earlier.

To import numba costs a tenth of what pandas, scikit-learn and lightgbm cost together, and every function that it is
handed costs some more; who reads a log or opens a strategy's page needs neither. What stands in a function's place
tells numba what it is by numba's own protocol (``_numba_type_``), so that compiled functions call each other as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any, TypeVar, cast, overload

__all__ = ["compiled", "instruction"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_MAKING = RLock()  # one thread makes what another waits for; a function that calls others makes them on the way


class _Made:
    """A function in whose place another is made when numba or a call first asks."""

    def __init__(self, function: Callable[..., Any], make: Callable[[Callable[..., Any]], Any]) -> None:
        update_wrapper(cast("Any", self), function)
        self._function, self._make = function, make
        self._made: Any = None

    def __reduce__(self) -> str:
        """Pickle and copy by name, as functions do: the other process makes its own."""
        return str(self._function.__qualname__)

    @property
    def made(self) -> Any:
        """What numba knows: made once, whichever thread comes first."""
        if self._made is None:
            with _MAKING:
                if self._made is None:
                    self._made = self._make(self._function)
        return self._made


class _Kernel(_Made):
    def __call__(self, *arguments: Any) -> Any:
        return (self._made or self.made)(*arguments)

    @property
    def _numba_type_(self) -> Any:
        return self.made._numba_type_

    @property
    def signatures(self) -> list[Any]:
        """Types of arguments that there is machine code for."""
        return [] if self._made is None else list(self._made.signatures)


class _Instruction(_Made):
    @property
    def _numba_type_(self) -> Any:
        return self.made


@overload
def compiled(function: _Function) -> _Function: ...
@overload
def compiled(*, fastmath: set[str]) -> Callable[[_Function], _Function]: ...
def compiled(function: Any = None, *, fastmath: Any = False) -> Any:
    """Compile at the first call, keep the machine code on disk, and run without the interpreter lock.

    What is kept goes stale with any file of the folder that ``function`` stands in: compiled functions call others of
    their folder, never of another one.

    Parameters
    ----------
    function : callable
        Of positional arguments that numba can type.
    fastmath : set of str, optional
        Liberties that the compiler may take with sums of floats, by LLVM's names.

    Returns
    -------
    callable
        The same for its callers; a decorator where only options are given.
    """

    def make(plain: Callable[..., Any]) -> Any:
        from numba import njit

        from .code_cache import keep

        return keep(njit(nogil=True, fastmath=fastmath)(plain))

    return _Kernel(function, make) if function is not None else lambda plain: _Kernel(plain, make)


def instruction(function: _Function) -> _Function:
    """Name an instruction of the machine that compiled functions may use; :mod:`.vector_code` says how it is made."""

    def make(plain: Callable[..., Any]) -> Any:
        from numba.core.registry import cpu_target

        from . import vector_code

        context = cpu_target.typing_context
        context.refresh()  # who asks is being compiled, and looked up what there is before this was there
        return context.resolve_value_type(getattr(vector_code, plain.__name__))

    return cast("_Function", _Instruction(function, make))
