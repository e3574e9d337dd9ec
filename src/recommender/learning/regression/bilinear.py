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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.regression.linear_design import LinearDesign

__all__ = ["ActionBlock", "BilinearModel", "Crossing", "Family", "action_blocks"]

Family = Literal["binomial", "gaussian"]
Crossing = Literal["pairs", "factors", "none"]

_SMOOTH_FROM = 6  # levels of an ordered factor from which neighbours teach each other
_MOST_PARAMETERS = 60_000  # a block; beyond, context crosses its factors one by one only
_LOWEST, _HIGHEST = 0.05, 1e5  # of a precision: the fixed point runs away where a block says nothing
_ROWS_PER_SLICE = 60  # below so many rows an action, one pass over all is faster than a call each


@dataclass(frozen=True)
class ActionBlock:
    """A basis over the actions.

    Attributes
    ----------
    name : str
    basis : ndarray of shape (n_actions, n_columns)
    with_context : bool
        Whether context terms cross it, or the constant alone.
    """

    name: str
    basis: NDArray[np.float64]
    with_context: bool = True


def action_blocks(actions: ActionSpace, n_terms: int, *, crossing: Crossing = "pairs") -> list[ActionBlock]:
    """Blocks of an action space: all, contact or not, each factor, each pair of factors, the whole action.

    Parameters
    ----------
    crossing : {"pairs", "factors", "none"}
        What context terms cross: pairs of factors too, single factors, or nothing (a scorecard: context and action
        add up, so every account gets the same ranking).
    """
    n_actions = len(actions)
    blocks = [ActionBlock("all", np.ones((n_actions, 1)))]
    if actions.no_contact and n_actions > 1:
        contact = np.zeros((n_actions, 1))
        contact[-1] = 1.0
        blocks.append(ActionBlock("no contact", contact, crossing != "none"))
    bases = []
    for position, levels in enumerate(actions.factors.values()):
        root = _level_basis(levels)
        codes = actions.codes[:, position]
        bases.append(np.where((codes >= 0)[:, None], root[np.maximum(codes, 0)], 0.0))
    varying = [i for i, size in enumerate(actions.shape) if size > 1]
    names = actions.factor_names
    blocks += [ActionBlock(names[i], bases[i], crossing != "none") for i in varying]
    for i, j in combinations(varying, 2):
        cross = (bases[i][:, :, None] * bases[j][:, None, :]).reshape(n_actions, -1)
        with_context = crossing == "pairs" and n_terms * cross.shape[1] <= _MOST_PARAMETERS
        blocks.append(ActionBlock(f"{names[i]} x {names[j]}", cross, with_context))
    if len(varying) > 2 and n_actions <= 5_000:
        whole = np.eye(n_actions)[:, : actions.n_contact_actions]
        blocks.append(ActionBlock("action", whole, with_context=False))
    return blocks


