"""Rewards: what came of each decision within its attribution window."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.features import last_at_or_before, order_by_account, sums_ahead
from recommender.history.lost_rows import LostRows
from recommender.local_time import DAY_US, as_utc_us
from recommender.tables import REACHED_BY

__all__ = ["AMOUNTS", "ATTRIBUTIONS", "PENALISED", "Attribution", "Rewards", "check_reward", "reward_decisions"]

Attribution = Literal["account", "debtor", "last_contact"]
ATTRIBUTIONS: dict[str, str] = {
    "account": "every payment of the account in the window counts for the decision (windows may overlap)",
    "debtor": "so do payments on the debtor's other accounts: the halo of a contact",
    "last_contact": "a payment counts once, for the last contact before it; for NO_CONTACT only where there was none",
}
AMOUNTS: dict[str, str] = {
    "amount": "money paid in the window minus the cost of the decision's contacts, in minor units",
    "amount_gross": "money paid in the window, in minor units",
    "net_value": "amount minus a penalty for each negative outcome of the decision's contacts in the window",
}
PENALISED = ("opt_out", "complaint")
"""Negative outcomes, which ``net_value`` weighs."""
_NET_OF_COST = ("amount", "net_value")
_NEVER = np.iinfo(np.int64).max
LONGEST_WINDOW_DAYS = 3650


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
    n_unknown_payments, n_unknown_outcomes, n_unknown_costs : int
        Decisions whose window had closed, but whose reward is NaN since a payment (an outcome, a contact with its cost)
        that may count is in quarantine; some may be several.
    """

    reward: NDArray[np.float64]
    known_us: NDArray[np.int64]
    kind: Literal["binary", "amount"]
    n_unknown_payments: int = 0
    n_unknown_outcomes: int = 0
    n_unknown_costs: int = 0


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
    penalties: Mapping[str, float] | None = None,
    lost: LostRows | None = None,
    lost_contacts: pd.DataFrame | None = None,
) -> Rewards:
    """Reward of each decision from what happened in ``[decided_at, decided_at + window)``; see :func:`check_reward`.

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
    penalties : mapping of str to float, optional
        Minor units that one negative outcome takes off ``net_value``.
    lost : LostRows or None
        Payments and outcomes in quarantine: where one may count in the window, amounts are unknown, and so is "no
        response".
    lost_contacts : DataFrame, optional
        ``contact_id`` of contacts in quarantine and the row of a ``decision`` that each may have carried out.
    """
    window = round(window_days * DAY_US)
    decided = _micros(decisions["decided_at"])
    closes = decided + window
    mature = closes <= as_utc_us(as_of.to_pydatetime())
    needs_money = reward in AMOUNTS
    paid, first = np.zeros(len(decisions)), np.full(len(decisions), _NEVER)
    if payments is not None and (needs_money or reward == "paid"):
        paid, first = _payments(decisions, decided, payments, window, attribution, group_of, left_alone)
    # Outcomes that count: those that reach the rung, or those that are penalised.
    weights = {name: weight for name, weight in (penalties or {}).items() if weight} if needs_money else {}
    counted = tuple(weights) if needs_money else REACHED_BY[reward]
    linked = _Linked.of(outcomes, contacts, contact_decision, decided, window, counted)
    if needs_money:
        value, known = paid, closes
        if reward in _NET_OF_COST and "cost_minor" in contacts:
            value = value - _costs(contacts, contact_decision, len(decisions))
        if weights:
            harm = linked.outcome.map(weights).to_numpy(dtype=np.float64)
            value = value - np.bincount(linked.decision, weights=harm, minlength=len(decisions))
    else:
        np.minimum.at(first, linked.decision, linked.occurred)
        value = (first < _NEVER).astype(np.float64)
        known = np.where(first < _NEVER, first, closes)
    no_payment = no_outcome = no_cost = np.zeros(len(decisions), dtype=bool)
    if lost is not None:
        open_to_doubt = mature & (needs_money | (value == 0))  # what a clean row proves no lost one can undo
        if needs_money or reward == "paid":
            group = group_of if attribution == "debtor" else None
            no_payment = lost.may_have_paid(decisions["account_id"], decided, window, group) & open_to_doubt
        if counted:
            asked = contacts["contact_id"].isin(lost.outcomes["contact_id"]).to_numpy(dtype=bool)
            decision_of = pd.DataFrame(
                {"contact_id": contacts["contact_id"].to_numpy()[asked], "decision": contact_decision[asked]}
            )
            if lost_contacts is not None:
                decision_of = pd.concat([decision_of, lost_contacts], ignore_index=True)
            no_outcome = lost.may_have_happened(decision_of, decided, window, counted) & open_to_doubt
    if lost_contacts is not None and reward in _NET_OF_COST and "cost_minor" in contacts:
        no_cost = mature & np.isin(np.arange(len(decisions)), lost_contacts["decision"])
    settled = mature & ~no_payment & ~no_outcome & ~no_cost
    return Rewards(
        np.where(settled, value, np.nan),
        np.where(settled, known, closes),
        "amount" if needs_money else "binary",
        int(no_payment.sum()),
        int(no_outcome.sum()),
        int(no_cost.sum()),
    )


