"""One policy seen through the log: weights, model value, residuals and the doubly robust contribution of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.checks import LogVectors
from recommender.evaluation.estimators import Floats, importance_weights, policy_expectation, self_normalised
from recommender.evaluation.intervals import Interval, cluster_interval

__all__ = ["PolicyView", "view_policy"]


@dataclass(frozen=True)
class PolicyView:
    """What the default estimator needs of a policy.

    Attributes
    ----------
    weight, model_value, residual : ndarray of shape (n,)
        Importance weight, expected reward under the policy, reward minus expected reward of the logged action.
    contribution : ndarray of shape (n,)
        Linearised self-normalised doubly robust contribution.
    extra_variance : float
        Squared standard error that estimated propensities add.
    interval : Interval
        Of the mean contribution.
    """

    weight: Floats
    model_value: Floats
    residual: Floats
    contribution: Floats
    extra_variance: float
    interval: Interval


def view_policy(
    log: LogVectors,
    action_probabilities: NDArray[Any],
    expected_reward: NDArray[Any],
    confidence: float,
    block: NDArray[Any] | None,
) -> PolicyView:
    """Weights, contributions and interval of one policy (arguments as for ``evaluate``)."""
    weight = importance_weights(action_probabilities, log.action, log.propensity)
    model_value = policy_expectation(action_probabilities, expected_reward)
    residual = log.reward - expected_reward[np.arange(len(log.action)), log.action]
    correction = self_normalised(weight, residual)
    # Without any matched row nothing corrects the model: the value is unknown, not the model's.
    contribution = model_value + correction
    extra = _variance_of_estimated_propensities(log, weight, model_value)
    interval = cluster_interval(contribution, log.cluster, confidence, block=block, extra_variance=extra)
    return PolicyView(weight, model_value, residual, contribution, extra, interval)


def _variance_of_estimated_propensities(log: LogVectors, weight: Floats, model_value: Floats) -> float:
    """Squared size of the bias that errors of estimated propensities may leave.

    With right propensities the weighted mean of any function of the context equals its plain mean. What the weighted
    mean of the model's value misses shows how far the propensities are off in the direction that matters.
    """
    share = float(np.mean(~log.propensity_logged))
    total = float(weight.sum())
    if share == 0.0 or not total > 0:
        return 0.0
    imbalance = float(np.sum(weight * model_value) / total - np.mean(model_value))
    return share * (0.5 * imbalance) ** 2
