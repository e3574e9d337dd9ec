"""Latent account classes: soft memberships learnt from the context, action effects learnt by class.

The linear predictor of account ``x`` and action ``a`` is ``u(x) . m + T[0, a] + sum_f sum_k g_fk(x) T[fk, a]``: each
facet ``f`` deals an account out to a few classes, ``g_f = softmax(u(x) V_f)``, and each class has its own effects of
every factor and pair of factors. Where few kinds of debtors hide behind many columns, memberships saturate as a
posterior over kinds does, which no sum of straight lines can. Precisions are learnt by MacKay's fixed point, one a
context column for the memberships and one a block for the effects.

References
----------
Jordan & Jacobs (1994), "Hierarchical mixtures of experts"; Wedel & DeSarbo (1995), "A mixture likelihood approach for
generalized linear models".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.allactions import row_products
from recommender.learning.regression.action_blocks import ActionBlock, action_blocks
from recommender.learning.regression.bilinear import BilinearModel, Family
from recommender.learning.regression.linear_design import LinearDesign

__all__ = ["FacetMean", "FacetModel"]

Floats = NDArray[np.float64]

_START_SPREAD = 1.2  # standard deviation of a membership's logits before learning
_ROUNDS = 6  # precision updates: each costs an optimisation
_LOWEST, _HIGHEST = 0.02, 1e4  # of a precision
_MOST_FACETS = 4  # factors that get classes of their own
_FIRMNESS = 2.0  # memberships are learnt from few events: twice the precision the fixed point asks for


class FacetModel:
    """Soft classes of accounts with action effects of their own.

    Attributes
    ----------
    gates : ndarray of shape (n_terms, n_classes)
        Membership logits of every class of every facet, facet after facet.
    main : ndarray of shape (n_terms,)
        What the columns do whatever the action.
    effects : ndarray of shape (1 + n_classes, n_actions)
        Of the constant and of every class (memberships count from their even share).
    n_classes : int
        Classes a facet.
    """

    def __init__(self, gates: Floats, main: Floats, effects: Floats, n_classes: int) -> None:
        self.gates = gates
        self.main = main
        self.effects = effects
        self.n_classes = n_classes

    def memberships(self, U: Floats) -> Floats:
        """Membership of every class, less its even share, shape (n, n_facets * n_classes)."""
        return _softmax(row_products(U, self.gates), self.n_classes) - 1.0 / self.n_classes

    def scores(self, U: Floats) -> Floats:
        """Linear predictor of every action, shape (n, n_actions)."""
        eta = row_products(self.memberships(U), self.effects[1:])
        eta += row_products(U, self.main)[:, None] + self.effects[0]
        return eta

    def logged_scores(self, U: Floats, action: NDArray[np.int64]) -> Floats:
        """Linear predictor of one action a row."""
        eta = np.einsum("ij,ij->i", self.memberships(U), self.effects[1:].T[action])
        return np.asarray(eta + row_products(U, self.main) + self.effects[0][action])

    @classmethod
    def fit(
        cls,
        design: LinearDesign,
        U: Floats,
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: Floats,
        *,
        start: BilinearModel,
        n_classes: int = 3,
        often: Floats | None = None,
        family: Family = "binomial",
        weight: Floats | None = None,
        random_state: int = 0,
    ) -> FacetModel:
        """Learn memberships and effects together.

        Parameters
        ----------
        start : BilinearModel
            A regression on the same columns: memberships start from what it believes about each factor.
        n_classes : int
            Classes a facet; there is a facet for each factor that varies.
        often : ndarray of shape (1, n_actions), optional
            How often the logging policy chose each action (log); what it knew may show in the constants.
        """
        problem = _Problem(design, U, actions, action, target, family, weight, n_classes, often)
        return problem.solve(_first_gates(U, start, actions, action, n_classes, random_state))


class FacetMean:
    """Mean of several facet models, e.g. one a fold, each from another start.

    Parameters
    ----------
    models : sequence of FacetModel
    """

    def __init__(self, models: Sequence[FacetModel]) -> None:
        self.models = tuple(models)

    def scores(self, U: Floats) -> Floats:
        """Mean linear predictor of every action, shape (n, n_actions)."""
        total = self.models[0].scores(U)
        for model in self.models[1:]:
            total += model.scores(U)
        return total / len(self.models)

    def to_arrays(self) -> dict[str, Floats]:
        """Everything learnt; :meth:`from_arrays` is its inverse."""
        return {
            f"{i}.{name}": getattr(model, name)
            for i, model in enumerate(self.models)
            for name in ("gates", "main", "effects")
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], n_classes: Sequence[int]) -> FacetMean:
        """Rebuild from :meth:`to_arrays` and the classes a facet of each model."""
        return cls(
            [
                FacetModel(arrays[f"{i}.gates"], arrays[f"{i}.main"], arrays[f"{i}.effects"], classes)
                for i, classes in enumerate(n_classes)
            ]
        )


def _softmax(logits: Floats, n_classes: int) -> Floats:
    parts = logits.reshape(len(logits), -1, n_classes)
    top = parts[:, :, 0].copy()
    for k in range(1, n_classes):
        np.maximum(top, parts[:, :, k], out=top)
    parts = np.exp(parts - top[:, :, None])
    total = parts[:, :, 0].copy()
    for k in range(1, n_classes):  # summed in one order, so that a row never depends on its batch
        total += parts[:, :, k]
    return np.asarray((parts / total[:, :, None]).reshape(logits.shape))


def _first_gates(
    U: Floats,
    start: BilinearModel,
    actions: ActionSpace,
    action: NDArray[np.int64],
    n_classes: int,
    random_state: int,
) -> Floats:
    """Directions along which the regression sees accounts differ in a factor, mixed at random within it."""
    rng = np.random.default_rng(random_state)
    share = np.bincount(action, minlength=len(actions)) / len(action)
    advantage = start.weights - (start.weights @ share)[:, None]
    sample = U[rng.permutation(len(U))[:20_000]]
    gates: list[Floats] = []
    for codes, size in zip(actions.codes.T, actions.shape, strict=True):
        if size < 2 or len(gates) == _MOST_FACETS:
            continue
        # mean advantage of each level: evenly over the other factors, as the argmax will see them
        levels = np.stack([advantage[:, codes == level].mean(axis=1) for level in range(size)], axis=1)
        levels -= levels.mean(axis=1, keepdims=True)
        directions = levels @ rng.standard_normal((size, n_classes))
        directions[0] = 0.0
        spread = (sample @ directions).std(axis=0)
        gates.append(directions * (_START_SPREAD / np.maximum(spread, 1e-9)))
    return np.hstack(gates) if gates else np.zeros((U.shape[1], n_classes))


class _Problem:
    """Penalised likelihood of gates, main effects and class effects, over rows grouped by action."""

    def __init__(
        self,
        design: LinearDesign,
        U: Floats,
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: Floats,
        family: Family,
        weight: Floats | None,
        n_classes: int,
        often: Floats | None,
    ) -> None:
        order = np.argsort(action, kind="stable")
        self.U = np.ascontiguousarray(U[order])
        self.y = target[order]
        self.w = np.ones(len(order)) if weight is None else weight[order]
        self.action = action[order]
        self.tried, self.starts = np.unique(self.action, return_index=True)
        self.n_actions, self.n_terms, self.n_classes = len(actions), U.shape[1], n_classes
        self.family, self.noise = family, 1.0
        self.groups = design.groups
        facets = max(1, min(_MOST_FACETS, sum(size > 1 for size in actions.shape)))
        self.n_gates = facets * n_classes
        self.blocks = [block for block in action_blocks(actions, self.n_gates) if block.name != "all"]
        if often is not None:
            self.blocks.append(
                ActionBlock("often", sparse.csr_array(often.T), np.arange(self.n_actions), with_context=False)
            )
        self.basis = np.hstack([block.basis for block in self.blocks])
        # the constant crosses every block, classes cross those that may meet the context
        crossed = np.concatenate([np.full(block.basis.shape[1], block.with_context) for block in self.blocks])
        self.crossed = np.flatnonzero(crossed)
        n_groups = int(self.groups.max()) + 1
        block_of = np.concatenate([np.full(block.basis.shape[1], i) for i, block in enumerate(self.blocks)])
        b = len(self.blocks)
        facet_of = np.arange(self.n_gates) // n_classes
        # one precision each: gates by column group, main by column group, constant by block, classes by facet, block
        self.index = np.concatenate(
            [
                np.repeat(self.groups, self.n_gates),
                n_groups + self.groups,
                2 * n_groups + block_of,
                (2 * n_groups + b + facet_of[:, None] * b + block_of[self.crossed][None]).ravel(),
            ]
        )
        self.sizes = np.cumsum(
            [self.n_terms * self.n_gates, self.n_terms, len(crossed), self.n_gates * len(self.crossed)]
        )

    def unpack(self, point: Floats) -> tuple[Floats, Floats, Floats]:
        """Gates, main effects, effects by (constant and class, action)."""
        gates, main, constant, classes = np.split(point, self.sizes[:-1])
        effects = np.empty((1 + self.n_gates, self.n_actions))
        effects[0] = self.basis @ constant
        effects[1:] = classes.reshape(self.n_gates, -1) @ self.basis[:, self.crossed].T
        return gates.reshape(self.n_terms, -1), main, effects

    def likelihood(self, point: Floats, *, fixed: Floats | None = None) -> tuple[float, Floats]:
        """Negative log-likelihood and gradient; with memberships given, gates stay where they are."""
        gates, main, effects = self.unpack(point)
        member = _softmax(self.U @ gates, self.n_classes) if fixed is None else fixed
        by_row = effects[1:].T[self.action]
        pulled = member * by_row
        eta = pulled.sum(axis=1) - by_row.sum(axis=1) / self.n_classes + self.U @ main + effects[0][self.action]
        if self.family == "binomial":
            value = float(self.w @ (np.logaddexp(0.0, eta) - self.y * eta))
            residual = self.w * (expit(eta) - self.y)
        else:
            residual = self.w * (eta - self.y) / self.noise
            value = 0.5 * float(residual @ (eta - self.y))
        if fixed is None:
            part = pulled.reshape(len(eta), -1, self.n_classes)
            part -= member.reshape(part.shape) * part.sum(axis=2, keepdims=True)
            slope = self.U.T @ (pulled * residual[:, None])
        else:
            slope = np.zeros_like(gates)
        by_action = np.zeros((self.n_actions, 1 + self.n_gates))
        by_action[self.tried, 0] = np.add.reduceat(residual, self.starts)
        by_action[self.tried, 1:] = np.add.reduceat(
            residual[:, None] * (member - 1.0 / self.n_classes), self.starts, axis=0
        )
        return value, self._gradient(slope, self.U, residual, by_action)

    def _gradient(
        self, slope: Floats, columns: Floats, residual: Floats, by_action: Floats, *, squared: bool = False
    ) -> Floats:
        basis = self.basis**2 if squared else self.basis
        parts = [
            slope.ravel(),
            columns.T @ residual,
            by_action[:, 0] @ basis,
            (by_action[:, 1:].T @ basis[:, self.crossed]).ravel(),
        ]
        return np.concatenate(parts)

    def curvature(self, point: Floats) -> Floats:
        """Diagonal of the Gauss-Newton Hessian."""
        gates, main, effects = self.unpack(point)
        member = _softmax(self.U @ gates, self.n_classes)
        by_row = effects[1:].T[self.action]
        eta = ((member - 1.0 / self.n_classes) * by_row).sum(axis=1) + self.U @ main + effects[0][self.action]
        if self.family == "binomial":
            p = expit(eta)
            bend = self.w * p * (1.0 - p)
        else:
            self.noise = max(float(self.w @ (eta - self.y) ** 2) / max(float(self.w.sum()), 1.0), 1e-12)
            bend = self.w / self.noise
        part = (member * by_row).reshape(len(eta), -1, self.n_classes)
        part -= member.reshape(part.shape) * part.sum(axis=2, keepdims=True)
        squares = self.U**2
        slope = squares.T @ (part.reshape(len(eta), -1) ** 2 * bend[:, None])
        by_action = np.zeros((self.n_actions, 1 + self.n_gates))
        by_action[self.tried, 0] = np.add.reduceat(bend, self.starts)
        by_action[self.tried, 1:] = np.add.reduceat(
            bend[:, None] * (member - 1.0 / self.n_classes) ** 2, self.starts, axis=0
        )
        return self._gradient(slope, squares, bend, by_action, squared=True)

    def solve(self, gates: Floats) -> FacetModel:
        """Effects first with memberships as they start, then everything, precisions updated in between."""
        point = np.zeros(self.sizes[-1])
        point[: gates.size] = gates.ravel()
        mean = float(self.w @ self.y) / max(float(self.w.sum()), 1e-12)
        level = self.sizes[0]  # the constant column of the main effects
        if self.family == "binomial":
            mean = float(np.clip(mean, 1e-6, 1 - 1e-6))
            point[level] = np.log(mean / (1 - mean))
        else:
            point[level] = mean
        count = np.bincount(self.index)
        precision = np.full(len(count), 10.0)
        n_groups = int(self.groups.max()) + 1
        precision[:n_groups] = 4.0 * _FIRMNESS
        precision[n_groups] = 1e-3
        member = _softmax(self.U @ gates, self.n_classes)
        for step in range(_ROUNDS):
            H = self.curvature(point)
            if step > 1:
                penalty = precision[self.index]
                gamma = np.bincount(self.index, weights=H / (H + penalty), minlength=len(count))
                squares = np.bincount(self.index, weights=point**2, minlength=len(count))
                update = np.clip((gamma + 0.5) / (squares + 0.5 / precision), _LOWEST, _HIGHEST)
                update[n_groups] = precision[n_groups]
                update[:n_groups] *= _FIRMNESS
                precision = update
            point = self._descend(
                point, H, precision[self.index], member if step == 0 else None, 60 if step == _ROUNDS - 1 else 20
            )
        weights = self.unpack(point)
        return FacetModel(weights[0], weights[1], weights[2], self.n_classes)

    def _descend(self, point: Floats, H: Floats, penalty: Floats, fixed: Floats | None, rounds: int) -> Floats:
        scale = 1.0 / np.sqrt(H + penalty)

        def loss(phi: Floats) -> tuple[float, Floats]:
            here = phi * scale
            value, slope = self.likelihood(here, fixed=fixed)
            penalised = penalty * here
            if fixed is not None:
                penalised[: self.sizes[0]] = 0.0
            return value + 0.5 * float(penalised @ here), (slope + penalised) * scale

        optimum: Any = minimize(
            loss,
            point / scale,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": rounds, "maxcor": 15, "ftol": 1e-7, "gtol": 1e-3},
        )
        return np.asarray(optimum.x * scale, dtype=np.float64)
