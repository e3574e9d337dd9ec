"""Draw a contact log: the front door of the simulator."""

from __future__ import annotations

from typing import Literal

import numpy as np

from recommender.errors import InvalidInput
from recommender.simulation.log import LogSettings, SimulatedLog, write_log
from recommender.simulation.loggers import Logger
from recommender.simulation.population import spread_contacts
from recommender.simulation.world import draw_world

__all__ = ["simulate"]


def simulate(
    n_contacts: int = 200_000,
    *,
    n_accounts: int | None = None,
    seed: int = 0,
    logger: Logger = "rules",
    propensities: Literal["logged", "hidden"] = "logged",
    confounding: float = 1.0,
    world: Literal["additive", "joint"] = "additive",
    reward: Literal["response", "money"] = "response",
    drift: float = 0.0,
    no_contact: bool = False,
    calendar: float = 0.0,
) -> SimulatedLog:
    """Simulate a log of contacts with debtors and keep the truth beside it.

    Parameters
    ----------
    n_contacts : int, default=200_000
        Rows of the log.
    n_accounts : int, optional
        Accounts; default one for every six contacts.
    seed : int, default=0
        Same seed and arguments, same bytes. The world (who likes what) depends on ``seed``, ``world``, ``drift``
        and ``calendar`` alone, so loggers can be compared on one world.
    logger : {"rules", "uniform", "near_deterministic"}
        Policy that chose the contacts. Every action keeps a probability above 0.
    propensities : {"logged", "hidden"}
        Whether the log says with which probability its action was chosen.
    confounding : float, default=1.0
        How strongly the rules pick actions by what else drives the response; 0 for the same mix for everybody.
    world : {"additive", "joint"}
        ``additive``: hidden types, effects add up on the logit. ``joint``: products of saturating probabilities, joint
        thresholds, periodic hour effects, all from the context.
    reward : {"response", "money"}
        1.0 / 0.0, or the amount paid in currency units (heavy-tailed, 0 for most).
    drift : float, default=0.0
        How far habits have moved by the last fifth of the log; 0 for none (additive world only).
    no_contact : bool, default=False
        Whether leaving the account alone is an action; then debtors also pay without being contacted.
    calendar : float, default=0.0
        How strongly the response follows pay days and weekdays (additive world only); the context then tells
        ``days_since_payday``, too, and pay days are those of the real months.

    Returns
    -------
    SimulatedLog

    Raises
    ------
    InvalidInput
        When an argument is out of range or combines what does not go together.

    Examples
    --------
    >>> from recommender.simulation import simulate
    >>> log = simulate(2_000, seed=3)
    >>> log.contacts.shape[0], len(log.actions)
    (2000, 260)
    >>> bool(log.oracle_value() > log.logging_value())
    True
    """
    _check(n_contacts, n_accounts, seed, propensities, confounding, world, reward, drift)
    n_accounts = max(1, n_contacts // 6) if n_accounts is None else min(n_accounts, n_contacts)
    rng = np.random.default_rng([seed, 7])
    drawn = draw_world(seed, kind=world, drift=drift, calendar=calendar)
    n_days = max(180, int(np.ceil(2.5 * n_contacts / n_accounts)))
    settings = LogSettings(seed, logger, propensities, confounding, reward, no_contact, n_days)
    population = drawn.draw_population(rng, n_accounts=n_accounts, n_days=n_days)
    account, day = spread_contacts(population, rng, n_contacts=n_contacts, n_days=n_days)
    return write_log(drawn, population, account, day, rng, settings)


def _check(
    n_contacts: int,
    n_accounts: int | None,
    seed: int,
    propensities: str,
    confounding: float,
    world: str,
    reward: str,
    drift: float,
) -> None:
    for name, value, least in (("n_contacts", n_contacts, 1), ("n_accounts", n_accounts, 1), ("seed", seed, 0)):
        if value is not None and value < least:
            raise InvalidInput.in_column(
                name, f"must be at least {least}", values=[value], mend="Pass a larger number."
            )
    for name, chosen, allowed in (
        ("propensities", propensities, ("logged", "hidden")),
        ("world", world, ("additive", "joint")),
        ("reward", reward, ("response", "money")),
    ):
        if chosen not in allowed:
            raise InvalidInput.in_column(name, "is unknown", values=[chosen], mend=f"Choose one of {list(allowed)}.")
    for name, amount in (("confounding", confounding), ("drift", drift)):
        if not 0.0 <= amount <= 3.0:
            raise InvalidInput.in_column(name, "must lie in [0, 3]", values=[amount], mend="0 is none, 1 the usual.")
    if drift and world == "joint":
        raise InvalidInput.in_column(
            "drift", "needs world='additive'", values=[drift], mend="Leave drift at 0 in the joint world."
        )
