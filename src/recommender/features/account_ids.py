"""Ids of accounts in an index of numbers or of text, so that 7, 7.0 and "7" find the account 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["id_like", "ids_like", "normal_ids", "normal_values", "position_of", "positions_of"]

_FEW = 8  # accounts that are looked up one by one faster than together


def id_like(index: pd.Index, account: Any) -> Any:
    """An id in the type of the index; None where it cannot be one."""
    if account is None:
        return None
    if index.dtype != np.int64:
        return account if isinstance(account, str) else str(account)
    try:
        number = float(account)
    except (ValueError, TypeError, OverflowError):
        return None
    return int(number) if number.is_integer() else None


def ids_like(index: pd.Index, accounts: Sequence[Any]) -> list[Any]:
    """The same of many; the type of the index is looked at once."""
    if index.dtype == np.int64:
        return [id_like(index, one) for one in accounts]
    return [one if one is None or isinstance(one, str) else str(one) for one in accounts]


def position_of(index: pd.Index, key: Any) -> int:
    """Place of an id of the index's type, -1 where it is not known."""
    return -1 if key is None or key not in index else int(index.get_loc(key))


def positions_of(index: pd.Index, keys: list[Any]) -> NDArray[np.int64]:
    """Place of each id of the index's type, -1 where it is not known."""
    if len(keys) <= _FEW:
        return np.array([position_of(index, key) for key in keys], dtype=np.int64)
    if index.dtype == np.int64:
        none = np.iinfo(np.int64).min
        return np.asarray(index.get_indexer([none if key is None else key for key in keys]))
    positions = index.get_indexer(pd.Index(["" if key is None else key for key in keys], dtype="str"))
    return np.where([key is None for key in keys], -1, positions).astype(np.int64)


def normal_ids(ids: NDArray[np.object_]) -> tuple[pd.Index, NDArray[np.int64]]:
    """Account ids as an integer or text index, and the position of each given id in it."""
    if all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in ids):
        index = pd.Index(ids.astype(np.int64))
    else:
        index = pd.Index([str(value) for value in ids], dtype="str")
    unique = index.unique()
    return unique, unique.get_indexer(index).astype(np.int64)


def normal_values(values: Sequence[Any] | NDArray[Any] | pd.Series, like: pd.Index) -> pd.Index:
    """Ids in the type of the index."""
    given = pd.Index(values)
    if like.dtype == np.int64:
        if given.dtype == np.int64:
            return given
        numbers = pd.to_numeric(pd.Series(given), errors="coerce")
        whole = numbers.where(numbers.mod(1) == 0)
        return pd.Index(whole.fillna(np.iinfo(np.int64).min).astype(np.int64))
    if pd.api.types.is_string_dtype(given.dtype):
        return given.astype("str")
    return pd.Index([str(value) for value in given], dtype="str")
