"""What a collector can see of a debtor's hidden type: noisy columns with a known likelihood.

Each signal is drawn given the level of *one* latent axis. Because the likelihood is known, the exact posterior over
personas given a row of context is a sum of log-likelihoods (see :mod:`recommender.simulation.ceiling`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

__all__ = ["AXES", "Binomial", "Categorical", "Count", "Numeric", "Signal", "default_signals"]

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[np.float64]]

AXES: Mapping[str, tuple[str, ...]] = {
    "channel_affinity": ("voice", "text", "chat", "inbox"),
    "work_pattern": ("office", "shift", "informal", "home"),
    "tone_sensitivity": ("cooperative", "procrastinating", "procedural"),
    "willingness": ("low", "high"),
}


class Signal(Protocol):
    """One or two context columns that tell something about one latent axis."""

    @property
    def axis(self) -> str:
        """Latent axis it depends on."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""

    def draw(self, level: NDArray[np.int64], rng: np.random.Generator) -> Columns:
        """Draw the columns of debtors whose level on the axis is ``level``; missing is NaN (category code -1)."""

    def log_likelihood(self, values: Mapping[str, Floats]) -> Floats:
        """Log-likelihood of the columns under every level, shape (n, n_levels)."""


def _missing_log_likelihood(values: Floats, missing: Floats, present: Floats) -> Floats:
    """Put log P(missing | level) where a value is missing, else add log P(present | level)."""
    absent = np.isnan(values)[:, None]
    with np.errstate(divide="ignore"):
        return np.where(absent, np.log(missing), np.nan_to_num(present, nan=0.0) + np.log1p(-missing))


def _blank(values: Floats, level: NDArray[np.int64], missing: Sequence[float], rng: np.random.Generator) -> Floats:
    return np.where(rng.random(len(values)) < np.asarray(missing)[level], np.nan, values)


@dataclass(frozen=True)
class Numeric:
    """Gaussian given the level; with ``log=True`` its exponential (skewed, positive)."""

    name: str
    axis: str
    mean: Sequence[float]
    sd: float
    missing: Sequence[float]
    log: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""
        return (self.name,)

    def draw(self, level: NDArray[np.int64], rng: np.random.Generator) -> Columns:
        """Draw the column."""
        values = rng.normal(np.asarray(self.mean)[level], self.sd)
        return {self.name: _blank(np.exp(values) if self.log else values, level, self.missing, rng)}

    def log_likelihood(self, values: Mapping[str, Floats]) -> Floats:
        """Log-likelihood under every level, up to what all levels share."""
        observed = values[self.name]
        scale = np.log(observed) if self.log else observed
        density = -0.5 * np.square((scale[:, None] - np.asarray(self.mean)) / self.sd)
        return _missing_log_likelihood(observed, np.asarray(self.missing), density)


@dataclass(frozen=True)
class Count:
    """Poisson given the level."""

    name: str
    axis: str
    rate: Sequence[float]
    missing: Sequence[float]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""
        return (self.name,)

    def draw(self, level: NDArray[np.int64], rng: np.random.Generator) -> Columns:
        """Draw the column."""
        values = rng.poisson(np.asarray(self.rate)[level]).astype(np.float64)
        return {self.name: _blank(values, level, self.missing, rng)}

    def log_likelihood(self, values: Mapping[str, Floats]) -> Floats:
        """Log-likelihood under every level, up to what all levels share."""
        observed = values[self.name]
        rate = np.asarray(self.rate)
        return _missing_log_likelihood(
            observed, np.asarray(self.missing), observed[:, None] * np.log(rate)[None, :] - rate
        )


@dataclass(frozen=True)
class Binomial:
    """Successes out of trials; only the success rate depends on the level."""

    trials: str
    successes: str
    axis: str
    probability: Sequence[float]
    trials_rate: float

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""
        return (self.trials, self.successes)

    def draw(self, level: NDArray[np.int64], rng: np.random.Generator) -> Columns:
        """Draw both columns."""
        trials = rng.poisson(self.trials_rate, len(level))
        successes = rng.binomial(trials, np.asarray(self.probability)[level])
        return {self.trials: trials.astype(np.float64), self.successes: successes.astype(np.float64)}

    def log_likelihood(self, values: Mapping[str, Floats]) -> Floats:
        """Log-likelihood under every level, up to what all levels share."""
        trials, successes = values[self.trials][:, None], values[self.successes][:, None]
        rate = np.asarray(self.probability)
        choose = gammaln(trials + 1) - gammaln(successes + 1) - gammaln(trials - successes + 1)
        return np.asarray(choose + xlogy(successes, rate) + xlog1py(trials - successes, -rate))


