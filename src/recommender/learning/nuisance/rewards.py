"""Cross-fitted expected reward of every action: a regularised bilinear model of context x factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.learning.nuisance.context import assign_folds, design_matrix, one_thread

__all__ = ["cross_fit_rewards"]

_MOST_TRAINING_ROWS = 100_000  # a fold: a nuisance model need not be the best
_MOST_FLOAT64_CELLS = 100_000_000  # 800 MB; beyond, predictions are float32
# Penalties of the interactions, in units of one row's information; the last leaves main effects only.
_INTERACTION_PENALTIES = (3.0, 30.0, 300.0, 1e6)

_USUAL_FROM, _FEWEST_AMOUNTS = 0.3, 30  # share of the commonest amount, and others to learn from, for two parts

Link = Literal["logit", "identity"]


@one_thread
def cross_fit_rewards(
    context: pd.DataFrame,
    categorical: Sequence[str],
    actions: ActionSpace,
    action: NDArray[Any],
    reward: NDArray[Any],
    groups: NDArray[Any] | None,
    *,
    n_folds: int = 5,
    random_state: int = 0,
    reward_kind: str = "binary",
) -> NDArray[Any]:
    """Expected reward of each action for each row, from models that never saw the row's group.

    The model is linear in context x action factors on the logit scale for binary rewards. Amounts of which many are
    the same (no payment) are split into "differs from it" and "by how much". The strength of the interactions is
    chosen by loss on held-out groups.

    Parameters
    ----------
    context : DataFrame of shape (n, n_columns)
    categorical : sequence of str
    actions : ActionSpace
    action : ndarray of int of shape (n,)
    reward : ndarray of shape (n,)
        None missing.
    groups : ndarray of shape (n,) or None
    n_folds : int, default=5
    random_state : int, default=0
    reward_kind : {"binary", "amount"}

    Returns
    -------
    ndarray of shape (n, n_actions)
        float64, or float32 above 100 million cells.
    """
    n = len(context)
    rng = np.random.default_rng(random_state)
    rewards = np.asarray(reward, dtype=np.float64)
    folds = assign_folds(groups, n, n_folds, rng)
    kind = np.float64 if n * len(actions) <= _MOST_FLOAT64_CELLS else np.float32
    predicted = np.empty((n, len(actions)), dtype=kind)
    if np.ptp(rewards) == 0:
        predicted[:] = rewards[0]
        return predicted
    design = _with_intercept(design_matrix(context, categorical))
    table = _action_features(actions)
    chosen = np.asarray(action, dtype=np.int64)
    kind_of = _RewardShape.of(rewards, reward_kind)
    for fold in np.unique(folds):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        if len(outside) == 0:
            outside = inside
        if len(outside) > _MOST_TRAINING_ROWS:
            outside = rng.choice(outside, _MOST_TRAINING_ROWS, replace=False)
        target = kind_of.event(rewards)
        penalty = _choose_penalty(design, table, chosen, target, outside, kind_of.link, rng)
        first = _Bilinear.fit(design, table, chosen, target, outside, kind_of.link, penalty)
        predicted[inside] = first.predict(design[inside], table)
        if kind_of.two_part:
            usual = kind_of.usual
            paid = outside[rewards[outside] != usual]
            second = _Bilinear.fit(design, table, chosen, rewards, paid, "identity", _INTERACTION_PENALTIES[-1])
            size = np.clip(second.predict(design[inside], table), *np.quantile(rewards[paid], [0.0, 0.99]))
            predicted[inside] = usual + predicted[inside] * (size - usual)
    return predicted


class _RewardShape(NamedTuple):
    """Whether rewards are 0 and 1, amounts of which many are the same, or plain amounts."""

    link: Link
    two_part: bool
    usual: float

    @classmethod
    def of(cls, rewards: NDArray[np.float64], reward_kind: str) -> _RewardShape:
        binary = reward_kind == "binary" and bool(np.isin(rewards, (0.0, 1.0)).all())
        values, counts = np.unique(rewards, return_counts=True)
        usual = float(values[np.argmax(counts)])
        often, others = counts.max() > _USUAL_FROM * len(rewards), (rewards != usual).sum()
        two_part = bool(not binary and often and others >= _FEWEST_AMOUNTS)
        return cls("logit" if binary or two_part else "identity", two_part, usual)

    def event(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the first part predicts."""
        return (rewards != self.usual).astype(np.float64) if self.two_part else rewards


