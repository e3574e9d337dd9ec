"""The calibration as of now: its level and slopes walk through the log as fast as the rows say that they do.

Between tenths of the log each of the three takes a step; how large steps are is averaged over a few speeds, none among
them, by what each makes of all rows. A level that moved is known from few rows and followed at once; a slope, for
which the newest rows have few events at the best actions, leans on all that came before as far as it stood still.

References
----------
West & Harrison (1997), "Bayesian forecasting and dynamic models"; Hoeting et al. (1999), "Bayesian model averaging".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.learning.calibration import LEAST_SLOPE, MOST_SLOPE, SLOPE_PRIOR, Calibration

__all__ = ["calibration_now"]

Floats = NDArray[np.float64]

_TENTHS = 10  # of the log: an event rate of a few in a hundred leaves each of them dozens of events
_SPEEDS = (  # standard deviations over the whole log: of the level on average, and of both slopes
    (0.0, 0.1, 0.3, 0.9),
    (0.0, 0.1, 0.3),
    (0.0, 0.1, 0.3),
)
_STAYS = 0.5  # probability beforehand, of each of the three, that it stood still
_ROUNDS = 3  # of expanding the likelihood where the last round ended: the third moves nothing that is read


@dataclass(frozen=True, eq=False)
class _Parabolas:
    """Log-likelihood of each tenth around a path, shapes (10, 3, 3) and (10, 3)."""

    bend: Floats
    pull: Floats

    @classmethod
    def of(cls, columns: Floats, target: Floats, tenth: NDArray[np.int64], path: Floats) -> _Parabolas:
        chance = expit((columns * path[tenth]).sum(axis=1))
        bend, pull = np.zeros((_TENTHS, 3, 3)), np.zeros((_TENTHS, 3))
        for k in range(_TENTHS):
            here = tenth == k
            X, p = columns[here], chance[here]
            bend[k] = (X * (p * (1.0 - p))[:, None]).T @ X
            pull[k] = bend[k] @ path[k] + X.T @ (target[here] - p)
        return cls(bend, pull)


def calibration_now(usual: Calibration, level: Floats, advantage: Floats, target: Floats, order: Floats) -> Calibration:
    """Level and slopes as of the newest rows; the bend stays.

    Parameters
    ----------
    usual : Calibration
        By all rows alike.
    level, advantage : ndarray of shape (n,)
        Score of each row averaged over actions as they were logged, and what its logged action adds.
    target : ndarray of shape (n,)
        0 or 1.
    order : ndarray of shape (n,)
        Time order.
    """
    n, centre = len(target), float(level.mean())
    if n < _TENTHS:
        return usual
    tenth = np.argsort(np.argsort(order, kind="stable"), kind="stable") * _TENTHS // n
    columns = np.column_stack([np.ones(n), level - centre, usual.bent(advantage)])
    start = np.array([usual.intercept + usual.level * centre, usual.level, usual.advantage])
    prior = np.array([1e-3, SLOPE_PRIOR, SLOPE_PRIOR]), np.array([centre, 1.0, 1.0])
    path = np.tile(start, (_TENTHS, 1))
    for _ in range(_ROUNDS):
        path = _mean_path(_Parabolas.of(columns, target, tenth, path), *prior)
    intercept, slope_of_level, slope = path[-1].tolist()
    slope_of_level = min(max(slope_of_level, 0.0), MOST_SLOPE)
    slope = min(max(slope, LEAST_SLOPE), MOST_SLOPE)
    return replace(usual, intercept=intercept - slope_of_level * centre, level=slope_of_level, advantage=slope)


def _mean_path(rows: _Parabolas, firmness: Floats, mean: Floats) -> Floats:
    """Posterior mean of level and slopes in every tenth, over all speeds, shape (10, 3)."""
    found = [(np.log(chance) + evidence, path) for chance, evidence, path in _paths(rows, firmness, mean)]
    logs = np.array([one for one, _ in found])
    shares = np.exp(logs - logs.max())
    return np.asarray(np.tensordot(shares / shares.sum(), np.array([path for _, path in found]), axes=1))


def _paths(rows: _Parabolas, firmness: Floats, mean: Floats) -> Iterator[tuple[float, float, Floats]]:
    """Of each combination of speeds: its probability beforehand, log-evidence (but for a constant) and mean path.

    A path is where it starts and its steps, all of them normal: everything is in closed form.
    """
    steps = np.tril(np.ones((_TENTHS, _TENTHS)))[:, 1:] / np.sqrt(_TENTHS)
    for speeds in product(*_SPEEDS):
        moving = [(j, speed) for j, speed in enumerate(speeds) if speed > 0.0]
        paths = np.zeros((_TENTHS, 3, 3 + (_TENTHS - 1) * len(moving)))
        paths[:, :, :3] = np.eye(3)
        for at, (j, speed) in enumerate(moving):
            first = 3 + (_TENTHS - 1) * at
            paths[:, j, first : first + _TENTHS - 1] = speed * steps
        precision = np.append(firmness, np.ones(paths.shape[2] - 3))
        pull = np.einsum("kip,ki->p", paths, rows.pull)
        pull[:3] += firmness * mean
        bend = np.einsum("kip,kij,kjq->pq", paths, rows.bend, paths, optimize=True) + np.diag(precision)
        point = np.linalg.solve(bend, pull)
        evidence = 0.5 * (float(np.log(precision).sum()) - float(np.linalg.slogdet(bend)[1]) + float(pull @ point))
        chance = np.prod(
            [_STAYS if s == 0.0 else (1.0 - _STAYS) / (len(of) - 1) for s, of in zip(speeds, _SPEEDS, strict=True)]
        )
        yield float(chance), evidence, paths @ point
