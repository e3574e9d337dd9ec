"""The world of additive logits: persistent hidden types decide which channel, hour and tone works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.simulation.signals import AXES, Floats, Signal, default_signals

__all__ = [
    "CHANNELS",
    "HOURS",
    "LEVEL_STEP",
    "PERIODS",
    "STAGES",
    "TONES",
    "PersonaWorld",
    "contact_actions",
    "draw_persona_world",
]

CHANNELS = ("call", "sms", "whatsapp", "email", "ivr")
HOURS = tuple(range(8, 21))
TONES = ("friendly", "neutral", "firm", "formal-legal")
STAGES = ("preventive", "administrative", "extrajudicial", "judicial")
PERIODS = 11
"""Steps of the drift ramp; a world without drift has one."""
LEVEL_STEP = 0.05
"""The account's own level is a multiple of this many logits, so that posterior means are exact and cheap."""


def contact_actions(*, no_contact: bool = False) -> ActionSpace:
    """Return the action space of the simulator: 5 channels x 13 hours x 4 tones = 260 actions."""
    return ActionSpace({"channel": CHANNELS, "hour": HOURS, "tone": TONES}, no_contact=no_contact)


@dataclass(frozen=True)
class PersonaWorld:
    """Response surface with latent personas.

    ``logit P(response) = intercept + level(x) + effect[cell, persona, action]``, where a cell is (drift period, stage,
    weekend) and the effect sums channel affinity, availability by hour, tone sensitivity and their interactions.

    Attributes
    ----------
    signals : tuple of Signal
        Columns that depend on the persona, with their likelihoods.
    prior : ndarray of shape (n_personas,)
        Share of each persona; the axes are not independent.
    effect : ndarray of shape (n_cells, n_personas, n_contact_actions)
        Read-only; worlds are shared between logs.
    intercept : float
        Sets the base response under the logger.
    """

    signals: tuple[Signal, ...]
    prior: Floats
    effect: Floats
    intercept: float = 0.0

    @property
    def n_periods(self) -> int:
        """Steps of the drift ramp."""
        return len(self.effect) // (len(STAGES) * 2)

    @property
    def n_personas(self) -> int:
        """Number of personas."""
        return len(self.prior)

    def probability(self, cell: NDArray[np.int64], level: NDArray[np.int64], persona: NDArray[np.int64]) -> Floats:
        """True response probability of every contact action, shape (n, n_contact_actions)."""
        logits = self.effect[cell, persona]
        logits += (self.intercept + level * LEVEL_STEP)[:, None]
        return np.asarray(expit(logits, out=logits))

    def probability_at(
        self, cell: NDArray[np.int64], level: NDArray[np.int64], persona: NDArray[np.int64], action: NDArray[np.int64]
    ) -> Floats:
        """True response probability of one contact action a row, shape (n,)."""
        return np.asarray(expit(self.effect[cell, persona, action] + self.intercept + level * LEVEL_STEP))

    def probability_by_persona(
        self, cell: NDArray[np.int64], level: NDArray[np.int64], action: NDArray[np.int64]
    ) -> Floats:
        """Response probability of one action a row under every persona, shape (n, n_personas)."""
        logits = self.effect[cell, :, action]
        logits += (self.intercept + level * LEVEL_STEP)[:, None]
        return np.asarray(expit(logits, out=logits))

    def log_prior(self, columns: Mapping[str, Floats]) -> Floats:
        """Log of prior times likelihood of the signals, shape (n_debtors, n_personas), not normalised."""
        shape = tuple(len(levels) for levels in AXES.values())
        n = len(next(iter(columns.values())))
        total = np.broadcast_to(np.log(self.prior).reshape((1, *shape)), (n, *shape)).copy()
        for position, axis in enumerate(AXES):
            log_likelihood = np.sum([s.log_likelihood(columns) for s in self.signals if s.axis == axis], axis=0)
            spread = [1] * len(shape)
            spread[position] = shape[position]
            total += np.asarray(log_likelihood).reshape((n, *spread))
        return total.reshape(n, -1)


def draw_persona_world(rng: np.random.Generator, *, drift: float = 0.0) -> PersonaWorld:
    """Draw the types' habits around what the trade reports, differently for every seed.

    Parameters
    ----------
    rng : Generator
    drift : float, default=0.0
        How far habits turn towards another draw of the same world between the middle and the last fifth of the log;
        at 1 half of what distinguishes the types is new.
    """
    sizes = tuple(len(levels) for levels in AXES.values())
    tilt = rng.normal(0.0, 0.35, (sizes[0], sizes[1], 1, 1)) + rng.normal(0.0, 0.25, (1, sizes[1], sizes[2], 1))
    tilt = tilt + rng.normal(0.0, 0.25, (1, 1, sizes[2], sizes[3]))
    tilt += np.array([0.1, 0.0, 0.15, -0.2])[:, None, None, None]
    prior = np.exp(tilt) * np.array([0.6, 0.4])
    prior = (prior / prior.sum()).ravel()
    first = _draw_habits(rng)
    last = _draw_habits(rng, shuffled=True)
    ramp = np.linspace(0.0, 1.0, PERIODS) if drift else np.zeros(1)
    by_cell = np.concatenate([_effect(_turned(first, last, min(np.sqrt(0.5) * drift * share, 1.0))) for share in ramp])
    by_cell.setflags(write=False)
    prior.setflags(write=False)
    return PersonaWorld(default_signals(), prior, by_cell)


