"""Weights of several members from out-of-fold scores: log-loss first, then what their choices would have earned."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

__all__ = [
    "Floats",
    "choose_by_value",
    "group_folds",
    "member_losses",
    "mix_scores",
    "n_best",
    "order_weights",
    "share_earned",
    "stack_weights",
]

Floats = NDArray[np.float64]
Family = Literal["binomial", "gaussian"]

_CLEARLY = 2.5  # standard errors: one of twenty candidates is that far ahead by chance in one log of ten
_BEST_SHARE = 10  # one action in so many is valued
_COUNTS = 0.005  # weight from which a member is one more number that was fitted
_PULL = 16.0  # weights lie within about a quarter of the plain mean until the rows say otherwise


def group_folds(groups: NDArray[np.int64], n_folds: int, random_state: int) -> NDArray[np.int64]:
    """Fold of each row; rows of one group share a fold (single rows are dealt out when there is one group)."""
    rng = np.random.default_rng(random_state)
    codes, inverse = np.unique(groups, return_inverse=True)
    if len(codes) < n_folds:
        return np.asarray(rng.permutation(len(groups)) % n_folds, dtype=np.int64)
    # deal groups out by size, so that folds of skewed logs stay even
    size = np.bincount(inverse)
    order = rng.permutation(len(codes))
    order = order[np.argsort(-size[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % n_folds
    return np.asarray(fold[inverse], dtype=np.int64)


def stack_weights(
    scores: Floats, target: Floats, family: Family, *, near: Floats | None = None, pull: float = _PULL
) -> tuple[Floats, float]:
    """Non-negative weights and intercept that minimise the out-of-fold loss, pulled towards the plain mean.

    Parameters
    ----------
    scores : ndarray of shape (n, n_members)
        Out-of-fold linear predictors of the logged actions.
    target : ndarray of shape (n,)
    near : ndarray of shape (n_members,), optional
        Pulled towards these weights instead.
    pull : float
        Precision of the pull.

    Returns
    -------
    (ndarray of shape (n_members,), float)
    """
    n_members = scores.shape[1]
    centre = np.full(n_members, 1.0 / n_members) if near is None else near
    noise = 1.0
    if family == "gaussian":
        noise = max(float(np.mean((target - scores.mean(axis=1)) ** 2)), 1e-12)

    def loss(point: Floats) -> tuple[float, Floats]:
        eta = scores @ point[:-1] + point[-1]
        away = point[:-1] - centre
        if family == "binomial":
            value = float((np.logaddexp(0.0, eta) - target * eta).sum())
            residual = expit(eta) - target
        else:
            residual = (eta - target) / noise
            value = 0.5 * float(residual @ (eta - target))
        gradient = np.append(scores.T @ residual + pull * away, residual.sum())
        return value + 0.5 * pull * float(away @ away), gradient

    optimum = minimize(
        loss,
        np.append(centre, 0.0),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, 3.0)] * n_members + [(None, None)],
        options={"maxiter": 300, "ftol": 1e-12},
    )
    return np.asarray(optimum.x[:-1]), float(optimum.x[-1])


def n_best(n_actions: int) -> int:
    """How many actions of an account stand for its best one: an argmax over hundreds matches too few logged rows."""
    return max(1, -(-n_actions // _BEST_SHARE))


def order_weights(
    logged: Floats,
    target: Floats,
    scores: list[NDArray[np.float32]],
    often: Floats,
    weights: Floats,
    *,
    shrunk: bool = True,
) -> tuple[Floats, float]:
    """Weights learnt again from what members say of actions, the level of each account set aside.

    Log-loss over everything logged is mostly about accounts. A member that knows actions well and accounts badly, as
    trees grown past their best log-loss do, gets little weight then, and the order of actions is lost with it.

    Parameters
    ----------
    logged : ndarray of shape (n, n_members)
        Out-of-fold scores of the logged actions.
    target : ndarray of shape (n,)
        0 or 1.
    scores : list of ndarray of shape (n, n_actions)
        Of every action, by each member.
    often : ndarray of shape (n_actions,)
        Share of the log that each action has.
    weights : ndarray of shape (n_members,)
        Learnt on levels and actions together.
    shrunk : bool
        As far as the rows speak for it: by ``1 - k / (2 gain)`` as in :func:`share_earned`, the gain over the order of
        the given weights.

    Returns
    -------
    (ndarray of shape (n_members,), float)
        Weights, and the share in them of those learnt here.
    """
    level = np.column_stack([part @ often.astype(np.float32) for part in scores]).astype(np.float64)
    advantage, of_accounts = logged - level, level @ weights
    again, _ = stack_weights(
        np.column_stack([of_accounts, advantage]), target, "binomial", near=np.append(1.0, weights)
    )
    again = again[1:]
    if not shrunk:
        return again, 1.0
    _, loss = _fit_advantage(of_accounts, advantage @ weights, target, "binomial")
    _, loss_again = _fit_advantage(of_accounts, advantage @ again, target, "binomial")
    share = _spoken_for(loss - loss_again, int(np.count_nonzero(np.maximum(weights, again) > _COUNTS)))
    return (1.0 - share) * weights + share * again, share


def _spoken_for(gain: float, n_free: int) -> float:
    """Share of a change by ``n_free`` numbers that its gain in log-likelihood speaks for, James and Stein's."""
    return 1.0 - n_free / (2.0 * gain) if 2.0 * gain > n_free else 0.0


