"""Which clocks the log tells of: a score test of waves in the time from a column to the hour.

A response to "how long after this person's usual hour" is told by what a simple model leaves over. Short fits of trees
are too rough to see it: what they overfit hides it on logs where such a column is worth a fifth of all that can be won.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2

from recommender.actions import ActionSpace
from recommender.learning.regression.linear_design import HARMONICS, skewness
from recommender.learning.trees import DerivedColumns, factor_levels

__all__ = ["told_clocks", "wave_statistic"]

Floats = NDArray[np.float64]

_CURVES = 2  # powers of the column that every level may have a weight of its own for
_SURE = 0.01  # probability that any column is told where none means anything
_JOINS = 0.05  # of a single column, where another one is told: it costs nothing more to serve
_MOST_CLOCKS = 8  # each is a column a level of its factor when scored
_STEPS_OF_A_COLUMN = 12  # of equally many rows, that its own effect may take
_FEWEST_ROWS = 20  # of a level
_FEWEST_GROUPS = 50  # of fewer the spread is not known; a log may be one group
_CLIP = 4.0  # standard deviations
_ADDED_ROWS = 60_000  # that the simple model is learnt from
_STEPS = 6  # Newton steps of it
_ROUNDING = 1e-10  # of what a column holds: less is left of it by rounding alone


def told_clocks(
    U: Floats,
    X: Floats,
    categorical: list[int],
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    groups: NDArray[np.int64] | None = None,
) -> DerivedColumns:
    """Clocks that what is left over by context and action added up speaks for; none unless one is clear.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
        Context as the columns of a regression.
    X : ndarray of shape (n, n_columns)
        Encoded context.
    categorical : list of int
    actions : ActionSpace
    action : ndarray of int64 of shape (n,)
    target : ndarray of shape (n,)
        0 or 1.
    groups : ndarray of int64 of shape (n,), optional
        Rows of one group, an account or a debtor, are no independent ones.

    Returns
    -------
    DerivedColumns
        Without pairs.
    """
    every = replace(DerivedColumns.fit(X, categorical, actions, np.zeros(X.shape[1])), pairs=())
    if every.factor is None:
        return every
    level = factor_levels(actions)[every.factor][1][action]
    expected = _added_up(U, actions, action, target)
    groups = None if groups is None else np.unique(groups, return_inverse=True)[1]
    if groups is not None and groups.max() + 1 < _FEWEST_GROUPS:
        groups = None
    statistics = [wave_statistic(X[:, one.column], level, target, expected, one.period, groups) for one in every.clocks]
    chance = chi2.sf(np.array(statistics), 2 * HARMONICS)
    if chance.min() * len(chance) >= _SURE:
        return DerivedColumns()
    likely = [at for at in np.argsort(chance, kind="stable").tolist() if chance[at] < _JOINS]
    return replace(every, clocks=tuple(every.clocks[at] for at in sorted(likely[:_MOST_CLOCKS])))


def _added_up(U: Floats, actions: ActionSpace, action: NDArray[np.int64], target: Floats) -> Floats:
    """Probabilities of a logistic regression in which context and the levels of an action add up."""
    step = max(1, -(-len(target) // _ADDED_ROWS))
    factors = list(zip(actions.codes.T, actions.shape, strict=True))
    levels = [np.eye(size + 1)[codes[action[::step]], :size] for codes, size in factors]
    some, known = np.column_stack([U[::step], *levels]), target[::step]
    weights = np.zeros(some.shape[1])
    for _ in range(_STEPS):
        p = expit(some @ weights)
        curvature = some.T @ ((p * (1.0 - p))[:, None] * some) + np.eye(len(weights))
        weights += np.linalg.solve(curvature, some.T @ (known - p) - weights)
    added, at = U @ weights[: U.shape[1]], U.shape[1]
    for codes, size in factors:
        added += np.append(weights[at : at + size], 0.0)[codes][action]  # no level: the last code, or -1
        at += size
    return np.asarray(expit(added))


def wave_statistic(
    column: Floats,
    level: Floats,
    target: Floats,
    expected: Floats,
    period: float,
    groups: NDArray[np.int64] | None = None,
) -> float:
    """Score statistic of waves in ``level - column``, chi-squared of four where there are none.

    Steps of the column mean the same at every level, and every level has weights of its own for the column, its square
    and its being missing: neither an effect of the column, whatever its shape, nor one that differs from hour to hour
    along a curve passes for a wave. Whoever is always contacted at one hour answers alike every time: with ``groups``,
    counted from 0, the spread of their sums counts where it is the larger one.

    Returns
    -------
    float
    """
    present = (column >= 0.0) & (column <= period) & np.isfinite(level)
    if not present.any() or np.ptp(column[present]) == 0.0:
        return 0.0
    straight = _straightened(column[present])
    away = np.zeros(len(column))
    away[present] = np.clip((straight - straight.mean()) / straight.std(), -_CLIP, _CLIP)
    edges = np.unique(np.quantile(column[present], np.linspace(0.0, 1.0, _STEPS_OF_A_COLUMN + 1)[1:-1]))
    n_steps, n_waves = len(edges), 2 * HARMONICS
    score, information = np.zeros(n_steps + n_waves), np.zeros((n_steps + n_waves, n_steps + n_waves))
    whole = np.zeros(n_steps + n_waves)
    by_group = np.zeros((0 if groups is None else int(groups.max()) + 1, n_steps + n_waves))
    for one in np.unique(level[np.isfinite(level)]):
        rows = np.flatnonzero(level == one)
        if len(rows) < _FEWEST_ROWS:
            continue
        here, values = present[rows], np.where(present[rows], column[rows], 0.0)
        angle = 2 * np.pi * (one - values) / period
        waves = [wave(k * angle) for k in range(1, HARMONICS + 1) for wave in (np.cos, np.sin)]
        tested = np.column_stack([values[:, None] > edges, *waves]).astype(np.float64)
        tested[~here] = 0.0
        # Rows without the column are tested for nothing: a weight of theirs would change nothing either.
        nuisance = away[rows, None] ** np.arange(_CURVES + 1) * here[:, None]
        weight = (expected[rows] * (1.0 - expected[rows]))[:, None]
        whole += (weight * tested**2).sum(axis=0)
        crossed = np.linalg.pinv(nuisance.T @ (weight * nuisance), rcond=_ROUNDING, hermitian=True)
        tested -= nuisance @ (crossed @ (nuisance.T @ (weight * tested)))
        left_over = target[rows] - expected[rows]
        score += tested.T @ left_over
        if groups is not None:
            np.add.at(by_group, groups[rows], tested * left_over[:, None])
        information += tested.T @ (weight * tested)
    size = np.sqrt(np.where(whole > 0.0, whole, 1.0))
    return _beyond(score / size, information / np.outer(size, size), by_group / size, n_steps)


def _beyond(score: Floats, information: Floats, by_group: Floats, n_nuisance: int) -> float:
    """Score statistic of the last parameters where the first are free; every parameter held one before nuisance."""
    free, asked = slice(n_nuisance), slice(n_nuisance, None)
    along = information[asked, free] @ _inverse(information[free, free])
    left = score[asked] - along @ score[free]
    told = float(left @ _inverse(information[asked, asked] - along @ information[free, asked]) @ left)
    if not len(by_group):
        return told
    sums = by_group[:, asked] - by_group[:, free] @ along.T
    return min(told, float(left @ _inverse(sums.T @ sums) @ left))


def _inverse(information: Floats) -> Floats:
    """Inverse along what is more than rounding: a column of three values leaves nothing of a wave beyond its curve."""
    held, along = np.linalg.eigh(information)
    some = held > _ROUNDING
    return np.asarray((along[:, some] / held[some]) @ along[:, some].T)


def _straightened(values: Floats) -> Floats:
    """Logs of a column with a long tail: amounts that happen to be small are no hours."""
    logged = np.log1p(np.maximum(values, 0.0))
    return logged if skewness(logged) < skewness(values) else values