@dataclass(frozen=True)
class _Habits:
    """Parts of the logit; a table whose first axis is a latent axis can drift."""

    affinity: Floats  # channel affinity x channel
    available: Floats  # work pattern x weekend x hour
    sensitivity: Floats  # tone sensitivity x tone
    sensitivity_channel_tone: Floats
    channel_tone: Floats
    stage_tone: Floats
    stage_channel: Floats


def _turned(first: _Habits, last: _Habits, share: float) -> _Habits:
    """Turn the habits of ``first`` towards ``last``; the types stay as different from each other as they were."""

    def turn(one: Floats, other: Floats) -> Floats:
        own, new = one - one.mean(axis=0), other - other.mean(axis=0)
        return np.asarray(one.mean(axis=0) + np.sqrt(1.0 - share**2) * own + share * new)

    if share == 0.0:
        return first
    names = ("affinity", "available", "sensitivity", "sensitivity_channel_tone")
    return replace(first, **{name: turn(getattr(first, name), getattr(last, name)) for name in names})


def _draw_habits(rng: np.random.Generator, *, shuffled: bool = False) -> _Habits:
    """Draw the parts of the logit; ``shuffled`` swaps habits between types."""
    affinity = np.array(  # channel affinity x channel
        [
            [1.15, -0.30, -0.45, -0.70, 0.35],
            [-0.60, 1.05, 0.30, -0.45, -0.30],
            [-0.95, 0.15, 1.25, -0.10, -0.90],
            [-0.70, -0.25, 0.00, 1.35, -0.55],
        ]
    ) + rng.normal(0.0, 0.2, (4, 5))
    affinity += np.array([0.25, -0.05, -0.05, -0.05, -0.15])
    available = _draw_availability(rng)  # work pattern x weekend x hour
    sensitivity = np.array(  # tone sensitivity x tone
        [[0.65, 0.20, -0.45, -0.90], [-0.40, -0.05, 0.65, 0.10], [-0.45, 0.20, -0.10, 0.70]]
    ) + rng.normal(0.0, 0.15, (3, 4))
    if shuffled:
        affinity, available = affinity[rng.permutation(4)], available[rng.permutation(4)]
        sensitivity = sensitivity[rng.permutation(3)]
    channel_tone = np.array(
        [
            [0.00, 0.05, 0.10, -0.10],
            [0.00, 0.10, 0.00, -0.15],
            [0.15, 0.00, -0.10, -0.25],
            [-0.20, -0.05, 0.10, 0.30],
            [-0.10, 0.05, 0.05, 0.00],
        ]
    ) + rng.normal(0.0, 0.15, (5, 4))
    stage_tone = np.array(  # pressure before the due date or soon after it backfires
        [[0.35, 0.10, -0.70, -1.20], [0.15, 0.10, -0.15, -0.65], [-0.10, 0.05, 0.25, 0.05], [-0.30, 0.00, 0.25, 0.40]]
    ) + rng.normal(0.0, 0.05, (4, 4))
    stage_channel = rng.normal(0.0, 0.12, (4, 5))
    sensitivity_channel_tone = rng.normal(0.0, 0.22, (3, 5, 4))
    return _Habits(affinity, available, sensitivity, sensitivity_channel_tone, channel_tone, stage_tone, stage_channel)


def _effect(habits: _Habits) -> Floats:
    """Effects on the logit, shape (stage x weekend, persona, action)."""
    willing = np.array([-0.55, 0.55])
    hour_weight = np.array([1.0, 0.65, 0.75, 0.35, 0.9])  # a call must be answered now, a mail may wait
    # axes: stage g, weekend k, affinity f, work w, sensitivity s, willing v, channel c, hour h, tone t
    shape = (4, 2, 4, 4, 3, 2, 5, 13, 4)
    effect = np.zeros(shape)
    effect += habits.affinity[None, None, :, None, None, None, :, None, None]
    effect += (habits.available[:, :, None, :] * hour_weight[:, None]).transpose(1, 0, 2, 3)[
        None, :, None, :, None, None, :, :, None
    ]
    effect += habits.sensitivity[None, None, None, None, :, None, None, None, :]
    effect += willing[None, None, None, None, None, :, None, None, None]
    effect += habits.channel_tone[:, None, :]
    effect += habits.stage_tone[:, None, None, None, None, None, None, None, :]
    effect += habits.stage_channel[:, None, None, None, None, None, :, None, None]
    effect += habits.sensitivity_channel_tone[None, None, None, None, :, None, :, None, :]
    return effect.reshape(8, 96, 260)


def _draw_availability(rng: np.random.Generator) -> Floats:
    """When each work pattern can be reached, shape (pattern, weekend, hour); mean zero over the hours."""
    hours = np.asarray(HOURS, dtype=np.float64)
    peaks = {  # (centre, width, height)
        "office": ((8.0, 0.8, 0.7), (12.8, 0.9, 1.0), (18.8, 1.4, 1.5)),
        "shift": ((14.5, 1.8, 1.6), (11.0, 1.0, 0.5)),
        "informal": ((10.5, 1.6, 1.2), (16.5, 1.3, 0.7)),
        "home": ((10.0, 1.5, 1.3), (15.5, 1.8, 0.9)),
    }
    weekday = np.stack(
        [
            sum(
                (height * np.exp(-0.5 * np.square((hours - centre - rng.normal(0, 0.4)) / width)))
                for centre, width, height in bumps
            )
            for bumps in peaks.values()
        ]
    )
    rested = 0.35 * weekday + 0.8 * np.exp(-0.5 * np.square((hours - 11.5 - rng.normal(0, 0.5)) / 1.8))
    curves = np.stack([weekday, rested], axis=1)
    return np.asarray(curves - curves.mean(axis=2, keepdims=True))
