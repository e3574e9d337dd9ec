"""Where a cross-fitted model finds a choice least likely, and it was hardly ever made there: rules of any shape.

Regions in words end at columns; a rule on a ratio or a sum of columns has no such ends. Decisions in the order of a
propensity that was fitted without them are counted like a region: the model only orders, the count decides.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.support.never_tried import choices, hardly_ever

__all__ = ["find_least_likely"]

_FEWEST_ROWS = 60
_SIZES = 40  # sizes of the part that are tried, in equal ratios


def find_least_likely(
    estimated: NDArray[np.floating],
    actions: ActionSpace,
    action: NDArray[np.int64],
    eligible: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Cells that the log never shows by the order of estimated propensities, and a phrase for each choice.

    Parameters
    ----------
    estimated : ndarray of shape (n, n_actions)
        Logging policy, each row by a model that never saw its cluster.
    actions : ActionSpace
    action : ndarray of int of shape (n,)
    eligible : ndarray of bool of shape (n, n_actions), optional

    Returns
    -------
    cells : ndarray of bool of shape (n, n_actions)
    reasons : tuple of str
    """
    cells = np.zeros(estimated.shape, dtype=bool)
    reasons = []
    for name, members in choices(actions):
        chosen = np.isin(action, members)
        allowed = np.ones(len(action), dtype=bool) if eligible is None else eligible[:, members].any(axis=1) | chosen
        rows = np.flatnonzero(allowed)
        if not chosen.any() or len(rows) <= _FEWEST_ROWS:
            continue
        score = estimated[:, members].sum(axis=1)[rows]
        rows = rows[np.argsort(score, kind="stable")]
        made = np.cumsum(chosen[rows])
        usual = float(made[-1] / len(rows))
        sizes = np.unique(np.geomspace(_FEWEST_ROWS, 0.9 * len(rows), _SIZES).astype(np.int64))
        suspicious = [size for size in sizes.tolist() if hardly_ever(int(made[size - 1]), size, usual)]
        if suspicious:
            part = max(suspicious)
            cells[np.ix_(rows[:part], np.asarray(members))] = True
            reasons.append(
                f"where it is least likely and {name}: {made[part - 1]:,} of {part:,} (over all {usual:.1%})"
            )
    return cells, tuple(reasons)
