"""Passes over the rows of a regression, grouped by action, compiled: each reads the design once.

Sums over terms may be taken in any order, so that they are taken eight at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["hessian_pass", "predictor_pass", "pull_pass", "square_pass"]

Floats = NDArray[Any]  # the design in float32, sums in float64 except for the product with the Hessian
Ints = NDArray[np.int64]


@compiled(fastmath={"reassoc", "contract"})
def predictor_pass(U: Floats, by_action: Floats, tried: Ints, bounds: Ints, eta: Floats) -> None:
    """Write the linear predictor of every row.

    Parameters
    ----------
    U : ndarray of shape (n, n_terms)
    by_action : ndarray of shape (n_actions, n_terms)
        Weights.
    tried : ndarray of shape (n_slices,)
        Action of each run of rows.
    bounds : ndarray of shape (n_slices + 1,)
        Where the runs begin.
    eta : ndarray of shape (n,)
    """
    for run in range(len(tried)):
        weights = by_action[tried[run]]
        for i in range(bounds[run], bounds[run + 1]):
            total = 0.0
            for j in range(U.shape[1]):
                total += U[i, j] * weights[j]
            eta[i] = total


@compiled(fastmath={"reassoc", "contract"})
def pull_pass(U: Floats, residual: Floats, tried: Ints, bounds: Ints, pulled: Floats) -> None:
    """Add the rows by action, each times its residual, to ``pulled`` of shape (n_actions, n_terms)."""
    for run in range(len(tried)):
        into = pulled[tried[run]]
        for i in range(bounds[run], bounds[run + 1]):
            factor = residual[i]
            for j in range(U.shape[1]):
                into[j] += factor * U[i, j]


@compiled(fastmath={"reassoc", "contract"})
def square_pass(U: Floats, bend: Floats, tried: Ints, bounds: Ints, squares: Floats) -> None:
    """Add the squares of the rows by action, each times its bend, to ``squares`` of shape (n_actions, n_terms)."""
    for run in range(len(tried)):
        into = squares[tried[run]]
        for i in range(bounds[run], bounds[run + 1]):
            factor = bend[i]
            for j in range(U.shape[1]):
                into[j] += factor * U[i, j] * U[i, j]


@compiled(fastmath={"reassoc", "contract"})
def hessian_pass(U: Floats, bend: Floats, by_action: Floats, tried: Ints, bounds: Ints, product: Floats) -> None:
    """Add the Hessian times weights, both by (action, term), to ``product``; all in the precision of the arguments."""
    for run in range(len(tried)):
        weights, into = by_action[tried[run]], product[tried[run]]
        for i in range(bounds[run], bounds[run + 1]):
            total = U[i, 0] * weights[0]
            for j in range(1, U.shape[1]):
                total += U[i, j] * weights[j]
            total *= bend[i]
            for j in range(U.shape[1]):
                into[j] += total * U[i, j]
