"""Intervals of the mean of per-decision contributions, where decisions of one cluster depend on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from recommender.errors import InvalidInput
from recommender.evaluation.skewness import ends, quantile_at

__all__ = [
    "Interval",
    "cluster_bootstrap",
    "cluster_interval",
    "cluster_sums",
    "finite_sample_lower_bound",
    "time_blocks",
]

Floats = NDArray[np.float64]

_MOST_SKEWNESS = 1.0  # a single event: no expansion describes the distribution any more
_MOST_EXPLAINED = 0.75
_MOST_LEVERAGE = 0.5


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval.

    Attributes
    ----------
    value, low, high : float
        Units of the reward.
    standard_error : float
        NaN where the method has none.
    degrees_of_freedom : float
        Effective degrees of freedom of the standard error.
    n_clusters : int
    method : str
    skewness : float
        That the interval was corrected for.
    """

    value: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    n_clusters: int
    method: str
    skewness: float = 0.0

    @property
    def p_value(self) -> float:
        """Two-sided, of a true value of 0; below ``1 - confidence`` exactly where the interval excludes 0."""
        if not np.isfinite(self.standard_error):
            return 1.0
        if self.standard_error <= 0:
            return 1.0 if self.value == 0 else 0.0
        quantile = quantile_at(self.value / self.standard_error, self.skewness)
        return float(2 * stats.t.sf(quantile, self.degrees_of_freedom))

    def stretched(self, factor: float) -> Interval:
        """The same estimate with a standard error ``factor`` times as large."""
        if factor == 1.0:
            return self
        return replace(
            self,
            low=self.value - factor * (self.value - self.low),
            high=self.value + factor * (self.high - self.value),
            standard_error=factor * self.standard_error,
        )


def cluster_sums(centred: NDArray[Any], cluster: NDArray[Any]) -> Floats:
    """Sum per cluster, in order of first code; ``cluster`` is any array of labels of shape (n,)."""
    if np.issubdtype(cluster.dtype, np.integer) and cluster.min() >= 0 and cluster.max() < 2 * len(cluster):
        sums = np.bincount(cluster, weights=centred)
        present = np.bincount(cluster) > 0
        return np.asarray(sums if present.all() else sums[present], dtype=np.float64)
    _, codes = np.unique(cluster, return_inverse=True)
    return np.asarray(np.bincount(codes.reshape(-1), weights=centred), dtype=np.float64)


def cluster_interval(
    contribution: NDArray[Any],
    cluster: NDArray[Any],
    confidence: float = 0.95,
    *,
    block: NDArray[Any] | None = None,
    weight: NDArray[Any] | None = None,
    extra_variance: float = 0.0,
    pooled_noise: tuple[float, float] = (0.0, 0.0),
    skewness: bool = True,
) -> Interval:
    """Asymptotic cluster-robust interval with effective degrees of freedom and a skewness correction.

    The standard error is the cluster-robust sandwich of a mean. Its degrees of freedom follow from the kurtosis of
    the cluster sums (Satterthwaite), so that a few heavy weights widen the interval; where the sums are skewed, as they
    are with rare rewards, its ends are moved (see :mod:`recommender.evaluation.skewness`).

    Parameters
    ----------
    contribution : ndarray of shape (n,)
    cluster : ndarray of shape (n,)
        Cluster label of each decision.
    confidence : float, default=0.95
    block : ndarray of shape (n,), optional
        Time block of each decision. Where blocks share a shock beyond chance, the variance is clustered both ways.
    weight : ndarray of shape (n,), optional
        Share of each decision in the estimate that the contributions are centred by; equal when omitted. A cluster
        pulls that estimate towards itself by its share, and its sum is scaled up for it (CR2); there are no more
        degrees of freedom than the effective number of clusters less one.
    extra_variance : float, default=0
        Added to the squared standard error, e.g. for estimated propensities.
    pooled_noise : (float, float), default=(0, 0)
        Added to the sums of squares and cubes of the cluster sums: what other rows say of their noise, see
        ``policy_view``. The variance then rests on more than these sums and gets twice their degrees of freedom; it
        is never below what they show, so that it stays consistent whatever the other rows say.
    skewness : bool, default=True
        Whether to correct for skewness.

    Returns
    -------
    Interval
        Unbounded (``-inf``, ``inf``) with fewer than two clusters.

    References
    ----------
    Cameron and Miller, "A practitioner's guide to cluster-robust inference", JHR 2015.
    Bell and McCaffrey, "Bias reduction in standard errors for linear regression with multi-stage samples", Survey
    Methodology 2002.
    Carter, Schnepel and Steigerwald, "Asymptotic behavior of a t-test robust to cluster heterogeneity", REStat 2017.
    """
    _checked(contribution, cluster, confidence)
    n = len(contribution)
    value = float(np.mean(contribution))
    centred = np.asarray(contribution, dtype=np.float64) - value
    sums = cluster_sums(centred, cluster)
    n_clusters = len(sums)
    if n_clusters < 2 or not np.isfinite(value):
        return Interval(value, -np.inf, np.inf, np.inf, 0.0, n_clusters, "cluster-robust")
    share = cluster_sums(np.ones(n) if weight is None else weight, cluster)
    share = share / share.sum() if share.sum() > 0 else np.full(n_clusters, 1.0 / n_clusters)
    effective_clusters = 1.0 / float(np.sum(share**2))
    sums = sums / np.sqrt(1.0 - np.minimum(share, _MOST_LEVERAGE))
    shown = float(np.sum(sums**2))
    second = shown + max(pooled_noise[0], 0.0)
    trust = _trust_in_skewness(sums) if skewness else 0.0
    third = trust * float(np.sum(sums * sums * sums)) + pooled_noise[1]
    variance = second / n**2
    if block is not None:
        variance = _with_time_blocks(centred, cluster, block, variance)
    total = variance + extra_variance
    if total <= np.finfo(np.float64).tiny:
        return Interval(value, value, value, 0.0, float(n_clusters - 1), n_clusters, "cluster-robust")
    spread = np.sqrt(total)
    degrees = _effective_degrees(sums, trust) * (2.0 if any(pooled_noise) else 1.0)
    gamma = third / second**1.5 if second > 0 else 0.0
    # The added part of the variance is not estimated from the sums: it carries no skewness and no noise.
    own_share = min(1.0, variance / total)
    degrees = max(1.0, min(effective_clusters - 1.0, degrees / max(own_share, 1e-9) ** 2))
    quantile = float(stats.t.ppf(0.5 + confidence / 2, degrees))
    gamma = float(np.clip(gamma * own_share**1.5, -_MOST_SKEWNESS, _MOST_SKEWNESS)) if skewness else 0.0
    below, above = ends(quantile, gamma)
    low, high = value - below * spread, value + above * spread
    return Interval(value, low, high, float(spread), degrees, n_clusters, "cluster-robust", gamma)


