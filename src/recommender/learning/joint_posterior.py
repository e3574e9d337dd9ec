"""Which regression of a stack speaks for what the whole stack does not know."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.learning.fit_rows import FitRows
from recommender.learning.regression import BilinearModel, posterior_root

__all__ = ["joint_posterior"]

Floats = NDArray[np.float64]

_SPEAKERS = ("linear", "curved", "profiles")  # one a design, each crossing context with pairs of factors
_N_DRAWS = 24  # a variance from so many is within a third of itself for one pair, and even over many
_FEWEST_DRAWS, _MOST_CELLS = 8, 8_000_000  # 64 MB of weights


def joint_posterior(
    rows: FitRows, regressions: Mapping[str, tuple[str, BilinearModel]], weights: Mapping[str, float]
) -> tuple[str, Floats]:
    """Root of the posterior of the regression whose design carries the most weight.

    Returns
    -------
    (design, ndarray of shape (n_draws, n_terms, n_actions))
    """
    by_design = dict.fromkeys(_SPEAKERS, 0.0)
    for name, (design, _) in regressions.items():
        if design in by_design:
            by_design[design] += weights.get(name, 0.0)
    speaker = max((name for name in _SPEAKERS if name in regressions), key=by_design.__getitem__)
    moved = rows.moved
    root = posterior_root(
        regressions[speaker][1],
        rows.designs[speaker],
        rows.U[speaker],
        None if moved is None else moved.steps,
        None if moved is None else moved.passed,
        rows.task.actions,
        rows.task.action,
        rows.task.target,
        family=rows.task.family,
        directions=rows.directions + ((rows.habits[speaker],) if speaker in rows.habits else ()),
        n_draws=int(np.clip(_MOST_CELLS // regressions[speaker][1].weights.size, _FEWEST_DRAWS, _N_DRAWS)),
        random_state=rows.random_state,
    )
    return speaker, root.astype(np.float32).astype(np.float64)  # as it is kept
