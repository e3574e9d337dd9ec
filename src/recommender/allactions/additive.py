"""Scores that are sums of per-factor and per-pair tables, e.g. a generalised linear model's part of a blend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .errors import KernelError
from .machine_code import compiled

__all__ = ["combine_tables"]


def combine_tables(
    base: NDArray[np.float64],
    per_factor: Sequence[NDArray[np.float64] | None],
    per_pair: Sequence[tuple[tuple[int, int], NDArray[np.float64]]],
    per_action: NDArray[np.float64] | None,
    codes: NDArray[np.int64],
    weight: float = 1.0,
    out: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Add up, for every account and action, the base and the table entries of the action's levels.

    Parameters
    ----------
    base : ndarray of shape (n,)
        What holds for the account whatever the action; the whole score of an idle action but for ``per_action``.
    per_factor : sequence of (ndarray of shape (n, n_levels) or None)
        One table a factor, in the order of the factors; None adds nothing.
    per_pair : sequence of ((f, g), ndarray of shape (n, n_levels_f * n_levels_g))
        Tables of two factors, given by position; the level of ``g`` varies fastest.
    per_action : ndarray of shape (n_actions,), optional
        What holds for the action whatever the account.
    codes : ndarray of shape (n_actions, n_factors)
        Level of each factor; -1 (an idle action, which has no factors) has no table entry.
    weight : float, default=1.0
    out : ndarray of shape (n, n_actions), optional
        Scores to add to, in place; new zeros by default.

    Returns
    -------
    ndarray of shape (n, n_actions)
        ``out + weight * (base + tables)``. Summed in a fixed order, so equal inputs give equal bits.

    Raises
    ------
    KernelError
        When a table does not fit the codes.
    """
    base = np.ascontiguousarray(base, dtype=np.float64)
    codes = np.asarray(codes, dtype=np.int64)
    n, (n_actions, n_factors) = len(base), codes.shape
    levels = (codes.max(axis=0, initial=-1) + 1).tolist()
    constant = np.zeros(n_actions) if per_action is None else np.ascontiguousarray(per_action, dtype=np.float64)
    _require("per_action", constant, (n_actions,))
    if len(per_factor) > n_factors:
        raise KernelError(
            f"per_factor has {len(per_factor)} tables for {n_factors} factors.",
            column="per_factor",
            mend="Give one table (or None) a factor, in their order.",
        )
    scores = np.zeros((n, n_actions)) if out is None else out
    _require("out", scores, (n, n_actions))
    entries = [
        (table, (n, levels[factor]), codes[:, factor], f"per_factor[{factor}]")
        for factor, table in enumerate(per_factor)
        if table is not None
    ] + [
        (
            table,
            (n, levels[f] * levels[g]),
            np.where((codes[:, f] < 0) | (codes[:, g] < 0), -1, codes[:, f] * levels[g] + codes[:, g]),
            f"per_pair[{f}, {g}]",
        )
        for (f, g), table in per_pair
    ]
    for table, shape, _, name in entries:
        _require(name, table, shape)
    tables = [np.ascontiguousarray(table, dtype=np.float64) for table, *_ in entries]
    joined = np.hstack([*tables, np.zeros((n, 1))])  # the last column is the entry of -1
    first = np.cumsum([0, *(table.shape[1] for table in tables)])
    lookup = np.full((n_actions, len(entries)), joined.shape[1] - 1, dtype=np.int64)
    for position, (_, _, entry, _) in enumerate(entries):
        lookup[:, position] = np.where(entry < 0, joined.shape[1] - 1, first[position] + entry)
    _combine(base, joined, lookup, constant, float(weight), scores)
    return scores


def _require(name: str, table: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if np.shape(table) != shape:
        raise KernelError(
            f"{name} must have shape {shape}; got {np.shape(table)}.", column=name, mend="Build it from the same codes."
        )


@compiled
def _combine(
    base: NDArray[np.float64],
    joined: NDArray[np.float64],
    lookup: NDArray[np.int64],
    constant: NDArray[np.float64],
    weight: float,
    scores: NDArray[np.float64],
) -> None:
    for at in range(base.shape[0]):
        for action in range(constant.shape[0]):
            total = base[at] + constant[action]
            for position in range(lookup.shape[1]):
                total += joined[at, lookup[action, position]]
            scores[at, action] += weight * total
