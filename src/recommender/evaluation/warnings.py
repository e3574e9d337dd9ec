"""Codes of an estimate: each one refuses, withholds or widens; what decides nothing is a diagnostic, not a code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.checks import LogVectors
from recommender.evaluation.intervals import cluster_interval
from recommender.evaluation.policy_view import PolicyView
from recommender.evaluation.table import BIASED
from recommender.evaluation.verdict import (
    LEAST_EFFECTIVE_CLUSTERS,
    LEAST_EFFECTIVE_SAMPLE_SIZE,
    MOST_UNSUPPORTED,
    Support,
)

__all__ = ["WARNINGS", "general", "of_estimator", "unbiased_estimators_disagree"]

WARNINGS = {
    "low-effective-sample-size": "Matched rows are worth fewer than 50, or fewer than 15 independent clusters.",
    "no-support": "The log never shows more than 5 % of what the target would do.",
    "never-tried": "Part of what the target would do was never tried there; the interval allows for any reward.",
    "estimated-propensity": "Some propensities were estimated; the interval is widened.",
    "action-determined": "The logged action is all but a function of the context.",
    "one-cluster": "All decisions belong to one cluster: nothing says how they vary.",
    "weight-mean": "The mean weight is far from 1: propensities or support are wrong; refused.",
    "estimators-disagree": "Unbiased estimators differ by more than their intervals allow; nothing is claimed.",
    "biased": "Trades bias for variance; the interval is widened by the bias that can be seen.",
    "estimated-logging-policy": "Propensities are logged, but those of a whole cell of actions had to be estimated.",
    "seen-in-training": "The policy was learnt from decisions it is judged on: the estimate flatters it.",
    "not-normalised": "Errors of estimated propensities do not cancel in this estimator.",
}


def general(log: LogVectors, support: Support) -> tuple[str, ...]:
    """Codes that concern the log and the target, whatever the estimator."""
    raised = {
        "low-effective-sample-size": support.effective_sample_size < LEAST_EFFECTIVE_SAMPLE_SIZE
        or support.effective_clusters < LEAST_EFFECTIVE_CLUSTERS,
        "no-support": support.unsupported_share > MOST_UNSUPPORTED,
        "never-tried": support.never_tried_share > 0.0,
        "estimated-propensity": not bool(log.propensity_logged.all()),
        "action-determined": support.action_determined,
        "one-cluster": support.n_clusters < 2,
        "weight-mean": support.weights_do_not_add_up,
    }
    return tuple(code for code, on in raised.items() if on)


def of_estimator(name: str, general_codes: tuple[str, ...]) -> tuple[str, ...]:
    """General codes and those of one estimator."""
    extra: tuple[str, ...] = ("biased",) if name in BIASED else ()
    if name in ("ips", "dr", "clipped_ips") and "estimated-propensity" in general_codes:
        extra += ("not-normalised",)
    if name in ("mips", "factored_dr") and "estimated-propensity" not in general_codes:
        extra += ("estimated-logging-policy",)
    return general_codes + extra


def unbiased_estimators_disagree(
    log: LogVectors,
    target: PolicyView,
    contributions: Mapping[str, NDArray[Any]],
    confidence: float,
    block: NDArray[Any] | None,
) -> bool:
    """Whether estimators that are unbiased under the same assumptions lie outside each other's intervals."""
    normalised = ("snips", "sndr") if not log.propensity_logged.all() else ("ips", "snips", "dr", "sndr")
    others = {name: psi for name in normalised if (psi := contributions.get(name)) is not None}
    means = {name: float(np.mean(psi)) for name, psi in others.items() if np.isfinite(psi).all()}
    outside = [name for name, mean in means.items() if not target.interval.low <= mean <= target.interval.high]
    if not outside:
        return False
    intervals = (cluster_interval(others[name], log.cluster, confidence, block=block) for name in means)
    return any(not own.low <= target.interval.value <= own.high for own in intervals)
