"""Any sortable column as numbers on one line, so that "before" means the same for instants, numbers and text."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import utc_moment
from recommender.errors import InvalidInput

__all__ = ["TimeKind", "days_of", "order_of", "place_of", "time_kind"]

TimeKind = Literal["instant", "number", "rank"]
_SECONDS_A_DAY = 86_400.0


def time_kind(time: NDArray[Any] | pd.Series) -> TimeKind:
    """What a time column counts: days for instants, its own numbers, else ranks."""
    series = pd.Series(time)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        return "instant"
    return "number" if pd.api.types.is_numeric_dtype(series.dtype) else "rank"


def order_of(column: pd.Series, name: str, *, like: pd.Series | None = None) -> NDArray[np.float64]:
    """Put a sortable column on a number line: days for instants, the number for numbers, else the dense rank.

    With ``like``, the values are placed on the line of that column and may be missing (= never known).
    """
    missing = np.flatnonzero(column.isna())
    if missing.size and like is None:
        raise InvalidInput.in_column(
            name,
            "has missing values",
            values=[None],
            rows=missing.tolist(),
            mend="Fill or drop these rows before building the log.",
        )
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return days_of(column)
    if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
        return np.where(column.isna(), np.inf, column.to_numpy(dtype=np.float64, na_value=np.nan))
    try:
        joint = column if like is None else pd.concat([column, like])
        codes, _ = pd.factorize(joint, sort=True)
    except TypeError as error:
        raise InvalidInput.in_column(
            name,
            f"cannot be sorted ({error})",
            values=column.head(3),
            mend="Give it one type: instants, numbers or text that sorts in time order.",
        ) from error
    ranks = codes[: len(column)].astype(np.float64)
    return np.where(ranks < 0, np.inf, ranks)


def place_of(as_of: Any | None, kind: TimeKind) -> float | None:
    """Place of a moment on such a line; None stays None (= now), as do all moments among ranks."""
    if as_of is None or kind == "rank":
        return None
    if kind == "number":
        return float(as_of)
    if type(as_of) is datetime and as_of.tzinfo is not None:
        return as_of.timestamp() / _SECONDS_A_DAY
    return float(utc_moment(as_of, "as_of").timestamp()) / _SECONDS_A_DAY


def days_of(column: pd.Series) -> NDArray[np.float64]:
    """Instants as days since 1970 (UTC); missing ones as infinity."""
    utc = pd.to_datetime(column, utc=True)
    micros = utc.dt.as_unit("us").astype("int64").to_numpy()
    return np.where(utc.isna(), np.inf, micros / (_SECONDS_A_DAY * 1e6))
