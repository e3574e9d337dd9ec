"""From expected rewards and an eligible mask to action probabilities. Knows no model.

The mask comes first: ineligible actions hold exactly 0 and the rest is normalised over what is left, so the
probability of an action is the probability with which it is really dispatched.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput, NoEligibleAction

__all__ = [
    "best_constant",
    "check_eligible",
    "draw",
    "epsilon_greedy",
    "exploration_cost",
    "mask_and_normalise",
    "softmax",
    "temperature_for_cost",
    "thompson",
    "uniform",
]

_TIE = 1e-12
_PRIOR_TRIES = 50.0  # decisions that the overall mean counts for


def check_eligible(eligible: Any, n: int, actions: ActionSpace) -> NDArray[np.bool_]:
    """Eligible mask of shape (n, n_actions); None allows everything, ``NO_CONTACT`` is always allowed.

    Raises
    ------
    NoEligibleAction
        When a row has nothing eligible and the space has no ``NO_CONTACT``.
    InvalidInput
        On a wrong shape or values that are not boolean.
    """
    if eligible is None:
        return np.ones((n, len(actions)), dtype=bool)
    allowed = eligible.to_numpy() if isinstance(eligible, pd.DataFrame) else np.asarray(eligible)
    if allowed.shape == (len(actions),):
        allowed = np.broadcast_to(allowed, (n, len(actions)))
    if allowed.shape != (n, len(actions)):
        raise InvalidInput(
            f"eligible must have shape {(n, len(actions))} (accounts x actions); got {allowed.shape}.",
            column="eligible",
            mend="Order its columns as actions.to_frame().",
        )
    if allowed.dtype != bool:
        if pd.isna(allowed).any() or not np.isin(allowed, (0, 1)).all():
            raise InvalidInput(
                "eligible must be boolean without missing values.",
                column="eligible",
                mend="An unknown permission is False: fill it before the call.",
            )
        allowed = allowed.astype(bool)
    if actions.no_contact_index is not None:
        if not allowed[:, actions.no_contact_index].all():
            allowed = allowed.copy()
            allowed[:, actions.no_contact_index] = True
        return allowed
    none = np.flatnonzero(~allowed.any(axis=1))
    if none.size:
        raise NoEligibleAction.in_column(
            "eligible",
            "allows no action",
            rows=none.tolist(),
            mend="Build the ActionSpace with no_contact=True so that leaving the account alone is an answer.",
        )
    return allowed


def mask_and_normalise(weights: NDArray[np.float64], eligible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Zero the ineligible actions and scale each row to sum to 1; rows left with no weight become uniform."""
    masked = np.where(eligible, weights, 0.0)
    total = masked.sum(axis=1, keepdims=True)
    empty = total[:, 0] <= 0.0
    if empty.any():
        masked[empty] = eligible[empty]
        total = masked.sum(axis=1, keepdims=True)
    return np.asarray(masked / total, dtype=np.float64)


