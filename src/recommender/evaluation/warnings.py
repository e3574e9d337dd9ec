"""Warning codes of an estimate and when each is raised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from recommender.evaluation.checks import LogVectors
from recommender.evaluation.diagnostics import error_of_mean, pareto_k
from recommender.evaluation.policy_view import PolicyView
from recommender.evaluation.table import BIASED
from recommender.evaluation.verdict import LEAST_EFFECTIVE_CLUSTERS, Support

__all__ = ["WARNINGS", "disagreement", "general", "of_estimator"]

WARNINGS = {
    "low-effective-sample-size": "Matched rows are worth fewer than 50, or fewer than 15 independent clusters.",
    "small-effective-sample-size": "Matched rows are worth fewer than 200: the interval is wide and approximate.",
    "no-support": "The log never shows more than 5 % of what the target would do.",
    "estimated-propensity": "Some propensities were estimated; the interval is widened.",
    "action-determined": "The logged action is all but a function of the context.",
    "one-cluster": "All decisions belong to one cluster: nothing says how they vary.",
    "few-clusters": "Fewer than 30 clusters: the interval leans on few independent observations.",
    "heavy-weights": "The tail of the weights is so heavy that their mean converges slowly (Pareto k above 0.7).",
    "dominant-row": "One single row carries more than 10 % of the weight.",
    "weight-mean": "The mean weight is far from 1: propensities or support are wrong.",
    "estimators-disagree": "Estimators differ by more than their intervals allow.",
    "biased": "Trades bias for variance; the interval is widened by the bias that can be seen.",
    "estimated-logging-policy": "Propensities are logged, but those of a whole cell of actions had to be estimated.",
    "seen-in-training": "The policy was learnt from decisions it is judged on: the estimate flatters it.",
    "not-normalised": "Errors of estimated propensities do not cancel in this estimator.",
}


def general(log: LogVectors, target: PolicyView, support: Support) -> tuple[str, ...]:
    """Codes that concern the log and the target, whatever the estimator."""
    weight = target.weight
    total = float(weight.sum())
    error = error_of_mean(weight, log.cluster)
    away = abs(float(np.mean(weight)) - 1.0)
    clusters = target.interval.n_clusters
    tail = pareto_k(weight)
    raised = {
        "low-effective-sample-size": support.effective_sample_size < 50
        or support.effective_clusters < LEAST_EFFECTIVE_CLUSTERS,
        "small-effective-sample-size": 50 <= support.effective_sample_size < 200,
        "no-support": support.unsupported_share > 0.05,
        "estimated-propensity": not bool(log.propensity_logged.all()),
        "action-determined": support.action_determined,
        "one-cluster": clusters < 2,
        "few-clusters": 2 <= clusters < 30,
        "heavy-weights": bool(np.isfinite(tail)) and tail > 0.7,
        "dominant-row": total > 0 and float(weight.max()) > 0.1 * total,
        "weight-mean": away > max(0.05, 3.0 * error),
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


def disagreement(target: PolicyView, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Whether the unbiased estimators of the table lie outside each other's intervals."""
    unbiased = [row for row in rows if row["estimator"] not in BIASED and np.isfinite(row["value"])]
    apart = any(not target.interval.low <= row["value"] <= target.interval.high for row in unbiased) and any(
        not row["ci_low"] <= target.interval.value <= row["ci_high"] for row in unbiased
    )
    return ("estimators-disagree",) if apart else ()
