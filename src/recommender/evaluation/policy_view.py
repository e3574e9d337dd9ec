"""One policy seen through the log: weights, model value, residuals and the doubly robust contribution of each row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.checks import LogVectors
from recommender.evaluation.estimators import Floats, importance_weights, policy_expectation, self_normalised
from recommender.evaluation.intervals import Interval, cluster_interval, cluster_sums

__all__ = ["Pair", "PolicyView", "paired_with", "pooled_noise", "view_policy"]

_POOLED = 0.25


@dataclass(frozen=True)
class PolicyView:
    """What the default estimator needs of a policy.

    Attributes
    ----------
    weight, relative, model_value, residual : ndarray of shape (n,)
        Importance weight, the same scaled to a mean of 1, expected reward under the policy, and reward minus the
        expected reward of the logged action.
    contribution : ndarray of shape (n,)
        Linearised self-normalised doubly robust contribution.
    extra_variance : float
        Squared standard error that estimated propensities add.
    interval : Interval
        Of the mean contribution.
    """

    weight: Floats
    relative: Floats
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
    total = float(weight.sum())
    relative = weight * (len(weight) / total) if total > 0 else np.zeros_like(weight)
    pooled = pooled_noise(relative, residual, log.reward - residual, log.cluster)
    interval = cluster_interval(
        contribution,
        log.cluster,
        confidence,
        block=block,
        weight=relative,
        extra_variance=extra,
        pooled_noise=pooled,
    )
    return PolicyView(weight, relative, model_value, residual, contribution, extra, interval)


@dataclass(frozen=True)
class Pair:
    """Paired contributions of two policies and what else their interval needs."""

    contribution: Floats
    weight: Floats
    extra_variance: float
    pooled: tuple[float, float]


def paired_with(
    target: PolicyView, baseline: PolicyView | None, log: LogVectors, rows: NDArray[np.int64] | None = None
) -> Pair:
    """Target minus baseline, row by row; a target that is the baseline differs by exactly nothing.

    Parameters
    ----------
    target : PolicyView
    baseline : PolicyView or None
        None stands for the logging policy and its observed rewards.
    log : LogVectors
    rows : ndarray of int, optional
        Rows of a slice, within which weights are normalised anew.
    """
    take = slice(None) if rows is None else rows
    observed, cluster = log.reward[take], log.cluster[take]
    other = np.ones(len(observed)) if baseline is None else baseline.weight[take]
    own = target.weight[take]
    nothing = (0.0, 0.0)
    if np.allclose(own, other, rtol=0, atol=1e-9) and (
        baseline is None or np.allclose(target.model_value[take], baseline.model_value[take], rtol=1e-12, atol=0)
    ):
        return Pair(np.zeros(len(observed)), np.ones(len(observed)), 0.0, nothing)
    residual = target.residual[take]
    relative = own * (len(own) / own.sum()) if own.sum() > 0 else np.zeros_like(own)
    against = other * (len(other) / other.sum()) if other.sum() > 0 else np.zeros_like(other)
    net = relative - against
    contribution = target.model_value[take] + self_normalised(own, residual)
    extra = target.extra_variance
    if baseline is None:
        contribution = contribution - observed
    else:
        contribution = contribution - baseline.model_value[take] - self_normalised(other, residual)
        extra = max(extra, baseline.extra_variance)
    share = len(log.reward) / max(len(observed), 1)
    return Pair(
        contribution,
        np.maximum(relative, against),
        extra * share,
        pooled_noise(net, residual, observed - residual, cluster),
    )


def pooled_noise(relative: Floats, residual: Floats, predicted: Floats, cluster: NDArray[Any]) -> tuple[float, float]:
    """A quarter of what rows of similar prediction say about the noise of weighted residuals, beyond what they show.

    With rare rewards most heavy rows show no reward, and then both the estimate and its standard error are too small.
    The moments of residuals among *all* rows of about the same prediction do not depend on that luck, but miss noise
    that goes with the weights: a part of them is taken, and an interval only lets them add to its variance.
    Dependence within clusters counts as it is observed.

    Parameters
    ----------
    relative, residual, predicted : ndarray of shape (n,)
        Weight that a residual has in the mean (1 on average), residual and prediction of the logged action.
    cluster : ndarray of shape (n,)

    Returns
    -------
    (float, float)
        To be added to the sums of squares and cubes of the contributions; may be negative.
    """
    edges = np.unique(np.quantile(predicted, np.linspace(0, 1, 11)[1:-1]))
    cell = np.searchsorted(edges, predicted, side="right")
    rows = np.maximum(np.bincount(cell), 1)
    away = residual - float(np.mean(relative * residual))
    second = np.bincount(cell, away**2) / rows
    third = np.bincount(cell, away * away * away) / rows
    shown = relative * away
    own = float(np.sum(shown * shown))
    # Ten copies of a row are no ten observations: inflate by what the clusters show.
    together = max(1.0, float(np.sum(cluster_sums(shown, cluster) ** 2)) / own) if own > 0 else 1.0
    missing_third = relative * relative * relative * (third[cell] - away * away * away)
    return (
        _POOLED * together * float(np.sum(relative**2 * (second[cell] - away**2))),
        _POOLED * together**2 * float(np.sum(missing_third)),
    )


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
