"""Leaves of boosted trees with the splits on their paths, as flat arrays: what their Shapley values are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .boxes import ActionGrid
from .errors import KernelError
from .model_text import Tree, goes_left

__all__ = ["ContextSplits", "LeafPaths", "PathBuilder"]

Floats = NDArray[np.float64]

_LEAST_SHARE = 1e-12  # of rows that pass: a split that no training row passed must not divide by zero


class ContextSplits(NamedTuple):
    """Context splits of all trees."""

    column: NDArray[np.int64]
    threshold: Floats
    missing: NDArray[np.int64]
    default_left: NDArray[np.bool_]
    table_start: NDArray[np.int64]  # first cell of the category table; -1 where numeric
    table_size: NDArray[np.int64]
    table: NDArray[np.bool_]


class LeafPaths(NamedTuple):
    """Leaves with the features on their paths; ``*_start`` have one entry more than what they cut up."""

    value: Floats
    order: NDArray[np.int64]  # Gauss-Legendre nodes that make its integral exact
    entry_start: NDArray[np.int64]
    entry_column: NDArray[np.int64]
    entry_passing: Floats
    path_start: NDArray[np.int64]
    path_node: NDArray[np.int64]
    path_left: NDArray[np.bool_]
    factor_start: NDArray[np.int64]
    factor: NDArray[np.int64]
    factor_passing: Floats
    factor_levels: NDArray[np.bool_]  # which levels pass; the last column is the idle action


class PathBuilder:
    """Walks trees and collects what the loops need."""

    def __init__(self, grid: ActionGrid, n_columns: int) -> None:
        self.grid = grid
        self.n_columns = n_columns
        self.expected_value = 0.0
        self._node: list[tuple[int, float, int, bool, int, int]] = []
        self._table: list[NDArray[np.bool_]] = []
        self._table_size = 0
        self._value: list[float] = []
        self._order: list[int] = []
        self._entries: list[tuple[int, float]] = []
        self._entry_start = [0]
        self._path: list[tuple[int, bool]] = []
        self._path_start = [0]
        self._factors: list[tuple[int, float, NDArray[np.bool_]]] = []
        self._factor_start = [0]
        self._n_levels = max(grid.shape)

    def add(self, tree: Tree, weight: float) -> None:
        """Take up one tree."""
        if not len(tree.feature):
            self.expected_value += weight * float(tree.leaf_value[0])
            return
        if len(tree.leaf_count) != len(tree.leaf_value) or len(tree.node_count) != len(tree.feature):
            raise KernelError(
                "The model text has no row counts, which path-dependent Shapley values rest on.",
                column="booster",
                mend="Pass the text of Booster.model_to_string() as LightGBM writes it.",
            )
        number = [self._add_node(tree, node) for node in range(len(tree.feature))]
        sides = {node: self._levels_left(tree, node) for node in range(len(tree.feature)) if number[node] < 0}
        total = float(tree.node_count[0])
        # node, context splits passed, share of rows by context column, (share, levels) by factor
        stack: list[tuple[int, tuple[tuple[int, int, bool], ...], dict[int, float], dict[int, Any]]] = [(0, (), {}, {})]
        while stack:
            node, path, passing, factors = stack.pop()
            if node < 0:
                value = weight * float(tree.leaf_value[~node])
                self.expected_value += value * float(tree.leaf_count[~node]) / total
                self._add_leaf(value, path, passing, factors)
                continue
            here = float(tree.node_count[node])
            column = int(tree.feature[node])
            for child, is_left in ((int(tree.right[node]), False), (int(tree.left[node]), True)):
                rows = float(tree.leaf_count[~child] if child < 0 else tree.node_count[child])
                share = max(rows / here if here else 0.0, _LEAST_SHARE)
                if column < self.n_columns:
                    added = {**passing, column: passing.get(column, 1.0) * share}
                    stack.append((child, (*path, (column, number[node], is_left)), added, factors))
                else:
                    factor = column - self.n_columns
                    levels = sides[node] if is_left else ~sides[node]
                    before, still = factors.get(factor, (1.0, True))
                    stack.append((child, path, passing, {**factors, factor: (before * share, still & levels)}))

    def _add_node(self, tree: Tree, node: int) -> int:
        column = int(tree.feature[node])
        if column >= self.n_columns:
            return -1
        start, size = -1, 0
        if tree.categorical[node]:
            start, size = self._table_size, int(tree.categories[node].max(initial=-1)) + 1
            table = np.zeros(size, dtype=bool)
            table[tree.categories[node]] = True
            self._table.append(table)
            self._table_size += size
        self._node.append(
            (
                column,
                float(tree.threshold[node]),
                int(tree.missing[node]),
                bool(tree.default_left[node]),
                start,
                size,
            )
        )
        return len(self._node) - 1

    def _levels_left(self, tree: Tree, node: int) -> NDArray[np.bool_]:
        factor = int(tree.feature[node]) - self.n_columns
        none = np.nan if self.grid.idle is None else self.grid.idle[factor]
        left = goes_left(tree, node, np.append(self.grid.values[factor], none))
        answer = np.zeros(self._n_levels + 1, dtype=bool)
        answer[: len(left) - 1], answer[-1] = left[:-1], left[-1]
        return answer

    def _add_leaf(
        self,
        value: float,
        path: tuple[tuple[int, int, bool], ...],
        passing: dict[int, float],
        factors: dict[int, tuple[float, NDArray[np.bool_]]],
    ) -> None:
        self._value.append(value)
        self._order.append(max(1, (len(passing) + len(factors) + 1) // 2))
        for column, share in passing.items():
            self._entries.append((column, share))
            self._path += [(node, is_left) for at, node, is_left in path if at == column]
            self._path_start.append(len(self._path))
        self._entry_start.append(len(self._entries))
        self._factors += [(factor, share, levels) for factor, (share, levels) in factors.items()]
        self._factor_start.append(len(self._factors))

    def nodes(self) -> ContextSplits:
        """All context splits as arrays."""
        parts = list(zip(*self._node, strict=True)) if self._node else [()] * 6
        return ContextSplits(
            np.array(parts[0], dtype=np.int64),
            np.array(parts[1], dtype=np.float64),
            np.array(parts[2], dtype=np.int64),
            np.array(parts[3], dtype=np.bool_),
            np.array(parts[4], dtype=np.int64),
            np.array(parts[5], dtype=np.int64),
            np.concatenate([*self._table, np.zeros(1, dtype=bool)]),
        )

    def leaves(self) -> LeafPaths:
        """All leaves as arrays."""

        def column(pairs: Sequence[tuple[Any, ...]], position: int, kind: Any) -> NDArray[Any]:
            return np.array([pair[position] for pair in pairs], dtype=kind)

        return LeafPaths(
            np.array(self._value, dtype=np.float64),
            np.array(self._order, dtype=np.int64),
            np.array(self._entry_start, dtype=np.int64),
            column(self._entries, 0, np.int64),
            column(self._entries, 1, np.float64),
            np.array(self._path_start, dtype=np.int64),
            column(self._path, 0, np.int64),
            column(self._path, 1, np.bool_),
            np.array(self._factor_start, dtype=np.int64),
            column(self._factors, 0, np.int64),
            column(self._factors, 1, np.float64),
            np.stack([levels for _, _, levels in self._factors])
            if self._factors
            else np.zeros((0, self._n_levels + 1), dtype=np.bool_),
        )
