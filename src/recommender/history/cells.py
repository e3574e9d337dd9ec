"""Reading the cells of a raw table, a column at a time: clean values and where each kind of fault is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.calendar_days import payday_text
from recommender.intake import (
    canonical_word,
    currency_code,
    decimal_evidence,
    factorized,
    flag_of,
    id_texts,
    is_blank,
    is_placeholder,
    number_of,
    zone_name,
)
from recommender.local_time import is_timezone

__all__ = ["as_text", "read_channels", "read_flags", "read_ids", "read_levels", "read_numbers"]
__all__ += [
    "ambiguous_numbers",
    "read_currencies",
    "read_paydays",
    "read_zones",
    "true_cells",
    "without_placeholders",
]

Mask = NDArray[np.bool_]
_MAY_BE_PLACEHOLDER = r"^\s*(?:[^0-9A-Za-z\s]|[nNsS(]|00)"  # which few real cells begin like
_THOUSANDS = r"^\s*-?[1-9][0-9]{0,2}\.[0-9]{3}\s*$"


def without_placeholders(column: pd.Series) -> pd.Series:
    """The column with its placeholders (``N/A``, ``-``, ``s/d``) as the missing cells that they stand for."""
    if column.dtype != object and not isinstance(column.dtype, pd.StringDtype):
        return column
    if column.dtype != object:
        words = pa.array(column, type=pa.large_string(), from_pandas=True)
        if not pc.any(pc.match_substring_regex(words, _MAY_BE_PLACEHOLDER)).as_py():
            return column
    codes, distinct = pd.factorize(column) if column.dtype != object else pd.factorize(column.map(_text_or_none))
    empty = [code for code, value in enumerate(distinct) if str(value).strip() and is_placeholder(str(value))]
    return column.mask(np.isin(codes, empty)) if empty else column


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def read_ids(column: pd.Series) -> tuple[pd.Series, Mask]:
    """Ids as integers where every one is whole, else as text; and where one is missing or blank.

    What a program added to an id is no part of it: see :func:`recommender.intake.id_text`.
    """
    column = column.reset_index(drop=True)
    missing = true_cells(column.isna())
    if pd.api.types.is_integer_dtype(column.dtype) and not missing.any():
        return column.astype("int64"), missing
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.all(missing | (np.isfinite(numbers) & (np.round(numbers) == numbers) & (np.abs(numbers) < 2**53))):
            return pd.Series(np.where(missing, 0, numbers).astype(np.int64)).astype("Int64").mask(missing), missing
    text = id_texts(as_text(column))
    return text, missing | true_cells(text.isna())


def read_numbers(
    column: pd.Series, decimal: Literal["comma", "point"] | None = None
) -> tuple[NDArray[np.float64], Mask]:
    """Numbers as float64 (NaN where missing), and where a cell is no finite number."""
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype):
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isinf(numbers), np.nan, numbers), np.isinf(numbers)
    numbers = np.array(pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan))
    text = as_text(column.reset_index(drop=True))
    blank = true_cells(column.isna()) | true_cells((text.str.strip() == "").fillna(value=False))
    wrong = ~blank & ~np.isfinite(numbers)
    said = decimal or _decimal_of(text)
    other = wrong | (_thousands(text) if said == "comma" else False)
    if other.any():  # as people write them: 1.000,00 or $ 1.000
        codes, distinct = pd.factorize(text[other])
        read = [number_of(str(value), said) for value in distinct]
        numbers[other] = np.array([v if isinstance(v, float) else np.nan for v in read], dtype=np.float64)[codes]
        wrong = ~blank & ~np.isfinite(numbers)
    return np.where(wrong, np.nan, numbers), wrong


def ambiguous_numbers(column: pd.Series, decimal: Literal["comma", "point"] | None = None) -> Mask:
    """Where text may be a fraction or a thousand, and no other cell of the column tells: ``12.500``."""
    if not pd.api.types.is_string_dtype(column.dtype):
        return np.zeros(len(column), dtype=bool)
    text = column.reset_index(drop=True).astype("str")
    grouped = _thousands(text)
    return np.zeros(len(column), dtype=bool) if grouped.any() and (decimal or _decimal_of(text)) == "comma" else grouped


def _thousands(text: pd.Series) -> Mask:
    return true_cells(text.str.match(_THOUSANDS).fillna(value=False))


def _decimal_of(text: pd.Series) -> Literal["comma", "point"] | None:
    """The decimal sign that a column tells."""
    words = pa.array(text, type=pa.large_string(), from_pandas=True)
    marked = pc.fill_null(pc.match_substring_regex(words, "[0-9][.,][0-9]"), fill_value=False)
    return decimal_evidence(pc.unique(words.filter(marked)).to_pylist()).decided


def read_paydays(column: pd.Series) -> tuple[pd.Series, Mask]:
    """Days of the month as ``15;30``, missing where none are told, and where a cell names no such days."""
    codes, distinct = factorized(column.reset_index(drop=True))
    read = [payday_text(cell) for cell in distinct]
    wrong = [text is None and not is_blank(cell) for text, cell in zip(read, distinct, strict=True)]
    return pd.Series([*read, None], dtype="str").take(codes).reset_index(drop=True), np.array([*wrong, False])[codes]


def read_levels(column: pd.Series, levels: Sequence[Any], name: str = "") -> tuple[NDArray[np.int64], Mask, Mask]:
    """Level code of each cell (-1 where none), where it is missing, and where it is unknown.

    A number written as text ("9", as a CSV gives it) matches the level 9. Blanks around a level (columns of fixed
    width) and its capital letters do not matter, unless two levels differ in nothing else. A word of the vocabulary
    (``LLAMADA`` in a column ``name`` of channels) is the level that it means.
    """
    positions, uniques = pd.factorize(column.reset_index(drop=True))
    exact = {_written(level): code for code, level in enumerate(levels)}
    spelt = {level.strip().casefold(): code for level, code in exact.items()}
    clear = len(spelt) == len(exact)

    def code_of(value: Any) -> int:
        written = _written(value)
        code = exact.get(written, spelt.get(written.strip().casefold(), -1) if clear else -1)
        if code < 0 and name in ("channel", "tone", "status", "outcome", "debtor_type", "initiated_by"):
            return exact.get(str(canonical_word(name, written)), -1)
        return code

    code_of_unique = np.array([code_of(value) for value in uniques] + [-1], dtype=np.int64)
    blank = np.array([isinstance(value, str) and not value.strip() for value in uniques] + [True], dtype=bool)
    codes = code_of_unique[positions]
    missing = blank[positions]
    return codes, missing, (codes < 0) & ~missing


def read_flags(column: pd.Series) -> tuple[NDArray[np.float64], Mask]:
    """Flags as 1.0 / 0.0 / NaN, and where a cell is neither true nor false."""
    return _by_unique(column, _flag)


def read_zones(column: pd.Series) -> tuple[pd.Series, Mask]:
    """IANA zone names, and where a name is unknown."""
    return _text_by_unique(column, lambda name: zone_name(name) or name.strip(), is_timezone)


def read_currencies(column: pd.Series) -> tuple[pd.Series, Mask]:
    """ISO 4217 codes in capital letters, and where a cell is not three letters."""
    return _text_by_unique(
        column, lambda code: currency_code(code) or code.strip(), lambda code: currency_code(code) is not None
    )


def read_channels(column: pd.Series, channels: Sequence[Any]) -> tuple[Mapping[str, NDArray[np.float64]], Mask]:
    """Flag per channel from a list cell: a list, JSON, or text separated by ``|``, ``;`` or ``,``, also in braces."""
    column = column.reset_index(drop=True)
    keys = column.map(
        lambda cell: cell if isinstance(cell, str) else None if _is_null(cell) else json.dumps(list(cell))
    )
    positions, uniques = pd.factorize(keys)
    known = [_written(channel) for channel in channels]
    flags = np.full((len(uniques) + 1, len(known)), np.nan)
    unknown = np.zeros(len(uniques) + 1, dtype=bool)
    for code, text in enumerate(uniques):
        named = _listed(str(text))
        unknown[code] = named is None
        flags[code] = [float(channel in (named or ())) for channel in known]
    return {channel: flags[positions, at] for at, channel in enumerate(known)}, unknown[positions]


def _listed(text: str) -> tuple[str, ...] | None:
    """Names in a list cell, or None where it is not a list of names."""
    stripped = text.strip()
    if stripped.startswith("["):
        try:
            named = json.loads(stripped.replace("'", '"'))
        except ValueError:
            return None
        return tuple(_written(name) for name in named)
    if stripped.startswith("{") and stripped.endswith("}"):  # how a database writes an array
        stripped = stripped[1:-1]
    for separator in ("|", ";", ","):
        stripped = stripped.replace(separator, " ")
    named = tuple(name.strip("\"'") for name in stripped.split())
    return named if all(re.fullmatch(r"[\w.-]+", name) for name in named) else None


def _by_unique(column: pd.Series, read: Callable[[Any], float | None]) -> tuple[NDArray[np.float64], Mask]:
    positions, uniques = pd.factorize(column.reset_index(drop=True))
    values = [read(value) for value in uniques]
    numbers = np.array([np.nan if value is None else value for value in values] + [np.nan])
    wrong = np.array([value is None for value in values] + [False], dtype=bool)
    return numbers[positions], wrong[positions]


def _flag(value: Any) -> float | None:
    flag = flag_of(value)
    return float(flag) if flag is not None else None if _written(value).strip() else np.nan


def _text_by_unique(
    column: pd.Series, spell: Callable[[str], str], is_right: Callable[[str], bool]
) -> tuple[pd.Series, Mask]:
    """Text as it should be spelt, null where blank, and where it is not right."""
    text = as_text(column.reset_index(drop=True))
    positions, uniques = pd.factorize(text)
    spelt = [spell(str(value)) for value in uniques]
    wrong = np.array([bool(word) and not is_right(word) for word in spelt] + [False], dtype=bool)
    read = pd.Series([word or None for word in spelt] + [None], dtype="str").take(positions).reset_index(drop=True)
    return read, wrong[positions]


def _written(value: Any) -> str:
    """A scalar as a person would write it: 9.0 and numpy's 9 as ``"9"``, True as ``"true"``."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool):
        return str(plain).lower()
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _is_null(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell))


def as_text(column: pd.Series) -> pd.Series:
    """Cells as text, keeping nulls; instants in ISO 8601."""
    if isinstance(column.dtype, pd.StringDtype):
        return column.astype("str")
    if pd.api.types.infer_dtype(column, skipna=True) == "string":
        return column.astype("str").where(column.notna())
    return column.map(
        lambda cell: (
            None
            if _is_null(cell)
            else cell.isoformat()
            if hasattr(cell, "isoformat")
            else bytes(cell).decode("ascii", "backslashreplace")
            if isinstance(cell, bytes | bytearray)
            else _written(cell)
        )
    ).astype("str")


def true_cells(values: pd.Series) -> Mask:
    """Booleans with nulls as false, in an array of its own."""
    return np.array(values.fillna(value=False).to_numpy(dtype=bool), dtype=bool)
