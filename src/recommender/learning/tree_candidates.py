"""Which derived columns trees are worth growing on: told by short fits and rows that they never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.learning.fit_rows import FitRows
from recommender.learning.jobs import run_jobs
from recommender.learning.member_jobs import tree_job
from recommender.learning.stacking import stack_weights
from recommender.learning.trees import ActionTrees, DerivedColumns, TreeSettings

__all__ = ["screened_columns"]

Floats = NDArray[np.float64]

_ROUNDS = 120  # of a short fit
_LARGER = 2.0  # times the usual step: as far in half the rounds
_MOST_ROWS = 40_000  # that short fits learn from
_KEPT_PAIRS = (6, 2)  # of those that a short fit with all of them splits most on
_AHEAD, _AHEAD_IF_MANY = 1.5, 2.5  # standard errors: for a few pairs, and for all of them
_BEHIND = 1.0  # standard errors that all of them may cost: where one helps, dozens of useless ones do not outweigh it


def screened_columns(
    rows: FitRows,
    settings: TreeSettings,
    held_out: NDArray[np.bool_],
    relevance: Floats,
    n_jobs: int,
) -> tuple[DerivedColumns, ActionTrees]:
    """Clocks that the log tells of, and the pairs with which short fits predict held-out rows clearly better.

    Clocks are dropped again where a short fit with them is clearly worse. All pairs are tried first, then those that
    this fit splits most on.

    Parameters
    ----------
    rows : FitRows
    settings : TreeSettings
        Of trees that are grown; short fits take fewer and larger steps.
    held_out : ndarray of bool of shape (n,)
    relevance : ndarray of shape (n_columns,)
        What trees gained by splitting on each column.

    Returns
    -------
    (DerivedColumns, ActionTrees)
        The columns, and the short fit with them.
    """
    task = rows.task
    every = DerivedColumns.fit(rows.X, task.encoder.categorical_positions, task.actions, relevance)
    every = replace(every, clocks=rows.clocks.clocks, factor=rows.clocks.factor)
    short = replace(settings, learning_rate=settings.learning_rate * _LARGER, max_rounds=_ROUNDS)
    learnt = np.flatnonzero(~held_out)
    drawn = np.random.default_rng(rows.random_state).permutation(learnt)[:_MOST_ROWS]
    left_out = np.ones(len(task), dtype=bool)
    left_out[drawn] = False

    def tried(candidates: Sequence[DerivedColumns]) -> list[_Tried]:
        fits = run_jobs([tree_job(rows, short, left_out, stop_early=False, derived=one) for one in candidates], n_jobs)
        return [
            _Tried(one, fitted, _losses(rows, fitted, held_out)) for one, fitted in zip(candidates, fits, strict=True)
        ]

    bare, *timed = tried([DerivedColumns(), *([replace(every, pairs=())] if every.clocks else [])])
    best = timed[0] if timed and not _clearly_below(bare.losses, timed[0].losses, _BEHIND) else bare
    if every.pairs:
        [paired] = tried([replace(best.columns, pairs=every.pairs)])
        if not _clearly_below(best.losses, paired.losses, _BEHIND):
            best = _best(best, paired, tried(_fewer(paired.columns, paired.trees.pair_gains())))
    return best.columns, best.trees


@dataclass(frozen=True, eq=False)
class _Tried:
    """Columns, a short fit with them, and its log-loss of every held-out row."""

    columns: DerivedColumns
    trees: ActionTrees
    losses: Floats


def _fewer(every: DerivedColumns, gains: Floats) -> list[DerivedColumns]:
    """Only the pairs that gained most."""
    kept = [np.sort(np.argsort(-gains, kind="stable")[:n]) for n in _KEPT_PAIRS if n < len(every.pairs)]
    return [replace(every, pairs=tuple(every.pairs[i] for i in at)) for at in kept]


def _best(plain: _Tried, every: _Tried, fewer: Sequence[_Tried]) -> _Tried:
    """Lowest loss of those clearly below the plain one's; dozens of columns have to be further ahead than a few."""
    bars = [(every, _AHEAD_IF_MANY), *((one, _AHEAD) for one in fewer)]
    ahead = [one for one, bar in bars if _clearly_below(one.losses, plain.losses, bar)]
    return min([plain, *ahead], key=lambda one: float(one.losses.mean()))


def _clearly_below(loss: Floats, other: Floats, standard_errors: float) -> bool:
    """Whether the mean of the first is lower by more than so many standard errors of the paired difference."""
    gain = other - loss
    return bool(gain.mean() > standard_errors * gain.std() / np.sqrt(len(gain)))


def _losses(rows: FitRows, trees: ActionTrees, held_out: NDArray[np.bool_]) -> Floats:
    """Log-loss of each held-out row, slope and intercept learnt there: short fits promise too much, all alike."""
    target = rows.task.target[held_out]
    eta = trees.logged_scores(rows.X[held_out], rows.task.action[held_out])[:, None]
    slope, intercept = stack_weights(eta, target, "binomial", near=np.ones(1), pull=0.0)
    margin = slope[0] * eta[:, 0] + intercept
    return np.asarray(np.logaddexp(0.0, margin) - target * margin)