def check_reward(
    reward: str,
    penalties: Mapping[str, float] | None,
    attribution: str,
    window_days: float,
    tables: Collection[str],
) -> None:
    """Raise where a reward cannot be worked out from the tables that were given, or its options contradict each other.

    Raises
    ------
    InvalidInput
        Names the option and the mend.
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
    if not 0 < window_days <= LONGEST_WINDOW_DAYS:
        raise InvalidInput.in_column(
            "window_days",
            f"must be positive and at most {LONGEST_WINDOW_DAYS:,}",
            values=[window_days],
            mend="Give the days in which a response counts.",
        )
    if reward in AMOUNTS and "payments" not in tables:
        raise InvalidInput(
            f"Reward {reward!r} needs the payments table.", column="payments", mend="Pass it, or reward a response."
        )
    if "outcomes" not in tables and reward not in AMOUNTS and not (reward == "paid" and "payments" in tables):
        raise InvalidInput(
            f"Reward {reward!r} needs the outcomes table.", column="outcomes", mend="Pass it, or reward='amount'."
        )
    _check_penalties(reward, penalties, tables)


def _check_penalties(reward: str, penalties: Mapping[str, float] | None, tables: Collection[str]) -> None:
    example = "penalties={'opt_out': 500, 'complaint': 2000} (--penalty opt_out=500 --penalty complaint=2000)"
    if reward != "net_value":
        if penalties:
            raise InvalidInput.in_column(
                "penalties", f"play no part in reward {reward!r}", values=penalties,
                mend="Use reward='net_value' (--reward net_value), or leave the penalties out.",
            )  # fmt: skip
        return
    if not penalties:
        raise InvalidInput(
            "Reward 'net_value' needs penalties: what a negative outcome weighs, in minor units.",
            column="penalties",
            mend=f"Pass {example}, or use reward='amount'.",
        )
    if unknown := [name for name in penalties if name not in PENALISED]:
        raise InvalidInput.in_column(
            "penalties", "name something that is no negative outcome", values=unknown,
            mend=f"Use {' or '.join(PENALISED)}, e.g. {example}.",
        )  # fmt: skip
    for name, weight in penalties.items():
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= weight < np.inf:
            raise InvalidInput.in_column(
                "penalties", f"must be minor units of 0 or more; that of {name!r} is not", values=[weight],
                mend=f"Give what one weighs as a positive number, e.g. {example}.",
            )  # fmt: skip
    if "outcomes" not in tables and any(penalties.values()):
        raise InvalidInput(
            "Reward 'net_value' needs the outcomes table: they hold what is penalised.",
            column="outcomes",
            mend="Pass it, or use reward='amount'.",
        )


@dataclass(frozen=True)
class _Linked:
    """Clean outcomes of some kinds, each in the window of the decision that its contact carried out."""

    decision: NDArray[np.int64]
    occurred: NDArray[np.int64]
    outcome: pd.Series

    @classmethod
    def of(
        cls,
        outcomes: pd.DataFrame | None,
        contacts: pd.DataFrame,
        contact_decision: NDArray[np.int64],
        decided: NDArray[np.int64],
        window: int,
        kinds: Sequence[str],
    ) -> _Linked:
        nothing = np.zeros(0, dtype=np.int64)
        if outcomes is None or not kinds or not len(contact_decision) or not len(decided):
            return cls(nothing, nothing, pd.Series(dtype="str"))
        kept = outcomes.loc[outcomes["outcome"].isin(kinds).to_numpy(dtype=bool)]
        contact = pd.Index(contacts["contact_id"]).get_indexer(pd.Index(kept["contact_id"]))
        decision = np.where(contact >= 0, contact_decision[contact], -1)
        occurred = _micros(kept["occurred_at"])
        after = occurred - decided[np.maximum(decision, 0)]
        counts = (decision >= 0) & (after >= 0) & (after < window)
        return cls(decision[counts], occurred[counts], kept["outcome"].loc[counts].astype("str"))


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
    has_contact = credited >= 0
    np.add.at(total, credited[has_contact], amount[has_contact].astype(np.float64))
    np.minimum.at(first, credited[has_contact], paid_at[has_contact])
    return total, first


def _costs(contacts: pd.DataFrame, contact_decision: NDArray[np.int64], n_decisions: int) -> NDArray[np.float64]:
    linked = contact_decision >= 0
    cost = np.nan_to_num(contacts["cost_minor"].to_numpy(dtype=np.float64))
    return np.bincount(contact_decision[linked], weights=cost[linked], minlength=n_decisions).astype(np.float64)


def _micros(instants: pd.Series) -> NDArray[Any]:
    return np.asarray(instants.dt.as_unit("us").astype("int64").to_numpy())
