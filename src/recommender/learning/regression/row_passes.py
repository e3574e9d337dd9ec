"""Passes over the rows of a regression, compiled: likelihood with gradient, and curvature, in one reading each."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["curvature_pass", "likelihood_pass"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # sums over terms may be taken in any order
def likelihood_pass(
    U: Floats, by_action: Floats, tried: Ints, bounds: Ints, y: Floats, w: Floats, noise: float, gradient: Floats
) -> float:
    """Negative log-likelihood of rows grouped by action; its gradient by (action, term) is added to ``gradient``.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
    by_action : ndarray of shape (n_actions, n_terms)
        Weights.
    tried : ndarray of shape (n_slices,)
        Action of each run of rows.
    bounds : ndarray of shape (n_slices + 1,)
        Where the runs begin.
    y, w : ndarray of shape (n,)
        Targets and weights of the rows.
    noise : float
        Residual variance of a Gaussian family; 0 means binomial.
    gradient : ndarray of shape (n_actions, n_terms)
    """
    total = 0.0
    n_terms = U.shape[1]
    for run in range(len(tried)):
        action = tried[run]
        for i in range(bounds[run], bounds[run + 1]):
            eta = 0.0
            for j in range(n_terms):
                eta += U[i, j] * by_action[action, j]
            if noise > 0.0:
                residual = w[i] * (eta - y[i]) / noise
                total += 0.5 * residual * (eta - y[i])
            else:
                small = math.exp(-abs(eta))
                total += w[i] * (max(eta, 0.0) + math.log1p(small) - y[i] * eta)
                chance = (1.0 if eta >= 0.0 else small) / (1.0 + small)
                residual = w[i] * (chance - y[i])
            for j in range(n_terms):
                gradient[action, j] += residual * U[i, j]
    return total


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})
def curvature_pass(
    U: Floats, by_action: Floats, tried: Ints, bounds: Ints, y: Floats, w: Floats, binomial: bool, curvature: Floats
) -> float:
    """Diagonal of the Hessian by (action, term), without the noise; the weighted squared residuals are returned.

    The arguments are those of :func:`likelihood_pass`; the result is added to ``curvature``.
    """
    squares = 0.0
    n_terms = U.shape[1]
    for run in range(len(tried)):
        action = tried[run]
        for i in range(bounds[run], bounds[run + 1]):
            eta = 0.0
            for j in range(n_terms):
                eta += U[i, j] * by_action[action, j]
            if binomial:
                small = math.exp(-abs(eta))
                factor = w[i] * small / ((1.0 + small) * (1.0 + small))
            else:
                squares += w[i] * (eta - y[i]) * (eta - y[i])
                factor = w[i]
            for j in range(n_terms):
                curvature[action, j] += factor * U[i, j] * U[i, j]
    return squares
