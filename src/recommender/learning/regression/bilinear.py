"""Empirical-Bayes ridge regression of the reward on context x action, block by block.

The linear predictor of account ``x`` and action ``a`` is ``u(x) . W[:, a]`` with ``W = sum_b theta_b E_b'``: each block
``b`` (everything, one factor, a pair of factors, the whole action) has a basis ``E_b`` over the actions. Every
(context column, block) has a precision of its own, learnt by MacKay's fixed point around penalised maximum
likelihood; because all blocks meet in ``W``, one pass over the rows, grouped by action, serves them all.

References
----------
MacKay (1992), "Bayesian interpolation"; Tipping (2001), "Sparse Bayesian learning and the relevance vector machine".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.regression.action_blocks import Crossing, action_blocks, crossed_blocks
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.regression.newton import Effort, Ridge, newton_steps
from recommender.learning.regression.row_passes import hessian_pass, predictor_pass, pull_pass, square_pass

__all__ = ["BilinearModel", "BlockProblem", "Family"]

Floats = NDArray[Any]  # float32 where directions are sought, float64 elsewhere

Family = Literal["binomial", "gaussian"]

_LOWEST, _HIGHEST = 0.05, 1e5  # of a precision: the fixed point runs away where a block says nothing
_ROUGHLY = Effort(steps=1, close=0.03, iterations=15)  # between two precision updates
_EXACTLY = Effort(steps=8, close=0.01, iterations=60, enough=1e-9)  # once they are settled


class BilinearModel:
    """Weights of every (context term, action) with their approximate posterior variance.

    Attributes
    ----------
    weights : ndarray of shape (n_terms, n_actions)
    variances : ndarray of shape (n_terms, n_actions)
        Diagonal Laplace approximation, so that the variance of a linear predictor is ``u^2 . variances``.
    noise : float
        Residual variance (1 for binomial).
    precision : ndarray or None
        Precisions in force, to fit again on part of the rows; not kept when saved.
    """

    def __init__(
        self,
        weights: NDArray[np.float64],
        variances: NDArray[np.float64],
        noise: float = 1.0,
        precision: NDArray[np.float64] | None = None,
    ) -> None:
        self.weights = weights
        self.variances = variances
        self.noise = noise
        self.precision = precision

    def first(self, n_terms: int) -> BilinearModel:
        """The model of the first terms alone; precisions are those in force of all."""
        return BilinearModel(self.weights[:n_terms], self.variances[:n_terms], self.noise, self.precision)

    def scores(self, U: NDArray[np.floating]) -> NDArray[np.float64]:
        """Linear predictor of every action, shape (n, n_actions)."""
        return np.asarray(U @ self.weights)

    def logged_scores(self, U: NDArray[np.floating], action: NDArray[np.int64]) -> NDArray[np.float64]:
        """Linear predictor of one action a row."""
        return np.asarray(np.einsum("ij,ij->i", U, self.weights.T[action]))

    @classmethod
    def fit(
        cls,
        design: LinearDesign,
        U: NDArray[np.floating],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        *,
        family: Family = "binomial",
        weight: NDArray[np.float64] | None = None,
        crossing: Crossing = "pairs",
        rounds: int = 8,
        prior_scale: float = 1.0,
        precision: NDArray[np.float64] | None = None,
        directions: Sequence[NDArray[np.float64]] = (),
        known: NDArray[np.float64] | None = None,
    ) -> BilinearModel:
        """Learn weights and precisions.

        Parameters
        ----------
        rounds : int
            Precision updates.
        prior_scale : float
            Multiplies every learnt precision (> 1 shrinks more).
        precision : ndarray, optional
            Precisions of an earlier fit of the same shape; then they are kept.
        directions : sequence of ndarray of shape (<= n_terms, n_actions)
            Weights known beforehand up to a factor, e.g. those of the logging policy; a coefficient is learnt for
            each. Terms beyond their rows have none.
        known : ndarray of shape (<= n_terms, n_actions), optional
            Weights known beforehand; what is learnt adds to them.
        """
        return cls.fit_scaled(
            design,
            U,
            actions,
            action,
            target,
            prior_scales=(prior_scale,),
            family=family,
            weight=weight,
            crossing=crossing,
            rounds=rounds,
            precision=precision,
            directions=directions,
            known=known,
        )[0]

    @classmethod
    def fit_scaled(
        cls,
        design: LinearDesign,
        U: NDArray[np.floating],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        *,
        prior_scales: Sequence[float],
        family: Family = "binomial",
        weight: NDArray[np.float64] | None = None,
        crossing: Crossing = "pairs",
        rounds: int = 8,
        precision: NDArray[np.float64] | None = None,
        directions: Sequence[NDArray[np.float64]] = (),
        known: NDArray[np.float64] | None = None,
    ) -> list[BilinearModel]:
        """Learn the precisions once and the weights for each scale of the prior; see :meth:`fit`."""
        problem = BlockProblem(design, U, actions, action, target, family, weight, crossing, directions, known)
        return problem.solve(rounds if precision is None else 1, prior_scales, precision)


def _matched_cells(members: Sequence[tuple[int, int]], codes: NDArray[np.int64], n_terms: int) -> NDArray[np.float64]:
    """One where a term speaks of the action's own level, shape (n_actions, n_terms)."""
    where = np.zeros((len(codes), n_terms))
    for term, code in members:
        where[codes == code, term] = 1.0
    return where