def _trust_in_skewness(sums: Floats) -> float:
    """Share of the observed third moment to believe: a few large clusters show one where there is none.

    The third moment's own error is the square root of the summed sixth powers where signs are by chance; an estimate
    no larger than that says nothing, and the larger ones are shrunk as by James and Stein.
    """
    cubes = sums * sums * sums
    noise = float(np.sum(cubes**2))
    return max(0.0, 1.0 - noise / float(np.sum(cubes)) ** 2) if noise > 0 and np.sum(cubes) != 0 else 0.0


def _effective_degrees(sums: Floats, trust: float) -> float:
    """Degrees of freedom of a variance estimated from sums with this kurtosis.

    Where the ends are moved for skewness, noise of the variance that goes with the estimate is answered for already:
    its share is the squared correlation of mean and variance, skewness squared over kurtosis less 1. It is counted up
    to three quarters, for these moments are estimates, too. (With rare events it would be all of it: they have one
    parameter, and the normal quantile is right.)
    """
    n_clusters = len(sums)
    second = float(np.mean(sums**2))
    if second <= 0:
        return float(n_clusters - 1)
    scaled = sums / np.sqrt(second)
    noise = float(np.mean((scaled * scaled) ** 2)) - 1.0
    noise -= trust * min(float(np.mean(scaled * scaled * scaled)) ** 2, _MOST_EXPLAINED * noise)
    return float(np.clip(2.0 * n_clusters / max(noise, 2.0), 2.0, max(2.0, n_clusters - 1.0)))


def _with_time_blocks(centred: Floats, cluster: NDArray[Any], block: NDArray[Any], one_way: float) -> float:
    """Two-way clustered variance where the blocks vary by more than chance and a trend explain, else the one-way one.

    The value over the time of the log is what is estimated: a steady rise or fall within it is no noise.
    """
    _, second = np.unique(block, return_inverse=True)
    second = second.reshape(-1)
    rows = np.bincount(second)
    n, n_blocks = len(centred), len(rows)
    if n_blocks < 5:
        return one_way
    step = np.arange(n_blocks) - float(np.mean(second))
    slope = float(np.sum(step * np.bincount(second, centred))) / float(np.sum(rows * step**2))
    centred = centred - slope * step[second]
    free = n_blocks - 2
    blocks = n_blocks / free * float(np.sum(np.bincount(second, centred) ** 2)) / n**2
    independent = float(np.sum(centred**2)) / n**2
    if independent <= 0 or blocks / independent <= stats.chi2.ppf(0.99, free) / free:
        return one_way
    _, first = np.unique(cluster, return_inverse=True)
    both = cluster_sums(centred, first.reshape(-1).astype(np.int64) * n_blocks + second)
    return max(one_way, one_way + blocks - float(np.sum(both**2)) / n**2)


