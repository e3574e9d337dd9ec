"""Worst-case bounds for the part of a policy that the log never shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.intervals import Interval
from recommender.evaluation.policy_view import PolicyView

__all__ = ["Unshown", "unshown_part"]


@dataclass(frozen=True)
class Unshown:
    """Probability on cells that the log never shows, and what stands in for their rewards.

    Attributes
    ----------
    gained, lost : float
        Mean probability on such cells that counts for and against; a policy's own value has only ``gained``, a
        difference loses what the baseline puts there.
    assumed : float
        What the estimate takes these cells to be worth: the reward model's word, moved as far as the rows that can be
        checked moved it.
    """

    gained: float = 0.0
    lost: float = 0.0
    assumed: float = 0.0

    @property
    def share(self) -> float:
        """The larger of the two."""
        return max(self.gained, self.lost)

    def widened(self, interval: Interval, low: float, high: float) -> Interval:
        """Interval that holds whatever rewards in [low, high] the cells would have shown."""
        if self.gained == 0.0 and self.lost == 0.0:
            return interval
        worst = self.gained * low - self.lost * high - self.assumed
        best = self.gained * high - self.lost * low - self.assumed
        return replace(interval, low=interval.low + min(worst, 0.0), high=interval.high + max(best, 0.0))


def unshown_part(
    cells: NDArray[np.bool_] | None,
    target: tuple[NDArray[Any], PolicyView],
    baseline: tuple[NDArray[Any], PolicyView] | None,
    expected_reward: NDArray[Any],
) -> tuple[Unshown, Unshown]:
    """Unshown part of the target's value and of the difference from the baseline.

    Parameters
    ----------
    cells : ndarray of bool of shape (n, n_actions) or None
        What the log never shows.
    target, baseline : (probabilities of shape (n, n_actions), view of the policy)
        No baseline means the logged decisions, all of which are shown.
    expected_reward : ndarray of shape (n, n_actions)
    """
    if cells is None:
        return Unshown(), Unshown()
    touched = np.flatnonzero(cells.any(axis=1))
    if not len(touched):
        return Unshown(), Unshown()
    n, hidden, model = len(cells), cells[touched], expected_reward[touched]
    own = np.where(hidden, target[0][touched], 0.0)
    mass, modelled = float(own.sum()) / n, float((own * model).sum()) / n
    value = Unshown(mass, 0.0, modelled + mass * _usual_residual(target[1]))
    if baseline is None:
        return value, value
    other = np.where(hidden, baseline[0][touched], 0.0)
    assumed = value.assumed - float((other * model).sum()) / n
    assumed -= float(other.sum()) / n * _usual_residual(baseline[1])
    net = own - other
    return value, Unshown(float(np.maximum(net, 0.0).sum()) / n, float(np.maximum(-net, 0.0).sum()) / n, assumed)


def _usual_residual(view: PolicyView) -> float:
    """What the self-normalised correction adds to every decision, the unshown ones included."""
    total = float(view.weight.sum())
    return float(np.sum(view.weight * view.residual)) / total if total > 0 else 0.0