def _padded(direction: NDArray[np.float64], n_terms: int) -> NDArray[np.float64]:
    """A direction by (action, term) whose further terms hold nothing."""
    where = np.zeros((direction.shape[1], n_terms))
    where[:, : len(direction)] = direction.T
    return where


class BlockProblem:
    """Likelihood over rows grouped by action; weights are held by (action, term)."""

    def __init__(
        self,
        design: LinearDesign,
        U: NDArray[np.floating],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        family: Family,
        weight: NDArray[np.float64] | None,
        crossing: Crossing,
        directions: Sequence[NDArray[np.float64]] = (),
        known: NDArray[np.float64] | None = None,
    ) -> None:
        self.n_terms, self.n_actions = U.shape[1], len(actions)
        order = np.argsort(action, kind="stable")
        # standardised columns: what float32 rounds off is far below what a row can tell, and every pass reads half
        self.U = np.ascontiguousarray(np.asarray(U, dtype=np.float32)[order])
        self.y = np.ascontiguousarray(target[order], dtype=np.float64)
        self.w = np.ones(len(order)) if weight is None else np.ascontiguousarray(weight[order], dtype=np.float64)
        self.family = family
        self.tried, starts = np.unique(action[order], return_index=True)
        self.bounds = np.append(starts, len(order)).astype(np.int64)
        blocks = action_blocks(actions, self.n_terms, crossing=crossing)
        self.crossed = crossed_blocks(blocks, design)
        matched = design.matched if crossing != "none" else ()
        cells = [_matched_cells(members, actions.codes[:, factor], self.n_terms) for factor, members in matched]
        cells += [_padded(direction, self.n_terms) for direction in directions]
        dense = np.array(cells).reshape(len(cells), self.n_actions * self.n_terms)
        self._matched = {name: sparse.csr_array(dense, dtype=name) for name in ("float32", "float64")}
        self._matched_squares = self._matched["float64"].power(2)
        self.n_matched = len(cells)
        self.known = np.zeros((self.n_actions, self.n_terms)) if known is None else _padded(known, self.n_terms)
        self.n_blocks = len(blocks)
        self._share_precisions(design.groups, self.n_blocks)
        self.noise = 1.0

    @property
    def of_context(self) -> NDArray[np.bool_]:
        """Parameters that tell accounts apart, not those of the actions themselves, shape (n_parameters,)."""
        parts = [np.tile(part.terms != 0, part.shape[0]) for part in self.crossed]
        return np.concatenate([*parts, np.zeros(self.n_matched, dtype=bool)])

    def _share_precisions(self, groups: NDArray[np.int64], n_blocks: int) -> None:
        """Say which parameters share a precision: :attr:`precision_index`."""
        # one precision a (group, block); the constant of every action together is left free
        n_groups = int(groups.max()) + 1
        precision_of = [(groups[part.terms] + part.number[:, None] * n_groups).ravel() for part in self.crossed]
        self.n_precisions = n_groups * n_blocks
        precision_of.append(self.n_precisions + np.arange(self.n_matched))
        self.precision_index = np.concatenate(precision_of)

    # -- parameters and weights ----------------------------------------------------------------------------------
    def weights(self, theta: Floats) -> Floats:
        """Sum the blocks, and what is known, into weights of shape (n_actions, n_terms)."""
        return self.summed(theta) + self.known

    def summed(self, theta: Floats, *, squared: bool = False) -> Floats:
        """Weights that parameters add up to, or variances (``squared``), by (action, term) and any further axis."""
        further = theta.shape[1:]
        start = len(theta) - self.n_matched
        matched = self._matched_squares if squared else self._matched[theta.dtype.name]
        W = np.asarray(matched.T @ theta[start:]).reshape(self.n_actions, self.n_terms, *further)
        start = 0
        for part in self.crossed:
            end = start + part.shape[0] * part.shape[1]
            summed = part.weights(theta[start:end].reshape(part.shape[0], -1), squared=squared)
            summed = summed.reshape(self.n_actions, part.shape[1], *further)
            if part.shape[1] == self.n_terms:
                W += summed
            else:
                W[:, part.terms] += summed
            start = end
        return W

    def collect(self, S: Floats, *, squared: bool = False) -> Floats:
        """Adjoint of :meth:`summed`."""
        further = S.shape[2:]
        parts = []
        for part in self.crossed:
            own = S if part.shape[1] == self.n_terms else S[:, part.terms]
            parts.append(part.collect(own.reshape(self.n_actions, -1), squared=squared).reshape(-1, *further))
        matched = self._matched_squares if squared else self._matched[S.dtype.name]
        parts.append(np.asarray(matched @ S.reshape(-1, *further)))
        return np.concatenate(parts)

    # -- likelihood ----------------------------------------------------------------------------------------------
    def predictor(self, theta: Floats) -> Floats:
        """Linear predictor of every row, grouped by action."""
        return self._predicted(self.weights(theta))

    def increment(self, step: Floats) -> Floats:
        """Change of the predictor with the parameters."""
        return self._predicted(self.summed(step))

    def _predicted(self, W: Floats) -> Floats:
        eta = np.empty(len(self.y))
        predictor_pass(self.U, W, self.tried, self.bounds, eta)
        return eta

    def loss(self, eta: Floats) -> float:
        """Negative log-likelihood."""
        if self.family == "binomial":
            return float(self.w @ (np.logaddexp(0.0, eta) - self.y * eta))
        return 0.5 * float(self.w @ (eta - self.y) ** 2) / self.noise

    def gradient(self, eta: Floats) -> Floats:
        """Slope of the loss by parameter."""
        residual = self.w * ((expit(eta) if self.family == "binomial" else eta) - self.y) / self.noise
        S = np.zeros((self.n_actions, self.n_terms))
        pull_pass(self.U, residual, self.tried, self.bounds, S)
        return self.collect(S)

    def diagonal(self, eta: Floats) -> Floats:
        """Diagonal of the loss's Hessian by parameter."""
        return self.collect(self.squares(eta), squared=True)

    def squares(self, eta: Floats) -> Floats:
        """Diagonal of the loss's Hessian by (action, term)."""
        S = np.zeros((self.n_actions, self.n_terms))
        square_pass(self.U, self.bend(eta), self.tried, self.bounds, S)
        return S

    def product(self, eta: Floats) -> Callable[[Floats], Floats]:
        """Product of the loss's Hessian with a vector, in float32."""
        bend = self.bend(eta).astype(np.float32)

        def times(step: Floats) -> Floats:
            S = np.zeros((self.n_actions, self.n_terms), dtype=np.float32)
            hessian_pass(self.U, bend, self.summed(step), self.tried, self.bounds, S)
            return self.collect(S)

        return times

    def bend(self, eta: Floats) -> Floats:
        """Second derivative of every row's loss by its predictor."""
        if self.family != "binomial":
            return self.w / self.noise
        chance = expit(eta)
        return np.asarray(self.w * chance * (1.0 - chance))

    def learn_noise(self, eta: Floats) -> None:
        """Set the residual variance of a Gaussian family."""
        if self.family != "binomial":
            self.noise = max(float(self.w @ (eta - self.y) ** 2) / max(float(self.w.sum()), 1.0), 1e-12)

    # -- learn ---------------------------------------------------------------------------------------------------
    def solve(
        self, rounds: int, prior_scales: Sequence[float], known: NDArray[np.float64] | None
    ) -> list[BilinearModel]:
        """Alternate penalised maximum likelihood and precision updates, then fit once for each scale of the prior."""
        theta = self._start()
        count = np.bincount(self.precision_index, minlength=self.n_precisions + self.n_matched)
        eta = self.predictor(theta)
        self.learn_noise(eta)
        H = self.diagonal(eta)
        precision = np.full(len(count), 30.0) if known is None else known.copy()
        precision[0] = 1e-3
        if self.n_matched and known is None:
            precision[self.n_precisions :] = 1.0
        for _ in range(rounds - 1):
            penalty = self._penalty(precision, 1.0)
            theta, eta, H = newton_steps(self, theta, eta, H, Ridge(penalty), _ROUGHLY)
            if self.family != "binomial":
                self.learn_noise(eta)
                H = self.diagonal(eta)
            gamma = np.bincount(self.precision_index, weights=H / (H + penalty), minlength=len(count))
            squares = np.bincount(self.precision_index, weights=theta**2, minlength=len(count))
            update = np.clip((gamma + 0.5) / (squares + 0.5 / precision), _LOWEST, _HIGHEST)
            update[0] = precision[0]
            update[self.n_precisions :] = precision[self.n_precisions :]
            precision = update
        return [self._settled(theta, eta, H, precision, scale) for scale in prior_scales]

    def _start(self) -> Floats:
        theta = np.zeros(len(self.precision_index))
        mean = float(self.w @ self.y) / max(float(self.w.sum()), 1e-12)
        theta[0] = mean
        if self.family == "binomial":
            mean = float(np.clip(mean, 1e-6, 1 - 1e-6))
            theta[0] = np.log(mean / (1 - mean))
        return theta

    def _penalty(self, precision: Floats, prior_scale: float) -> Floats:
        penalty = precision[self.precision_index] * prior_scale
        penalty[0] = precision[0]
        return np.asarray(penalty)

    def _settled(self, theta: Floats, eta: Floats, H: Floats, precision: Floats, prior_scale: float) -> BilinearModel:
        penalty, noise = self._penalty(precision, prior_scale), self.noise
        theta, eta, H = newton_steps(self, theta, eta, H, Ridge(penalty), _EXACTLY)
        self.learn_noise(eta)
        spread = 1.0 / (H * (noise / self.noise) + penalty)
        W, V = (np.ascontiguousarray(one.T) for one in (self.weights(theta), self.summed(spread, squared=True)))
        settled, self.noise = self.noise, noise  # another scale starts where this one did
        in_force = prior_scale * precision
        in_force[0] = precision[0]
        return BilinearModel(W, V, settled, in_force)
