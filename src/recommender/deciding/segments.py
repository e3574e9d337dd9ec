"""Segments of accounts by declared rules: names that a person reads, for rows, answers and slices of an evaluation."""

from __future__ import annotations

import hashlib
import tomllib
from functools import lru_cache
from importlib import resources
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recommender.columns import Columns, is_null
from recommender.errors import InvalidInput

__all__ = ["OTHER", "Segment", "Segments", "default_segments"]

OTHER = "other"
"""Segment of an account that no rule names."""


class Condition(BaseModel):
    """One condition on a column; it does not hold where the column is not there or has no value."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str = Field(min_length=1)
    at_least: float | None = None
    below: float | None = None
    #: One of these values.
    among: tuple[str, ...] = Field(default=(), alias="in")
    #: The cell is a list with one of these in it.
    has: tuple[str, ...] = ()
    known: bool | None = None

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        ranged = self.at_least is not None or self.below is not None
        if sum((ranged, bool(self.among), bool(self.has), self.known is not None)) != 1:
            raise ValueError(f"condition on {self.column!r} needs at_least or below, or in, or has, or known")
        return self

    def holds(self, accounts: Columns) -> NDArray[np.bool_]:
        """Where it holds, shape (n,)."""
        if self.column not in accounts:
            return np.full(len(accounts), self.known is False)
        if self.at_least is not None or self.below is not None:
            numbers = accounts.numbers(self.column)
            low = -np.inf if self.at_least is None else self.at_least
            high = np.inf if self.below is None else self.below
            return np.asarray((numbers >= low) & (numbers < high))
        if self.known is not None:
            cells = accounts.values(self.column)
            return np.array([(not _is_missing(cell)) == self.known for cell in cells], dtype=bool)
        column = accounts.coded(self.column)  # a null of any kind is None, a list the text that tables hold
        return column.take([self._says(value) for value in column.values], bool)

    def holds_of_one(self, accounts: Columns) -> bool:
        """The same of a table of one row, without arrays."""
        if self.column not in accounts:
            return self.known is False
        if self.at_least is not None or self.below is not None:
            number = float(accounts.numbers(self.column)[0])
            is_high = self.at_least is None or number >= self.at_least
            return is_high and number == number and (self.below is None or number < self.below)
        if self.known is not None:
            return (not _is_missing(accounts.values(self.column)[0])) == self.known
        return bool(accounts.value(self.column, self._says))

    def _says(self, value: Any) -> bool:
        """Whether a value is, or is a list with, one of the words."""
        if _is_missing(value):
            return False
        text = str(value)
        return any(item in self.has for item in _items(text)) if self.has else text in self.among


class Segment(BaseModel):
    """A named group of accounts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    family: Literal["history", "situation", "capacity", "cause"]
    title: str = Field(min_length=1)
    when: tuple[Condition, ...] = Field(min_length=1)


class Segments:
    """Rules of segments in their order: the first whose conditions all hold names the account.

    Parameters
    ----------
    segments : sequence of Segment

    Examples
    --------
    >>> accounts = Columns.of([{"days_past_due": 45}, {"days_past_due": -2}, {"days_past_due": None}])
    >>> default_segments().of(accounts)
    ['late', 'not-due', 'other']
    """

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments
        ids = [one.id for one in segments]
        if len({*ids, OTHER}) != len(ids) + 1:
            raise InvalidInput(
                f"Segments need ids of their own, and none is {OTHER!r}; got {ids}.", column="id", mend="Rename one."
            )

    @classmethod
    def from_toml(cls, text: str, name: str = "segments.toml") -> Self:
        """Read rules; see docs/segments.md.

        Raises
        ------
        InvalidInput
            Names the file, the segment and the key.
        """
        try:
            raw = tomllib.loads(text)
            if raw.keys() != {"schema", "segments"} or raw["schema"] != 1:
                raise InvalidInput(
                    f"{name} needs exactly schema = 1 and [[segments]]; it has {sorted(raw)}.", column="schema",
                    mend="docs/segments.md has the format.",
                )  # fmt: skip
            return cls(tuple(Segment.model_validate(one) for one in raw["segments"]))
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(
                f"{name} is no TOML: {error}.", column="segments", mend="Mend the line named."
            ) from error
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'segment'}: {one['msg']}" for one in error.errors())
            raise InvalidInput(
                f"{name}: {faults}.", column="segments", mend="docs/segments.md has the format."
            ) from error

    def of(self, accounts: Columns) -> list[str]:
        """Segment of each account."""
        if len(accounts) == 1:
            holding = (one.id for one in self.segments if all(part.holds_of_one(accounts) for part in one.when))
            return [next(holding, OTHER)]
        place = np.full(len(accounts), len(self.segments))
        unnamed = np.ones(len(accounts), dtype=bool)
        for number, segment in enumerate(self.segments):
            here = unnamed
            for one in segment.when:
                here = here & one.holds(accounts)
                if not here.any():
                    break
            else:
                place[here] = number
                unnamed = unnamed & ~here
                if not unnamed.any():
                    break
        names = [*(one.id for one in self.segments), OTHER]
        return [names[one] for one in place.tolist()]

    @property
    def digest(self) -> str:
        """First 16 digits of the SHA-256 of the rules."""
        content = "\n".join(one.model_dump_json() for one in self.segments)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def default_segments() -> Segments:
    """The rules that ship with the package."""
    file = resources.files("recommender.deciding") / "segments.toml"
    return Segments.from_toml(file.read_text(encoding="utf-8"))


def _items(text: str) -> list[str]:
    return [one.strip() for one in text.split(";")]


def _is_missing(cell: Any) -> bool:
    return is_null(cell.item() if isinstance(cell, np.generic) else cell) or (isinstance(cell, str) and cell == "")