@dataclass(frozen=True)
class Categorical:
    """A reported category, wrong more or less often; row ``i`` of ``confusion`` is P(category | level i)."""

    name: str
    axis: str
    categories: tuple[str, ...]
    confusion: Sequence[Sequence[float]]
    missing: Sequence[float]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns it fills."""
        return (self.name,)

    def draw(self, level: NDArray[np.int64], rng: np.random.Generator) -> Columns:
        """Draw category codes; NaN is missing."""
        cumulative = np.cumsum(np.asarray(self.confusion), axis=1)[level]
        codes = (rng.random(len(level))[:, None] > cumulative[:, :-1]).sum(axis=1).astype(np.float64)
        return {self.name: _blank(codes, level, self.missing, rng)}

    def log_likelihood(self, values: Mapping[str, Floats]) -> Floats:
        """Log-likelihood under every level, up to what all levels share."""
        observed = values[self.name]
        codes = np.nan_to_num(observed, nan=0.0).astype(np.int64)
        with np.errstate(divide="ignore"):
            density = np.log(np.asarray(self.confusion)).T[codes]
        return _missing_log_likelihood(observed, np.asarray(self.missing), density)


def default_signals() -> tuple[Signal, ...]:
    """Return the signals of the simulated debtors: how clearly behaviour shows each axis.

    Figures are chosen so that roughly half of the oracle's gain over the logger is attainable from context: real
    portfolios show habits, they do not show types.
    """
    channel, work, tone, will = AXES
    never = (0.0,) * 4
    return (
        Count("app_sessions_30d", channel, (1.6, 2.0, 6.5, 4.0), (0.45, 0.35, 0.05, 0.15)),
        Count("portal_logins_90d", channel, (0.6, 0.6, 1.2, 3.2), never),
        Binomial("calls_180d", "calls_answered_180d", channel, (0.42, 0.20, 0.12, 0.18), 3.0),
        Binomial("messages_180d", "messages_answered_180d", channel, (0.10, 0.28, 0.34, 0.12), 3.5),
        Numeric("email_open_rate", channel, (-1.9, -1.7, -1.5, -0.7), 0.7, (0.5, 0.45, 0.35, 0.1), log=True),
        Categorical(
            "preferred_channel",
            channel,
            ("call", "sms", "whatsapp", "email"),
            ((0.60, 0.15, 0.15, 0.10), (0.15, 0.50, 0.25, 0.10), (0.06, 0.16, 0.68, 0.10), (0.10, 0.10, 0.20, 0.60)),
            (0.72, 0.72, 0.65, 0.65),
        ),
        Numeric("active_hour_local", work, (19.0, 14.0, 11.5, 10.5), 3.2, (0.3, 0.3, 0.35, 0.4)),
        Numeric("night_activity_share", work, (-2.6, -1.5, -2.2, -2.9), 0.8, (0.15, 0.15, 0.15, 0.15), log=True),
        Categorical(
            "employment",
            work,
            ("employee", "shift_worker", "self_employed", "retired", "unemployed"),
            (
                (0.72, 0.10, 0.12, 0.01, 0.05),
                (0.30, 0.50, 0.12, 0.01, 0.07),
                (0.15, 0.08, 0.60, 0.04, 0.13),
                (0.06, 0.02, 0.17, 0.45, 0.30),
            ),
            (0.2, 0.2, 0.3, 0.2),
        ),
        Count("disputes_24m", tone, (0.05, 0.15, 0.6), (0.0, 0.0, 0.0)),
        Binomial("promises_12m", "promises_kept_12m", tone, (0.75, 0.35, 0.5), 1.6),
        Numeric("reply_delay_hours", tone, (1.2, 2.6, 2.2), 1.0, (0.35, 0.35, 0.35), log=True),
        Count("late_payments_12m", will, (3.6, 1.6), (0.0, 0.0)),
        Numeric("bureau_score", will, (540.0, 620.0), 70.0, (0.2, 0.15)),
        Numeric("capacity_to_pay", will, (-0.5, 0.1), 0.6, (0.25, 0.2), log=True),
    )
