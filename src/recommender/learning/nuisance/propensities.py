"""Cross-fitted propensities of a log that has none: a chain of factor models, blended, calibrated, floored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from recommender.actions import ActionSpace
from recommender.learning.nuisance.context import assign_folds, design_matrix, one_thread

__all__ = ["PropensityEstimate", "cross_fit_propensities", "summarise"]

_MOST_TRAINING_ROWS = 40_000  # rows a link learns from: bounds its cost
_MOST_TREE_CLASSES = 40  # a tree is grown for each class and round
_CHUNK = 20_000  # rows of the whole policy worked on at once

Logits = NDArray[np.float64]


@dataclass(frozen=True)
class PropensityEstimate:
    """Estimated logging policy.

    Attributes
    ----------
    all : ndarray of shape (n, n_actions), dtype float32
        Rows sum to 1; ineligible actions hold 0.
    logged : ndarray of shape (n,)
        Of the logged action, at least ``floor``.
    predictability : float
        Held-out share of actions that the context predicts, above what the commonest action gives: 0 is chance, 1 is
        a logged action that is a function of the context.
    accuracy : float
        Held-out share of rows whose most probable action was taken.
    log_loss : float
        Held-out, per row; ``base_log_loss`` is that of the action frequencies.
    base_log_loss : float
    mean_inverse : float
        Mean of 1 / propensity over the number of (eligible) actions; near 1 when propensities are right.
    floor : float
    n_floored : int
        Rows lifted to the floor.
    """

    all: NDArray[np.float32]
    logged: NDArray[np.float64]
    predictability: float
    accuracy: float
    log_loss: float
    base_log_loss: float
    mean_inverse: float
    floor: float
    n_floored: int


@one_thread
def cross_fit_propensities(
    context: pd.DataFrame,
    categorical: Sequence[str],
    actions: ActionSpace,
    action: NDArray[Any],
    groups: NDArray[Any] | None,
    eligible: NDArray[np.bool_] | None = None,
    *,
    n_folds: int = 5,
    random_state: int = 0,
) -> PropensityEstimate:
    """Estimate the logging policy as a chain over factors, each row by models that never saw its group.

    ``p(action | x) = p(first factor | x) p(second | x, first) ...`` (contact or not first, where ``NO_CONTACT`` is an
    action). Each link blends a linear and a tree model of the context; how much to trust either, and how factors
    depend on the earlier ones, is fitted on held-out predictions, which calibrates them.

    Parameters
    ----------
    context : DataFrame of shape (n, n_columns)
    categorical : sequence of str
    actions : ActionSpace
    action : ndarray of int of shape (n,)
    groups : ndarray of shape (n,) or None
    eligible : ndarray of bool of shape (n, n_actions), optional
        What the logging policy was allowed to do; the logged action counts as allowed.
    n_folds : int, default=5
    random_state : int, default=0
    """
    n = len(context)
    chosen = np.asarray(action, dtype=np.int64)
    rng = np.random.default_rng(random_state)
    folds = assign_folds(groups, n, n_folds if n <= 50_000 else min(n_folds, 3), rng)
    codes = _chain_codes(actions)
    linear = design_matrix(context, categorical, n_bins=6 if n >= 1000 else 0)
    plain = design_matrix(context, categorical)
    links = [
        _fit_link(linear, plain, codes[:, : position + 1], chosen, folds, rng, random_state)
        for position in range(codes.shape[1])
    ]
    estimated = np.empty((n, len(actions)), dtype=np.float32)
    for start in range(0, n, _CHUNK):
        rows = slice(start, min(start + _CHUNK, n))
        total = np.zeros((rows.stop - rows.start, len(actions)))
        for position, link in enumerate(links):
            total += link.log_probabilities(rows, codes, position)
        estimated[rows] = np.exp(total)
    if eligible is not None:
        _mask_and_balance(estimated, np.asarray(eligible, dtype=bool), chosen, codes)
    estimated /= estimated.sum(axis=1, keepdims=True)
    return summarise(estimated, chosen, eligible)


def summarise(
    estimated: NDArray[np.float32], chosen: NDArray[np.int64], eligible: NDArray[np.bool_] | None
) -> PropensityEstimate:
    """Diagnose an estimated logging policy and lift its smallest propensities to the floor.

    Parameters
    ----------
    estimated : ndarray of shape (n, n_actions)
    chosen : ndarray of int64 of shape (n,)
    eligible : ndarray of bool of shape (n, n_actions) or None
    """
    n, n_actions = estimated.shape
    own = estimated[np.arange(n), chosen].astype(np.float64)
    floor = min(1e-3, 1.0 / n)
    counts = np.bincount(chosen, minlength=n_actions)
    shares = counts[counts > 0] / n
    commonest = float(shares.max())
    accuracy = float(np.mean(estimated.argmax(axis=1) == chosen))
    gained = 1.0 if commonest >= 1.0 else (accuracy - commonest) / (1.0 - commonest)
    logged = np.maximum(own, floor)
    allowed = float(n_actions) if eligible is None else np.maximum(np.asarray(eligible).sum(axis=1), 1)
    return PropensityEstimate(
        all=estimated,
        logged=logged,
        predictability=float(np.clip(gained, 0.0, 1.0)),
        accuracy=accuracy,
        log_loss=float(-np.mean(np.log(logged))),
        base_log_loss=float(-np.sum(shares * np.log(shares))),
        mean_inverse=float(np.mean(1.0 / (logged * allowed))),
        floor=floor,
        n_floored=int(np.sum(own < floor)),
    )


def _chain_codes(actions: ActionSpace) -> NDArray[np.int64]:
    """Level codes of each action, preceded by contact or not where ``NO_CONTACT`` exists; -1 means not asked."""
    codes = actions.codes
    if actions.no_contact:
        codes = np.column_stack([(codes[:, 0] < 0).astype(np.int64), codes])
    # A factor of one level decides nothing.
    varied = [position for position in range(codes.shape[1]) if codes[:, position].max() > 0]
    return np.ascontiguousarray(codes[:, varied]) if varied else np.zeros((len(codes), 1), dtype=np.int64)


@dataclass(frozen=True)
class _Link:
    """Held-out logits of one factor's levels, and per fold how earlier factors move them."""

    logits: NDArray[np.float32]
    tables: list[list[Logits]]
    folds: NDArray[np.int64]

    def log_probabilities(self, rows: slice, codes: NDArray[np.int64], position: int) -> Logits:
        """Log-probability of each action's level given its earlier levels, shape (n_rows, n_actions)."""
        out = np.zeros((rows.stop - rows.start, len(codes)))
        folds = self.folds[rows]
        asked = np.flatnonzero(codes[:, position] >= 0)
        prefixes, which = np.unique(codes[asked, :position], axis=0, return_inverse=True)
        which = which.reshape(-1)
        for fold in np.unique(folds):
            members = np.flatnonzero(folds == fold)
            base = self.logits[rows][members].astype(np.float64)
            for number, prefix in enumerate(prefixes):
                moved = base + sum(
                    (table[level] for table, level in zip(self.tables[fold], prefix, strict=True) if level >= 0),
                    start=np.zeros(base.shape[1]),
                )
                columns = asked[which == number]
                out[np.ix_(members, columns)] = log_softmax(moved, axis=1)[:, codes[columns, position]]
        return out


