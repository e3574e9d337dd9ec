"""Times of a log can be put in order, and in the right one."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["check_times"]

_DAY_OR_MONTH_FIRST = re.compile(r"\s*\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4}\b")
_NAMED_MONTH = re.compile(
    r"(?<![^\W\d_])(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|"
    r"nov(ember)?|dec(ember)?|ene(ro)?|feb(rero)?|mar(zo)?|abr(il)?|mayo|jun(io)?|jul(io)?|ago(sto)?|set(iembre)?|"
    r"sept(iembre)?|oct(ubre)?|nov(iembre)?|dic(iembre)?)(?![^\W\d_])",
    re.IGNORECASE,
)


def check_times(column: pd.Series, name: str) -> None:
    """Raise where times cannot be put in order, or would be put in a wrong one: 01/02/2026 sorts before 31/12/2025."""
    if not (pd.api.types.is_object_dtype(column.dtype) or pd.api.types.is_string_dtype(column.dtype)):
        if pd.api.types.is_float_dtype(column.dtype):
            rows = np.flatnonzero(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)))
            if rows.size:
                raise InvalidInput.in_column(
                    name,
                    "must be finite",
                    values=column.iloc[rows].tolist(),
                    rows=rows.tolist(),
                    mend="Correct or drop these rows.",
                )
        return
    filled = column.dropna()
    is_text = np.array([isinstance(value, str) for value in filled], dtype=bool)
    if is_text.any() and not is_text.all():
        rows = np.flatnonzero(column.notna())[~is_text]
        raise InvalidInput.in_column(
            name,
            "mixes text with other values, which have no order",
            values=column.iloc[rows].tolist(),
            rows=rows.tolist(),
            mend=f"Convert it first: pd.to_datetime(frame[{name!r}], utc=True).",
        )
    if not is_text.any():
        return
    backwards = np.array([bool(_DAY_OR_MONTH_FIRST.match(value)) for value in filled], dtype=bool)
    if backwards.any():
        rows = np.flatnonzero(column.notna())[backwards]
        raise InvalidInput.in_column(
            name,
            "is text with the day or the month first, which would be sorted by that",
            values=column.iloc[rows].tolist(),
            rows=rows.tolist(),
            mend=f"Convert it first: pd.to_datetime(frame[{name!r}], dayfirst=True, utc=True), or dayfirst=False.",
        )
    values = np.sort(pd.unique(filled.to_numpy(dtype=object)))
    at = _first_out_of_order(values)
    if at is not None:
        rows = np.flatnonzero((column == values[at]) | (column == values[at + 1]))
        raise InvalidInput.in_column(
            name,
            "is text that sorts in another order than time",
            values=values[at : at + 2].tolist(),
            rows=rows.tolist(),
            mend=f"Convert it first: pd.to_datetime(frame[{name!r}], utc=True) for instants (with dayfirst= or format= "
            "where needed), pd.to_numeric for numbers.",
        )


def _first_out_of_order(values: NDArray[Any]) -> int | None:
    """Position in sorted text after which time goes backwards: digits without leading zeros, offsets, named months."""
    instants = pd.to_datetime(pd.Series(values), format="ISO8601", errors="coerce", utc=True)
    if instants.notna().all():
        backwards = np.flatnonzero(np.diff(instants.dt.tz_convert(None).to_numpy()) < np.timedelta64(0, "us"))
        return int(backwards[0]) if backwards.size else None
    keys = [[int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", value)] for value in values]
    for at in range(len(values) - 1):
        named = _NAMED_MONTH.search(values[at]) and _NAMED_MONTH.search(values[at + 1])
        if keys[at] > keys[at + 1] or named:
            return at
    return None