def time_blocks(time: NDArray[Any], most: int = 30) -> NDArray[np.int64]:
    """Cut decisions into up to ``most`` consecutive blocks of about equal size; equal times share a block."""
    _, order = np.unique(time, return_inverse=True)
    ranks = stats.rankdata(order.reshape(-1), method="max") / len(order)
    return np.asarray(np.ceil(ranks * most).astype(np.int64) - 1, dtype=np.int64)


def cluster_bootstrap(
    contribution: NDArray[Any],
    cluster: NDArray[Any],
    confidence: float = 0.95,
    *,
    rng: np.random.Generator,
    n_resamples: int = 999,
) -> Interval:
    """Percentile-t bootstrap interval over whole clusters.

    Parameters
    ----------
    contribution : ndarray of shape (n,)
    cluster : ndarray of shape (n,)
    confidence : float, default=0.95
    rng : numpy.random.Generator
    n_resamples : int, default=999

    References
    ----------
    Cameron, Gelbach and Miller, "Bootstrap-based improvements for inference with clustered errors", REStat 2008.
    """
    _checked(contribution, cluster, confidence)
    n = len(contribution)
    value = float(np.mean(contribution))
    sums = cluster_sums(np.asarray(contribution, dtype=np.float64) - value, cluster)
    n_clusters = len(sums)
    if n_clusters < 2 or not np.isfinite(value):
        return Interval(value, -np.inf, np.inf, np.inf, 0.0, n_clusters, "bootstrap")
    spread = float(np.sqrt(np.sum(sums**2))) / n
    if spread <= 0:
        return Interval(value, value, value, 0.0, float(n_clusters - 1), n_clusters, "bootstrap")
    studentised = np.empty(n_resamples)
    for k in range(n_resamples):
        drawn = sums[rng.integers(n_clusters, size=n_clusters)]
        centre = drawn.mean()
        own = float(np.sqrt(np.sum((drawn - centre) ** 2)))
        studentised[k] = n_clusters * centre / own if own > 0 else 0.0
    low, high = np.quantile(studentised, [0.5 - confidence / 2, 0.5 + confidence / 2])
    return Interval(
        value, value - high * spread, value - low * spread, spread, float(n_clusters - 1), n_clusters, "bootstrap"
    )


def finite_sample_lower_bound(
    contribution: NDArray[Any],
    cluster: NDArray[Any],
    confidence: float = 0.95,
    *,
    lower: float,
) -> float:
    """Lower confidence bound of a mean that holds at every sample size and every stopping time.

    A bettor who doubts that the mean is as small as ``m`` multiplies capital by ``1 + bet (x - m)`` at each cluster;
    by Ville's inequality capital reaches ``1 / alpha`` with probability at most ``alpha`` if the mean is ``m``.

    Parameters
    ----------
    contribution : ndarray of shape (n,)
    cluster : ndarray of shape (n,)
    confidence : float, default=0.95
        One-sided.
    lower : float
        What no cluster's contribution (its sum, as a share of the mean cluster size) can fall below.

    Returns
    -------
    float
        At least ``lower``.

    Raises
    ------
    InvalidInput
        When a cluster falls below ``lower``.

    References
    ----------
    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024.
    Karampatziakis, Mineiro and Ramdas, "Off-policy confidence sequences", ICML 2021.
    """
    _checked(contribution, cluster, confidence)
    sums = cluster_sums(np.asarray(contribution, dtype=np.float64), cluster)
    value = sums * (len(sums) / len(contribution)) - lower
    if value.min() < -1e-9 * max(1.0, abs(lower)):
        raise InvalidInput.in_column(
            "lower",
            "is above the smallest cluster contribution",
            values=[lower],
            mend=f"Pass at most {value.min() + lower:.6g}.",
        )
    value = np.maximum(value, 0.0)
    if not value.any():
        return float(lower)
    # A fixed mixture of bets needs no tuning and so cannot peek: small bets for heavy tails, large ones for light.
    bets = np.geomspace(1e-3, 0.9, 8)
    needed = np.log(len(bets)) - np.log(1.0 - confidence)

    def rejected(m: float) -> bool:
        ratio = value / m - 1.0
        return bool(logsumexp([float(np.sum(np.log1p(bet * ratio))) for bet in bets]) >= needed)

    low, high = 0.0, float(np.mean(value))
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return float(lower + low)


def _checked(contribution: NDArray[Any], cluster: NDArray[Any], confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InvalidInput.in_column(
            "confidence", "must lie strictly between 0 and 1", values=[confidence], mend="Pass e.g. 0.95."
        )
    if len(contribution) != len(cluster) or len(contribution) == 0:
        raise InvalidInput(
            f"Contribution and cluster need one entry a decision; got {len(contribution):,} and {len(cluster):,}.",
            column="cluster",
            mend="Pass arrays of the same non-zero length.",
        )
