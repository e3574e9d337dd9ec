"""Nights between two fits: regressions go on learning from new rows alone, everything else stays until evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.allactions import row_products
from recommender.learning.calibration import Calibration, recalibrate
from recommender.learning.fit_rows import FitRows
from recommender.learning.member_plans import regression_plans
from recommender.learning.regression import BilinearModel, Family, LinearDesign, PastRows, continued

__all__ = ["Continuing", "Surprise", "continue_members", "moved_calibration", "past_of_members"]

Floats = NDArray[np.float64]

_CLEAR_MOVE = 9.0  # nats; half a chi-squared of three goes there once in 2,000 nights on which nothing moved
_ALWAYS = "linear"  # its posterior variance is part of every interval


class Continuing(Protocol):
    """The part of an ensemble that goes on."""

    glms: dict[str, tuple[str, BilinearModel]]
    designs: dict[str, LinearDesign]
    past: dict[str, PastRows]
    family: Family


@dataclass(frozen=True)
class Surprise:
    """How far outcomes were from what was expected of them before they were known.

    Attributes
    ----------
    excess : float
        Log-loss beyond the expected one, summed over rows; 0 on average where the model is right.
    variance : float
        Of that sum, were the model right.
    log_loss : float
        Mean a row.
    """

    excess: float
    variance: float
    log_loss: float

    @classmethod
    def of(cls, margin: Floats, target: Floats) -> Surprise:
        """Compare log-odds with outcomes, both of shape (n,)."""
        chance = expit(margin)
        loss = np.logaddexp(0.0, margin) - target * margin
        expected = np.logaddexp(0.0, margin) - chance * margin
        return cls(
            float((loss - expected).sum()),
            float((chance * (1.0 - chance) * margin**2).sum()),
            float(loss.mean()),
        )


def past_of_members(
    rows: FitRows, regressions: Mapping[str, tuple[str, BilinearModel]], weights: Mapping[str, float]
) -> dict[str, PastRows]:
    """What the rows say of each regression that counts; where the world moved, less the less alike it was to now."""
    task = rows.task
    plans = {plan.name: plan for plan in regression_plans(len(task), with_profiles=bool(task.profiles.profiles))}
    past = {}
    for name, (design, model) in regressions.items():
        if name != _ALWAYS and not weights.get(name, 0.0) > 0:
            continue
        ranks_alike = plans[name].crossing == "none" or design == "constant"
        past[name] = PastRows.of(
            model,
            rows.designs[design],
            rows.timed(design)[1][:, : len(rows.designs[design].terms)],
            task.actions,
            task.action,
            family=task.family,
            crossing=plans[name].crossing,
            n_directions=len(rows.directions[: 1 if ranks_alike else None]),
        )
    return past


def continue_members(
    ensemble: Continuing,
    U: Mapping[str, Floats],
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
) -> tuple[dict[str, tuple[str, BilinearModel]], dict[str, PastRows]]:
    """Regressions with the new rows in them, and what is known of their rows now.

    Parameters
    ----------
    U : mapping of design to ndarray of shape (n, n_terms)
    """
    glms, past = dict(ensemble.glms), dict(ensemble.past)
    for name, before in ensemble.past.items():
        design, model = ensemble.glms[name]
        further: tuple[BilinearModel, Any] = continued(
            model, before, ensemble.designs[design], U[design], actions, action, target, family=ensemble.family
        )
        glms[name], past[name] = (design, further[0]), further[1]
    return glms, past


def moved_calibration(
    raw: Floats,
    share: Floats,
    action: NDArray[np.int64],
    target: Floats,
    family: Family,
    usual: Calibration,
) -> Calibration:
    """The calibration, changed only where rows that the model has not seen speak clearly against it.

    Parameters
    ----------
    raw : ndarray of shape (n, n_actions)
        Scores before calibration.
    """
    level = row_products(raw, share)
    advantage = raw[np.arange(len(raw)), action] - level
    return recalibrate(usual, level, advantage, target, family, least_gain=_CLEAR_MOVE)