def _fit_link(
    linear: NDArray[np.float32],
    plain: NDArray[np.float32],
    codes: NDArray[np.int64],
    chosen: NDArray[np.int64],
    folds: NDArray[np.int64],
    rng: np.random.Generator,
    seed: int,
) -> _Link:
    """Held-out logits of the last factor of ``codes`` and the tables of the earlier ones."""
    n_levels = int(codes[:, -1].max()) + 1
    logged = codes[chosen]
    asked = logged[:, -1] >= 0
    members: list[NDArray[np.float32]] = [np.zeros((len(chosen), n_levels), dtype=np.float32)]
    trees = asked.sum() >= 200 and n_levels <= _MOST_TREE_CLASSES and plain.shape[1] > 0
    if trees:
        members.append(np.zeros((len(chosen), n_levels), dtype=np.float32))
    for fold in np.unique(folds):
        inside = np.flatnonzero(folds == fold)
        outside = np.flatnonzero((folds != fold) & asked)
        if len(outside) > _MOST_TRAINING_ROWS:
            outside = rng.choice(outside, _MOST_TRAINING_ROWS, replace=False)
        target = logged[outside, -1]
        members[0][inside] = _softmax_regression(linear[outside], target, n_levels)(linear[inside])
        if trees:
            members[1][inside] = _boosted(plain[outside], target, n_levels, seed, plain[inside])
    sizes = [int(codes[:, position].max()) + 1 for position in range(codes.shape[1] - 1)]
    return _blend_members(members, logged, sizes, folds, rng)


