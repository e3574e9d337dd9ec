"""The joint posterior of a regression's weights, as draws: what it knows of a difference, not of each action apart.

Laplace's approximation with the whole Hessian. A draw solves ``(H + P) theta = G' z + P^1/2 z'``, which has exactly
the covariance ``(H + P)^-1``; the Hessian is never built, because it acts action by action through small matrices, and
conjugate gradients solve all draws at once. Two actions that share a channel share what is unknown of the channel: it
cancels in their difference, as it does not where actions are taken to err apart.

References
----------
Papandreou and Yuille (2010), "Gaussian sampling by local perturbations".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.regression.bilinear import BilinearModel, BlockProblem, Family
from recommender.learning.regression.linear_design import LinearDesign

__all__ = ["posterior_root"]

Floats = NDArray[np.float64]

_MOST_CELLS = 40_000_000  # of the actions' matrices, 320 MB; beyond, parameters are taken to err apart
_ROUNDS = 60  # of conjugate gradients
_CLOSE = 0.02  # of the right side's length: a twentieth of what so few draws leave open


def posterior_root(
    model: BilinearModel,
    design: LinearDesign,
    U: NDArray[np.floating],
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    *,
    family: Family,
    firmness: float = 1.0,
    directions: tuple[Floats, ...] = (),
    n_draws: int = 24,
    random_state: int = 0,
) -> Floats:
    """Draw deviations of the weights from their mode, scaled so that they are a root of the covariance.

    Parameters
    ----------
    model : BilinearModel
        Fitted on these rows, its precisions known; it may be the first terms of what was fitted.
    U : ndarray of shape (n, >= n_terms)
    firmness : float
        Multiplies the precisions of what context adds: more than 1 where accounts are known to differ less than this
        regression took them to.

    Returns
    -------
    ndarray of shape (n_draws, n_terms, n_actions)
        The scores of an account ``u`` have the covariance ``sum_k (u . root[k])(u . root[k])'``.
    """
    n_terms = len(model.weights)
    eta = model.logged_scores(U[:, :n_terms], action)
    weight = np.full(len(U), 1.0 / model.noise)
    if family == "binomial":
        chance = expit(eta)
        weight = chance * (1.0 - chance)
    problem = BlockProblem(design, U, actions, action, target, family, weight, "pairs", directions)
    if model.precision is None:
        raise ValueError("the model's precisions are not known: it was loaded, not fitted")
    penalty = model.precision[problem.precision_index]
    penalty[problem.of_context] *= firmness
    drawn = _Draws(problem, penalty).solve(n_draws, np.random.default_rng(random_state))
    by_term = np.transpose(drawn[:, :n_terms], (2, 1, 0))  # (n_draws, n_terms, n_actions)
    return np.asarray(np.ascontiguousarray(by_term) / np.sqrt(n_draws))


class _Draws:
    """Right sides and the product with the Hessian, for many draws at once; weights are (n_actions, n_terms, draws)."""

    def __init__(self, problem: BlockProblem, penalty: Floats) -> None:
        self.problem, self.penalty = problem, penalty
        shape = (problem.n_actions, problem.n_terms, problem.n_terms)
        self.is_small = int(np.prod(shape)) <= _MOST_CELLS
        self.gram = np.zeros(shape if self.is_small else (0, 0, 0))
        self.square = np.zeros(shape[:2])
        for action, start, end in self._runs():
            U, w = problem.U[start:end], problem.w[start:end, None]
            self.square[action] = (w * U**2).sum(axis=0)
            if self.is_small:
                self.gram[action] = U.T @ (w * U)
        self.diagonal = problem.collect(self.square, squared=True) + penalty

    def _runs(self) -> zip[tuple[int, int, int]]:
        problem = self.problem
        return zip(problem.tried.tolist(), problem.bounds[:-1].tolist(), problem.bounds[1:].tolist(), strict=True)

    def solve(self, n_draws: int, rng: np.random.Generator) -> Floats:
        """Weights of each draw, shape (n_actions, n_terms, n_draws)."""
        problem, n = self.problem, len(self.penalty)
        if not self.is_small:
            return problem.summed(rng.standard_normal((n, n_draws)) / np.sqrt(self.diagonal)[:, None])
        S = np.zeros((problem.n_actions, problem.n_terms, n_draws))
        for action, start, end in self._runs():
            noise = rng.standard_normal((end - start, n_draws)) * np.sqrt(problem.w[start:end, None])
            S[action] = problem.U[start:end].T @ noise
        right = problem.collect(S) + np.sqrt(self.penalty)[:, None] * rng.standard_normal((n, n_draws))
        return problem.summed(self._conjugate_gradients(right))

    def _conjugate_gradients(self, right: Floats) -> Floats:
        """Solve for every draw, scaled by the diagonal."""
        scale = 1.0 / np.sqrt(self.diagonal)[:, None]
        residual = scale * right
        solution, direction = np.zeros_like(residual), residual.copy()
        size = (residual**2).sum(axis=0)
        enough = _CLOSE**2 * size
        for _ in range(_ROUNDS):
            if (size <= enough).all():
                break
            point = scale * direction
            image = self.problem.collect(self.gram @ self.problem.summed(point))
            product = scale * (image + self.penalty[:, None] * point)
            step = size / np.maximum((direction * product).sum(axis=0), 1e-300)
            solution += step * direction
            residual -= step * product
            before, size = size, (residual**2).sum(axis=0)
            direction = residual + (size / np.maximum(before, 1e-300)) * direction
        return scale * solution
