"""The world of the other kind: products of saturating probabilities, joint thresholds, periodic hour effects.

No latent type matters here; whoever could read the surface off the context would be as good as the oracle. Models
that add up effects on the logit see little of it, trees see more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.simulation.personas import CHANNELS, HOURS, TONES
from recommender.simulation.signals import Floats

__all__ = ["JointWorld", "draw_joint_world"]

_FEATURES = (
    "days_past_due",
    "log_balance",
    "months_on_book",
    "days_to_payday",
    "late_payments_12m",
    "bureau_score",
    "capacity_to_pay",
    "app_sessions_30d",
    "calls_answered_180d",
    "messages_answered_180d",
    "email_open_rate",
    "active_hour_local",
    "night_activity_share",
)
_N_RULES = 6
_N_SIDES = 3


@dataclass(frozen=True)
class _Rules:
    """Joint thresholds: rule ``r`` of target ``k`` holds when three features lie on the right sides of their cuts."""

    feature: NDArray[np.int64]  # (targets, rules, sides)
    cut: Floats  # (targets, rules, sides)
    above: NDArray[np.bool_]  # (targets, rules, sides)
    size: Floats  # (targets, rules)
    centre: Floats  # (targets,)

    def sum(self, features: Floats) -> Floats:
        """Sum of the rules that hold, shape (n, targets); a missing value holds no rule."""
        total = np.tile(-self.centre, (len(features), 1))
        with np.errstate(invalid="ignore"):
            for target in range(self.feature.shape[0]):
                for rule in range(self.feature.shape[1]):
                    holds = np.ones(len(features), dtype=bool)
                    for side in range(self.feature.shape[2]):
                        values = features[:, self.feature[target, rule, side]]
                        cut = self.cut[target, rule, side]
                        holds &= (values > cut) if self.above[target, rule, side] else (values < cut)
                    total[:, target] += self.size[target, rule] * holds
        return total


@dataclass(frozen=True)
class JointWorld:
    """``P(response) = P(reached | channel, hour) P(engaged | channel, tone) P(willing | tone)``, each saturating.

    Attributes
    ----------
    reach, engage, willing : rules and offsets of the three factors
    rhythm : ndarray of shape (n_channels, 3)
        Amplitude of the daily and the half-daily wave and weight of the account's own active hour.
    scale : float
        Sets the base response under the logger.
    """

    reach: _Rules
    engage: _Rules
    willing: _Rules
    rhythm: Floats
    offsets: tuple[Floats, Floats, Floats]
    scale: float = 1.0

    def probability(self, context: Mapping[str, NDArray[Any]]) -> Floats:
        """True response probability of every contact action, shape (n, n_contact_actions)."""
        features = _features(context)
        n = len(features)
        hours = np.asarray(HOURS, dtype=np.float64)
        own = features[:, _FEATURES.index("active_hour_local")]
        phase = np.where(np.isnan(own), 20.0, own)  # who cannot be observed is reached in the evening
        night = np.nan_to_num(features[:, _FEATURES.index("night_activity_share")], nan=-3.0)
        half = np.where(night > -2.0, 3.0, 0.0) + 1.5 * (features[:, _FEATURES.index("days_to_payday")] < 10)
        daily = np.cos((hours[None, :] - phase[:, None]) * (2 * np.pi / 24.0))
        twice = np.cos((hours[None, :] - half[:, None]) * (2 * np.pi / 6.0))
        waves = (
            self.rhythm[:, 0][None, :, None] * daily[:, None, :] + self.rhythm[:, 1][None, :, None] * twice[:, None, :]
        )
        reach = expit(self.offsets[0][None, :, None] + self.reach.sum(features)[:, :, None] + waves)
        engage = expit(self.offsets[1] + self.engage.sum(features).reshape(n, len(CHANNELS), len(TONES)))
        willing = expit(self.offsets[2] + self.willing.sum(features))
        joint = reach[:, :, :, None] * engage[:, :, None, :] * willing[:, None, None, :]
        joint *= self.scale
        return np.asarray(np.minimum(joint, 0.97).reshape(n, -1))


def _features(context: Mapping[str, NDArray[Any]]) -> Floats:
    columns = {name: np.asarray(context[name], dtype=np.float64) for name in _FEATURES if name in context}
    columns["log_balance"] = np.log(np.asarray(context["balance_minor"], dtype=np.float64))
    columns["night_activity_share"] = np.log(columns["night_activity_share"])
    return np.stack([columns[name] for name in _FEATURES], axis=1)


def draw_joint_world(rng: np.random.Generator, sample: Mapping[str, NDArray[Any]]) -> JointWorld:
    """Draw thresholds at quantiles of ``sample``, the context columns of some decisions."""
    features = _features(sample)

    def rules(targets: int, size: float) -> _Rules:
        shape = (targets, _N_RULES, _N_SIDES)
        feature = np.argsort(rng.random((*shape[:2], len(_FEATURES))), axis=2)[..., :_N_SIDES]
        quantile = rng.uniform(0.3, 0.7, shape)
        cut = np.array(
            [np.nanquantile(features[:, f], q) for f, q in zip(feature.ravel(), quantile.ravel(), strict=True)]
        )
        signs = rng.choice([-1.0, 1.0], shape[:2], p=(0.35, 0.65))
        sizes = size * signs * rng.uniform(0.6, 1.4, shape[:2])
        drawn = _Rules(feature, cut.reshape(shape), rng.random(shape) < 0.5, sizes, np.zeros(targets))
        return replace(drawn, centre=drawn.sum(features).mean(axis=0))  # nothing is best for everybody

    return JointWorld(
        reach=rules(len(CHANNELS), 2.2),
        engage=rules(len(CHANNELS) * len(TONES), 2.2),
        willing=rules(len(TONES), 1.8),
        rhythm=np.stack([rng.uniform(0.8, 1.6, len(CHANNELS)), rng.uniform(0.5, 1.1, len(CHANNELS))], axis=1),
        offsets=(
            rng.normal(-1.6, 0.1, len(CHANNELS)),
            rng.normal(-1.2, 0.1, (len(CHANNELS), len(TONES))),
            rng.normal(-0.8, 0.1, len(TONES)),
        ),
    )
