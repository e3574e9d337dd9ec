"""The default estimator: doubly robust interval, point moved towards less noisy estimators as far as bias permits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.estimators import Floats
from recommender.evaluation.intervals import cluster_sums

__all__ = ["Shift", "select_by_error", "shift_towards"]


# A difference within noise does not prove that there is no bias, and models that regress to the mean lean low on good
# policies every time: with less caution the point errs no less, and leans half as much again to one side.
_CAUTION = 2.5


@dataclass(frozen=True)
class Shift:
    """How far the point estimate is moved from the doubly robust one.

    Attributes
    ----------
    amount : float
        Added to the doubly robust estimate.
    towards : str
        Estimator it is moved towards; empty when it is not moved.
    share : float
        Share of the way, in [0, 1].
    """

    amount: float
    towards: str
    share: float


def select_by_error(
    candidates: Mapping[Any, Floats], unbiased: Floats, cluster: NDArray[Any]
) -> tuple[Any, dict[Any, float]]:
    r"""Choose among estimators by estimated mean squared error: variance plus squared bias.

    The bias of a candidate is its paired difference from the unbiased estimator, whose own noise is taken off:
    :math:`\widehat{MSE}_j = s_j^2 + \max(0, \hat d_j^2 - s_{d_j}^2)`. A candidate that is further than 2 standard
    errors of the difference from the unbiased one is left out, as in Lepski's method and SLOPE: variance alone
    would always choose the most biased.

    Parameters
    ----------
    candidates : mapping of key to ndarray of shape (n,)
    unbiased : ndarray of shape (n,)
    cluster : ndarray of shape (n,)

    Returns
    -------
    key, dict of key to estimated mean squared error

    References
    ----------
    Su, Srinath and Krishnamurthy, "Adaptive estimator selection for off-policy evaluation", ICML 2020.
    """
    errors: dict[Any, float] = {}
    for key, contribution in candidates.items():
        difference = contribution - unbiased
        gap, noise = float(np.mean(difference)), _variance(difference, cluster)
        error = _variance(contribution, cluster) + max(0.0, gap**2 - noise)
        errors[key] = error if gap**2 <= 4 * noise + 1e-18 else np.inf
    best = min(errors, key=lambda key: errors[key])
    if not np.isfinite(errors[best]):
        best = min(candidates, key=lambda key: abs(float(np.mean(candidates[key] - unbiased))))
    return best, errors


def shift_towards(unbiased: Floats, others: Mapping[str, Floats], cluster: NDArray[Any], *, limit: float) -> Shift:
    r"""Combine an unbiased estimator with less noisy, perhaps biased ones.

    Moving a share :math:`\lambda` of the way to another estimator has mean squared error
    :math:`s^2 + 2 \lambda c + \lambda^2 (b^2 + s_d^2)` with :math:`c` the covariance of estimate and difference. The
    observed squared difference estimates :math:`b^2 + s_d^2`; it is taken to be at least :math:`2.5 s_d^2`.
    No interval can adapt to unknown bias this way, so the interval stays with the unbiased estimator.

    Parameters
    ----------
    unbiased : ndarray of shape (n,)
    others : mapping of str to ndarray of shape (n,)
    cluster : ndarray of shape (n,)
    limit : float
        Largest shift allowed, e.g. the half-width of the interval.

    References
    ----------
    Low, "On nonparametric confidence intervals", Annals of Statistics 1997; Armstrong, Kline and Sun, "Adapting to
    misspecification", 2024.
    """
    best, least = Shift(0.0, "", 0.0), _variance(unbiased, cluster)
    own = least
    for name, contribution in others.items():
        difference = contribution - unbiased
        if not np.isfinite(difference).all():
            continue
        gap, noise = float(np.mean(difference)), _variance(difference, cluster)
        if noise <= 0:
            continue
        together = (_variance(contribution, cluster) - own - noise) / 2
        share = float(np.clip(-together / max(gap**2, _CAUTION * noise), 0.0, 1.0)) if gap**2 <= 9 * noise else 0.0
        error = own + 2 * share * together + share**2 * max(gap**2, noise)
        if error < least:
            best, least = Shift(float(np.clip(share * gap, -limit, limit)), name, share), error
    return best


def _variance(contribution: Floats, cluster: NDArray[Any]) -> float:
    """Cluster-robust variance of the mean; a vector that does not vary is given its rounding error."""
    sums = cluster_sums(contribution - np.mean(contribution), cluster)
    n_clusters = len(sums)
    return n_clusters / max(n_clusters - 1, 1) * float(np.sum(sums**2)) / len(contribution) ** 2
