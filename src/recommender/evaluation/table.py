"""Contributions of every estimator that the input permits, tuning parameters and cells chosen by data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.adaptive import select_by_error
from recommender.evaluation.checks import LogVectors
from recommender.evaluation.diagnostics import effective_sample_size
from recommender.evaluation.estimators import Floats, self_normalised, shrunk_weights
from recommender.evaluation.marginalised import cell_candidates, marginal_weights
from recommender.evaluation.policy_view import PolicyView

__all__ = ["BIASED", "ESTIMATORS", "Contributions", "all_contributions"]

ESTIMATORS = (
    "dm",
    "ips",
    "snips",
    "dr",
    "sndr",
    "switch_dr",
    "dros",
    "clipped_ips",
    "clipped_snips",
    "clipped_dr",
    "mips",
    "factored_dr",
)
BIASED = frozenset({"dm", "switch_dr", "dros", "clipped_ips", "clipped_snips", "clipped_dr", "mips", "factored_dr"})


@dataclass(frozen=True)
class Contributions:
    """Contributions by estimator, effective sample size of each, and the parameters that data chose."""

    contributions: dict[str, Floats]
    sizes: dict[str, float]
    choices: dict[str, Any]


def all_contributions(
    log: LogVectors,
    action_probabilities: NDArray[Any],
    propensity_all: NDArray[Any] | None,
    factor_codes: NDArray[Any],
    target: PolicyView,
    wanted: Collection[str] = ESTIMATORS,
) -> Contributions:
    """Evaluate the wanted estimators once (arguments as for ``evaluate``); tuned ones need a matched row."""
    weight, value, residual, reward = target.weight, target.model_value, target.residual, log.reward
    size = effective_sample_size(weight)
    psi: dict[str, Floats] = {
        "dm": value,
        "ips": weight * reward,
        "snips": self_normalised(weight, reward),
        "dr": value + weight * residual,
        "sndr": value + self_normalised(weight, residual),
    }
    sizes = {"dm": float(len(reward)), **dict.fromkeys(("ips", "snips", "dr", "sndr"), size)}
    choices: dict[str, Any] = {}
    if size > 0:
        for name, make in _TUNED.items():
            if name not in wanted:
                continue
            family, unbiased = make(weight, value, residual, reward, psi)
            chosen, _ = select_by_error({key: made for key, (_, made) in family.items()}, unbiased, log.cluster)
            used, psi[name] = family[chosen]
            sizes[name] = effective_sample_size(used) if used.any() else float(len(reward))
            choices[name] = float(chosen)
        if propensity_all is not None and {"mips", "factored_dr"} & set(wanted):
            _add_marginalised(log, action_probabilities, propensity_all, factor_codes, target, psi, sizes, choices)
    return Contributions(psi, sizes, choices)


Family = dict[float, tuple[Floats, Floats]]


def _levels(weight: Floats) -> Floats:
    """Thresholds to choose from: upper quantiles of the positive weights."""
    points = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0]
    return np.asarray(np.unique(np.quantile(weight[weight > 0], points)), dtype=np.float64)


def _corrected(weights: dict[float, Floats], value: Floats, residual: Floats) -> Family:
    return {key: (used, value + used * residual) for key, used in weights.items()}


def _switched(
    weight: Floats, value: Floats, residual: Floats, reward: Floats, psi: dict[str, Floats]
) -> tuple[Family, Floats]:
    del reward
    kept = {float(t): np.where(weight <= t, weight, 0.0) for t in _levels(weight)}
    return _corrected(kept, value, residual), psi["dr"]


def _shrunk(
    weight: Floats, value: Floats, residual: Floats, reward: Floats, psi: dict[str, Floats]
) -> tuple[Family, Floats]:
    del reward
    kept = {float(t) ** 2: shrunk_weights(weight, float(t) ** 2) for t in (*_levels(weight), np.inf)}
    return _corrected(kept, value, residual), psi["dr"]


def _clipped(weight: Floats) -> dict[float, Floats]:
    return {float(t): np.minimum(weight, t) for t in _levels(weight)}


def _clipped_plain(
    weight: Floats, value: Floats, residual: Floats, reward: Floats, psi: dict[str, Floats]
) -> tuple[Family, Floats]:
    del value, residual
    return {t: (used, used * reward) for t, used in _clipped(weight).items()}, psi["ips"]


def _clipped_normalised(
    weight: Floats, value: Floats, residual: Floats, reward: Floats, psi: dict[str, Floats]
) -> tuple[Family, Floats]:
    del value, residual
    return {t: (used, self_normalised(used, reward)) for t, used in _clipped(weight).items()}, psi["snips"]


def _clipped_robust(
    weight: Floats, value: Floats, residual: Floats, reward: Floats, psi: dict[str, Floats]
) -> tuple[Family, Floats]:
    del reward
    return _corrected(_clipped(weight), value, residual), psi["dr"]


# Name -> its family: parameter -> (weights, contributions), and the unbiased member to measure bias against.
_TUNED = {
    "switch_dr": _switched,
    "dros": _shrunk,
    "clipped_ips": _clipped_plain,
    "clipped_snips": _clipped_normalised,
    "clipped_dr": _clipped_robust,
}


def _add_marginalised(
    log: LogVectors,
    action_probabilities: NDArray[Any],
    propensity_all: NDArray[Any],
    factor_codes: NDArray[Any],
    target: PolicyView,
    psi: dict[str, Floats],
    sizes: dict[str, float],
    choices: dict[str, Any],
) -> None:
    """Add marginalised IPS and factored DR, each with the cells of least estimated error."""
    # Where the logged action's propensity is known it is no estimate: the cell's is anchored on it.
    known = log.propensity if log.propensity_logged.all() else None
    weights = {}
    for kept, cells in cell_candidates(np.asarray(factor_codes)).items():
        single = len(np.unique(cells)) == len(cells)
        # Single actions: the logged propensity is better than an estimate of it.
        weights[kept] = (
            target.weight
            if single
            else marginal_weights(action_probabilities, propensity_all, log.action, cells, known)
        )
    families = {
        "mips": ({kept: self_normalised(w, log.reward) for kept, w in weights.items()}, psi["snips"]),
        "factored_dr": (
            {kept: target.model_value + self_normalised(w, target.residual) for kept, w in weights.items()},
            psi["sndr"],
        ),
    }
    for name, (family, unbiased) in families.items():
        chosen, _ = select_by_error(family, unbiased, log.cluster)
        psi[name] = family[chosen]
        sizes[name] = effective_sample_size(weights[chosen])
        choices[name] = [int(factor) for factor in chosen]
