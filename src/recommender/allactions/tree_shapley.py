"""Path-dependent TreeSHAP of boosted trees over accounts and actions, exact in the mean over all actions as well.

A leaf pays its value to the features on its path as a product game: each feature ``j`` of the path contributes
``o_j`` (does the row pass its splits) where it is known and ``z_j`` (the share of training rows that pass) where it is
not. The Shapley value of such a game is an integral of a polynomial,

    phi_j = value * (o_j - z_j) * integral over t in [0, 1] of the product over k != j of ((1 - t) z_k + t o_k),

which Gauss-Legendre nodes give exactly. The factors of an action enter as factors of the product, so the mean over all
actions, weighted as one likes, costs what one action costs: its part of the product is known before any account is.

References
----------
Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees"; Owen (1972),
"Multilinear extensions of games".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import ActionGrid
from .errors import KernelError
from .machine_code import compiled
from .model_text import ZERO_THRESHOLD, parse_model
from .tree_paths import PathBuilder

__all__ = ["TreeShapley"]

Floats = NDArray[np.float64]

_MOST_SHARES = 32  # means over actions whose tables are kept


class TreeShapley:
    """Shapley values of the mean raw score of boosters whose columns are a context followed by the action's factors.

    Parameters
    ----------
    texts : sequence of str
        ``Booster.model_to_string()`` of each member.
    grid : ActionGrid
        Where the factors stand, after the context columns and in their order, and what the booster reads there.
    codes : ndarray of shape (n_actions, n_factors)
        Level of each factor of every action; -1 for the idle action.

    Attributes
    ----------
    n_columns : int
        Context columns.
    expected_value : float
        Mean raw score over the training rows, where the contributions start.
    """

    def __init__(self, texts: Sequence[str], grid: ActionGrid, codes: NDArray[np.int64]) -> None:
        ensembles = [parse_model(text) for text in texts]
        self.n_columns = ensembles[0].n_columns - len(grid.columns)
        if grid.columns != tuple(range(self.n_columns, ensembles[0].n_columns)):
            raise KernelError(
                f"The factors stand in columns {grid.columns} of {ensembles[0].n_columns}.",
                column="grid",
                mend="Put them behind the context columns, in the order of the action space.",
            )
        self._codes = np.where(codes < 0, max(grid.shape), codes).astype(np.int64)
        builder = PathBuilder(grid, self.n_columns)
        for ensemble in ensembles:
            for tree in ensemble.trees:
                builder.add(tree, 1.0 / len(ensembles))
        self.expected_value = builder.expected_value
        self._nodes, self._leaves = builder.nodes(), builder.leaves()
        most = int(self._leaves.order.max(initial=1))
        self._at, self._weight = np.zeros((most + 1, most)), np.zeros((most + 1, most))
        for order in range(1, most + 1):
            node, weight = np.polynomial.legendre.leggauss(order)
            self._at[order, :order], self._weight[order, :order] = 0.5 * (node + 1.0), 0.5 * weight
        self._mean_of: dict[bytes, tuple[Floats, Floats]] = {}

    def values(self, X: Floats, action: NDArray[np.int64], share: Floats | None = None) -> tuple[Floats, Floats]:
        """Contributions to the raw score of given actions, and to its mean over all actions.

        Parameters
        ----------
        X : ndarray of shape (n, n_columns)
        action : ndarray of int of shape (n, k)
        share : ndarray of shape (n_actions,) or None
            Weights of the mean; None leaves it out.

        Returns
        -------
        values : ndarray of shape (n, k, n_columns + n_factors)
            ``expected_value`` and their sum are the raw score.
        mean : ndarray of shape (n, n_columns + n_factors)
            The weighted sum over actions of what ``values`` would be for each; zeros where no share is given.
        """
        n, k = action.shape
        width = self.n_columns + self._codes.shape[1]
        values, mean = np.zeros((n, k, width)), np.zeros((n, width))
        whole, single = self._mean_tables(share)
        _split_rows(
            np.ascontiguousarray(X, dtype=np.float64),
            self._codes[action],
            self._nodes,
            self._leaves,
            self._at,
            self._weight,
            whole,
            single,
            values,
            mean,
        )
        return values, mean

    def _mean_tables(self, share: Floats | None) -> tuple[Floats, Floats]:
        """The actions' part of every leaf's product, averaged with the share, at every node of its integral."""
        if share is None:
            return np.zeros((0, 1)), np.zeros((0, 1))
        key = share.tobytes()
        if key not in self._mean_of:
            if len(self._mean_of) >= _MOST_SHARES:
                self._mean_of.clear()
            masses, start = self._masses(share)
            most = self._at.shape[1]
            whole = np.zeros((len(self._leaves.value), most))
            single = np.zeros((max(len(self._leaves.factor), 1), most))
            _fill_mean_tables(self._leaves, self._at, masses, start, whole, single)
            self._mean_of[key] = whole, single
        return self._mean_of[key]

    def _masses(self, share: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Share of the actions that pass every factor of a subset, for every subset of the factors of every leaf."""
        leaves = self._leaves
        known: dict[tuple[tuple[int, bytes], ...], float] = {}
        masses: list[float] = []
        start = [0]
        for leaf in range(len(leaves.value)):
            entries = range(leaves.factor_start[leaf], leaves.factor_start[leaf + 1])
            distinct = [(int(leaves.factor[e]), leaves.factor_levels[e].tobytes(), int(e)) for e in entries]
            for subset in range(1 << len(distinct)):
                members = [distinct[i] for i in range(len(distinct)) if subset >> i & 1]
                key = tuple((factor, levels) for factor, levels, _ in members)
                if key not in known:
                    passing = np.ones(len(share), dtype=bool)
                    for factor, _, entry in members:
                        passing &= leaves.factor_levels[entry][self._codes[:, factor]]
                    known[key] = float(share[passing].sum())
                masses.append(known[key])
            start.append(len(masses))
        return np.array(masses), np.array(start, dtype=np.int64)


