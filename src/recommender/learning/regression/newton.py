"""Newton's method for penalised regressions with more parameters than anybody would invert a matrix of.

Every step solves ``(H + P) d = -g`` by conjugate gradients, scaled by the diagonal, in float32: a direction needs no
more. Gradient, predictor and loss are float64, so the place where the steps end is as exact as they are many.

References
----------
Nocedal & Wright (2006), "Numerical optimization", chapter 7 (inexact Newton).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Curved", "Effort", "conjugate_gradients", "newton_steps"]

Floats = NDArray[Any]

_SHORTEST = 2.0**-12  # of a Newton step: shorter, nothing is left to gain
_DECREASE = 1e-4  # of the decrease that the gradient promises


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes
    ----------
    steps : int
        Newton steps at most.
    close : float
        Residual of a step's equations, as a share of the gradient's length, at which it is good enough.
    iterations : int
        Of conjugate gradients, at most, a step.
    enough : float
        Promised relative decrease of the loss below which no further step is taken.
    """

    steps: int
    close: float
    iterations: int
    enough: float = 0.0


class Curved(Protocol):
    """A negative log-likelihood whose parameters act through a predictor of every row.

    The predictor is linear in the parameters.
    """

    def predictor(self, theta: Floats) -> Floats:
        """Predictor of every row."""
        ...

    def increment(self, step: Floats) -> Floats:
        """Change of the predictor."""
        ...

    def loss(self, eta: Floats) -> float:
        """Negative log-likelihood."""
        ...

    def gradient(self, eta: Floats) -> Floats:
        """Slope of the loss by parameter."""
        ...

    def diagonal(self, eta: Floats) -> Floats:
        """Diagonal of the loss's Hessian by parameter."""
        ...

    def product(self, eta: Floats) -> Callable[[Floats], Floats]:
        """Product of the loss's Hessian with a vector, in float32."""
        ...


def newton_steps(
    problem: Curved,
    theta: Floats,
    eta: Floats,
    H: Floats,
    penalty: Floats,
    effort: Effort,
) -> tuple[Floats, Floats, Floats]:
    """Minimise the penalised loss.

    Parameters
    ----------
    theta : ndarray of shape (n_parameters,)
        Where to start.
    eta, H : ndarray
        Predictor and diagonal of the Hessian there.
    penalty : ndarray of shape (n_parameters,)
        Diagonal of the prior's precision.
    effort : Effort

    Returns
    -------
    (theta, eta, H)
        At the end.
    """
    value = problem.loss(eta) + 0.5 * float(penalty @ theta**2)
    for _ in range(effort.steps):
        slope = problem.gradient(eta) + penalty * theta
        scale = 1.0 / np.sqrt(H + penalty)
        step = scale * conjugate_gradients(
            problem.product(eta), -scale * slope, scale, penalty, close=effort.close, iterations=effort.iterations
        )
        promised = -float(slope @ step)
        if promised <= effort.enough * max(abs(value), 1.0):
            break
        change, share = problem.increment(step), 1.0
        while True:
            there = theta + share * step
            reached = problem.loss(eta + share * change) + 0.5 * float(penalty @ there**2)
            if reached <= value - _DECREASE * share * promised:
                break
            share *= 0.5
            if share < _SHORTEST:
                return theta, eta, H
        theta, eta, value = there, eta + share * change, reached
        H = problem.diagonal(eta)
    return theta, eta, H


def conjugate_gradients(
    product: Callable[[Floats], Floats],
    right: Floats,
    scale: Floats,
    penalty: Floats,
    *,
    close: float,
    iterations: int,
) -> Floats:
    """Solve ``(D (H + P) D) x = right`` for one right side, ``D`` the scale; the answer is float64."""
    scale = scale.astype(np.float32)
    ridge = (penalty * scale**2).astype(np.float32)
    residual = right.astype(np.float32)
    solution, direction = np.zeros_like(residual), residual.copy()
    size = float(residual @ residual)
    goal = close**2 * size
    for _ in range(iterations):
        if size <= goal:
            break
        image = scale * product(scale * direction)
        image += ridge * direction
        bend = float(direction @ image)
        if bend <= 0.0:  # rounding: nothing further can be told in this precision
            break
        length = np.float32(size / bend)
        solution += length * direction
        residual -= length * image
        before, size = size, float(residual @ residual)
        direction *= np.float32(size / before)
        direction += residual
    return solution.astype(np.float64)
