"""Evaluate a target policy on a log: every estimator, one default, a verdict against a baseline, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.evaluation import warnings as codes
from recommender.evaluation.adaptive import shift_towards
from recommender.evaluation.checks import LogVectors, checked_policy, checked_vectors
from recommender.evaluation.diagnostics import confounding_to_overturn, pareto_k, propensity_calibration
from recommender.evaluation.intervals import (
    Interval,
    cluster_bootstrap,
    cluster_interval,
    finite_sample_lower_bound,
    time_blocks,
)
from recommender.evaluation.policy_view import Pair, PolicyView, paired_with, view_policy
from recommender.evaluation.report import PolicyEvaluation
from recommender.evaluation.slices import evaluate_slices
from recommender.evaluation.table import BIASED, ESTIMATORS, all_contributions
from recommender.evaluation.unshown import Unshown, unshown_part
from recommender.evaluation.verdict import judge, support_of

__all__ = ["DEFAULT_ESTIMATOR", "evaluate"]

DEFAULT_ESTIMATOR = "adaptive_dr"
_SHIFT_TOWARDS = ("dm", "clipped_dr")


def evaluate(
    *,
    reward: NDArray[Any],
    action: NDArray[Any],
    propensity: NDArray[Any],
    propensity_logged: NDArray[Any],
    expected_reward: NDArray[Any],
    action_probabilities: NDArray[Any],
    baseline_probabilities: NDArray[Any] | None = None,
    factor_codes: NDArray[Any],
    cluster: NDArray[Any],
    time: NDArray[Any] | None = None,
    eligible: NDArray[Any] | None = None,
    slices: Mapping[str, NDArray[Any]] | None = None,
    estimators: Sequence[str] | None = None,
    confidence: float = 0.95,
    rng: np.random.Generator,
    action_predictability: float | None = None,
    propensity_all: NDArray[Any] | None = None,
    never_tried: NDArray[np.bool_] | None = None,
    never_tried_in_words: Sequence[str] = (),
    n_dependent_folds: int = 1,
    n_bootstrap: int = 0,
) -> PolicyEvaluation:
    """Estimate what the target policy would have earned, and say whether that is proven.

    Parameters
    ----------
    reward : ndarray of shape (n,)
        Observed rewards, none missing.
    action : ndarray of int of shape (n,)
        Logged action.
    propensity : ndarray of shape (n,)
        Probability of the logged action under the logging policy, in (0, 1].
    propensity_logged : ndarray of bool of shape (n,)
        False where the propensity was estimated.
    expected_reward : ndarray of shape (n, n_actions)
        Reward model fitted on other rows (cross-fitted).
    action_probabilities : ndarray of shape (n, n_actions)
        Target policy.
    baseline_probabilities : ndarray of shape (n, n_actions), optional
        Policy to compare with; None compares with the logged decisions and their observed rewards.
    factor_codes : ndarray of int of shape (n_actions, n_factors)
        Level of each factor; -1 in every factor is ``NO_CONTACT``.
    cluster : ndarray of shape (n,)
        Decisions of one cluster (debtor) may depend on each other.
    time : ndarray of shape (n,), optional
        Sortable; shocks shared by a time block then widen the intervals.
    eligible : ndarray of bool of shape (n, n_actions), optional
        What the logging policy was allowed to do.
    slices : mapping of str to ndarray of shape (n,), optional
        Name of a slicing column -> its value at each decision.
    estimators : sequence of str, optional
        Rows of the table besides the default one; all that the input permits when omitted.
    confidence : float, default=0.95
    rng : numpy.random.Generator
        Draws of the bootstrap.
    action_predictability : float, optional
        Cross-fitted share of logged actions explained by the context, in [0, 1].
    propensity_all : ndarray of shape (n, n_actions), optional
        Estimated logging policy; the marginalised estimators need it. Where every propensity is logged they alone
        use it, anchored on those, with a warning code.
    never_tried : ndarray of bool of shape (n, n_actions), optional
        Cells that the log never shows (see :mod:`recommender.support`). Up to 5 % of the target there widens every
        interval to what any reward seen would make of it; more is refused.
    never_tried_in_words : sequence of str, optional
        The regions, for the reasons.
    n_dependent_folds : int, default=1
        Folds whose policies were learnt from each other's rows. Their errors may move together, so every interval is
        as wide as one fold alone would make it.
    n_bootstrap : int, default=0
        Resamples of a second, cluster-bootstrap interval of the difference among the diagnostics.

    Returns
    -------
    PolicyEvaluation

    Raises
    ------
    InvalidInput
        When an array has the wrong shape or values, or an estimator is unknown.
    """
    vectors = checked_vectors(reward, action, propensity, propensity_logged, cluster, n_actions=len(factor_codes))
    n = len(vectors.reward)
    checked_policy(action_probabilities, n, len(factor_codes), "action_probabilities")
    if baseline_probabilities is not None:
        checked_policy(baseline_probabilities, n, len(factor_codes), "baseline_probabilities")
    if np.shape(expected_reward) != (n, len(factor_codes)):
        raise InvalidInput.in_column(
            "expected_reward",
            f"must have shape ({n}, {len(factor_codes)})",
            values=[np.shape(expected_reward)],
            mend="Pass one row a decision and one column an action.",
        )
    unknown = [name for name in estimators or () if name not in (*ESTIMATORS, DEFAULT_ESTIMATOR)]
    if unknown:
        raise InvalidInput.in_column(
            "estimators", "names an unknown estimator", values=unknown, mend=f"Known are {', '.join(ESTIMATORS)}."
        )

    block = None if time is None else time_blocks(np.asarray(time))
    target = view_policy(vectors, action_probabilities, expected_reward, confidence, block)
    varied = int(np.sum(np.ptp(factor_codes, axis=0) > 0))
    support = support_of(
        vectors, target.weight, action_probabilities, propensity_all, eligible, action_predictability, varied
    )
    wanted = {*(ESTIMATORS if estimators is None else estimators), *_SHIFT_TOWARDS}
    table = all_contributions(vectors, action_probabilities, propensity_all, factor_codes, target, wanted)
    kept = {name: psi for name, psi in table.contributions.items() if name in ESTIMATORS}
    shift = shift_towards(
        target.contribution,
        {name: kept[name] for name in _SHIFT_TOWARDS if name in kept},
        vectors.cluster,
        limit=(target.interval.high - target.interval.low) / 2 if np.isfinite(target.interval.low) else 0.0,
    )
    value = float(np.clip(target.interval.value + shift.amount, target.interval.low, target.interval.high))

    baseline = _baseline(vectors, baseline_probabilities, expected_reward, confidence, block)
    pair = paired_with(target, baseline, vectors)
    difference = _difference(pair, vectors, confidence, block)
    difference = _moved(difference, value - target.interval.value)
    unshown, unshown_difference = unshown_part(
        never_tried,
        (action_probabilities, target),
        None if baseline is None or baseline_probabilities is None else (baseline_probabilities, baseline),
        expected_reward,
    )
    support = replace(
        support,
        unsupported_share=max(support.unsupported_share, unshown.share, unshown_difference.share),
        never_tried_share=max(unshown.share, unshown_difference.share),
        never_tried=tuple(never_tried_in_words),
    )
    widen = _Widening(n_dependent_folds, unshown, float(vectors.reward.min()), float(vectors.reward.max()))
    difference = replace(widen, unshown=unshown_difference).of(difference)
    scale = float(np.max(np.abs(vectors.reward), initial=0.0))
    apart = codes.unbiased_estimators_disagree(vectors, target, kept, confidence, block)
    verdict, reasons = judge(difference, support, scale=scale, confidence=confidence, disagreement=apart)

    general = codes.general(vectors, support) + (("estimators-disagree",) if apart else ())
    rows = []
    for name in ESTIMATORS if estimators is None else estimators:
        if name not in kept:
            continue
        interval = widen.of(_table_interval(name, kept[name], target, vectors.cluster, confidence, block))
        rows.append(_row(name, interval, table.sizes[name], codes.of_estimator(name, general), default=False))
    rows.insert(
        0,
        _row(
            DEFAULT_ESTIMATOR,
            widen.of(_moved(target.interval, value - target.interval.value)),
            support.effective_sample_size,
            general,
            default=True,
        ),
    )
    sign = 1.0 if difference.value >= 0 else -1.0
    margin = min(abs(difference.low), abs(difference.high)) if verdict in ("better", "worse") else 0.0
    diagnostics: dict[str, Any] = {
        **support.as_dict(),
        "n_decisions": n,
        "n_clusters": target.interval.n_clusters,
        "weight_max_share": float(target.weight.max() / target.weight.sum()) if target.weight.sum() > 0 else 0.0,
        "pareto_k": pareto_k(target.weight),
        "share_of_propensities_logged": float(np.mean(vectors.propensity_logged)),
        "shift_towards": shift.towards,
        "shift_share": shift.share,
        "clipping": table.choices,
        "confounding_to_overturn": confounding_to_overturn(
            target.weight, vectors.propensity, sign * target.residual, margin
        ),
        "finite_sample_lower_bound": _certain_gain(vectors, target, baseline, confidence)
        if vectors.propensity_logged.all()
        else None,
        "bootstrap": asdict(
            cluster_bootstrap(pair.contribution, vectors.cluster, confidence, rng=rng, n_resamples=n_bootstrap)
        )
        if n_bootstrap
        else None,
        "baseline": "logging" if baseline_probabilities is None else "policy",
        "baseline_value": float(np.mean(vectors.reward if baseline is None else baseline.contribution)),
    }
    hidden = None if never_tried is None else _hidden(never_tried, action_probabilities, baseline_probabilities)
    return PolicyEvaluation(
        table=pd.DataFrame(rows),
        verdict=verdict,
        reasons=reasons,
        difference=difference,
        diagnostics=diagnostics,
        slices=evaluate_slices(
            vectors, target, baseline, slices or {}, confidence, widen=n_dependent_folds**0.5, unshown=hidden
        ),
        calibration=propensity_calibration(target.weight, vectors.propensity),
        weight_quantiles=_quantiles(target.weight),
        confidence=confidence,
    )


@dataclass(frozen=True)
class _Widening:
    """What every interval is widened by: folds that depend on each other, and cells that the log never shows."""

    n_dependent_folds: int
    unshown: Unshown
    lowest: float
    highest: float

    def of(self, interval: Interval) -> Interval:
        # The standard error of a mean of K estimates is at most the mean of theirs, however they depend.
        return self.unshown.widened(interval.stretched(self.n_dependent_folds**0.5), self.lowest, self.highest)


def _hidden(never_tried: NDArray[np.bool_], target: NDArray[Any], baseline: NDArray[Any] | None) -> NDArray[np.float64]:
    """Probability of each row, of either policy, where the log never tried it."""
    answer = np.zeros(len(target))
    at = np.flatnonzero(never_tried.any(axis=1))
    for policy in (target, baseline):
        if policy is not None:
            answer[at] = np.maximum(answer[at], np.where(never_tried[at], policy[at], 0.0).sum(axis=1))
    return answer


def _baseline(
    vectors: LogVectors,
    probabilities: NDArray[Any] | None,
    expected_reward: NDArray[Any],
    confidence: float,
    block: NDArray[Any] | None,
) -> PolicyView | None:
    if probabilities is None:
        return None
    return view_policy(vectors, probabilities, expected_reward, confidence, block)


def _difference(pair: Pair, vectors: LogVectors, confidence: float, block: NDArray[Any] | None) -> Interval:
    """Paired difference from the baseline."""
    return cluster_interval(
        pair.contribution,
        vectors.cluster,
        confidence,
        block=block,
        weight=pair.weight,
        extra_variance=pair.extra_variance,
        pooled_noise=pair.pooled,
    )


def _certain_gain(vectors: LogVectors, target: PolicyView, baseline: PolicyView | None, confidence: float) -> float:
    """Lower bound of the gain over the baseline at any sample size, rewards taken to stay in their range.

    With rewards in [low, high], weights w of the target and b of the baseline (1 for what was logged), each with mean
    1, ``w (r - low) + b (high - r)`` is never negative and has the gain plus ``high - low`` as its mean. No bound of
    the weights is needed.
    """
    low, high = float(vectors.reward.min()), float(vectors.reward.max())
    other = 1.0 if baseline is None else baseline.weight
    gain = target.weight * (vectors.reward - low) + other * (high - vectors.reward)
    return finite_sample_lower_bound(gain, vectors.cluster, confidence, lower=0.0) - (high - low)


def _table_interval(
    name: str,
    contribution: NDArray[Any],
    target: PolicyView,
    cluster: NDArray[Any],
    confidence: float,
    block: NDArray[Any] | None,
) -> Interval:
    extra = target.extra_variance
    if name in BIASED and np.isfinite(target.contribution).all():
        # Its own spread knows nothing of its bias: add what the doubly robust estimator can see of it.
        away = cluster_interval(contribution - target.contribution, cluster, confidence)
        extra += max(away.value**2, away.standard_error**2) if np.isfinite(away.standard_error) else 0.0
    return cluster_interval(contribution, cluster, confidence, block=block, extra_variance=extra)


def _moved(interval: Interval, by: float) -> Interval:
    """Same interval around another point, which stays inside."""
    return replace(interval, value=float(np.clip(interval.value + by, interval.low, interval.high)))


def _row(name: str, interval: Interval, size: float, warnings: tuple[str, ...], *, default: bool) -> dict[str, Any]:
    return {
        "estimator": name,
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "effective_sample_size": size,
        "warnings": warnings,
        "default": default,
    }


def _quantiles(weight: NDArray[Any]) -> list[tuple[float, float]]:
    points = np.concatenate([np.linspace(0, 0.99, 100), [0.995, 0.999, 1.0]])
    return list(zip(points.tolist(), np.quantile(weight, points).tolist(), strict=True))
