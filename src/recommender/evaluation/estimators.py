"""Off-policy estimators: one contribution per decision, whose mean is the estimate.

Every function takes arrays of one log of ``n`` decisions and returns a float64 vector of shape ``(n,)``. Its mean is
the estimated value of the target policy; an interval of that mean is an interval of the value. Self-normalised
estimators return their linearisation (estimate + influence function), so this holds for them too.

Notation: ``w = action_probabilities[i, action[i]] / propensity[i]``, ``q = expected_reward``,
``v = sum_a action_probabilities * q``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "clipped_dr",
    "clipped_ips",
    "clipped_snips",
    "dm",
    "dr",
    "dros",
    "importance_weights",
    "ips",
    "policy_expectation",
    "self_normalised",
    "sndr",
    "snips",
    "switch_dr",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.integer[Any]]


def importance_weights(action_probabilities: NDArray[Any], action: Integers, propensity: NDArray[Any]) -> Floats:
    """Ratio of the target's to the logging policy's probability of the logged action.

    Parameters
    ----------
    action_probabilities : ndarray of shape (n, n_actions)
    action : ndarray of int of shape (n,)
    propensity : ndarray of shape (n,)
        In (0, 1].

    Returns
    -------
    ndarray of shape (n,)
    """
    chosen = action_probabilities[np.arange(len(action)), action].astype(np.float64)
    return np.asarray(chosen / np.asarray(propensity, dtype=np.float64), dtype=np.float64)


def policy_expectation(action_probabilities: NDArray[Any], expected_reward: NDArray[Any]) -> Floats:
    """Expected reward of each decision under a policy, ``sum_a pi(a | x) q(x, a)``, shape (n,)."""
    # An ineligible action has probability 0; its expected reward must not matter even when it is not a number.
    summed = np.einsum("ij,ij->i", action_probabilities, expected_reward, dtype=np.float64, casting="same_kind")
    if not np.isfinite(summed).all():
        rows = np.flatnonzero(~np.isfinite(summed))
        pi, q = action_probabilities[rows], expected_reward[rows]
        summed[rows] = np.where(pi > 0, pi * np.where(pi > 0, q, 0.0), 0.0).sum(axis=1)
    return np.asarray(summed, dtype=np.float64)


def _logged(expected_reward: NDArray[Any], action: Integers) -> Floats:
    return expected_reward[np.arange(len(action)), action].astype(np.float64)


def dm(*, expected_reward: NDArray[Any], action_probabilities: NDArray[Any]) -> Floats:
    r"""Direct method: trust the reward model, :math:`v_i`.

    Its bias is the reward model's; no interval of this vector knows about it.

    References
    ----------
    Beygelzimer and Langford, "The offset tree for learning with partial labels", KDD 2009.
    """
    return policy_expectation(action_probabilities, expected_reward)


def ips(
    *, reward: NDArray[Any], action: Integers, propensity: NDArray[Any], action_probabilities: NDArray[Any]
) -> Floats:
    r"""Inverse propensity scoring, :math:`w_i r_i`.

    References
    ----------
    Horvitz and Thompson, "A generalization of sampling without replacement from a finite universe", JASA 1952.
    """
    return np.asarray(importance_weights(action_probabilities, action, propensity) * reward, dtype=np.float64)


def snips(
    *, reward: NDArray[Any], action: Integers, propensity: NDArray[Any], action_probabilities: NDArray[Any]
) -> Floats:
    r"""Self-normalised IPS, linearised: :math:`\hat V + w_i (r_i - \hat V) / \bar w`, :math:`\hat V = \sum w r/\sum w`.

    A log without any matched row has no estimate: the vector is NaN.

    References
    ----------
    Swaminathan and Joachims, "The self-normalized estimator for counterfactual learning", NeurIPS 2015.
    """
    return self_normalised(importance_weights(action_probabilities, action, propensity), reward)


def dr(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
) -> Floats:
    r"""Doubly robust: :math:`v_i + w_i (r_i - q(x_i, a_i))`.

    References
    ----------
    Dudik, Langford and Li, "Doubly robust policy evaluation and learning", ICML 2011.
    """
    weight = importance_weights(action_probabilities, action, propensity)
    value = policy_expectation(action_probabilities, expected_reward)
    return value + weight * (reward - _logged(expected_reward, action))


def sndr(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
) -> Floats:
    r"""Self-normalised doubly robust, linearised.

    With :math:`e_i = r_i - q(x_i, a_i)` and :math:`\hat D = \sum w e / \sum w`, the contribution is
    :math:`v_i + \hat D + w_i (e_i - \hat D) / \bar w`.

    References
    ----------
    Thomas and Brunskill, "Data-efficient off-policy policy evaluation for reinforcement learning", ICML 2016.
    """
    weight = importance_weights(action_probabilities, action, propensity)
    residual = reward - _logged(expected_reward, action)
    return policy_expectation(action_probabilities, expected_reward) + self_normalised(weight, residual)


def switch_dr(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
    threshold: float,
) -> Floats:
    r"""Switch-DR: correct the reward model only where the weight is small, :math:`v_i + w_i 1[w_i \le \tau] e_i`.

    References
    ----------
    Wang, Agarwal and Dudik, "Optimal and adaptive off-policy evaluation in contextual bandits", ICML 2017.
    """
    weight = importance_weights(action_probabilities, action, propensity)
    kept = np.where(weight <= threshold, weight, 0.0)
    value = policy_expectation(action_probabilities, expected_reward)
    return value + kept * (reward - _logged(expected_reward, action))


def dros(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
    shrinkage: float,
) -> Floats:
    r"""DR with optimistic shrinkage: weights :math:`\lambda w / (w^2 + \lambda)`; infinity is DR, 0 is DM.

    References
    ----------
    Su, Dimakopoulou, Krishnamurthy and Dudik, "Doubly robust off-policy evaluation with shrinkage", ICML 2020.
    """
    weight = importance_weights(action_probabilities, action, propensity)
    value = policy_expectation(action_probabilities, expected_reward)
    return value + shrunk_weights(weight, shrinkage) * (reward - _logged(expected_reward, action))


def shrunk_weights(weight: Floats, shrinkage: float) -> Floats:
    """Optimistically shrunk weights; ``shrinkage`` may be 0 or infinite."""
    if np.isinf(shrinkage):
        return weight
    if shrinkage <= 0:
        return np.zeros_like(weight)
    return np.asarray(shrinkage * weight / (weight**2 + shrinkage), dtype=np.float64)


def clipped_ips(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    action_probabilities: NDArray[Any],
    threshold: float,
) -> Floats:
    r"""IPS with weights clipped at ``threshold``: :math:`\min(w_i, \tau) r_i`.

    References
    ----------
    Ionides, "Truncated importance sampling", JCGS 2008.
    """
    weight = importance_weights(action_probabilities, action, propensity)
    return np.asarray(np.minimum(weight, threshold) * reward, dtype=np.float64)


def clipped_snips(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    action_probabilities: NDArray[Any],
    threshold: float,
) -> Floats:
    """Self-normalised IPS with weights clipped at ``threshold``, linearised."""
    weight = importance_weights(action_probabilities, action, propensity)
    return self_normalised(np.minimum(weight, threshold), reward)


def clipped_dr(
    *,
    reward: NDArray[Any],
    action: Integers,
    propensity: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
    threshold: float,
) -> Floats:
    r"""DR with weights clipped at ``threshold``: :math:`v_i + \min(w_i, \tau) e_i`.

    References
    ----------
    Su, Dimakopoulou, Krishnamurthy and Dudik, "Doubly robust off-policy evaluation with shrinkage", ICML 2020
    (pessimistic shrinkage).
    """
    weight = importance_weights(action_probabilities, action, propensity)
    value = policy_expectation(action_probabilities, expected_reward)
    return value + np.minimum(weight, threshold) * (reward - _logged(expected_reward, action))


def self_normalised(weight: Floats, target: NDArray[Any]) -> Floats:
    """Linearised weighted mean of ``target``."""
    total = weight.sum()
    if not total > 0:
        return np.full(len(weight), np.nan)
    # Weights are scaled first: a squared sum of weights of a propensity of 1e-300 must not overflow.
    relative = weight / (total / len(weight))
    estimate = float(np.mean(relative * target))
    return np.asarray(estimate + relative * (target - estimate), dtype=np.float64)
