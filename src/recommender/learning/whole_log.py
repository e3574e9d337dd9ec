"""Trees from every row of a log whose other members, weights and calibration are learnt from a sample of it.

Regressions need little; trees go on learning. Who boosts so many rows (a cluster, say) is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder
from recommender.learning.fit_rows import FitRows
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["BoostTrees", "WholeLog", "WholeRows"]

Floats = NDArray[np.float64]


class BoostTrees(Protocol):
    """Boost a given number of rounds; the arguments are those of :meth:`ActionTrees.fit`."""

    def __call__(
        self,
        X: Floats,
        categorical: list[int],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: Floats,
        *,
        settings: TreeSettings,
        rounds: int,
        random_state: int,
    ) -> ActionTrees:
        """Grow the trees."""


@dataclass(frozen=True, eq=False)
class WholeRows:
    """Every row that the trees of one part (event or amount) learn from.

    Attributes
    ----------
    X : ndarray of shape (n, n_columns)
        Encoded as the sample is.
    action : ndarray of int64 of shape (n,)
    target : ndarray of shape (n,)
    order : ndarray of shape (n,) or None
    boost : BoostTrees
    """

    X: Floats
    action: NDArray[np.int64]
    target: Floats
    order: Floats | None
    boost: BoostTrees

    def grow(self, sample: FitRows, settings: TreeSettings, stopped: ActionTrees) -> ActionTrees:
        """Boost as many rounds as the fits on the sample were stopped at, on average.

        Parameters
        ----------
        sample : FitRows
            What those fits were given: the recent part, where there is one, begins at the same moment.
        settings : TreeSettings
        stopped : ActionTrees
            The fits on the sample, stopped early on held-out rows.
        """
        X = self.X
        if sample.moved is not None and sample.task.order is not None and self.order is not None:
            X = np.column_stack([X, self.order >= sample.task.order[sample.moved.recent].min()])
        return self.boost(
            X,
            sample.task.encoder.categorical_positions,
            sample.task.actions,
            self.action,
            self.target,
            settings=settings,
            rounds=max(round(stopped.rounds / len(stopped.boosters)), 1),
            random_state=sample.random_state,
        )


@dataclass(frozen=True, eq=False)
class WholeLog:
    """Every decision with a known reward, and who boosts trees on them.

    Attributes
    ----------
    training : TrainingSet
        Holds the sample, too.
    boost : BoostTrees
    """

    training: TrainingSet
    boost: BoostTrees

    def events(self, encoder: ContextEncoder, usual: Floats) -> WholeRows:
        """All rows; the target is whether the reward is off the usual one of its action, shape (n_actions,)."""
        return self._rows(encoder, np.arange(len(self.training)), self._off(usual) != 0)

    def amounts(
        self, encoder: ContextEncoder, usual: Floats, target: Callable[[Floats], Floats], *, every: bool
    ) -> WholeRows:
        """Rows with an event (or every row); the target is made from how far the reward is off the usual one."""
        off = self._off(usual)
        kept = np.arange(len(off)) if every else np.flatnonzero(off)
        return self._rows(encoder, kept, target(off[kept]))

    def _off(self, usual: Floats) -> Floats:
        return np.asarray(self.training.reward - usual[self.training.action])

    def _rows(self, encoder: ContextEncoder, kept: NDArray[np.int64], target: NDArray[np.generic]) -> WholeRows:
        order = self.training.order
        return WholeRows(
            encoder.transform(self.training.context.iloc[kept]),
            self.training.action[kept],
            target.astype(np.float64),
            None if order is None else order[kept],
            self.boost,
        )
