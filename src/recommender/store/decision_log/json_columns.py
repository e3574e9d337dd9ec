"""Columns of values as JSON: a thousand rows are written column by column, each distinct word once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from pydantic_core import to_json

__all__ = ["json_of", "json_of_ids", "objects_of", "side_by_side", "written_numbers", "written_rows", "written_words"]

_NUMBERS = frozenset({int, float, bool, type(None)})
_WORDS = frozenset({str, bool, type(None)})


def json_of(value: Any) -> str:
    """JSON text of one value; of mappings that are in order already many times faster than canonical JSON.

    Numbers are written in another way (1e22, not 1e+22), the same for the same number.
    """
    return to_json(value).decode()


def written_words(values: Sequence[str | bool | None]) -> list[str]:
    """Words as JSON; few differ."""
    if len(values) == 1:
        return ["null" if values[0] is None else json_of(values[0])]
    written = {value: json_of(value) for value in set(values)}
    return [written[value] for value in values]


def json_of_ids(ids: Sequence[str]) -> list[str]:
    """Texts that all differ as JSON: almost always it is they in quotes."""
    joined = "".join(ids)
    if joined.isprintable() and '"' not in joined and "\\" not in joined:
        return [f'"{one}"' for one in ids]
    return list(map(json_of, ids))


def written_numbers(columns: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Columns of one length of numbers, truth values and nulls as JSON, written in one go; NaN is null.

    Raises
    ------
    ValueError
        For an infinite number.
    """
    if not columns:
        return []
    n = len(columns[0])
    text = json_of(list(chain.from_iterable(columns)))  # no letters but those of true, false, null, NaN and Infinity
    if "I" in text:
        raise ValueError("JSON has no infinite number")
    written = text.replace("NaN", "null")[1:-1].split(",")
    return [written[start : start + n] for start in range(0, n * len(columns), n)]


def objects_of(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """JSON objects of columns of JSON, their names in the order given."""
    parts: list[str | Sequence[str]] = []
    for opening, values in zip(_openings(tuple(columns)), columns.values(), strict=True):
        parts += [opening, values]
    return side_by_side([*parts, "}"])


@lru_cache(maxsize=1_024)
def _openings(names: tuple[str, ...]) -> list[str]:
    """What stands before each value of an object."""
    return [f"{',' if place else '{'}{json_of(name)}:" for place, name in enumerate(names)]


def side_by_side(parts: Sequence[str | Sequence[str]]) -> list[str]:
    """Texts of some columns joined row by row; a part that is one text stands in every row.

    Several times faster than a form of text, which is read anew for each row.
    """
    columns = [part for part in parts if not isinstance(part, str)]
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"columns of {sorted({len(column) for column in columns})} rows cannot stand side by side")
    return list(map("".join, zip(*(repeat(part) if isinstance(part, str) else part for part in parts), strict=False)))


def written_rows(columns: Mapping[str, Sequence[Any]]) -> list[str]:
    """JSON objects of columns of plain scalars, at least one row; as :func:`json_of` writes each row."""
    kinds = {name: set(map(type, values)) for name, values in columns.items()}
    counted = [name for name, kind in kinds.items() if kind <= _NUMBERS]
    texts = dict(zip(counted, written_numbers([columns[name] for name in counted]), strict=True))
    for name, values in columns.items():
        if name not in texts:
            # Two kinds may hold equal values: True is 1.
            texts[name] = written_words(values) if kinds[name] <= _WORDS else list(map(json_of, values))
    return objects_of({name: texts[name] for name in columns})
