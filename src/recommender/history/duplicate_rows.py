"""Rows of a raw table that repeat each other, or share a key and differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import cells
from recommender.history.quarantine import Faults
from recommender.tables import Contract

__all__ = ["check_key"]


def check_key(read: pd.DataFrame, contract: Contract, faults: Faults) -> None:
    """Exact repeats keep one row; rows that share a key and differ all go, since nobody can tell which is right."""
    good = np.flatnonzero(~faults.bad)
    if not contract.whole_row_key:
        _check_shared(read, [name for name in contract.key if name in read.columns], good, faults)
        return
    id_column = f"{contract.table.removesuffix('s')}_id"
    if id_column in read.columns:  # rows without their own id are told apart by what they say
        missing = cells.read_ids(read[id_column])[1][good]
        _check_shared(read, [id_column], good[~missing], faults)
        good = good[missing]
    _check_shared(read, [name for name in contract.names if name in read.columns], good, faults)


def _check_shared(read: pd.DataFrame, key: list[str], good: NDArray[np.int64], faults: Faults) -> None:
    content = [name for name in read.columns if name != "_position"]
    shared = _sharing(read, key, good)
    if not shared.size:
        return
    rows = read.iloc[shared].copy()
    for name in content:
        if rows[name].dtype == object:
            rows[name] = rows[name].astype(str)
    repeat = rows.duplicated(subset=content).to_numpy()
    mask = np.zeros(len(read), dtype=bool)
    mask[shared[repeat]] = True
    faults.add(mask, "+".join(key), "duplicate_row", "repeats an earlier row",
               "Export each row once.", faults.keys)  # fmt: skip
    left = shared[~repeat]
    differing = _sharing(read, key, left)
    mask = np.zeros(len(read), dtype=bool)
    mask[differing] = True
    faults.add(mask, "+".join(key), "duplicate_id",
               "shares its key with a row that differs, and nobody can tell which is right",
               "Give each row its own id, or keep only the right one.", faults.keys)  # fmt: skip


def _sharing(frame: pd.DataFrame, key: Sequence[str], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows among the given ones whose key another of them has; nulls are equal.

    Keys are mixed to 64 bits first, which takes two numbers a row; only rows that agree in these are compared.
    """
    mixed = np.zeros(len(frame), dtype=np.uint64)
    for name in key:
        mixed = (mixed ^ _whole(frame[name])) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    mixed = mixed[among]
    ordered = np.sort(mixed)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not twice.size:
        return np.zeros(0, dtype=np.int64)
    maybe = among[np.isin(mixed, twice)]
    same = frame[list(key)].iloc[maybe].duplicated(keep=False).to_numpy(dtype=bool)
    return np.asarray(maybe[same], dtype=np.int64)


def _whole(column: pd.Series) -> NDArray[np.uint64]:
    """A whole number for each cell, equal where cells are."""
    values: NDArray[np.int64]
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        values = np.asarray(column.dt.as_unit("us").astype("int64").to_numpy())
    elif isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu":
        values = np.asarray(column.to_numpy(), dtype=np.int64)
    else:
        values = np.asarray(pd.factorize(column)[0], dtype=np.int64)
    return values.view(np.uint64)
