"""Two truths about a policy: one step over logged states, and a closed loop in which debtors remember."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.simulation.closed_loop import DebtorWorld
from recommender.simulation.log import SimulatedLog
from recommender.simulation.personas import HOURS
from recommender.simulation.population import local_to_utc
from recommender.simulation.signals import Floats

__all__ = ["Rollout", "value_one_step", "value_rollout"]

Bools = NDArray[np.bool_]
Policy = Callable[[pd.DataFrame, Bools], Floats] | Floats
"""A function of (accounts, eligible) giving (n, n_actions) probabilities, or one row of them for everybody."""


@dataclass(frozen=True)
class Rollout:
    """What a policy earned in a closed loop.

    Attributes
    ----------
    n_accounts, days, decisions, contacts, responses, payments, opt_outs, complaints : int
    paid_minor, contact_cost_minor : int
        In minor units of the world's currency; payments include those that came unprompted.
    outcomes, payments_table : DataFrame
        The raw rows behind the figures.
    """

    n_accounts: int
    days: int
    decisions: int
    contacts: int
    responses: int
    payments: int
    opt_outs: int
    complaints: int
    paid_minor: int
    contact_cost_minor: int
    outcomes: pd.DataFrame
    payments_table: pd.DataFrame

    @property
    def response_rate(self) -> float:
        """Responses per contact."""
        return self.responses / max(1, self.contacts)

    @property
    def net_minor_per_account(self) -> float:
        """Amount paid less the cost of contacts, per account."""
        return (self.paid_minor - self.contact_cost_minor) / self.n_accounts


def value_one_step(policy: Policy, log: SimulatedLog, eligible: Bools | None = None) -> float:
    """True value of a policy over the states of a log, in reward per decision: what off-policy evaluation estimates.

    Parameters
    ----------
    policy : callable or ndarray
        A function of (accounts, eligible), or probabilities of shape (n, n_actions) or (n_actions,).
    log : SimulatedLog
    eligible : ndarray of bool of shape (n, n_actions), optional
        Default: everything is eligible.
    """
    if not callable(policy):
        return log.value(policy)
    allowed = np.ones((len(log), len(log.actions)), dtype=bool) if eligible is None else eligible
    return log.value(_checked(policy(log.contacts[["account_id", "debtor_id", *log.context]], allowed), allowed))


def value_rollout(
    policy: Policy,
    days: int = 30,
    seed: int = 0,
    *,
    n_accounts: int = 3_000,
    run_seed: int = 1,
    every_days: int = 3,
    world: Literal["additive", "joint"] = "additive",
    country: str | None = "CO",
) -> Rollout:
    """Let a policy decide day after day, and count what it earns from debtors who tire of contacts.

    Parameters
    ----------
    policy : callable or ndarray
        A function of (accounts, eligible) giving probabilities of shape (n, n_actions) over the 260 contact actions
        and ``NO_CONTACT``, or one row of them. Ineligible actions must hold 0 when it is a function; one row is
        masked here.
    days : int, default=30
    seed : int, default=0
        World: the same types as ``simulate(seed=seed)``.
    n_accounts : int, default=3_000
    run_seed : int, default=1
        Draw of debtors and events; policies compared with the same one meet the same debtors.
    every_days : int, default=3
        An account is decided upon this often.
    world, country
        As in :class:`~recommender.simulation.DebtorWorld`.

    Returns
    -------
    Rollout
    """
    from recommender.simulation.raw_tables import COST_MINOR

    if days < 1 or every_days < 1:
        raise InvalidInput.in_column("days", "must be at least 1", values=[days, every_days], mend="Pass more days.")
    living = DebtorWorld(n_accounts, seed=seed, run_seed=run_seed, world=world, country=country)
    rng = np.random.default_rng([seed, run_seed, 17])
    decided = contacted = responses = cost = 0
    for day in range(days):
        account = living.open_accounts()
        account = account[account % every_days == day % every_days]
        if len(account):
            eligible = living.eligible(account)
            frame = living.accounts(account)
            given = policy(frame, eligible) if callable(policy) else _masked(np.asarray(policy), eligible)
            cumulative = np.cumsum(_checked(given, eligible), axis=1)
            drawn = (cumulative < rng.random(len(account))[:, None] * cumulative[:, -1:]).sum(axis=1)
            action = np.minimum(drawn, len(living.actions) - 1)
            contact = np.flatnonzero(action != living.actions.no_contact_index)
            hour = np.asarray(HOURS)[living.actions.codes[action[contact], 1]]
            zone = living.decisions(account[contact]).timezone
            date = np.full(len(contact), living.date)
            sent_at = local_to_utc(date, hour, rng.integers(0, 60, len(contact)), zone)
            order = np.argsort(sent_at, kind="stable")
            contact, sent_at = contact[order], sent_at[order]
            responses += int(living.send(account[contact], action[contact], sent_at).sum())
            cost += int(np.asarray(COST_MINOR)[living.actions.codes[action[contact], 0]].sum())
            decided, contacted = decided + len(account), contacted + len(contact)
        living.end_day()
    answer = living.advance(0)
    count = answer.outcomes["outcome"].value_counts()
    return Rollout(
        n_accounts=n_accounts,
        days=days,
        decisions=decided,
        contacts=contacted,
        responses=responses,
        payments=len(answer.payments),
        opt_outs=int(count.get("opt_out", 0)),
        complaints=int(count.get("complaint", 0)),
        paid_minor=int(answer.payments["amount_minor"].sum()),
        contact_cost_minor=cost,
        outcomes=answer.outcomes,
        payments_table=answer.payments,
    )


def _masked(row: Floats, eligible: Bools) -> Floats:
    masked = row * eligible
    total = masked.sum(axis=1, keepdims=True)
    idle = np.zeros_like(masked)
    idle[:, -1] = 1.0
    return np.where(total > 0, masked / np.where(total > 0, total, 1.0), idle)


def _checked(probabilities: Floats, eligible: Bools) -> Floats:
    given = np.asarray(probabilities, dtype=np.float64)
    if given.shape != eligible.shape:
        raise InvalidInput(
            f"The policy returned shape {given.shape}; expected {eligible.shape}.",
            column="policy",
            mend="Return one row an account and one column an action, NO_CONTACT last.",
        )
    rows = np.flatnonzero(~np.isclose(given.sum(axis=1), 1.0, atol=1e-6) | (given < 0).any(axis=1))
    if rows.size:
        raise InvalidInput.in_column(
            "policy", "must return probabilities that sum to 1", values=given[rows[:5]].sum(axis=1), rows=rows.tolist(),
            mend="Normalise over the eligible actions.",
        )  # fmt: skip
    rows = np.flatnonzero(((given > 0) & ~eligible).any(axis=1))
    if rows.size:
        raise InvalidInput.in_column(
            "policy", "gives probability to ineligible actions", rows=rows.tolist(), mend="Mask before normalising."
        )
    return given
