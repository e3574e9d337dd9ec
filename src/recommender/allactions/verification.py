"""Checks a compiled scorer against ``Booster.predict`` on rows made to tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .boxes import ActionGrid
from .errors import InexactScorer
from .model_text import ZERO_THRESHOLD, Tree, TreeEnsemble, goes_left

__all__ = ["BoosterLike", "adversarial_rows", "require_exact", "walk_trees"]

_ROWS_AT_LEAST, _ROWS_AT_MOST = 256, 4096
_ACTIONS_PER_ROW = 3

# What real exports hold and what LightGBM treats in a special way: tiny values, casts to int32, overflow.
_SPECIAL = np.array(
    [
        *(np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-35, -1e-35, ZERO_THRESHOLD, np.nextafter(ZERO_THRESHOLD, 1.0)),
        *(-0.5, -0.999, -1.0, -1.5, 0.5, 0.999, 1.0, 1.5, 2.0, 31.0, 32.0, 63.0, 64.0, 1e6, -1e6, 1e300, -1e300),
        *(
            2.0**31 - 1,
            2.0**31 - 0.5,
            2.0**31,
            2.0**31 + 1,
            2.0**32,
            2.0**32 + 1,
            -(2.0**31),
            -(2.0**31) - 1,
            2.0**53,
            2.0**63,
            1e18,
        ),
        *(5e-324, -5e-324),
    ]
)


class BoosterLike(Protocol):
    """What is used of ``lightgbm.Booster``."""

    def predict(self, data: Any, raw_score: bool = ..., **kwargs: Any) -> Any:
        """Scores of rows."""

    def model_to_string(self) -> str:
        """Text of the model."""


def adversarial_rows(ensemble: TreeEnsemble, rng: np.random.Generator) -> NDArray[np.float64]:
    """Rows in which every threshold, its two neighbours, every category and every special value occur.

    Parameters
    ----------
    ensemble : TreeEnsemble
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, n_columns)
        At most 4,096 rows; a column with more telling values than that is sampled.
    """
    telling: list[list[NDArray[np.float64]]] = [[] for _ in range(ensemble.n_columns)]
    for tree in ensemble.trees:
        for node, feature in enumerate(tree.feature.tolist()):
            if tree.categorical[node]:
                known = tree.categories[node].astype(np.float64)
                telling[feature] += [known, known + 0.5, known[-1:] + 1.0]
            else:
                cut = tree.threshold[node : node + 1]
                telling[feature] += [cut, np.nextafter(cut, np.inf), np.nextafter(cut, -np.inf)]
    values = [np.concatenate([_SPECIAL, np.unique(np.concatenate([np.zeros(1), *cuts]))]) for cuts in telling]
    widest = max((len(column) for column in values), default=0)
    n = min(max(widest, _ROWS_AT_LEAST), _ROWS_AT_MOST)
    rows = np.empty((n, ensemble.n_columns))
    for position, column in enumerate(values):
        cycled = np.resize(rng.permutation(column), n)
        rows[:, position] = rng.permutation(cycled)
    return rows


def walk_trees(ensemble: TreeEnsemble, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw scores by walking every tree node by node: the plain second implementation.

    Parameters
    ----------
    ensemble : TreeEnsemble
    rows : ndarray of shape (n, n_columns)

    Returns
    -------
    ndarray of shape (n,)
    """
    total = np.zeros(len(rows))
    for tree in ensemble.trees:
        total += _walk(tree, rows)
    return total


def _walk(tree: Tree, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    value = np.empty(len(rows))
    stack = [(0 if len(tree.feature) else -1, np.arange(len(rows)))]
    while stack:
        node, here = stack.pop()
        if node < 0:
            value[here] = tree.leaf_value[~node]
        elif len(here):
            left = goes_left(tree, node, rows[here, tree.feature[node]])
            stack += [(int(tree.left[node]), here[left]), (int(tree.right[node]), here[~left])]
    return value


def require_exact(
    ensemble: TreeEnsemble,
    grid: ActionGrid,
    raw_scores: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    predict: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    error_bound: float,
) -> float:
    """Compare scorer and booster on adversarial rows.

    Parameters
    ----------
    ensemble : TreeEnsemble
    grid : ActionGrid
    raw_scores : callable
        Context rows -> scores of all actions, the scorer under test.
    predict : callable
        Full rows -> scores, the reference.
    error_bound : float

    Returns
    -------
    float
        The largest difference found.

    Raises
    ------
    InexactScorer
        When a difference exceeds the bound.
    """
    columns, action_rows = list(grid.columns), grid.rows()
    rng = np.random.default_rng(0)  # the same rows at every compile and load
    full = adversarial_rows(ensemble, rng)
    context = np.delete(full, columns, axis=1)
    scores = raw_scores(context)
    per_row = min(_ACTIONS_PER_ROW, len(action_rows))
    # A rotation, so that every action is met as long as there are rows.
    first = np.arange(len(full))[:, None] * per_row + np.arange(per_row)
    action = rng.permutation(len(action_rows))[first % len(action_rows)]
    repeated = np.repeat(full, per_row, axis=0)
    repeated[:, columns] = action_rows[action.ravel()]
    expected = np.asarray(predict(repeated), dtype=np.float64).reshape(action.shape)
    difference = np.abs(np.take_along_axis(scores, action, axis=1) - expected)
    worst = float(difference.max(initial=0.0))
    if not worst <= error_bound:
        row, which = np.unravel_index(int(np.argmax(difference)), difference.shape)
        raise InexactScorer(
            f"The compiled scorer differs from the booster by {worst:.3g} (bound {error_bound:.3g}), e.g. for action "
            f"{int(action[row, which])} with context {context[row].tolist()!r}. It is not used."
        )
    return worst
