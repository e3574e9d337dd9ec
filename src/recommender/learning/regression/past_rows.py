"""What the rows of earlier days say of a regression's weights, kept without the rows: the prior of the next day.

Around yesterday's weights the log-likelihood of every row ever learnt from is a parabola. Its Hessian by (action, term)
is kept as ``D_a^1/2 R D_a^1/2``: each action's own diagonal, and the correlation of terms pooled over actions. As the
slope of the penalised likelihood is zero where yesterday's fit ended, the parabola and the precisions are all that
today's rows have to be weighed against.

References
----------
Spiegelhalter & Lauritzen (1990), "Sequential updating of conditional probabilities on directed graphical structures";
Ritter, Botev & Barber (2018), "Online structured Laplace approximations".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.regression.action_blocks import Crossing
from recommender.learning.regression.bilinear import BilinearModel, BlockProblem, Family
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.regression.newton import Effort, newton_steps

__all__ = ["PastRows", "continued"]

Floats = NDArray[Any]

_ROWS_FOR_CORRELATION = 20_000  # a correlation of two terms is within .01 of itself
_EFFORT = Effort(steps=4, close=0.02, iterations=40, enough=1e-9)  # a night near the prior: a few steps close it


@dataclass(frozen=True, eq=False)
class PastRows:
    """The parabola and the precisions of one regression.

    Attributes
    ----------
    squares : ndarray of float32 of shape (n_actions, n_terms)
        Diagonal of the Hessian of the rows so far.
    alike : ndarray of float32 of shape (n_terms, n_terms)
        Correlation of the terms, weighted as the Hessian is.
    precision : ndarray of float64
        Of the weights' prior, by (block, group) and then by matched factor.
    crossing : {"pairs", "factors", "none"}
    """

    squares: Floats
    alike: Floats
    precision: NDArray[np.float64]
    crossing: Crossing

    @classmethod
    def of(
        cls,
        model: BilinearModel,
        design: LinearDesign,
        U: NDArray[np.floating],
        actions: ActionSpace,
        action: NDArray[np.int64],
        *,
        family: Family,
        crossing: Crossing,
        n_directions: int,
    ) -> PastRows:
        """Sum up the rows that a model was fitted on.

        Parameters
        ----------
        n_directions : int
            Directions it was fitted with; where the world moved, the precisions of the terms of now are kept.
        """
        if model.precision is None:
            raise ValueError("the model's precisions are not known: it was loaded, not fitted")
        problem = BlockProblem(design, U, actions, action, np.zeros(len(U)), family, None, crossing)
        problem.noise = model.noise
        eta = model.logged_scores(U, action)[np.argsort(action, kind="stable")]
        squares = problem.squares(eta).astype(np.float32)
        rows = slice(None, None, max(1, len(U) // _ROWS_FOR_CORRELATION))
        part = problem.U[rows] * np.sqrt(problem.bend(eta)[rows, None].astype(np.float32))
        gram = part.T @ part
        size = np.sqrt(np.maximum(np.diagonal(gram), 1e-12))
        alike = (gram / (size[:, None] * size)).astype(np.float32)
        np.fill_diagonal(alike, 1.0)
        by_block = model.precision[: len(model.precision) - problem.n_matched - n_directions]
        own = by_block.reshape(problem.n_blocks, -1)[:, : problem.n_precisions // problem.n_blocks]
        matched = model.precision[len(by_block) : len(by_block) + problem.n_matched]
        return cls(squares, alike, np.append(own.ravel(), matched), crossing)

    def times(self, W: Floats) -> Floats:
        """Product of the Hessian with weights of shape (n_actions, n_terms)."""
        root = np.sqrt(self.squares)
        return np.asarray(root * ((root * W) @ self.alike))


class _Past:
    """The parabola as the prior of a change of parameters."""

    def __init__(self, problem: BlockProblem, past: PastRows) -> None:
        self._problem, self._past = problem, past
        self._penalty = past.precision[problem.precision_index]
        self.diagonal = self._penalty + problem.collect(past.squares.astype(np.float64), squared=True)
        self._small = self._penalty.astype(np.float32)

    def value(self, theta: Floats) -> float:
        """Half the squared length of a change."""
        return 0.5 * float(self.slope(theta) @ theta)

    def slope(self, theta: Floats) -> Floats:
        """Its slope."""
        pulled = self._past.times(self._problem.summed(theta)).astype(np.float64)
        return self._problem.collect(pulled) + self._penalty * theta

    def product(self, step: Floats) -> Floats:
        """Product of the precision with a vector, in float32."""
        return self._problem.collect(self._past.times(self._problem.summed(step))) + self._small * step


def continued(
    model: BilinearModel,
    past: PastRows,
    design: LinearDesign,
    U: NDArray[np.float64],
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: NDArray[np.float64],
    *,
    family: Family,
) -> tuple[BilinearModel, PastRows]:
    """Learn from new rows on top of what is known.

    Returns
    -------
    (BilinearModel, PastRows)
        With the new rows in both.
    """
    problem = BlockProblem(design, U, actions, action, target, family, None, past.crossing, known=model.weights)
    problem.noise = model.noise
    prior = _Past(problem, past)
    theta = np.zeros(len(problem.precision_index))
    eta = problem.predictor(theta)
    theta, eta, H = newton_steps(problem, theta, eta, problem.diagonal(eta), prior, _EFFORT)
    spread = 1.0 / (H + prior.diagonal)
    W, V = (np.ascontiguousarray(one.T) for one in (problem.weights(theta), problem.summed(spread, squared=True)))
    squares = past.squares + problem.squares(eta).astype(np.float32)
    return BilinearModel(W, V, model.noise), replace(past, squares=squares)
