"""Which regression of a stack speaks for what the whole stack does not know, and how much accounts differ to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.learning.fit_rows import FitRows
from recommender.learning.regression import BilinearModel, posterior_root

__all__ = ["joint_posterior"]

Floats = NDArray[np.float64]

_SPEAKERS = ("linear", "curved", "profiles")  # one a design, each crossing context with pairs of factors
_N_DRAWS = 24  # a variance from so many is within a third of itself for one pair, and even over many
_FEWEST_DRAWS, _MOST_CELLS = 8, 8_000_000  # 64 MB of weights
_ACCOUNTS = 400  # by which it is told how much accounts differ
_FIRM = 4.0  # precisions of the member "firm", in those of "linear"
_LEAST, _MOST = 0.5, 20.0  # of the firmness


def joint_posterior(
    rows: FitRows,
    regressions: Mapping[str, tuple[str, BilinearModel]],
    weights: Mapping[str, float],
    scores_of: Callable[[Floats], Floats],
    bent: float,
) -> tuple[str, Floats]:
    """Root of the posterior of the regression whose design carries the most weight.

    Parameters
    ----------
    scores_of : callable
        Calibrated scores of the whole stack, from encoded context.
    bent : float in [0, 1]
        Share of the stack that no straight line expresses: there, shrinking says less of how much accounts differ.

    Returns
    -------
    (design, ndarray of shape (n_draws, n_terms, n_actions))
    """
    by_design = dict.fromkeys(_SPEAKERS, 0.0)
    for name, (design, _) in regressions.items():
        if design in by_design:
            by_design[design] += weights.get(name, 0.0)
    speaker = max((name for name in _SPEAKERS if name in regressions), key=by_design.__getitem__)
    root = posterior_root(
        regressions[speaker][1],
        *rows.timed(speaker),
        rows.task.actions,
        rows.task.action,
        rows.task.target,
        family=rows.task.family,
        firmness=_firmness(rows, regressions, scores_of) ** (1.0 - bent**2),
        directions=rows.directions,
        n_draws=int(np.clip(_MOST_CELLS // regressions[speaker][1].weights.size, _FEWEST_DRAWS, _N_DRAWS)),
        random_state=rows.random_state,
    )
    return speaker, root.astype(np.float32).astype(np.float64)  # as it is kept


def _firmness(
    rows: FitRows, regressions: Mapping[str, tuple[str, BilinearModel]], scores_of: Callable[[Floats], Floats]
) -> float:
    """How firm a prior would make the regression tell accounts apart as much as the stack does.

    Blending and calibration shrink what one regression believes; a posterior about the blend must not be wider than
    the prior that the blend amounts to. Told by two regressions of different firmness; 1 on logs too long to have both.
    """
    if "firm" not in regressions:
        return 1.0
    at = np.random.default_rng(rows.random_state).permutation(len(rows.task))[:_ACCOUNTS]
    U = rows.U["linear"][at]
    plain, firm = (_boldness(regressions[name][1].scores(U)) for name in ("linear", "firm"))
    stack = _boldness(scores_of(rows.task.X[at]))
    if not plain > firm > 0.0:
        return 1.0
    power = np.log(plain / firm) / np.log(_FIRM)
    wanted = np.log(plain / max(stack, 1e-12)) / power  # as a logarithm: a stack that tells nobody apart wants a lot
    return float(np.exp(np.clip(wanted, np.log(_LEAST), np.log(_MOST))))


def _boldness(scores: Floats) -> float:
    """Variance, over accounts, of what tells actions apart."""
    advantage = scores - scores.mean(axis=1, keepdims=True)
    return float((advantage - advantage.mean(axis=0)).var())