@compiled
def _fill_mean_tables(leaves: Any, at: Any, masses: Any, start: Any, whole: Any, single: Any) -> None:
    """Mean over actions of the factors' product (``whole``), and of what each factor is paid (``single``)."""
    for leaf in range(leaves.value.shape[0]):
        first, last = leaves.factor_start[leaf], leaves.factor_start[leaf + 1]
        size = last - first
        for q in range(leaves.order[leaf]):
            t = at[leaves.order[leaf], q]
            for subset in range(1 << size):
                # the factors in the subset pass, the others are not known
                product = masses[start[leaf] + subset]
                for f in range(size):
                    product *= t if (subset >> f) & 1 else (1.0 - t) * leaves.factor_passing[first + f]
                whole[leaf, q] += product
            for f in range(size):
                for subset in range(1 << size):
                    if (subset >> f) & 1:
                        continue
                    passing = leaves.factor_passing[first + f]
                    product = masses[start[leaf] + (subset | (1 << f))] - passing * masses[start[leaf] + subset]
                    for other in range(size):
                        if other != f:
                            product *= t if (subset >> other) & 1 else (1.0 - t) * leaves.factor_passing[first + other]
                    single[first + f, q] += product


@compiled
def _split_rows(
    X: Any, codes: Any, nodes: Any, leaves: Any, at: Any, weight: Any, whole: Any, single: Any, values: Any, mean: Any
) -> None:
    """Add up what every leaf pays to the columns and factors on its path."""
    n, k, n_factors = codes.shape
    n_columns = X.shape[1]
    with_mean = whole.shape[0] > 0
    most = at.shape[1]
    left = np.empty(nodes.column.shape[0], np.bool_)
    widest = 1
    for leaf in range(leaves.value.shape[0]):
        widest = max(widest, leaves.entry_start[leaf + 1] - leaves.entry_start[leaf])
    passes = np.empty(widest, np.bool_)
    inverse = np.empty((widest, most))
    product = np.empty(most)
    known = np.empty(most)
    part = np.empty((n_factors, most))
    ok = np.empty(n_factors, np.bool_)
    for row in range(n):
        _sides(X[row], nodes, left)
        for leaf in range(leaves.value.shape[0]):
            value, order = leaves.value[leaf], leaves.order[leaf]
            first, last = leaves.entry_start[leaf], leaves.entry_start[leaf + 1]
            first_factor, last_factor = leaves.factor_start[leaf], leaves.factor_start[leaf + 1]
            for q in range(order):
                product[q] = weight[order, q] * value
            for e in range(last - first):
                inside = True
                for p in range(leaves.path_start[first + e], leaves.path_start[first + e + 1]):
                    if left[leaves.path_node[p]] != leaves.path_left[p]:
                        inside = False
                        break
                passes[e] = inside
                passing = leaves.entry_passing[first + e]
                for q in range(order):
                    t = at[order, q]
                    factor = (1.0 - t) * passing + (t if inside else 0.0)
                    product[q] *= factor
                    inverse[e, q] = 1.0 / factor
            for j in range(k):
                for q in range(order):
                    known[q] = product[q]
                for f in range(last_factor - first_factor):
                    entry = first_factor + f
                    ok[f] = leaves.factor_levels[entry, codes[row, j, leaves.factor[entry]]]
                    for q in range(order):
                        t = at[order, q]
                        part[f, q] = (1.0 - t) * leaves.factor_passing[entry] + (t if ok[f] else 0.0)
                        known[q] *= part[f, q]
                for e in range(last - first):
                    total = 0.0
                    for q in range(order):
                        total += known[q] * inverse[e, q]
                    paid = (1.0 if passes[e] else 0.0) - leaves.entry_passing[first + e]
                    values[row, j, leaves.entry_column[first + e]] += paid * total
                for f in range(last_factor - first_factor):
                    entry = first_factor + f
                    total = 0.0
                    for q in range(order):
                        total += known[q] / part[f, q]
                    paid = (1.0 if ok[f] else 0.0) - leaves.factor_passing[entry]
                    values[row, j, n_columns + leaves.factor[entry]] += paid * total
            if with_mean:
                for q in range(order):
                    known[q] = product[q] * whole[leaf, q]
                for e in range(last - first):
                    total = 0.0
                    for q in range(order):
                        total += known[q] * inverse[e, q]
                    paid = (1.0 if passes[e] else 0.0) - leaves.entry_passing[first + e]
                    mean[row, leaves.entry_column[first + e]] += paid * total
                for entry in range(first_factor, last_factor):
                    total = 0.0
                    for q in range(order):
                        total += product[q] * single[entry, q]
                    mean[row, n_columns + leaves.factor[entry]] += total


@compiled
def _sides(x: Any, nodes: Any, left: Any) -> None:
    """Which way a row goes at every context split, as ``goes_left`` decides."""
    for node in range(nodes.column.shape[0]):
        value = x[nodes.column[node]]
        absent = np.isnan(value)
        if not absent and abs(value) <= ZERO_THRESHOLD:
            value = 0.0
        if nodes.table_start[node] >= 0:
            left[node] = False
            if not absent and value > -1.0 and value < nodes.table_size[node]:
                left[node] = nodes.table[nodes.table_start[node] + int(value)]
            continue
        if nodes.missing[node] != 2:
            if absent:
                value = 0.0
            absent = nodes.missing[node] == 1 and value == 0.0
        left[node] = nodes.default_left[node] if absent else value <= nodes.threshold[node]
