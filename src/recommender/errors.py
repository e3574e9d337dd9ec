"""Errors that name the column, the value, the rows and the mend."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Self

__all__ = [
    "ArtefactError",
    "IncompatibleLog",
    "InvalidInput",
    "MissingExtra",
    "NoEligibleAction",
    "NotMature",
    "RecommenderError",
]

_ROWS_SHOWN = 5


def shorten(values: Iterable[object], most: int = _ROWS_SHOWN) -> str:
    """Write the first ``most`` distinct values and how many more there are."""
    listed = list(dict.fromkeys(map(_plain, values)))
    shown = ", ".join(repr(value) for value in listed[:most])
    rest = len(listed) - most
    return f"{shown} and {rest:,} more" if rest > 0 else shown


def _plain(value: object) -> object:
    """Turn a numpy scalar into the Python value it stands for, so messages read well."""
    item = getattr(value, "item", None)
    plain = item() if callable(item) and getattr(value, "ndim", None) == 0 else value
    return plain if isinstance(plain, Hashable) else repr(plain)


class RecommenderError(Exception):
    """Anything this library refuses to do, with the reason."""


class MissingExtra(RecommenderError, ImportError):
    """A library that only some uses need is not installed.

    Attributes
    ----------
    extra : str
        The extra that brings it.
    """

    def __init__(self, library: str, extra: str) -> None:
        self.library, self.extra = library, extra
        super().__init__(f'{library} is not installed. Install the extra: pip install "recommender[{extra}]".')

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the fields when the error crosses a process boundary."""
        return (type(self), (self.library, self.extra))


class InvalidInput(RecommenderError, ValueError):
    """Input that breaks a contract.

    Attributes
    ----------
    column : str or None
        The column or argument at fault.
    rows : tuple of int
        Positions of the rows at fault (not index labels), in order.
    mend : str
        What to do about it.
    """

    def __init__(
        self,
        problem: str,
        *,
        column: str | None = None,
        rows: Sequence[int] = (),
        mend: str = "",
    ) -> None:
        self.problem = problem
        self.column = column
        self.rows = tuple(int(row) for row in rows)
        self.mend = mend
        super().__init__(f"{problem} {mend}".strip())

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the fields when the error crosses a process boundary."""
        return (_rebuild_invalid_input, (type(self), self.problem, self.column, self.rows, self.mend))

    @classmethod
    def in_column(
        cls,
        column: str,
        what: str,
        *,
        values: Iterable[object] = (),
        rows: Sequence[int] = (),
        mend: str,
    ) -> Self:
        """Build the one sentence that all column checks share.

        Parameters
        ----------
        column : str
            Column or argument at fault.
        what : str
            The broken rule, e.g. ``"must lie in (0, 1]"``.
        values : iterable of object, optional
            Offending values, most telling first; cut to five.
        rows : sequence of int, optional
            Positions of the offending rows; cut to five in the text.
        mend : str
            What the caller can do, as a sentence.
        """
        text = f"Column {column!r} {what}"
        if shown := shorten(values):
            text += f"; got {shown}"
        if len(rows):
            text += f" in {'row' if len(rows) == 1 else 'rows'} {shorten(rows)}"
        return cls(text + ".", column=column, rows=rows, mend=mend)

    @classmethod
    def missing_columns(cls, missing: Sequence[str], available: Sequence[object], *, role: str = "") -> Self:
        """Name the columns that are not there and the closest ones that are."""
        from difflib import get_close_matches

        names = [str(name) for name in available]
        hints = [f"{name!r} -> {close[0]!r}" for name in missing if (close := get_close_matches(name, names, n=1))]
        did_you_mean = f" Did you mean {', '.join(hints)}?" if hints else ""
        noun = "Column" if len(missing) == 1 else "Columns"
        verb = "is" if len(missing) == 1 else "are"
        of_role = f" (needed as {role})" if role else ""
        return cls(
            f"{noun} {shorten(missing)} {verb} missing{of_role}.{did_you_mean}",
            column=missing[0],
            mend=f"Add the column or name another; the frame has {shorten(names, 12)}.",
        )


def _rebuild_invalid_input(
    kind: type[InvalidInput], problem: str, column: str | None, rows: Sequence[int], mend: str
) -> InvalidInput:
    return kind(problem, column=column, rows=rows, mend=mend)


class NoEligibleAction(InvalidInput):
    """An account has no eligible action and the action space has no ``NO_CONTACT``."""


class NotMature(InvalidInput):
    """Nothing is wrong, and nothing can be learnt yet: no reward is known by now."""


class IncompatibleLog(InvalidInput):
    """Two objects that must share an action space or columns do not."""


class ArtefactError(RecommenderError, ValueError):
    """A saved strategy that is incomplete, altered or of an unknown format."""
