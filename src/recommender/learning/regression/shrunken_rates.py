"""An account's own success rate, shrunken: a beta-binomial prior learnt from all accounts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln

__all__ = ["beta_prior", "shrunken_rate"]


def shrunken_rate(
    trials: NDArray[np.float64], successes: NDArray[np.float64], prior: float, strength: float
) -> NDArray[np.float64]:
    """Successes a trial, shrunken to a prior rate worth ``strength`` trials; missing counts are none."""
    tried = np.nan_to_num(trials, nan=0.0)
    good = np.minimum(np.nan_to_num(successes, nan=0.0), tried)
    return np.asarray((good + prior * strength) / (tried + strength), dtype=np.float64)


def beta_prior(trials: NDArray[np.float64], successes: NDArray[np.float64]) -> tuple[float, float]:
    """Prior rate and strength of a beta-binomial, by maximum likelihood in the strength."""
    t = np.nan_to_num(trials, nan=0.0)
    s = np.minimum(np.nan_to_num(successes, nan=0.0), t)
    rows = t > 0
    if not rows.any():
        return 0.05, 10.0
    pairs, counts = np.unique(np.column_stack([t[rows], s[rows]]), axis=0, return_counts=True)
    prior = float(np.clip((s.sum() + 0.5) / (t.sum() + 1.0), 1e-4, 1 - 1e-4))

    def loss(log_strength: float) -> float:
        a, b = prior * np.exp(log_strength), (1 - prior) * np.exp(log_strength)
        return -float((counts * (betaln(pairs[:, 1] + a, pairs[:, 0] - pairs[:, 1] + b) - betaln(a, b))).sum())

    best = minimize_scalar(loss, bounds=(np.log(0.5), np.log(500.0)), method="bounded")
    return prior, float(np.exp(best.x))
