"""Integer codes of raw context features: which side of every threshold, which category."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .model_text import Tree, goes_left

__all__ = ["CodedColumns", "FeatureCoding", "code_columns", "left_rows"]


class FeatureCoding(NamedTuple):
    """Arrays from which the kernel turns a raw value into a *row*: one row for each way a feature can decide.

    A numeric column owns one row for each interval between thresholds, one for NaN and one for zero (which a node may
    treat as missing); a categorical column one for each category that any node names, and one for all else.
    """

    numeric_source: NDArray[np.int64]  # column of X
    threshold_start: NDArray[np.int64]
    threshold_half: NDArray[np.int64]  # first step of the branch-free search; 0 where there is no threshold
    threshold: NDArray[np.float64]  # sorted, padded with +inf to a power of two
    numeric_first_row: NDArray[np.int64]
    numeric_zero_row: NDArray[np.int64]
    numeric_nan_row: NDArray[np.int64]
    category_source: NDArray[np.int64]
    category_start: NDArray[np.int64]
    category_length: NDArray[np.int64]
    category_row: NDArray[np.int32]  # row of each category id
    category_other_row: NDArray[np.int64]


class CodedColumns(NamedTuple):
    """The coding and where each (feature, kind) lies in it.

    Attributes
    ----------
    coding : FeatureCoding
    position : dict of (int, bool) to int
        (Booster column, is categorical) -> position among the coded columns.
    first_row, n_rows : ndarray of shape (n_coded,)
    values : tuple of ndarray
        Sorted thresholds or categories of each coded column.
    """

    coding: FeatureCoding
    position: dict[tuple[int, bool], int]
    first_row: NDArray[np.int64]
    n_rows: NDArray[np.int64]
    values: tuple[NDArray[np.float64], ...]


def code_columns(trees: Sequence[Tree], source: dict[int, int]) -> CodedColumns:
    """Build the coding of every context column that a tree looks at.

    Parameters
    ----------
    trees : sequence of Tree
    source : dict of int to int
        Booster column -> column of X, for the context columns only.

    Returns
    -------
    CodedColumns
    """
    thresholds: dict[int, list[float]] = {}
    categories: dict[int, list[NDArray[np.int64]]] = {}
    for tree in trees:
        for node, feature in enumerate(tree.feature.tolist()):
            if feature not in source:
                continue
            if tree.categorical[node]:
                categories.setdefault(feature, []).append(tree.categories[node])
            else:
                thresholds.setdefault(feature, []).append(float(tree.threshold[node]))
    position: dict[tuple[int, bool], int] = {}
    values: list[NDArray[np.float64]] = []
    first_row: list[int] = []
    n_rows: list[int] = []
    numeric: list[tuple[int, ...]] = []
    padded: list[NDArray[np.float64]] = []
    row = start = 0
    for feature in sorted(thresholds):
        cuts = np.unique(np.array(thresholds[feature]))
        size = 1 << len(cuts).bit_length()
        position[feature, False] = len(position)
        # intervals, then NaN, then zero
        numeric.append((source[feature], start, size // 2, row, row + len(cuts) + 2, row + len(cuts) + 1))
        padded.append(np.concatenate([cuts, np.full(size - len(cuts), np.inf)]))
        values.append(cuts)
        first_row.append(row)
        n_rows.append(len(cuts) + 3)
        row += len(cuts) + 3
        start += size
    categorical: list[tuple[int, ...]] = []
    lookup: list[NDArray[np.int32]] = []
    start = 0
    for feature in sorted(categories):
        named = np.unique(np.concatenate(categories[feature]))
        length = int(named[-1]) + 1 if len(named) else 0
        rows = np.full(length, row + len(named), dtype=np.int32)
        rows[named] = row + np.arange(len(named))
        position[feature, True] = len(position)
        categorical.append((source[feature], start, length, row + len(named)))
        lookup.append(rows)
        values.append(named.astype(np.float64))
        first_row.append(row)
        n_rows.append(len(named) + 1)
        row += len(named) + 1
        start += length
    n, c = np.array(numeric, dtype=np.int64).reshape(-1, 6), np.array(categorical, dtype=np.int64).reshape(-1, 4)
    coding = FeatureCoding(
        numeric_source=_column(n, 0),
        threshold_start=_column(n, 1),
        threshold_half=_column(n, 2),
        threshold=np.concatenate([np.zeros(0), *padded]),
        numeric_first_row=_column(n, 3),
        numeric_zero_row=_column(n, 4),
        numeric_nan_row=_column(n, 5),
        category_source=_column(c, 0),
        category_start=_column(c, 1),
        category_length=_column(c, 2),
        category_row=np.concatenate([np.zeros(0, dtype=np.int32), *lookup]),
        category_other_row=_column(c, 3),
    )
    return CodedColumns(
        coding, position, np.array(first_row, dtype=np.int64), np.array(n_rows, dtype=np.int64), tuple(values)
    )


def _column(table: NDArray[np.int64], position: int) -> NDArray[np.int64]:
    return np.ascontiguousarray(table[:, position])


def left_rows(tree: Tree, node: int, cuts: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of the node's column go to its left child.

    Parameters
    ----------
    tree : Tree
    node : int
    cuts : ndarray
        Thresholds or categories of the coded column.

    Returns
    -------
    ndarray of shape (n_rows of the column,), dtype bool
    """
    if tree.categorical[node]:
        return np.append(np.isin(cuts.astype(np.int64), tree.categories[node]), False)
    below = np.arange(len(cuts) + 1) <= np.searchsorted(cuts, tree.threshold[node])
    return np.concatenate([below, goes_left(tree, node, np.array([np.nan, 0.0]))])
