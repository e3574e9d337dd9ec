"""A drawn world: who likes what, calibrated so that the business rules reach a usual response rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from recommender.errors import InvalidInput
from recommender.simulation.joint import JointWorld, draw_joint_world
from recommender.simulation.loggers import logging_table
from recommender.simulation.personas import PersonaWorld, draw_persona_world
from recommender.simulation.population import (
    Decisions,
    Population,
    draw_decisions,
    draw_population,
    spread_contacts,
)
from recommender.simulation.signals import AXES, Floats

__all__ = ["BASE_RESPONSE", "World", "draw_world"]

Ints = NDArray[np.int64]

BASE_RESPONSE = 0.042
"""Response rate of the business rules, whatever the world."""
_CALIBRATION_ACCOUNTS = 4_000


@dataclass(frozen=True)
class World:
    """Personas with their signals, and the surface that answers contacts.

    Attributes
    ----------
    personas : PersonaWorld
        Draws the debtors; it also answers contacts unless ``joint`` is given.
    joint : JointWorld or None
    calendar : float
        How strongly debtors follow pay days and weekdays.
    """

    personas: PersonaWorld
    joint: JointWorld | None = None
    calendar: float = 0.0

    def draw_population(
        self, rng: np.random.Generator, *, n_accounts: int, n_days: int, prefix: str = ""
    ) -> Population:
        """Draw debtors and accounts of this world."""
        levels = np.unravel_index(np.arange(self.personas.n_personas), [len(axis) for axis in AXES.values()])
        return draw_population(
            self.personas.signals,
            self.personas.prior,
            rng,
            n_accounts=n_accounts,
            n_days=n_days,
            prefix=prefix,
            axis_levels=dict(zip(AXES, levels, strict=True)),
            calendar=self.calendar,
        )

    def draw_decisions(self, population: Population, account: Ints, day: Ints, *, n_days: int) -> Decisions:
        """Fill context and hidden coordinates of decisions; drift runs from half of the log to its last fifth."""
        last = self.personas.n_periods - 1
        ramp = (day / n_days - 0.5) / 0.3
        period = np.clip(np.round(ramp * last), 0, last).astype(np.int64)
        return draw_decisions(population, account, day, period=period)

    def probability(self, decisions: Decisions) -> Floats:
        """True response probability of every contact action, shape (n, n_contact_actions)."""
        if self.joint is not None:
            return self.joint.probability(decisions.columns)
        return self.personas.probability(decisions.cell, decisions.level, decisions.persona)

    def probability_of(self, decisions: Decisions, action: Ints) -> Floats:
        """True response probability of one contact action a row; anything where the action is ``NO_CONTACT``."""
        contact = np.minimum(action, self.personas.effect.shape[2] - 1)
        if self.joint is None:
            return self.personas.probability_at(decisions.cell, decisions.level, decisions.persona, contact)
        step = 20_000
        parts = []
        for start in range(0, len(decisions), step):
            rows = np.arange(start, min(start + step, len(decisions)))
            parts.append(np.take_along_axis(self.probability(decisions.take(rows)), contact[rows, None], axis=1)[:, 0])
        return np.concatenate(parts)


def draw_world(
    seed: int, *, kind: Literal["additive", "joint"] = "additive", drift: float = 0.0, calendar: float = 0.0
) -> World:
    """Draw a world and set its level so that the usual business rules earn ``BASE_RESPONSE``.

    Raises
    ------
    InvalidInput
        For a calendar out of range, or one in the joint world, where no level of the account answers.
    """
    if not 0.0 <= calendar <= 3.0 or (calendar and kind != "additive"):
        raise InvalidInput.in_column(
            "calendar", "must lie in [0, 3], and be 0 but in the additive world", values=[calendar],
            mend="0 is none, 1 the usual; use it with world='additive'.",
        )  # fmt: skip
    return _draw_world(int(seed), kind, float(drift), float(calendar))


@lru_cache(maxsize=4)
def _draw_world(seed: int, kind: str, drift: float, calendar: float) -> World:
    rng = np.random.default_rng([seed, 3])
    world = World(draw_persona_world(rng, drift=drift), calendar=calendar)
    population = world.draw_population(rng, n_accounts=_CALIBRATION_ACCOUNTS, n_days=180)
    account, day = spread_contacts(population, rng, n_contacts=3 * _CALIBRATION_ACCOUNTS, n_days=180)
    sample = world.draw_decisions(population, account, day, n_days=10**9)  # habits as they are at the start
    rules = logging_table("rules", confounding=1.0, no_contact=False)[sample.segment]

    if kind == "joint":
        joint = draw_joint_world(rng, sample.columns)
        earned = float((joint.probability(sample.columns) * rules).sum(axis=1).mean())
        return replace(world, joint=replace(joint, scale=BASE_RESPONSE / earned))

    few = np.arange(0, len(sample), 4)
    part, weights = sample.take(few), rules[few]

    def excess(intercept: float) -> float:
        shifted = replace(world.personas, intercept=intercept)
        response = shifted.probability(part.cell, part.level, part.persona)
        return float((response * weights).sum(axis=1).mean()) - BASE_RESPONSE

    return replace(world, personas=replace(world.personas, intercept=float(brentq(excess, -9.0, 2.0, xtol=1e-3))))
