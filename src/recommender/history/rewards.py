"""Rewards: what came of each decision within its attribution window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.features._windows import last_at_or_before, order_by_account, sums_ahead
from recommender.history.lost_payments import LostPayments
from recommender.local_time import DAY_US, as_utc_us
from recommender.tables import REACHED_BY

__all__ = ["AMOUNTS", "ATTRIBUTIONS", "Attribution", "Rewards", "reward_decisions"]

Attribution = Literal["account", "debtor", "last_contact"]
ATTRIBUTIONS: dict[str, str] = {
    "account": "every payment of the account in the window counts for the decision (windows may overlap)",
    "debtor": "so do payments on the debtor's other accounts: the halo of a contact",
    "last_contact": "a payment counts once, for the last contact before it; for NO_CONTACT only where there was none",
}
AMOUNTS: dict[str, str] = {
    "amount": "money paid in the window minus the cost of the decision's contacts, in minor units",
    "amount_gross": "money paid in the window, in minor units",
}
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Rewards:
    """Rewards of decisions.

    Attributes
    ----------
    reward : ndarray of shape (n_decisions,)
        NaN where the window had not closed at ``as_of``: an early success counted before the others had time to fail
        would flatter the young rows.
    known_us : ndarray of int64 of shape (n_decisions,)
        When the reward was known: at the first outcome that earns it, else when the window closes.
    kind : {"binary", "amount"}
    n_unknown : int
        Decisions whose window had closed, but whose reward is NaN since a payment that may count is in quarantine.
    """

    reward: NDArray[np.float64]
    known_us: NDArray[np.int64]
    kind: Literal["binary", "amount"]
    n_unknown: int = 0


def reward_decisions(
    decisions: pd.DataFrame,
    contacts: pd.DataFrame,
    outcomes: pd.DataFrame | None,
    payments: pd.DataFrame | None,
    *,
    contact_decision: NDArray[np.int64],
    group_of: pd.Series | None,
    reward: str,
    window_days: float,
    as_of: pd.Timestamp,
    attribution: Attribution = "account",
    left_alone: NDArray[np.bool_],
    lost: LostPayments | None = None,
) -> Rewards:
    """Reward of each decision from what happened in ``[decided_at, decided_at + window)``.

    Parameters
    ----------
    decisions : DataFrame of shape (n_decisions, ...)
        ``account_id``, ``decided_at``.
    contacts, outcomes, payments : DataFrame
        Clean tables.
    contact_decision : ndarray of shape (n_contacts,)
        Row of the decision that each contact carried out, -1 for none.
    group_of : Series or None
        Debtor of each account id, for ``attribution="debtor"``.
    reward : str
        A rung of the ladder (reached by it or by a higher one), ``response``, or one of :data:`AMOUNTS`.
    window_days : float
    as_of : Timestamp
    attribution : {"account", "debtor", "last_contact"}
        Whom a payment counts for, see :data:`ATTRIBUTIONS`. Outcomes always count for their own contact's decision.
    left_alone : ndarray of bool of shape (n_decisions,)
        Where the decision was ``NO_CONTACT``.
    lost : LostPayments or None
        Payments in quarantine: where one may fall in the window, money is unknown, and so is "not paid".
    """
    if reward not in REACHED_BY and reward not in AMOUNTS:
        raise InvalidInput(
            f"There is no reward called {reward!r}.", column="reward", mend=f"Use one of {[*REACHED_BY, *AMOUNTS]}."
        )
    if attribution not in ATTRIBUTIONS:
        raise InvalidInput(
            f"There is no attribution called {attribution!r}.",
            column="attribution",
            mend=f"Use one of {list(ATTRIBUTIONS)}.",
        )
    if not window_days > 0:
        raise InvalidInput.in_column(
            "window_days", "must be positive", values=[window_days], mend="Give the days in which a response counts."
        )
    window = round(window_days * DAY_US)
    decided = _micros(decisions["decided_at"])
    closes = decided + window
    needs_money = reward in AMOUNTS
    if needs_money and payments is None:
        raise InvalidInput(
            f"Reward {reward!r} needs the payments table.", column="payments", mend="Pass it, or reward a response."
        )
    if outcomes is None and not needs_money and not (reward == "paid" and payments is not None):
        raise InvalidInput(
            f"Reward {reward!r} needs the outcomes table.", column="outcomes", mend="Pass it, or reward='amount'."
        )
    paid, first_paid = np.zeros(len(decisions)), np.full(len(decisions), _NEVER)
    if payments is not None and (needs_money or reward == "paid"):
        paid, first_paid = _payments(decisions, decided, payments, window, attribution, group_of, left_alone)
    if needs_money:
        value = paid
        if reward == "amount" and "cost_minor" in contacts:
            value = paid - _costs(contacts, contact_decision, len(decisions))
        known = closes
        kind: Literal["binary", "amount"] = "amount"
    else:
        first = first_paid
        if outcomes is not None:
            first = np.minimum(first, _first_outcome(outcomes, contacts, contact_decision, decided, window, reward))
        value = (first < _NEVER).astype(np.float64)
        known = np.where(first < _NEVER, first, closes)
        kind = "binary"
    mature = closes <= as_utc_us(as_of.to_pydatetime())
    n_unknown = 0
    if lost is not None and len(lost) and (needs_money or reward == "paid"):
        group = group_of if attribution == "debtor" else None
        unknown = lost.may_fall_in(decisions["account_id"], decided, window, group) & mature
        unknown &= needs_money | (value == 0)
        n_unknown = int(unknown.sum())
        value, known = np.where(unknown, np.nan, value), np.where(unknown, closes, known)
    return Rewards(np.where(mature, value, np.nan), np.where(mature, known, closes), kind, n_unknown)


def _first_outcome(
    outcomes: pd.DataFrame,
    contacts: pd.DataFrame,
    contact_decision: NDArray[np.int64],
    decided: NDArray[np.int64],
    window: int,
    reward: str,
) -> NDArray[np.int64]:
    """Instant of the first outcome of each decision's contacts, in its window, that reaches the rung."""
    first = np.full(len(decided), _NEVER, dtype=np.int64)
    reached = outcomes.loc[outcomes["outcome"].isin(REACHED_BY[reward]).to_numpy(dtype=bool)]
    contact = pd.Index(contacts["contact_id"]).get_indexer(pd.Index(reached["contact_id"]))
    decision = np.where(contact >= 0, contact_decision[contact] if len(contact_decision) else -1, -1)
    occurred = _micros(reached["occurred_at"])
    after = occurred - decided[np.maximum(decision, 0)] if len(decided) else occurred
    counts = (decision >= 0) & (after >= 0) & (after < window)
    np.minimum.at(first, decision[counts], occurred[counts])
    return first


