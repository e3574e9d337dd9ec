"""What the log can and cannot answer: overlap, weight tail, calibration, disagreement, confounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.estimators import Floats, Integers
from recommender.evaluation.intervals import cluster_sums

__all__ = [
    "action_is_function_of_context",
    "confounding_to_overturn",
    "effective_sample_size",
    "error_of_mean",
    "pareto_k",
    "propensity_calibration",
    "unsupported_share",
]

_CHUNK = 20_000  # rows at once, so that no second matrix of the log's size is made
# Share of the actions that the context predicts which suffices to call them determined; what is needed where hardly
# any alternative was tried; and actions a factor that count as hardly any alternative.
_DETERMINED, _PREDICTABLE, _HARDLY_TRIED = 0.95, 0.7, 1.75
_STRONGEST = 20.0  # confounding that is looked for


def effective_sample_size(weight: NDArray[Any], cluster: NDArray[Any] | None = None) -> float:
    r"""Kish's effective number of matched rows, or of clusters: :math:`(\sum w)^2 / \sum w^2`; 0 without any match.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    cluster : ndarray of shape (n,), optional
        Sum the weights by cluster first.
    """
    weight = np.asarray(weight, dtype=np.float64)
    if cluster is not None:
        weight = cluster_sums(weight, cluster)
    top = float(weight.max(initial=0.0))
    if not top > 0:
        return 0.0
    relative = weight / top
    return float(relative.sum() ** 2 / np.sum(relative**2))


def error_of_mean(values: NDArray[Any], cluster: NDArray[Any] | None = None) -> float:
    """Standard error of a mean over dependent rows; infinite with fewer than two clusters."""
    n = len(values)
    centred = np.asarray(values, dtype=np.float64) - np.mean(values)
    sums = centred if cluster is None else cluster_sums(centred, cluster)
    if len(sums) < 2:
        return float("inf")
    return float(np.sqrt(len(sums) / (len(sums) - 1) * np.sum(sums**2))) / n


def unsupported_share(
    weight: NDArray[Any],
    action: Integers,
    action_probabilities: NDArray[Any],
    *,
    propensity_logged: NDArray[np.bool_],
    propensity_all: NDArray[Any] | None = None,
    eligible: NDArray[np.bool_] | None = None,
    cluster: NDArray[Any] | None = None,
) -> float:
    r"""Share of the target's probability that the logging policy never gives.

    Three witnesses, the worst counts: probability on actions that were not eligible or (in a log long enough to
    have shown them) were never chosen; where propensities are estimated, probability on actions of which the whole
    log would be expected to hold less than one, had every row been like this one; and where they are logged, what
    the mean weight misses of 1, beyond its 99 % sampling error, because :math:`E[w]` is the supported probability.

    Parameters
    ----------
    weight : ndarray of shape (n,)
    action : ndarray of int of shape (n,)
    action_probabilities : ndarray of shape (n, n_actions)
    propensity_logged : ndarray of bool of shape (n,)
        False where the propensity was estimated.
    propensity_all : ndarray of shape (n, n_actions), optional
        Estimated logging policy.
    eligible : ndarray of bool of shape (n, n_actions), optional
    cluster : ndarray of shape (n,), optional
        Within which rows depend on each other; every row is its own when omitted.

    References
    ----------
    Sachdeva, Su and Joachims, "Off-policy bandits with deficient support", KDD 2020.
    """
    n, n_actions = action_probabilities.shape
    logged_everywhere = bool(np.all(propensity_logged))
    counts = np.bincount(action, minlength=n_actions)
    never = counts == 0
    if logged_everywhere and n < 20 * n_actions:
        never = np.zeros(n_actions, dtype=bool)
    lacking = action_probabilities[:, never].sum(axis=1, dtype=np.float64)
    if eligible is not None:
        out = ~np.asarray(eligible) & ~never
        lacking = lacking + np.einsum("ij,ij->i", action_probabilities, out, dtype=np.float64, casting="unsafe")
    share = float(np.mean(lacking))
    if propensity_all is not None and not logged_everywhere:
        estimated = np.flatnonzero(~np.asarray(propensity_logged))
        share = max(share, _thin_share(action_probabilities, propensity_all, never, estimated, min(0.01, 1.0 / n)))
    if logged_everywhere and n > 1:
        share = max(share, 1.0 - float(np.mean(weight)) - 2.33 * error_of_mean(weight, cluster))
    return float(np.clip(share, 0.0, 1.0))


def _thin_share(
    action_probabilities: NDArray[Any],
    propensity_all: NDArray[Any],
    never: NDArray[np.bool_],
    rows: NDArray[np.int64],
    threshold: float,
) -> float:
    """Mean target probability of the rows on actions that the estimated logging policy hardly takes."""
    total = 0.0
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        thin = (propensity_all[part] < threshold) | never
        total += float(np.sum(action_probabilities[part], where=thin, dtype=np.float64))
    return total / max(len(rows), 1)


def pareto_k(weight: NDArray[Any]) -> float:
    """Tail index of the weights (generalised Pareto shape); above 0.7 their mean converges too slowly to trust.

    NaN with fewer than 25 positive weights; ``-inf`` when the tail is flat.

    References
    ----------
    Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto distribution",
    Technometrics 2009; Vehtari et al., "Pareto smoothed importance sampling", JMLR 2024.
    """
    positive = np.sort(np.asarray(weight, dtype=np.float64)[np.asarray(weight) > 0])
    if len(positive) < 25:
        return float("nan")
    size = int(min(0.2 * len(positive), 3.0 * np.sqrt(len(positive))))
    excess = positive[-size:] - positive[-size - 1]
    if excess[-1] <= 1e-12 * positive[-1] or excess[int(size / 4 + 0.5) - 1] <= 0:
        return float("-inf")
    count = 30 + int(np.sqrt(size))
    steps = np.arange(1, count + 1) - 0.5
    candidates = 1.0 / excess[-1] + (1.0 - np.sqrt(count / steps)) / (3.0 * excess[int(size / 4 + 0.5) - 1])
    shapes = np.mean(np.log1p(-candidates[:, None] * excess), axis=1)
    profile = size * (np.log(np.maximum(-candidates / shapes, 1e-300)) - shapes - 1.0)
    share = 1.0 / np.sum(np.exp(np.clip(profile[:, None] - profile, -700, 700)), axis=0)
    shape = float(np.mean(np.log1p(-float(np.sum(candidates * share)) * excess)))
    # A weak prior at 0.5 worth ten observations, as in the reference.
    return (size * shape + 10 * 0.5) / (size + 10)


def propensity_calibration(weight: NDArray[Any], propensity: NDArray[Any]) -> list[dict[str, float]]:
    """Mean weight by tenth of the propensity, each of which should be near the target's share of that tenth.

    Returns
    -------
    list of dict
        ``propensity`` (mean in the bin), ``rows``, ``weight`` (mean) and ``weight_share``.
    """
    order = np.argsort(propensity, kind="stable")
    total = float(np.sum(weight))
    return [
        {
            "propensity": float(np.mean(propensity[rows])),
            "rows": float(len(rows)),
            "weight": float(np.mean(weight[rows])),
            "weight_share": float(np.sum(weight[rows]) / total) if total > 0 else 0.0,
        }
        for rows in np.array_split(order, min(10, len(order)))
    ]


def action_is_function_of_context(
    predictability: float | None,
    action: Integers,
    *,
    propensity: NDArray[Any] | None = None,
    n_factors: int = 1,
) -> bool:
    """Whether the logged action is all but determined by the context, so that nothing can be compared.

    Two witnesses: the context predicts nearly every action; or it predicts it well and hardly any alternative
    was ever tried. The mean of 1 / propensity is the number of actions that a context was given, whatever their
    shares: 1 where the context decides, and more only by what the models of the factors cannot learn. A policy that
    explores in every twentieth decision has all its actions there.

    Parameters
    ----------
    predictability : float or None
        Cross-fitted share of actions that the context predicts, above what the commonest action gives, in [0, 1].
    action : ndarray of int of shape (n,)
        A log of one single action is such a log too.
    propensity : ndarray of shape (n_estimated,), optional
        Estimated propensities of logged actions.
    n_factors : int, default=1
        Factors that vary; the number of actions tried is judged per factor, because each adds its own error.
    """
    if len(action) > 0 and bool(np.all(action == action[0])):
        return True
    known = predictability or 0.0
    if known >= _DETERMINED or propensity is None or not len(propensity) or known < _PREDICTABLE:
        return len(action) > 0 and known >= _DETERMINED
    tried = float(np.mean(1.0 / propensity))
    return bool(tried ** (1.0 / max(n_factors, 1)) <= _HARDLY_TRIED)


def confounding_to_overturn(weight: Floats, propensity: Floats, residual: Floats, margin: float) -> float:
    r"""Strength of unobserved confounding that would take a verdict away.

    Under the marginal sensitivity model an unobserved confounder may multiply the odds of the logged action by a
    factor in :math:`[1/\Lambda, \Lambda]`. Returned is the smallest :math:`\Lambda` at which the self-normalised
    correction of the reward model can move against the verdict by ``margin``, 20 where even that does not suffice.

    Parameters
    ----------
    weight, propensity, residual : ndarray of shape (n,)
        Residuals signed so that a smaller value speaks against the verdict.
    margin : float
        Distance of the interval's nearer end from "no difference"; 0 or less means any confounding suffices (1.0).

    References
    ----------
    Tan, "A distributional approach for causal inference using propensity scores", JASA 2006; Zhao, Small and
    Bhattacharya, "Sensitivity analysis for inverse probability weighting estimators", JRSS B 2019.
    """
    matched = weight > 0
    if margin <= 0 or not matched.any():
        return 1.0
    target = weight[matched] * propensity[matched]
    odds = 1.0 / propensity[matched] - 1.0
    error = residual[matched]
    order = np.argsort(error, kind="stable")
    target, odds, error = target[order], odds[order], error[order]
    usual = float(np.sum(target * (1 + odds) * error) / np.sum(target * (1 + odds)))

    def moved(strength: float) -> float:
        heavy, light = target * (1 + odds * strength), target * (1 + odds / strength)
        # The worst case gives the k smallest residuals their largest weight; the best k is found by trying all.
        mass = np.cumsum(heavy) + (light.sum() - np.cumsum(light))
        value = np.cumsum(heavy * error) + (np.sum(light * error) - np.cumsum(light * error))
        return usual - float(np.min(value / mass))

    if moved(_STRONGEST) < margin:
        return _STRONGEST
    low, high = 1.0, _STRONGEST
    for _ in range(40):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if moved(middle) < margin else (low, middle)
    return float(np.sqrt(low * high))
