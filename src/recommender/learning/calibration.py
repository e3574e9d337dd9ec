"""What corrects the sum of the members: a slope for the level of an account, a bent line for what an action adds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from recommender.allactions import row_products
from recommender.learning.regression import Family

__all__ = ["Calibration", "calibrate", "recalibrate"]

Floats = NDArray[np.float64]

_REACH = 3.0  # standard deviations of the logged advantages over which the slope may change; the best actions lie there
_MOST_BENT = 0.9  # of the slope: a tenth of it is left, so that the order of actions stays
_BENT_PRIOR = 4.0  # precision of the bend: by half of the slope is usual
SLOPE_PRIOR = 4.0  # precision of a slope: half of it or as much again is usual
LEAST_SLOPE, MOST_SLOPE = 0.05, 3.0  # of the advantage: it neither turns nor runs away
_ROWS = 128  # corrected at once: 260 actions of them stay in the cache
_ROUNDS, _CLOSE = 50, 1e-12  # of Newton's method; five do


@dataclass(frozen=True)
class Calibration:
    """Correction of a linear predictor: a slope for the level, a bent line for the advantage.

    The level of a row is its score averaged over actions as they were logged; what an action adds to it is its
    advantage. Winner's curse lives in the advantage, so it needs a slope of its own; and where effects multiply or are
    cut off, the best actions add less than a straight line through all of them says, or more, so it may bend. The line
    always rises: the order of an account's actions is the one it was given.

    Attributes
    ----------
    intercept, level : float
    advantage : float
        Slope where the advantage is 0.
    bend : float in [-.9, .9]
        Relative change of that slope at an advantage of ``reach``, and the opposite at ``-reach``; straight beyond.
    reach : float
    """

    intercept: float
    level: float
    advantage: float
    bend: float = 0.0
    reach: float = 1.0

    def apply(self, eta: Floats, share: Floats) -> Floats:
        """Corrected scores, shape (n, n_actions)."""
        level = row_products(eta, share)[:, None]
        corrected = np.empty_like(eta, dtype=np.float64)
        for start in range(0, len(eta), _ROWS):
            rows = slice(start, start + _ROWS)
            part = eta[rows] - level[rows]
            if self.bend:
                part = self.bent(part)
            part *= self.advantage
            part += self.intercept + self.level * level[rows]
            corrected[rows] = part
        return corrected

    def bent(self, advantage: Floats) -> Floats:
        """Bent advantages before the slope: the area under ``1 + bend a / reach``, which stays as it is beyond."""
        near = np.clip(advantage, -self.reach, self.reach)
        return np.asarray(advantage + self.bend / (2.0 * self.reach) * near * (2.0 * advantage - near))

    def relative_slopes(self, advantage: Floats) -> Floats:
        """Slope of the bent line, relative to that at 0."""
        return np.asarray(1.0 + self.bend / self.reach * np.clip(advantage, -self.reach, self.reach))

    def advantages(self, corrected: Floats, share: Floats) -> Floats:
        """Advantages that became the given scores, shape (n, n_actions).

        Their mean over actions as they were logged is 0, which tells the level of each row: Newton's method finds it,
        and cannot overshoot twice, because the inverse of the line bends one way.
        """
        above = (corrected - self.intercept) / self.advantage
        level = above @ share
        for _ in range(_ROUNDS if self.bend else 1):
            advantage = self._straightened(above - level[:, None])
            move = (advantage @ share) / ((1.0 / self.relative_slopes(advantage)) @ share)
            level += move
            if np.abs(move).max(initial=0.0) < _CLOSE:
                break
        return self._straightened(above - level[:, None])

    def _straightened(self, bent: Floats) -> Floats:
        """Inverse of :meth:`bent`."""
        high, low = self.reach * (1.0 + self.bend / 2.0), -self.reach * (1.0 - self.bend / 2.0)
        near = np.clip(bent, low, high)
        inside = 2.0 * near / (1.0 + np.sqrt(1.0 + 2.0 * self.bend / self.reach * near))
        return np.asarray(inside + (bent - near) / np.where(bent > 0, 1.0 + self.bend, 1.0 - self.bend))


def calibrate(level: Floats, advantage: Floats, target: Floats, family: Family) -> Calibration:
    """Fit the correction on out-of-fold rows, shrunken towards none.

    Parameters
    ----------
    level : ndarray of shape (n,)
        Score of each row averaged over actions as they were logged.
    advantage : ndarray of shape (n,)
        What the logged action adds to it.
    target : ndarray of shape (n,)
    family : {"binomial", "gaussian"}
        Amounts get a straight line.
    """
    spread = float(advantage.std())
    reach = _REACH * spread if spread > 0.0 else 1.0
    most = _MOST_BENT if family == "binomial" and spread > 0.0 else 0.0
    curve = Calibration(0.0, 1.0, 1.0, 1.0, reach).bent(advantage) - advantage
    loss_of = _Loss(level, advantage, target, family)
    start = np.array([0.0, 1.0, 1.0, 0.0])
    prior = np.array([1e-3, SLOPE_PRIOR, SLOPE_PRIOR, _BENT_PRIOR])

    def loss(point: Floats) -> tuple[float, Floats]:
        constant, of_level, of_line, turn = point
        line = advantage + turn * curve
        value, residual = loss_of(constant + of_level * level + of_line * line)
        gradient = np.array([residual.sum(), residual @ level, residual @ line, of_line * (residual @ curve)])
        away = prior * (point - start)
        return value + 0.5 * float(away @ (point - start)), gradient + away

    bounds = [(None, None), (0.0, MOST_SLOPE), (LEAST_SLOPE, MOST_SLOPE), (-most, most)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    intercept, slope_of_level, slope, bend = found.tolist()
    return Calibration(intercept, slope_of_level, slope, bend, reach)


def recalibrate(
    usual: Calibration,
    level: Floats,
    advantage: Floats,
    target: Floats,
    family: Family,
    *,
    least_gain: float,
) -> Calibration:
    """Fit intercept and slopes again on new rows where these speak clearly against what holds; the bend stays.

    Parameters
    ----------
    usual : Calibration
        What holds so far.
    least_gain : float
        In log-likelihood, from which it is left.
    """
    line = usual.bent(advantage)
    design = np.column_stack([np.ones(len(target)), level, line])
    start = np.array([usual.intercept, usual.level, usual.advantage])
    prior = np.array([1e-3, SLOPE_PRIOR, SLOPE_PRIOR])
    loss_of = _Loss(level, line, target, family)

    def loss(point: Floats) -> tuple[float, Floats]:
        value, residual = loss_of(design @ point)
        away = prior * (point - start)
        return value + 0.5 * float(away @ (point - start)), design.T @ residual + away

    bounds = [(None, None), (0.0, MOST_SLOPE), (LEAST_SLOPE, MOST_SLOPE)]
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    gain = loss(start)[0] - float(optimum.fun)
    if gain < least_gain:
        return usual
    intercept, slope_of_level, slope = optimum.x.tolist()
    return replace(usual, intercept=intercept, level=slope_of_level, advantage=slope)


class _Loss:
    """Negative log-likelihood of a linear predictor, and its slope by row."""

    def __init__(self, level: Floats, advantage: Floats, target: Floats, family: Family) -> None:
        self.target, self.family = target, family
        self.noise = 1.0
        if family == "gaussian":
            self.noise = max(float(np.mean((target - level - advantage) ** 2)), 1e-12)

    def __call__(self, eta: Floats) -> tuple[float, Floats]:
        if self.family == "binomial":
            return float((np.logaddexp(0.0, eta) - self.target * eta).sum()), expit(eta) - self.target
        residual = (eta - self.target) / self.noise
        return 0.5 * float(residual @ (eta - self.target)), residual