def _payments(
    decisions: pd.DataFrame,
    decided: NDArray[np.int64],
    payments: pd.DataFrame,
    window: int,
    attribution: Attribution,
    group_of: pd.Series | None,
    left_alone: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Money that counts for each decision, and the instant of its first payment."""
    who, payer = decisions["account_id"], payments["account_id"]
    if attribution == "debtor" and group_of is not None:
        who = who.map(group_of).fillna(who)
        payer = payer.map(group_of).fillna(payer)
    codes, ids = pd.factorize(pd.concat([who, payer], ignore_index=True))
    account, payer_code = codes[: len(who)].astype(np.int64), codes[len(who) :].astype(np.int64)
    paid_at = _micros(payments["paid_at"])
    amount = np.rint(payments["amount_minor"].to_numpy(dtype=np.float64)).astype(np.int64)
    if attribution == "last_contact":
        return _last_contact(account, decided, left_alone, payer_code, paid_at, amount, window, len(ids))
    order, start = order_by_account(payer_code, paid_at, len(ids))
    total, first = sums_ahead(account, decided, start, paid_at[order], amount[order], window)
    return total.astype(np.float64), np.where(first < 0, _NEVER, first)


def _last_contact(
    account: NDArray[np.int64],
    decided: NDArray[np.int64],
    left_alone: NDArray[np.bool_],
    payer: NDArray[np.int64],
    paid_at: NDArray[np.int64],
    amount: NDArray[np.int64],
    window: int,
    n_accounts: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Credit each payment once: to the last contact decision in reach, else to the last decision in reach."""
    credited = np.full(len(payer), -1, dtype=np.int64)
    for mask in (~left_alone, left_alone):
        rows = np.flatnonzero(mask)
        order, start = order_by_account(account[rows], decided[rows], n_accounts)
        at = last_at_or_before(start, decided[rows][order], payer, paid_at)
        row = np.where(at >= 0, rows[order][at] if len(rows) else -1, -1)
        in_reach = (row >= 0) & (paid_at - decided[np.maximum(row, 0)] < window)
        credited = np.where((credited < 0) & in_reach, row, credited)
    total = np.zeros(len(account))
    first = np.full(len(account), _NEVER, dtype=np.int64)
    held = credited >= 0
    np.add.at(total, credited[held], amount[held].astype(np.float64))
    np.minimum.at(first, credited[held], paid_at[held])
    return total, first


def _costs(contacts: pd.DataFrame, contact_decision: NDArray[np.int64], n_decisions: int) -> NDArray[np.float64]:
    held = contact_decision >= 0
    cost = np.nan_to_num(contacts["cost_minor"].to_numpy(dtype=np.float64))
    return np.bincount(contact_decision[held], weights=cost[held], minlength=n_decisions).astype(np.float64)


def _micros(instants: pd.Series) -> NDArray[Any]:
    return np.asarray(instants.dt.as_unit("us").astype("int64").to_numpy())