def uniform(eligible: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Every eligible action with the same probability."""
    return np.asarray(eligible / np.maximum(eligible.sum(axis=1, keepdims=True), 1))


def epsilon_greedy(
    expected_reward: NDArray[np.float64], eligible: NDArray[np.bool_], epsilon: float
) -> NDArray[np.float64]:
    """The best eligible action, and with probability ``epsilon`` any eligible one.

    Exact ties go to the lowest action index. ``epsilon=0`` is the greedy policy.
    """
    best = _best(expected_reward, eligible)
    probabilities = epsilon * uniform(eligible)
    probabilities[np.arange(len(best)), best] += 1.0 - epsilon
    return probabilities


def softmax(
    expected_reward: NDArray[np.float64], eligible: NDArray[np.bool_], temperature: float, floor: float
) -> NDArray[np.float64]:
    """Probabilities proportional to exp(expected reward / temperature), mixed with ``floor`` of uniform.

    Parameters
    ----------
    expected_reward : ndarray of shape (n, n_actions)
    eligible : ndarray of bool of shape (n, n_actions)
    temperature : float
        In units of reward; the smaller, the closer to greedy.
    floor : float in [0, 1)
        Share of the decisions spread evenly over the eligible actions; no eligible action gets less than
        ``floor / n_eligible``.
    """
    scores = np.where(eligible, expected_reward, -np.inf)
    scores -= scores.max(axis=1, keepdims=True)
    scores /= max(temperature, _TIE)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    scores *= 1.0 - floor
    scores += floor * uniform(eligible)
    return np.asarray(scores, dtype=np.float64)


def temperature_for_cost(
    expected_reward: NDArray[np.float64], eligible: NDArray[np.bool_], cost: float = 0.05
) -> float:
    """Largest softmax temperature that gives up at most ``cost`` of the modelled gain of the best action.

    The gain is the best eligible action's expected reward over the average eligible one, averaged over the rows.
    """
    n = len(expected_reward)
    best = expected_reward[np.arange(n), _best(expected_reward, eligible)].mean()
    average = float(np.mean(np.sum(expected_reward * uniform(eligible), axis=1)))
    gain = float(best) - average
    if gain <= _TIE:
        return 1.0
    low, high = gain * 1e-6, gain * 10.0
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        value = float(np.mean(np.sum(expected_reward * softmax(expected_reward, eligible, middle, 0.0), axis=1)))
        low, high = (middle, high) if best - value <= cost * gain else (low, middle)
    return low


def thompson(draws: Iterable[NDArray[np.float64]], eligible: NDArray[np.bool_], floor: float) -> NDArray[np.float64]:
    """Share of posterior draws of the expected rewards in which each action is best, mixed with ``floor`` of uniform.

    Parameters
    ----------
    draws : iterable of ndarray of shape (n, n_actions)
    eligible : ndarray of bool of shape (n, n_actions)
    floor : float in [0, 1)
    """
    wins = np.zeros(eligible.shape)
    rows = np.arange(len(eligible))
    for drawn in draws:
        wins[rows, _best(drawn, eligible)] += 1.0
    return (1.0 - floor) * mask_and_normalise(wins, eligible) + floor * uniform(eligible)


def exploration_cost(
    probabilities: NDArray[np.float64], expected_reward: NDArray[np.float64], eligible: NDArray[np.bool_]
) -> float:
    """Share of the best action's modelled gain over the average eligible action that a policy gives up."""
    best = float(np.where(eligible, expected_reward, -np.inf).max(axis=1).mean())
    gain = best - float((expected_reward * uniform(eligible)).sum(axis=1).mean())
    return (best - float((probabilities * expected_reward).sum(axis=1).mean())) / gain if gain > 0 else 0.0


def best_constant(action: NDArray[np.int64], reward: NDArray[np.float64], n_actions: int) -> NDArray[np.float64]:
    """Value of always taking each action, shrunken to the overall mean so that rare actions do not win by luck.

    Parameters
    ----------
    action, reward : ndarray of shape (n_decisions,)
        Logged decisions with mature rewards.
    n_actions : int

    Returns
    -------
    ndarray of shape (n_actions,)
    """
    tries = np.bincount(action, minlength=n_actions)
    total = np.bincount(action, weights=reward, minlength=n_actions)
    return np.asarray((total + _PRIOR_TRIES * reward.mean()) / (tries + _PRIOR_TRIES))


def draw(probabilities: NDArray[np.float64], uniform_number: NDArray[np.float64]) -> NDArray[np.int64]:
    """One action a row by inverse transform; never an action of probability 0.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_actions)
    uniform_number : ndarray of shape (n,), in [0, 1)
    """
    cumulative = np.cumsum(probabilities, axis=1)
    threshold = uniform_number * cumulative[:, -1]
    return np.asarray((cumulative > threshold[:, None]).argmax(axis=1), dtype=np.int64)


def _best(expected_reward: NDArray[np.float64], eligible: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.asarray(np.where(eligible, expected_reward, -np.inf).argmax(axis=1), dtype=np.int64)
