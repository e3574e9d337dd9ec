"""Online experiments: how many debtors, who gets which arm, and what came out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from recommender.errors import InvalidInput
from recommender.evaluation.intervals import Interval

__all__ = ["ExperimentResult", "SampleSize", "analyse", "assign", "sample_size"]


@dataclass(frozen=True)
class SampleSize:
    """Size of an experiment.

    Attributes
    ----------
    control, treated : int
        Decisions per arm.
    control_debtors, treated_debtors : int
        Debtors per arm, the unit that is assigned.
    design_effect : float
        Factor by which dependence within a debtor inflates the variance.
    """

    control: int
    treated: int
    control_debtors: int
    treated_debtors: int
    design_effect: float


def sample_size(
    baseline: float,
    minimum_effect: float,
    *,
    standard_deviation: float | None = None,
    treated_share: float = 0.5,
    decisions_per_debtor: float = 1.0,
    variation_of_decisions: float = 0.0,
    within_debtor_correlation: float = 0.0,
    confidence: float = 0.95,
    power: float = 0.8,
) -> SampleSize:
    r"""Decisions and debtors needed to detect an effect.

    :math:`N = (z_{1-\alpha/2} + z_{power})^2 (\sigma_0^2 / (1 - s) + \sigma_1^2 / s) / \delta^2` times the design
    effect :math:`1 + ((1 + c^2) m - 1) \rho`, with :math:`s` the treated share, :math:`m` decisions per debtor on
    average and :math:`c` their coefficient of variation: debtors with many decisions repeat themselves most.

    Parameters
    ----------
    baseline : float
        Mean reward of the control arm; a rate in (0, 1) when no ``standard_deviation`` is given.
    minimum_effect : float
        Smallest difference worth detecting, in units of the reward.
    standard_deviation : float, optional
        Of an amount, in both arms.
    treated_share : float, default=0.5
        A holdout of one tenth is 0.9.
    decisions_per_debtor : float, default=1
        Mean over debtors.
    variation_of_decisions : float, default=0
        Standard deviation of a debtor's number of decisions over its mean.
    within_debtor_correlation : float, default=0
        Of the rewards of two decisions on one debtor.
    confidence, power : float

    References
    ----------
    Eldridge, Ashby and Kerry, "Sample size for cluster randomized trials: effect of coefficient of variation of cluster
    size and analysis method", International Journal of Epidemiology 2006.
    Donner and Klar, "Design and Analysis of Cluster Randomization Trials in Health Research", 2000.
    """
    if minimum_effect == 0:
        raise InvalidInput.in_column("minimum_effect", "must not be 0", values=[0], mend="Pass what is worth knowing.")
    if not 0 < treated_share < 1:
        raise InvalidInput.in_column(
            "treated_share", "must lie strictly between 0 and 1", values=[treated_share], mend="Pass e.g. 0.5."
        )
    bounds = {
        "confidence": (confidence, 0.0, 1.0),
        "power": (power, 0.0, 1.0),
        "decisions_per_debtor": (decisions_per_debtor, 1.0 - 1e-9, np.inf),
        "variation_of_decisions": (variation_of_decisions, -1e-9, np.inf),
        "within_debtor_correlation": (within_debtor_correlation, -1e-9, 1.0 + 1e-9),
    }
    for name, (given, least, most) in bounds.items():
        if not least < given < most:
            raise InvalidInput.in_column(
                name, f"must lie between {max(least, 0.0):.0f} and {most:.0f}", values=[given], mend="Change it."
            )
    if standard_deviation is None:
        other = baseline + minimum_effect
        if not (0 < baseline < 1 and 0 < other < 1):
            raise InvalidInput.in_column(
                "baseline",
                "and baseline + minimum_effect must be rates strictly between 0 and 1",
                values=[baseline, other],
                mend="Pass standard_deviation for amounts.",
            )
        control_variance, treated_variance = baseline * (1 - baseline), other * (1 - other)
    else:
        control_variance = treated_variance = standard_deviation**2
    quantiles = stats.norm.ppf(0.5 + confidence / 2) + stats.norm.ppf(power)
    largest = (1.0 + variation_of_decisions**2) * decisions_per_debtor
    effect = 1.0 + (largest - 1.0) * within_debtor_correlation
    spread = control_variance / (1 - treated_share) + treated_variance / treated_share
    total = quantiles**2 * spread / minimum_effect**2 * effect
    control, treated = (int(np.ceil(total * share)) for share in (1 - treated_share, treated_share))
    return SampleSize(
        control,
        treated,
        int(np.ceil(control / decisions_per_debtor)),
        int(np.ceil(treated / decisions_per_debtor)),
        float(effect),
    )


def assign(debtors: Iterable[object], experiment: str, shares: Mapping[str, float]) -> NDArray[np.str_]:
    """Arm of each debtor: stable across calls, machines and batches, independent between experiments.

    Parameters
    ----------
    debtors : iterable of object
        Ids, compared as text.
    experiment : str
        Name; another name draws anew.
    shares : mapping of str to float
        Arm -> share; they sum to 1.
    """
    total = float(sum(shares.values()))
    if not shares or abs(total - 1.0) > 1e-9 or min(shares.values()) < 0:
        raise InvalidInput.in_column(
            "shares", "must be non-negative and sum to 1", values=list(shares.values()), mend="Divide by their sum."
        )
    edges = np.cumsum(list(shares.values()))[:-1]
    names = np.array(list(shares))
    points = np.array(
        [
            int.from_bytes(hashlib.blake2b(f"{experiment}\x00{debtor}".encode(), digest_size=8).digest(), "big") / 2**64
            for debtor in debtors
        ],
        dtype=np.float64,
    )
    return np.asarray(names[np.searchsorted(edges, points, side="right")], dtype=np.str_)


@dataclass(frozen=True)
class ExperimentResult:
    """Result of an experiment.

    Attributes
    ----------
    effect : Interval
        Treated minus control per decision.
    control_mean, treated_mean : float
    p_value : float
        Two-sided.
    mismatch_p_value : float
        Of the observed split of debtors against the planned one; below 0.001 the assignment is broken.
    verdict : str
        better, worse, not proven or refused (sample ratio mismatch, or an arm with fewer than two debtors).
    reasons : tuple of str
    """

    effect: Interval
    control_mean: float
    treated_mean: float
    p_value: float
    mismatch_p_value: float
    verdict: str
    reasons: tuple[str, ...]


def analyse(
    reward: NDArray[Any],
    treated: NDArray[np.bool_],
    debtor: NDArray[Any],
    *,
    treated_share: float,
    covariate: NDArray[Any] | None = None,
    confidence: float = 0.95,
) -> ExperimentResult:
    """Difference of two arms, clustered by debtor, with the sample ratio checked first.

    Parameters
    ----------
    reward : ndarray of shape (n,)
    treated : ndarray of bool of shape (n,)
    debtor : ndarray of shape (n,)
        The unit that was assigned; all its decisions must share an arm.
    treated_share : float
        As planned.
    covariate : ndarray of shape (n,), optional
        Known before the experiment (say the predicted reward); its linear effect is taken out to narrow the interval.
    confidence : float, default=0.95

    References
    ----------
    Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data", WSDM 2013.
    """
    reward, treated = np.asarray(reward, dtype=np.float64), np.asarray(treated, dtype=bool)
    unknown = np.flatnonzero(~np.isfinite(reward))
    if unknown.size:
        raise InvalidInput.in_column(
            "reward",
            "must be a finite number",
            values=reward[unknown].tolist(),
            rows=unknown.tolist(),
            mend="Leave decisions whose outcome is not known yet out of both arms.",
        )
    _, unit = np.unique(debtor, return_inverse=True)
    unit = unit.reshape(-1)
    arm_of_unit = np.bincount(unit, treated) / np.bincount(unit)
    mixed = np.flatnonzero((arm_of_unit > 0) & (arm_of_unit < 1))
    if mixed.size:
        rows = np.flatnonzero(np.isin(unit, mixed))
        raise InvalidInput.in_column(
            "treated", "changes within a debtor", rows=rows.tolist(), mend="Assign by debtor and keep the arm."
        )
    n_treated, n_units = int(arm_of_unit.sum()), len(arm_of_unit)
    mismatch = float(stats.binomtest(n_treated, n_units, treated_share).pvalue)
    if covariate is not None:
        known = np.asarray(covariate, dtype=np.float64) - np.mean(covariate)
        spread = float(np.mean(known**2))
        slope = float(np.mean(known * (reward - np.mean(reward)))) / spread if spread > 0 else 0.0
        reward = reward - slope * known
    if min(n_treated, n_units - n_treated) < 2:
        nothing = Interval(np.nan, -np.inf, np.inf, np.inf, 0.0, n_units, "two arms")
        reason = f"Refused: {n_treated} treated and {n_units - n_treated} control debtors; each arm needs two."
        return ExperimentResult(nothing, np.nan, np.nan, 1.0, mismatch, "refused", (reason,))
    means, variances, degrees = [], [], []
    for arm in (False, True):
        rows = treated == arm
        mean = float(np.mean(reward[rows]))
        sums = np.bincount(unit[rows], reward[rows] - mean, minlength=n_units)[arm_of_unit == arm]
        count = len(sums)
        means.append(mean)
        variances.append(count / (count - 1) * float(np.sum(sums**2)) / int(rows.sum()) ** 2)
        degrees.append(count - 1)
    error = float(np.sqrt(sum(variances)))
    freedom = sum(variances) ** 2 / max(
        sum(v**2 / d for v, d in zip(variances, degrees, strict=True)), np.finfo(np.float64).tiny
    )
    freedom = max(freedom, 1.0)
    effect = means[1] - means[0]
    half = float(stats.t.ppf(0.5 + confidence / 2, freedom)) * error
    p_value = float(2 * stats.t.sf(abs(effect) / error, freedom)) if error > 0 else float(effect == 0)
    interval = Interval(effect, effect - half, effect + half, error, float(freedom), n_units, "two arms")
    ends = f"[{effect - half:+.6g}, {effect + half:+.6g}]"
    said = f"the effect is {effect:+.6g} per decision, {confidence:.0%} interval {ends}"
    if mismatch < 0.001:
        verdict = "refused"
        said = (
            f"{n_treated:,} of {n_units:,} debtors are treated where {treated_share:.1%} was planned "
            f"(p = {mismatch:.2g}): the assignment or the logging is broken, do not read the effect"
        )
    else:
        verdict = "better" if interval.low > 0 else "worse" if interval.high < 0 else "not proven"
    return ExperimentResult(
        interval, means[0], means[1], p_value, mismatch, verdict, (f"{verdict.capitalize()}: {said}.",)
    )