def _blend_members(
    members: list[NDArray[np.float32]],
    logged: NDArray[np.int64],
    sizes: list[int],
    folds: NDArray[np.int64],
    rng: np.random.Generator,
) -> _Link:
    """One logit of the members for each fold, its weights learnt on the others."""
    n_levels, asked = members[0].shape[1], logged[:, -1] >= 0
    blended = np.zeros(members[0].shape, dtype=np.float32)
    tables: list[list[Logits]] = []
    for fold in range(int(folds.max()) + 1):
        train = np.flatnonzero((folds != fold) & asked)
        if len(train) == 0:
            train = np.flatnonzero(asked)
        train = train if len(train) <= _MOST_TRAINING_ROWS else rng.choice(train, _MOST_TRAINING_ROWS, replace=False)
        shares, offset, moved = _stack([m[train] for m in members], logged[train], sizes, n_levels)
        inside = np.flatnonzero(folds == fold)
        blended[inside] = sum(share * m[inside] for share, m in zip(shares, members, strict=True)) + offset
        tables.append(moved)
    return _Link(blended, tables, folds)


def _stack(
    members: list[NDArray[np.float32]],
    logged: NDArray[np.int64],
    sizes: list[int],
    n_levels: int,
) -> tuple[Logits, Logits, list[Logits]]:
    """Weights of the members, an offset per level and a table per earlier factor, by penalised likelihood."""
    target = logged[:, -1]
    n, n_members = len(target), len(members)
    flat = np.stack([member.astype(np.float64) for member in members])
    hot = [
        np.column_stack([(logged[:, position] == level) for level in range(size)]).astype(np.float64)
        for position, size in enumerate(sizes)
    ]
    cuts = np.cumsum([n_members, n_levels, *[size * n_levels for size in sizes]])
    start = np.concatenate([np.full(n_members, 1.0 / n_members), np.zeros(cuts[-1] - n_members)])
    # Members are pulled to their equal mean, offsets and tables to nothing.
    centre, ridge = start.copy(), np.concatenate([np.full(n_members, 5.0), np.full(cuts[-1] - n_members, 2.0)])

    def parts(theta: Logits) -> tuple[Logits, Logits, list[Logits]]:
        tables = [theta[a:b].reshape(-1, n_levels) for a, b in zip(cuts[1:-1].tolist(), cuts[2:].tolist(), strict=True)]
        return theta[:n_members], theta[n_members : cuts[1]], tables

    def objective(theta: Logits) -> tuple[float, Logits]:
        shares, offset, tables = parts(theta)
        logits = np.tensordot(shares, flat, axes=1) + offset
        for table, rows in zip(tables, hot, strict=True):
            logits += rows @ table
        lost, slope = _likelihood(logits, target)
        slope[np.arange(n), target] -= 1.0
        gradient = np.concatenate(
            [
                np.tensordot(flat, slope, axes=([1, 2], [0, 1])),
                slope.sum(axis=0),
                *[(rows.T @ slope).ravel() for rows in hot],
            ]
        )
        away = theta - centre
        return (lost + 0.5 * float(np.sum(ridge * away**2))) / n, (gradient + ridge * away) / n

    optimum = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 50, "ftol": 1e-8})
    return parts(optimum.x)