def _with_intercept(design: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.column_stack([np.ones(len(design), dtype=np.float32), design])


def _action_features(actions: ActionSpace) -> NDArray[np.float32]:
    """Intercept and one indicator per factor level (and ``NO_CONTACT``), shape (n_actions, n_features)."""
    codes = actions.codes
    columns = [np.ones(len(actions), dtype=np.float32)]
    for position, size in enumerate(actions.shape):
        columns.extend((codes[:, position] == level).astype(np.float32) for level in range(size))
    if actions.no_contact:
        columns.append((codes[:, 0] < 0).astype(np.float32))
    return np.column_stack(columns)


class _Bilinear:
    """Generalised linear model whose coefficients are a matrix: context features x action features."""

    def __init__(self, weights: NDArray[np.float32], link: Link, shift: float, scale: float) -> None:
        self.weights, self.link, self.shift, self.scale = weights, link, shift, scale

    @classmethod
    def fit(
        cls,
        design: NDArray[np.float32],
        table: NDArray[np.float32],
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        rows: NDArray[np.int64],
        link: Link,
        penalty: float,
    ) -> _Bilinear:
        left, right, y = design[rows], table[action[rows]], target[rows]
        shift, scale = (0.0, 1.0) if link == "logit" else (float(np.mean(y)), float(np.std(y)) or 1.0)
        y = (y - shift) / scale
        shape = (design.shape[1], table.shape[1])
        ridge = np.full(shape, penalty)
        ridge[0, :], ridge[:, 0] = 2.0, 2.0
        ridge[0, 0] = 1e-3
        start = np.zeros(shape)
        if link == "logit":
            rate = float(np.clip(np.mean(y), 0.5 / len(y), 1 - 0.5 / len(y)))
            start[0, 0] = np.log(rate / (1 - rate))

        def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = flat.reshape(shape)
            logits = np.einsum("ij,ij->i", left @ weights.astype(np.float32), right).astype(np.float64)
            if link == "logit":
                loss = float(np.sum(np.logaddexp(0.0, logits) - y * logits))
                slope = expit(logits) - y
            else:
                slope = logits - y
                loss = 0.5 * float(np.sum(slope**2))
            gradient = (left.T @ (slope.astype(np.float32)[:, None] * right)).astype(np.float64)
            total = loss + 0.5 * float(np.sum(ridge * weights**2))
            return total / len(y), ((gradient + ridge * weights) / len(y)).ravel()

        optimum = minimize(
            objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-6}
        )
        return cls(optimum.x.reshape(shape).astype(np.float32), link, shift, scale)

    def predict(self, design: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[Any]:
        logits = (design @ self.weights) @ table.T
        return expit(logits) if self.link == "logit" else self.shift + self.scale * logits

    def loss(
        self,
        design: NDArray[np.float32],
        table: NDArray[np.float32],
        action: NDArray[np.int64],
        target: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> float:
        logits = np.einsum("ij,ij->i", design[rows] @ self.weights, table[action[rows]]).astype(np.float64)
        if self.link == "logit":
            return float(np.mean(np.logaddexp(0.0, logits) - target[rows] * logits))
        return float(np.mean((self.shift + self.scale * logits - target[rows]) ** 2))


def _choose_penalty(
    design: NDArray[np.float32],
    table: NDArray[np.float32],
    action: NDArray[np.int64],
    target: NDArray[np.float64],
    rows: NDArray[np.int64],
    link: Link,
    rng: np.random.Generator,
) -> float:
    """Penalty of least loss on a quarter of the rows, held out."""
    if design.shape[1] == 1 or len(rows) < 200:
        return _INTERACTION_PENALTIES[-1]
    sample = rng.permutation(rows)[:40_000]
    cut = len(sample) // 4
    judged, train = sample[:cut], sample[cut:]
    losses = [
        _Bilinear.fit(design, table, action, target, train, link, penalty).loss(design, table, action, target, judged)
        for penalty in _INTERACTION_PENALTIES
    ]
    return _INTERACTION_PENALTIES[int(np.argmin(losses))]
