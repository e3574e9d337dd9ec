"""What the logging policy preferred, as directions in which reward weights may lie.

Where overlap is weak, most actions were never tried on most accounts, and a regression that shrinks them towards the
tried ones promises too much: those who chose knew something. The log of the logging policy's probability as a
covariate lets the data say how much they knew; estimated factor by factor it is straight in the context, so it costs
one coefficient and nothing at scoring.

References
----------
Hahn, Murray & Carvalho (2020), "Bayesian regression tree models for causal inference: regularization, confounding,
and heterogeneous effects".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from recommender.actions import ActionSpace

__all__ = ["logger_directions"]

Floats = NDArray[np.float64]

_ROWS = 40_000  # as for the propensities of evaluation
_RIDGE = 30.0  # in rows: what the logger preferred is a direction, its size is learnt after
_ITERATIONS = 60  # optimiser steps: only the direction is used


def logger_directions(
    U: Floats, actions: ActionSpace, action: NDArray[np.int64], *, random_state: int
) -> tuple[Floats, Floats]:
    """Log-odds of the logging policy by (term, action): how often an action was chosen, and for whom.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
        Design columns; the first is the constant.
    action : ndarray of int64 of shape (n,)

    Returns
    -------
    (ndarray of shape (1, n_actions), ndarray of shape (n_terms, n_actions))
        Centred over the log. The second holds nothing for the constant.
    """
    n, n_actions = len(action), len(actions)
    count = np.bincount(action, minlength=n_actions)
    often = np.log(count + 0.5 * n / n_actions / 10.0 + 0.5)
    often -= often @ count / n
    whom = np.zeros((U.shape[1], n_actions))
    rows = np.sort(np.random.default_rng(random_state).permutation(n)[:_ROWS])
    for codes, size in zip(actions.codes.T, actions.shape, strict=True):
        level = codes[action[rows]]
        chosen = level >= 0
        if size < 2 or not chosen.any():
            continue
        slopes = _multinomial(U[rows[chosen]], level[chosen], size)
        slopes -= (slopes @ np.bincount(level[chosen], minlength=size) / chosen.sum())[:, None]
        whom += np.where(codes >= 0, slopes[:, np.maximum(codes, 0)], 0.0)
    whom[0] = 0.0
    return often[None], whom


def _multinomial(U: Floats, level: NDArray[np.int64], size: int) -> Floats:
    """Ridge multinomial regression of the chosen level, shape (n_terms, size)."""
    rows = np.arange(len(level))
    penalty = np.full((U.shape[1], 1), _RIDGE)
    penalty[0] = 1e-2
    share = np.bincount(level, minlength=size) / len(level)
    bend = np.maximum(share * (1 - share), 0.5 / len(level))
    scale = 1.0 / np.sqrt((U**2).sum(axis=0)[:, None] * bend[None] + penalty)

    def loss(point: Floats) -> tuple[float, Floats]:
        slopes = point.reshape(-1, size) * scale
        eta = U @ slopes
        eta -= eta.max(axis=1, keepdims=True)
        p = np.exp(eta)
        total = p.sum(axis=1)
        value = float(np.log(total).sum() - eta[rows, level].sum())
        p /= total[:, None]
        p[rows, level] -= 1.0
        penalised = penalty * slopes
        return value + 0.5 * float((penalised * slopes).sum()), ((U.T @ p + penalised) * scale).ravel()

    optimum = minimize(
        loss, np.zeros(U.shape[1] * size), jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS, "ftol": 1e-7}
    )
    return np.asarray(optimum.x.reshape(-1, size) * scale)