def _likelihood(logits: Logits, target: NDArray[np.int64]) -> tuple[float, Logits]:
    """Negative log-likelihood, and the probabilities in place of the logits: one pass over the exponentials."""
    logits -= logits.max(axis=1, keepdims=True)
    own = float(logits[np.arange(len(target)), target].sum())
    np.exp(logits, out=logits)
    total = logits.sum(axis=1)
    logits /= total[:, None]
    return float(np.log(total).sum()) - own, logits


def _softmax_regression(design: NDArray[np.float32], target: NDArray[np.int64], n_levels: int) -> Any:
    """Ridge multinomial regression; returns a function from a design to centred logits."""
    left = np.column_stack([np.ones(len(design), dtype=np.float32), design])
    shape = (left.shape[1], n_levels)
    ridge = np.full(shape, 3.0)
    ridge[0] = 0.5
    start = np.zeros(shape)
    counts = np.bincount(target, minlength=n_levels)
    start[0] = np.log(counts + 0.5) - np.mean(np.log(counts + 0.5))
    n = max(len(target), 1)

    def objective(flat: Logits) -> tuple[float, Logits]:
        weights = flat.reshape(shape)
        lost, slope = _likelihood((left @ weights.astype(np.float32)).astype(np.float64), target)
        loss = lost + 0.5 * float(np.sum(ridge * weights**2))
        slope[np.arange(len(target)), target] -= 1.0
        gradient = (left.T @ slope.astype(np.float32)).astype(np.float64) + ridge * weights
        return loss / n, (gradient / n).ravel()

    optimum = minimize(objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 60, "ftol": 1e-7})
    weights = optimum.x.reshape(shape).astype(np.float32)

    def logits(other: NDArray[np.float32]) -> NDArray[np.float32]:
        raw = weights[0] + other @ weights[1:]
        return np.asarray(raw - raw.mean(axis=1, keepdims=True), dtype=np.float32)

    return logits


def _boosted(
    design: NDArray[np.float32], target: NDArray[np.int64], n_levels: int, seed: int, other: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Centred logits of a small boosted multinomial model at ``other``."""
    present, local = np.unique(target, return_inverse=True)
    out = np.full((len(other), n_levels), np.log(0.5 / (len(target) + 1)), dtype=np.float32)
    if len(present) < 2:
        out[:, present] = 0.0
        return np.asarray(out - out.mean(axis=1, keepdims=True), dtype=np.float32)
    rounds = int(np.clip(400 // len(present), 12, 60))
    parameters = {
        "objective": "multiclass",
        "num_class": len(present),
        "learning_rate": float(np.clip(4.0 / rounds, 0.07, 0.3)),
        "num_leaves": 8,
        "max_bin": 63,
        "min_data_in_leaf": max(5, len(target) // 500),
        "lambda_l2": 5.0,
        "num_threads": 1,
        "verbosity": -1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
    }
    data = lightgbm.Dataset(design, label=local.reshape(-1), params={"verbosity": -1, "max_bin": 63})
    raw = lightgbm.train(parameters, data, num_boost_round=rounds).predict(other, raw_score=True)
    out[:, present] = log_softmax(np.asarray(raw), axis=1)
    return np.asarray(out - out.mean(axis=1, keepdims=True), dtype=np.float32)


def _mask_and_balance(
    estimated: NDArray[np.float32], eligible: NDArray[np.bool_], chosen: NDArray[np.int64], codes: NDArray[np.int64]
) -> None:
    """Give ineligible actions 0, then scale factor levels until each is as frequent as it was logged (in place)."""
    allowed = eligible.copy()
    allowed[np.arange(len(chosen)), chosen] = True
    estimated *= allowed
    counts = np.bincount(chosen, minlength=len(codes)).astype(np.float64)
    for _ in range(5):
        estimated /= np.maximum(estimated.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        expected = estimated.sum(axis=0, dtype=np.float64)
        factor = np.ones(len(codes))
        for position in range(codes.shape[1]):
            levels = codes[:, position] + 1
            ratio = (np.bincount(levels, counts) + 1.0) / (np.bincount(levels, expected) + 1.0)
            factor *= ratio[levels] ** (1.0 / codes.shape[1])
        estimated *= factor.astype(np.float32)
