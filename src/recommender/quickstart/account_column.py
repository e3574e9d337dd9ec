"""The column of an unknown file that tells accounts apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from recommender.quickstart import column_names as names

__all__ = ["account_of", "whole_numbers"]

_SLOTS = 24
_DIGITS_OF_AN_ID = 6


def account_of(frame: pd.DataFrame, free: Sequence[str]) -> str | None:
    """The column that tells accounts apart, by its name and its cells; None where none does."""
    for wanted in names.ACCOUNT:
        for name in free:
            if wanted in names.forms(name) and frame[name].notna().all() and len(frame[name].unique()) > 1:
                return name
    for name in free:  # Nro. Obligación, CustNo: not listed, but a unit with a number's mark
        column, read = frame[name], names.forms(name)
        marked = any(names.MARKED_ACCOUNT.fullmatch(form.replace("_", "")) for form in read) or (
            set(read) & set(names.COUNTED) and _counts_through(column)
        )
        if marked and column.notna().all() and column.nunique() > max(_SLOTS, 0.05 * len(column)):
            return name
    return None


def whole_numbers(column: pd.Series) -> pd.Series | None:
    """Cells as whole numbers, or None where one has a fraction or is empty."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or column.isna().any():
        return None
    values = column.astype("float64")
    return values if (values == values.round()).all() else None


def _counts_through(column: pd.Series) -> bool:
    """Whether cells are ids, no amounts: words, whole numbers nearly without a gap, or all of the same many digits."""
    if column.dtype == object:
        return True
    values = whole_numbers(column)
    if values is None:
        return False
    if column.nunique() >= 0.8 * (values.max() - values.min() + 1):
        return True
    return bool(
        values.min() >= 10 ** (_DIGITS_OF_AN_ID - 1) and len(f"{values.min():.0f}") == len(f"{values.max():.0f}")
    )
