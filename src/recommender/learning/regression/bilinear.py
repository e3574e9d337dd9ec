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

from recommender.actions import ActionSpace
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.regression.row_passes import curvature_pass, likelihood_pass

__all__ = ["ActionBlock", "BilinearModel", "BlockProblem", "Crossing", "Family", "action_blocks"]

Family = Literal["binomial", "gaussian"]
Crossing = Literal["pairs", "factors", "none"]

_SMOOTH_FROM = 6  # levels of an ordered factor from which neighbours teach each other
_MOST_PARAMETERS = 60_000  # a block; beyond, context crosses its factors one by one only
_LOWEST, _HIGHEST = 0.05, 1e5  # of a precision: the fixed point runs away where a block says nothing


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
    position = np.asarray(levels, dtype=np.float64)
    spacing = float(np.median(np.diff(np.sort(position)))) or 1.0
    kernel = np.exp(-0.5 * ((position[:, None] - position[None]) / (1.5 * spacing)) ** 2)
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
        problem = BlockProblem(design, U, actions, action, target, family, weight, crossing, directions, known)
        return problem.solve(rounds if precision is None else 1, prior_scale, precision)


@dataclass(frozen=True)
class _Crossed:
    """Blocks that the same terms cross, side by side: their weights are one matrix of shape (n_columns, n_terms)."""

    terms: NDArray[np.int64]
    basis: NDArray[np.float64]  # (n_actions, n_columns)
    block: NDArray[np.int64]  # of each column

    @property
    def shape(self) -> tuple[int, int]:
        return self.basis.shape[1], len(self.terms)


def _crossed_blocks(blocks: Sequence[ActionBlock], design: LinearDesign) -> list[_Crossed]:
    """Blocks by the terms that cross them: all of them, those that actions may differ in, or the constant alone."""
    every = tuple(range(len(design.terms)))
    crossed = tuple(np.flatnonzero([term.crossed for term in design.terms]).tolist())
    members: dict[tuple[int, ...], list[int]] = {}
    for number, block in enumerate(blocks):
        terms = (0,) if not block.with_context else every if block.name == "all" else crossed
        members.setdefault(terms, []).append(number)
    return [
        _Crossed(
            np.array(terms, dtype=np.int64),
            np.ascontiguousarray(np.hstack([blocks[number].basis for number in numbers])),
            np.repeat(numbers, [blocks[number].basis.shape[1] for number in numbers]),
        )
        for terms, numbers in members.items()
    ]


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
    """Penalised likelihood over rows grouped by action; weights are held by (action, term)."""

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
        known: NDArray[np.float64] | None = None,
    ) -> None:
        self.n_terms, self.n_actions = U.shape[1], len(actions)
        order = np.argsort(action, kind="stable")
        self.U = np.ascontiguousarray(U[order], dtype=np.float64)
        self.y = np.ascontiguousarray(target[order], dtype=np.float64)
        self.w = np.ones(len(order)) if weight is None else np.ascontiguousarray(weight[order], dtype=np.float64)
        self.family = family
        self.tried, starts = np.unique(action[order], return_index=True)
        self.bounds = np.append(starts, len(order)).astype(np.int64)
        blocks = action_blocks(actions, self.n_terms, crossing=crossing)
        self.crossed = _crossed_blocks(blocks, design)
        matched = design.matched if crossing != "none" else ()
        cells = [_matched_cells(members, actions.codes[:, factor], self.n_terms) for factor, members in matched]
        cells += [_padded(direction, self.n_terms) for direction in directions]
        self.matched = np.array(cells).reshape(len(cells), self.n_actions * self.n_terms)
        self.known = np.zeros((self.n_actions, self.n_terms)) if known is None else _padded(known, self.n_terms)
        self._share_precisions(design.groups, len(blocks))
        self.noise = 1.0

    @property
    def of_context(self) -> NDArray[np.bool_]:
        """Parameters that tell accounts apart, not those of the actions themselves, shape (n_parameters,)."""
        parts = [np.tile(part.terms != 0, part.shape[0]) for part in self.crossed]
        return np.concatenate([*parts, np.zeros(len(self.matched), dtype=bool)])

    def _share_precisions(self, groups: NDArray[np.int64], n_blocks: int) -> None:
        """Say which parameters share a precision: :attr:`precision_index`."""
        # one precision a (group, block); the constant of every action together is left free
        n_groups = int(groups.max()) + 1
        precision_of = [(groups[part.terms] + part.block[:, None] * n_groups).ravel() for part in self.crossed]
        self.n_precisions = n_groups * n_blocks
        precision_of.append(self.n_precisions + np.arange(len(self.matched)))
        self.precision_index = np.concatenate(precision_of)

    def weights(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum the blocks, and what is known, into weights of shape (n_actions, n_terms)."""
        return self._summed(theta, squared=False) + self.known

    def _summed(self, theta: NDArray[np.float64], *, squared: bool) -> NDArray[np.float64]:
        W = (theta[len(theta) - len(self.matched) :] @ (self.matched**2 if squared else self.matched)).reshape(
            self.n_actions, self.n_terms
        )
        start = 0
        for part in self.crossed:
            basis = part.basis**2 if squared else part.basis
            end = start + part.shape[0] * part.shape[1]
            W[:, part.terms] += basis @ theta[start:end].reshape(part.shape)
            start = end
        return W

    def collect(self, S: NDArray[np.float64], *, squared: bool = False) -> NDArray[np.float64]:
        """Adjoint of :meth:`weights` (of its square for curvatures)."""
        parts = []
        for part in self.crossed:
            basis = part.basis**2 if squared else part.basis
            parts.append((basis.T @ (S if len(part.terms) == self.n_terms else S[:, part.terms])).ravel())
        parts.append((self.matched**2 if squared else self.matched) @ S.ravel())
        return np.concatenate(parts)

    def likelihood(self, W: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Negative log-likelihood and its gradient by (action, term)."""
        S = np.zeros((self.n_actions, self.n_terms))
        noise = 0.0 if self.family == "binomial" else self.noise
        total = likelihood_pass(self.U, W, self.tried, self.bounds, self.y, self.w, noise, S)
        return float(total), S

    def curvature(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Diagonal of the likelihood's Hessian by parameter."""
        S = np.zeros((self.n_actions, self.n_terms))
        binomial = self.family == "binomial"
        squares = curvature_pass(self.U, W, self.tried, self.bounds, self.y, self.w, binomial, S)
        if not binomial:
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
        if len(self.matched) and known is None:
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
        W, V = (np.ascontiguousarray(one.T) for one in (self.weights(theta), self._summed(spread, squared=True)))
        return BilinearModel(W, V, self.noise, precision)

    def _descend(
        self, theta: NDArray[np.float64], H: NDArray[np.float64], penalty: NDArray[np.float64], *, last: bool
    ) -> NDArray[np.float64]:
        scale = 1.0 / np.sqrt(H + penalty)

        def loss(phi: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            point = phi * scale
            value, S = self.likelihood(self.weights(point))
            penalised = penalty * point
            return value + 0.5 * float(penalised @ point), (self.collect(S) + penalised) * scale

        optimum = minimize(
            loss,
            theta / scale,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 80 if last else 15, "maxcor": 10, "ftol": 1e-9 if last else 1e-6, "gtol": 1e-3},
        )
        return np.asarray(optimum.x * scale, dtype=np.float64)
