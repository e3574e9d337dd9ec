"""Which derived columns trees are worth growing on: told by short fits and rows that they never saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

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
_AHEAD, _AHEAD_WITH_CLOCKS = 1.5, 2.5  # standard errors: trees with clocks are scored once a level of their factor
_BEHIND = 1.0  # standard errors that all of them may cost: where one helps, dozens of useless ones do not outweigh it


def screened_columns(
    rows: FitRows, settings: TreeSettings, held_out: NDArray[np.bool_], relevance: Floats, n_jobs: int
) -> tuple[DerivedColumns, ActionTrees]:
    """Columns with which short fits predict held-out rows best, none unless they are clearly ahead of none.

    All of them are tried first; the pairs that this fit splits most on are then tried with and without the clocks.

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
    short = replace(settings, learning_rate=settings.learning_rate * _LARGER, max_rounds=_ROUNDS)
    learnt = np.flatnonzero(~held_out)
    drawn = np.random.default_rng(rows.random_state).permutation(learnt)[:_MOST_ROWS]
    left_out = np.ones(len(task), dtype=bool)
    left_out[drawn] = False

    def tried(candidates: Sequence[DerivedColumns]) -> list[ActionTrees]:
        return list(
            run_jobs([tree_job(rows, short, left_out, stop_early=False, derived=one) for one in candidates], n_jobs)
        )

    candidates = [DerivedColumns()] + ([every] if len(every) else [])
    fits = tried(candidates)
    losses = [_losses(rows, one, held_out) for one in fits]
    if len(every) and not _clearly_below(losses[0], losses[1], _BEHIND):
        fewer = _fewer(every, fits[1].pair_gains())
        candidates += fewer
        fits += tried(fewer)
        losses += [_losses(rows, one, held_out) for one in fits[2:]]
    best = _best(losses, [one.factor is not None for one in candidates])
    return candidates[best], fits[best]


def _fewer(every: DerivedColumns, gains: Floats) -> list[DerivedColumns]:
    """The pairs that gained most, and none, with the clocks and without."""
    found: list[DerivedColumns] = []
    for kept in (*_KEPT_PAIRS, 0):
        at = np.sort(np.argsort(-gains, kind="stable")[:kept])
        with_clocks = replace(every, pairs=tuple(every.pairs[i] for i in at))
        for one in (with_clocks, replace(with_clocks, clocks=(), factor=None)):
            if len(one) and one not in [every, *found]:
                found.append(one)
    return found


def _best(losses: Sequence[Floats], with_clocks: Sequence[bool]) -> int:
    """Position of the lowest loss that is clearly below the first's; with clocks, clearly below that one's too."""
    best = 0
    for kind, bar in ((False, _AHEAD), (True, _AHEAD_WITH_CLOCKS)):
        of_kind = [i for i in range(1, len(losses)) if with_clocks[i] == kind]
        lowest = min(of_kind, key=lambda i: losses[i].mean(), default=best)
        if _clearly_below(losses[lowest], losses[best], bar):
            best = lowest
    return best


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