def _level_basis(levels: tuple[object, ...]) -> NDArray[np.float64]:
    """Identity, or for many ordered levels the root of a smooth kernel with a little identity left free."""
    numbers = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    if not numbers or len(levels) < _SMOOTH_FROM:
        return np.eye(len(levels))
    place = np.asarray(levels, dtype=np.float64)
    spacing = float(np.median(np.diff(np.sort(place)))) or 1.0
    kernel = np.exp(-0.5 * ((place[:, None] - place[None]) / (1.5 * spacing)) ** 2)
    kernel = 0.85 * kernel + 0.15 * np.eye(len(levels))
    values, vectors = np.linalg.eigh(kernel)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


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
        Learnt precisions, to fit again on part of the rows; not kept when saved.
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

    def scores(self, U: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear predictor of every action, shape (n, n_actions)."""
        return np.asarray(U @ self.weights)

    def logged_scores(self, U: NDArray[np.float64], action: NDArray[np.int64]) -> NDArray[np.float64]:
        """Linear predictor of one action a row."""
        return np.asarray(np.einsum("ij,ij->i", U, self.weights.T[action]))

    @classmethod
    def fit(
        cls,
        design: LinearDesign,
        U: NDArray[np.float64],
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
        """
        problem = _Problem(design, U, actions, action, target, family, weight, crossing, directions)
        return problem.solve(rounds if precision is None else 1, prior_scale, precision)


def _terms_of_blocks(blocks: Sequence[ActionBlock], design: LinearDesign) -> list[NDArray[np.int64]]:
    """Terms that cross each block: all of them, those that actions may differ in, or the constant alone."""
    every = np.arange(len(design.terms))
    crossed = np.flatnonzero([term.crossed for term in design.terms])
    return [np.array([0]) if not b.with_context else every if b.name == "all" else crossed for b in blocks]


def _matched_cells(members: Sequence[tuple[int, int]], codes: NDArray[np.int64], n_terms: int) -> NDArray[np.float64]:
    """One where a term speaks of the action's own level, shape (n_terms, n_actions)."""
    where = np.zeros((n_terms, len(codes)))
    for term, code in members:
        where[term, codes == code] = 1.0
    return where


def _padded(direction: NDArray[np.float64], n_terms: int) -> NDArray[np.float64]:
    """A direction whose further terms hold nothing."""
    where = np.zeros((n_terms, direction.shape[1]))
    where[: len(direction)] = direction
    return where


class _Problem:
    """Penalised likelihood over rows grouped by action."""

    def __init__(
        self,
        design: LinearDesign,
        U: NDArray[np.float64],
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        family: Family,
        weight: NDArray[np.float64] | None,
        crossing: Crossing,
        directions: Sequence[NDArray[np.float64]] = (),
    ) -> None:
        self.n_terms, self.n_actions = U.shape[1], len(actions)
        order = np.argsort(action, kind="stable")
        self.U = np.ascontiguousarray(U[order])
        self.y = target[order]
        self.w = np.ones(len(order)) if weight is None else weight[order]
        self.family = family
        bounds = np.searchsorted(action[order], np.arange(self.n_actions + 1))
        self.slices = [(a, slice(bounds[a], bounds[a + 1])) for a in range(self.n_actions) if bounds[a] < bounds[a + 1]]
        self.starts = np.array([rows.start for _, rows in self.slices])
        self.tried = np.array([a for a, _ in self.slices])
        self.sparse = len(order) < _ROWS_PER_SLICE * len(self.slices)
        self.sorted_action = action[order]
        self.blocks = action_blocks(actions, self.n_terms, crossing=crossing)
        self.terms = _terms_of_blocks(self.blocks, design)
        matched = design.matched if crossing != "none" else ()
        self.matched = [_matched_cells(members, actions.codes[:, factor], self.n_terms) for factor, members in matched]
        self.matched += [_padded(direction, self.n_terms) for direction in directions]
        self._share_precisions(design.groups)
        self.noise = 1.0

    def _share_precisions(self, groups: NDArray[np.int64]) -> None:
        """Say which parameters share a precision: :attr:`precision_index`."""
        # one precision a (group, block); the constant of every action together is left free
        n_groups = int(groups.max()) + 1
        precision_of = [
            np.repeat(groups[terms] + b * n_groups, block.basis.shape[1])
            for b, (block, terms) in enumerate(zip(self.blocks, self.terms, strict=True))
        ]
        self.n_precisions = n_groups * len(self.blocks)
        if self.matched:
            precision_of.append(self.n_precisions + np.arange(len(self.matched)))
        self.precision_index = np.concatenate(precision_of)

    def weights(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the blocks into weights of (term, action)."""
        W = np.zeros((self.n_terms, self.n_actions))
        start = 0
        for block, terms in zip(self.blocks, self.terms, strict=True):
            size = len(terms) * block.basis.shape[1]
            part = theta[start : start + size].reshape(len(terms), -1) @ block.basis.T
            if len(terms) == self.n_terms:
                W += part
            else:
                W[terms] += part
            start += size
        for where, value in zip(self.matched, theta[start:], strict=True):
            W += value * where
        return W

    def collect(self, S: NDArray[np.float64], *, squared: bool = False) -> NDArray[np.float64]:
        """Adjoint of :meth:`weights` (of its square for curvatures)."""
        parts = []
        for block, terms in zip(self.blocks, self.terms, strict=True):
            basis = block.basis**2 if squared else block.basis
            parts.append(((S if len(terms) == self.n_terms else S[terms]) @ basis).ravel())
        parts.append(np.array([float((S * (where**2 if squared else where)).sum()) for where in self.matched]))
        return np.concatenate(parts)

    def likelihood(self, W: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Negative log-likelihood and its gradient by (term, action)."""
        S = np.zeros((self.n_terms, self.n_actions))
        if self.sparse:  # few rows an action: one pass over all rows beats one call an action
            eta = np.einsum("ij,ij->i", self.U, W.T[self.sorted_action])
            total, residual = self._loss(eta, self.y, self.w)
            S[:, self.tried] = np.add.reduceat(residual[:, None] * self.U, self.starts, axis=0).T
            return total, S
        total = 0.0
        for a, rows in self.slices:
            U = self.U[rows]
            part, residual = self._loss(U @ W[:, a], self.y[rows], self.w[rows])
            total += part
            S[:, a] = residual @ U
        return total, S

    def _loss(
        self, eta: NDArray[np.float64], y: NDArray[np.float64], w: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        if self.family == "binomial":
            return float(w @ (np.logaddexp(0.0, eta) - y * eta)), w * (expit(eta) - y)
        residual = w * (eta - y) / self.noise
        return 0.5 * float(residual @ (eta - y)), residual

    def curvature(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Diagonal of the likelihood's Hessian by parameter."""
        S = np.zeros((self.n_terms, self.n_actions))
        squares = 0.0
        for a, rows in self.slices:
            U, w = self.U[rows], self.w[rows]
            eta = U @ W[:, a]
            if self.family == "binomial":
                p = expit(eta)
                S[:, a] = (w * p * (1 - p)) @ (U * U)
            else:
                squares += float(w @ (eta - self.y[rows]) ** 2)
                S[:, a] = w @ (U * U)
        if self.family == "gaussian":
            self.noise = max(squares / max(float(self.w.sum()), 1.0), 1e-12)
            S /= self.noise
        return self.collect(S, squared=True)

    def solve(self, rounds: int, prior_scale: float, known: NDArray[np.float64] | None) -> BilinearModel:
        """Alternate penalised maximum likelihood and precision updates."""
        theta = np.zeros(len(self.precision_index))
        mean = float(self.w @ self.y) / max(float(self.w.sum()), 1e-12)
        theta[0] = mean
        if self.family == "binomial":
            mean = float(np.clip(mean, 1e-6, 1 - 1e-6))
            theta[0] = np.log(mean / (1 - mean))
        count = np.bincount(self.precision_index, minlength=self.n_precisions + len(self.matched))
        H = self.curvature(self.weights(theta))
        precision = np.full(len(count), 30.0) if known is None else known.copy()
        precision[0] = 1e-3
        if self.matched and known is None:
            precision[self.n_precisions :] = 1.0
        for step in range(rounds):
            penalty = precision[self.precision_index] * (prior_scale if step == rounds - 1 else 1.0)
            penalty[0] = precision[0]
            theta = self._descend(theta, H, penalty, last=step == rounds - 1)
            H = self.curvature(self.weights(theta))
            if step == rounds - 1:
                break
            gamma = np.bincount(self.precision_index, weights=H / (H + penalty), minlength=len(count))
            squares = np.bincount(self.precision_index, weights=theta**2, minlength=len(count))
            update = np.clip((gamma + 0.5) / (squares + 0.5 / precision), _LOWEST, _HIGHEST)
            update[0] = precision[0]
            update[self.n_precisions :] = precision[self.n_precisions :]
            precision = update
        spread = 1.0 / (H + penalty)
        return BilinearModel(self.weights(theta), self._spread(spread), self.noise, precision)

    def _spread(self, spread: NDArray[np.float64]) -> NDArray[np.float64]:
        V = np.zeros((self.n_terms, self.n_actions))
        start = 0
        for block, terms in zip(self.blocks, self.terms, strict=True):
            size = len(terms) * block.basis.shape[1]
            V[terms] += spread[start : start + size].reshape(len(terms), -1) @ (block.basis**2).T
            start += size
        for where, value in zip(self.matched, spread[start:], strict=True):
            V += value * where**2
        return V

    def _descend(
        self, theta: NDArray[np.float64], H: NDArray[np.float64], penalty: NDArray[np.float64], *, last: bool
    ) -> NDArray[np.float64]:
        scale = 1.0 / np.sqrt(H + penalty)

        def loss(phi: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            point = phi * scale
            value, S = self.likelihood(self.weights(point))
            penalised = penalty * point
            return value + 0.5 * float(penalised @ point), (self.collect(S) + penalised) * scale

        found = minimize(
            loss,
            theta / scale,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 80 if last else 15, "maxcor": 10, "ftol": 1e-9 if last else 1e-6, "gtol": 1e-3},
        )
        return np.asarray(found.x * scale, dtype=np.float64)