def share_earned(
    level: Floats, simple: Floats, stack: Floats, target: Floats, family: Family, n_free: int
) -> tuple[float, float]:
    """How far the order of the stack may leave a simple member's: what its gain on held-out rows speaks for.

    Weights that mean nothing gain half a nat each on the rows they were chosen on. The share is James and Stein's
    ``1 - n_free / (2 gain)``, 0 where the gain is no more than that: near 1 on long logs, the simple member on noise.
    The level of an account is given to both: it orders no actions.

    Parameters
    ----------
    level : ndarray of shape (n,)
        Out-of-fold score of each account, the mean over actions.
    simple, stack : ndarray of shape (n,)
        Out-of-fold advantages of the logged actions.
    target : ndarray of shape (n,)
    n_free : int
        Weights that the stack has beyond the simple member's.

    Returns
    -------
    (float, float)
        Share in [0, 1], and the slope of the simple member alone.

    References
    ----------
    Efron and Morris (1973), "Stein's estimation rule and its competitors".
    """
    slope, loss = _fit_advantage(level, simple, target, family)
    _, loss_of_stack = _fit_advantage(level, stack, target, family)
    return _spoken_for(loss - loss_of_stack, n_free), slope


def _fit_advantage(level: Floats, advantage: Floats, target: Floats, family: Family) -> tuple[float, float]:
    """Slope of an advantage next to the level's, and the negative log-likelihood of both."""
    design = np.column_stack([np.ones(len(level)), level, advantage])
    if family == "gaussian":
        point, *_ = np.linalg.lstsq(design, target, rcond=None)
        square = max(float(np.mean((target - design @ point) ** 2)), 1e-12)
        return float(np.clip(point[2], 0.0, 3.0)), 0.5 * len(target) * float(np.log(square))

    def loss(point: Floats) -> tuple[float, Floats]:
        eta = design @ point
        return float((np.logaddexp(0.0, eta) - target * eta).sum()), design.T @ (expit(eta) - target)

    bounds = [(None, None), (0.0, 3.0), (0.0, 3.0)]
    optimum = minimize(loss, np.array([0.0, 1.0, 1.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(optimum.x[2]), float(optimum.fun)


def choose_by_value(
    scores: list[NDArray[np.float32]],
    candidates: Floats,
    action: NDArray[np.int64],
    target: Floats,
    inverse_propensity: Floats,
    expected: NDArray[np.float32],
    *,
    n_best: int,
    standard_errors: float | Floats = _CLEARLY,
) -> tuple[int, Floats, Floats]:
    """Keep the first candidate unless another's top actions would have earned clearly more.

    Each candidate's policy spreads evenly over its ``n_best`` actions; values are doubly robust with one shared
    reward model, and differences to the first candidate are paired by row.

    Parameters
    ----------
    scores : list of ndarray of shape (n, n_actions)
        Out-of-fold scores of each member.
    candidates : ndarray of shape (n_candidates, n_members)
        Weights; the first is the one to beat.
    expected : ndarray of shape (n, n_actions)
        Shared reward model.
    standard_errors : float or ndarray of shape (n_candidates,)
        By how many standard errors a candidate has to be ahead.

    Returns
    -------
    (int, ndarray, ndarray)
        Position of the chosen candidate; difference and standard error of each.
    """
    n, n_actions = expected.shape
    weight = inverse_propensity / inverse_propensity.mean() * n_actions
    residual = weight * (target - expected[np.arange(n), action])
    base: Floats | None = None
    gains, errors = np.zeros(len(candidates)), np.zeros(len(candidates))
    for position, candidate in enumerate(candidates):
        value = _policy_value(scores, candidate, action, residual, expected, n_best)
        if base is None:
            base = value
            continue
        difference = value - base
        gains[position] = difference.mean()
        errors[position] = difference.std() / np.sqrt(n)
    bound = gains - standard_errors * errors
    bound[0] = 0.0
    return int(bound.argmax()), gains, errors


def _policy_value(
    scores: list[NDArray[np.float32]],
    candidate: Floats,
    action: NDArray[np.int64],
    residual: Floats,
    expected: NDArray[np.float32],
    n_best: int,
    chunk: int = 10_000,
) -> Floats:
    n, n_actions = expected.shape
    value = np.empty(n)
    for start in range(0, n, chunk):
        rows = slice(start, min(start + chunk, n))
        eta = sum(np.float32(w) * s[rows] for w, s in zip(candidate, scores, strict=True) if w > 0)
        eta = np.asarray(eta if not np.isscalar(eta) else np.zeros_like(expected[rows]))
        best = np.argpartition(-eta, n_best - 1, axis=1)[:, :n_best] if n_best < n_actions else None
        if best is None:
            value[rows] = expected[rows].mean(axis=1) + residual[rows] / n_actions
            continue
        chosen = (best == action[rows, None]).any(axis=1)
        value[rows] = np.take_along_axis(expected[rows], best, axis=1).mean(axis=1) + chosen * residual[rows] / n_best
    return value


def mix_scores(scores: list[NDArray[np.float32]], weights: Floats) -> NDArray[np.float32]:
    """Weighted sum of the members' scores; members without weight are not touched."""
    total = np.zeros_like(scores[0])
    for weight, part in zip(weights, scores, strict=True):
        if weight > 0:
            total += np.float32(weight) * part
    return total


def member_losses(logged: Floats, target: Floats, family: Family) -> list[float]:
    """Log-loss (or squared error) of each member alone, shape (n_members,)."""
    if family == "binomial":
        return [float((np.logaddexp(0.0, eta) - target * eta).mean()) for eta in logged.T]
    return [float(((eta - target) ** 2).mean()) for eta in logged.T]
