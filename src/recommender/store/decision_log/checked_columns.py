"""Mappings of plain scalars checked by column: a thousand accounts bring the same names, and few distinct words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, overload

import numpy as np
from pydantic_core import from_json

from recommender.store.decision_log.json_columns import written_rows
from recommender.store.decision_log.privacy import (
    column_is_free_of_people,
    is_plain_name,
    refuse_contact_data,
    refuse_free_text,
)
from recommender.store.decision_log.record_fields import LARGEST_INTEGER, plain_scalar, plain_values

__all__ = ["CheckedMapping", "SortedMapping", "WrittenMapping", "WrittenRanking", "checked_mappings"]

_PLAIN = frozenset({str, int, float, bool, type(None)})
_NUMBERS = frozenset({int, float, type(None)})
_FEW = 4  # rows that are looked at one by one faster


class CheckedMapping(dict[str, Any]):
    """Plain scalars, free of contact data: found so by column, taken without another look, never changed."""

    __slots__ = ()


class SortedMapping(CheckedMapping):
    """In the order of its names."""

    __slots__ = ()


class WrittenMapping(Mapping[str, Any]):
    """A checked mapping as the JSON text that the log keeps, names in order; read back where somebody looks into it."""

    __slots__ = ("_read", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._read: dict[str, Any] | None = None

    @property
    def _entries(self) -> dict[str, Any]:
        if self._read is None:
            self._read = from_json(self.text)
        return self._read

    def __getitem__(self, name: str) -> Any:
        """Value of a name."""
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in order."""
        return iter(self._entries)

    def __len__(self) -> int:
        """How many names there are."""
        return len(self._entries)


class WrittenRanking(Sequence[Mapping[str, Any]]):
    """Ranked actions as the JSON text that the log keeps, made by column of our own numbers and words.

    Names are in order, in value ladders as well, and numbers are written as :func:`~.json_columns.json_of` does.
    It is read back only where somebody looks into it.

    Parameters
    ----------
    text : str
    actions : sequence of int
        Action index of each entry, as the text has it.
    """

    __slots__ = ("_entries", "actions", "text")

    def __init__(self, text: str, actions: Sequence[int]) -> None:
        self.text = text
        self.actions = actions
        self._entries: tuple[dict[str, Any], ...] | None = None

    @overload
    def __getitem__(self, place: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Mapping[str, Any]]: ...

    def __getitem__(self, place: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        """Entries, best first."""
        if self._entries is None:
            self._entries = tuple(from_json(self.text))
        return self._entries[place]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.actions)


def checked_mappings(
    columns: Mapping[str, Sequence[Any]], argument: str, *, levels: bool = False, free: Collection[str] = ()
) -> Sequence[CheckedMapping | WrittenMapping]:
    """Rows of some columns, as :func:`~.record_fields.plain_mapping` would make and pass each of them.

    Parameters
    ----------
    columns : mapping of str to sequence
        Of equal length.
    argument : str
        What the caller calls them, for errors.
    levels : bool, default=False
        Texts are levels of features: free text is refused as well.
    free : collection of str
        Columns whose texts were found free of people, and of free text, under this name already.

    Raises
    ------
    InvalidInput
        As for one mapping; the name of the column is told, the value is not.
    """
    names = list(columns)
    kind: type[CheckedMapping] = SortedMapping if names == sorted(names) else CheckedMapping
    if names and len(columns[names[0]]) < _FEW:
        rows = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return [kind(_alone(row, argument, levels=levels, free=free)) for row in rows]
    checked = [_checked(name, columns[name], argument, levels=levels, is_free=name in free) for name in names]
    if kind is SortedMapping and names:
        return list(map(WrittenMapping, written_rows(dict(zip(names, checked, strict=True)))))
    return [kind(zip(names, row, strict=True)) for row in zip(*checked, strict=True)]


def _alone(row: Mapping[str, Any], argument: str, *, levels: bool, free: Collection[str]) -> dict[str, Any]:
    """One mapping, which is faster looked at by itself."""
    plain = plain_values(row, argument)
    unseen = {name: value for name, value in plain.items() if name not in free} if free else plain
    refuse_contact_data(unseen, argument=argument)
    if levels:
        refuse_free_text(unseen, argument=argument)
    return plain


def _checked(name: str, values: Sequence[Any], argument: str, *, levels: bool, is_free: bool) -> Sequence[Any]:
    kinds = set(map(type, values))
    if not kinds <= _PLAIN or not _fits(kinds, values):
        values = [plain_scalar(value, name, argument) for value in values]
        kinds = set(map(type, values))
    if is_free or (str not in kinds and is_plain_name(name)):
        return values
    if not column_is_free_of_people(name, values, levels=levels):
        for value in values:  # the first that is not names itself
            refuse_contact_data({name: value}, argument=argument)
            if levels:
                refuse_free_text({name: value}, argument=argument)
    return values


def _fits(kinds: set[type], values: Iterable[Any]) -> bool:
    """Whether all numbers are finite and of 64 bits."""
    if kinds == {float}:
        return all(map(isfinite, values))
    if kinds <= _NUMBERS:
        told = [value for value in values if value is not None]
        try:  # where one is not finite or large, each is looked at
            largest = float(np.abs(np.array(told, dtype=np.float64)).max(initial=0.0))
        except OverflowError:
            return False
        if largest < LARGEST_INTEGER:
            return True
    if float in kinds or int in kinds:
        return all(
            isfinite(value) if type(value) is float else abs(value) <= LARGEST_INTEGER
            for value in values
            if type(value) is float or type(value) is int
        )
    return True
