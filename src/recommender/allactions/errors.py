"""What the kernel refuses to do, with the argument at fault and the mend."""

from __future__ import annotations

from typing import Any

__all__ = ["InexactScorer", "KernelError"]


class KernelError(ValueError):
    """An argument or a model that cannot be compiled or scored.

    Attributes
    ----------
    problem : str
    column : str or None
        The argument or factor at fault.
    mend : str
        What to do about it.
    """

    def __init__(self, problem: str, *, column: str | None = None, mend: str = "") -> None:
        self.problem = problem
        self.column = column
        self.mend = mend
        super().__init__(f"{problem} {mend}".strip())

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the fields when the error crosses a process boundary."""
        return (_rebuilt, (type(self), self.problem, self.column, self.mend))


class InexactScorer(KernelError):
    """A compiled scorer that differs from its booster by more than its error bound."""


def _rebuilt(kind: type[KernelError], problem: str, column: str | None, mend: str) -> KernelError:
    return kind(problem, column=column, mend=mend)
