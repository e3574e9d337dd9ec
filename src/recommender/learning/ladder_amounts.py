"""What comes in where a payment comes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["PaidAmount"]

Floats = NDArray[np.float64]

_FEWEST = 200  # payments, under which their mean says as much as a model
# Payments are few and their amounts heavy-tailed: small trees, and a loss that keeps means right.
_TREES = TreeSettings(
    objective="gamma", learning_rate=0.08, n_leaves=7, min_leaf=30, feature_fraction=0.8, row_fraction=1.0,
    max_rounds=200, patience=15,
)  # fmt: skip


class PaidAmount:
    """Expected amount of a decision that brought in a payment, in minor units.

    Parameters
    ----------
    mean : float
        Of all of them.
    trees : ActionTrees or None
        Logarithm of the expected amount; None where there were few payments.
    factor : float
        What the trees' amounts are multiplied by, so that held-out totals agree.
    """

    def __init__(self, mean: float, trees: ActionTrees | None, factor: float) -> None:
        self.mean = mean
        self._trees = trees
        self._factor = factor

    @classmethod
    def fit(
        cls,
        X: Floats,
        categorical: list[int],
        actions: ActionSpace,
        action: NDArray[np.int64],
        paid: Floats,
        event: NDArray[np.bool_],
        fold: NDArray[np.int64],
        *,
        n_jobs: int,
        random_state: int,
    ) -> Self | None:
        """Learn from the decisions with a payment (``event``); None where no amount is known."""
        rows = np.flatnonzero(event & ~np.isnan(paid))
        if not len(rows) or paid[rows].mean() <= 0:
            return None
        mean = float(paid[rows].mean())
        positive = rows[paid[rows] > 0]
        if len(positive) < _FEWEST or len(np.unique(fold[positive])) < 2:
            return cls(mean, None, 1.0)
        target = paid[positive] / mean
        members, outside = [], np.ones(len(positive))
        for left_out in np.unique(fold[positive]).tolist():
            out_of_fit = fold[positive] == left_out
            trees = ActionTrees.fit(
                X[positive], categorical, actions, action[positive], target, settings=_TREES, held_out=out_of_fit,
                n_jobs=n_jobs, random_state=random_state,
            )  # fmt: skip
            members.append(trees)
            outside[out_of_fit] = np.exp(
                trees.logged_scores(X[positive][out_of_fit], action[positive][out_of_fit], n_jobs=n_jobs)
            )
        # A payment that was taken back is worth nothing, or less: totals over all events agree.
        factor = float(paid[rows].sum() / (mean * outside.sum()))
        return cls(mean, ActionTrees.mean_of(members), factor)

    def expected(self, X: Floats, actions: NDArray[np.int64]) -> Floats:
        """Expected amount of some actions of each row, ``actions`` and answer of shape (n, k)."""
        if self._trees is None:
            return np.full(actions.shape, self.mean)
        return np.asarray(self.mean * self._factor * np.exp(self._trees.scores_of(X, actions)))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the trees."""
        return {"mean": self.mean, "factor": self._factor, "members": len(self.to_texts())}

    def to_texts(self) -> list[str]:
        """LightGBM's text of each booster."""
        return [] if self._trees is None else self._trees.to_texts()

    @classmethod
    def from_parts(cls, described: Mapping[str, Any], texts: Sequence[str], actions: ActionSpace) -> Self:
        """Inverse of :meth:`to_dict` and :meth:`to_texts`."""
        return cls(described["mean"], ActionTrees.from_texts(texts, actions) if texts else None, described["factor"])
