"""What a log is told by: a hash of each decision's context, and one of everything."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.history.eligible_sets import EligibleSets

__all__ = ["content_digest", "context_keys"]


def context_keys(context: pd.DataFrame, categorical: Collection[str]) -> NDArray[np.uint64]:
    """64-bit hash of each row, one column at a time so that nothing is copied whole.

    Parameters
    ----------
    context : DataFrame of shape (n_decisions, n_features)
    categorical : collection of str
        Columns that hold categories; the others are numbers.
    """
    keys = np.zeros(len(context), dtype=np.uint64)
    for name in context.columns:
        column = context[name]
        is_category = name in categorical
        values = column.astype("str").to_numpy(dtype=object) if is_category else column.to_numpy(dtype=np.float64)
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + pd.util.hash_array(values)
    return keys


def content_digest(
    actions: ActionSpace,
    context: pd.DataFrame,
    keys: NDArray[np.uint64],
    arrays: Iterable[NDArray[Any] | None],
    eligible_sets: EligibleSets | None,
) -> str:
    """SHA-256 of a log; equal logs have equal digests on any machine.

    Parameters
    ----------
    actions : ActionSpace
    context : DataFrame
    keys : ndarray of uint64 of shape (n_decisions,)
        As :func:`context_keys` gives them.
    arrays : iterable of ndarray or None
        Everything else that a decision is known by.
    eligible_sets : EligibleSets or None
    """
    digest = hashlib.sha256(repr((actions.to_dict(), list(context.columns))).encode())
    digest.update(keys.tobytes())
    for values in arrays:
        digest.update(b"-" if values is None else np.ascontiguousarray(values).tobytes())
    if eligible_sets is None:
        digest.update(b"-")
    else:
        for block in eligible_sets.blocks():
            digest.update(block.tobytes())
    return digest.hexdigest()
