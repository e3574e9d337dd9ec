"""Accounts of one debtor are decided one after the other: what is planned for one counts for the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns, Tabular
from recommender.deciding.decided import Decided
from recommender.local_time import as_utc_us
from recommender.rules import Eligibility
from recommender.tables import planned_contact

__all__ = ["after_planned", "debtor_rounds", "of_debtors", "planned_contact", "planned_contacts"]


def debtor_rounds(accounts: Tabular) -> NDArray[np.int64]:
    """Round in which each account is decided, so that no debtor has two accounts in one round.

    Caps count per debtor over all accounts: the second account of a debtor may only be decided once the contact
    planned for the first is known. Accounts without a debtor are people of their own; an account that is named twice
    is one account.

    Returns
    -------
    ndarray of shape (n_accounts,), dtype int64
    """
    table = Columns.of(accounts)
    rounds = np.zeros(len(table), dtype=np.int64)
    if "debtor_id" not in table or len(table) == 1:
        return rounds
    debtor, account = table.coded("debtor_id"), table.coded("account_id")
    named = [value is not None for value in debtor.values]
    turns: dict[int, dict[Any, int]] = {}
    has_id = [value is not None for value in account.values]
    for row, (owner, one) in enumerate(zip(debtor.codes.tolist(), account.codes.tolist(), strict=True)):
        if named[owner]:
            mine = turns.setdefault(owner, {})
            rounds[row] = mine.setdefault(one if has_id[one] else (row,), len(mine))
    return rounds


def of_debtors(contacts: Columns, accounts: Tabular) -> Columns:
    """Contacts of the given accounts and of their debtors' other accounts."""
    table = Columns.of(accounts)
    mine = _among(contacts, table, "account_id") | _among(contacts, table, "debtor_id")
    return contacts if mine.all() else contacts.take(np.flatnonzero(mine))


def _among(rows: Columns, others: Columns, name: str) -> NDArray[np.bool_]:
    """Where an id of a table is among those of another."""
    wanted = {str(value) for value in others.coded(name).values if value is not None}
    column = rows.coded(name)
    return column.take([value is not None and str(value) in wanted for value in column.values], np.bool_)


def planned_contacts(decided: Decided, later: Columns | None = None) -> list[dict[str, Any]]:
    """Contacts that the dispatched actions amount to; an account that is left alone has none.

    With ``later`` (accounts that are decided after these), only those for debtors who have an account among them.
    """
    accounts = decided.accounts
    reached = np.array([channel is not None for channel in decided.channels])[decided.action]
    if later is not None:
        reached &= _among(accounts, later, "debtor_id")
    rows = np.flatnonzero(reached)
    names, debtors = accounts.values("account_id"), accounts.values("debtor_id")
    actions = decided.action[rows]
    instants = decided.contact_instants(rows, actions)
    now = decided.as_of.astimezone(UTC)
    return [
        planned_contact(names[row], debtors[row], decided.channels[action], when or now, decided.eligibility.purpose)
        for row, action, when in zip(rows.tolist(), actions.tolist(), instants, strict=True)
    ]


def after_planned(
    actions: ActionSpace, eligible: Eligibility, planned: Sequence[Sequence[Mapping[str, Any]]]
) -> NDArray[np.bool_]:
    """Actions at instants that lie before nothing that is planned for the account's debtor.

    What is planned was judged without a contact before it, and an answer to that one may forbid it.

    Parameters
    ----------
    actions : ActionSpace
    eligible : Eligibility
    planned : sequence of length n_accounts
        Contacts planned for the debtor of each account, see :func:`planned_contact`.

    Returns
    -------
    ndarray of bool of shape (n_accounts, n_actions)
        NO_CONTACT is always there.
    """
    mask = np.ones((len(planned), len(actions)), dtype=bool)
    hour = actions.codes[:, actions.factor_names.index("hour")] if "hour" in actions.factors else np.zeros(len(actions))
    position = np.maximum(hour, 0).astype(np.int64)
    for row, contacts in enumerate(planned):
        if contacts:
            last = np.datetime64(max(as_utc_us(one["sent_at"]) for one in contacts), "us")
            mask[row] = eligible.contact_at[row][position] >= last  # an hour that the day lacks never is
    if actions.no_contact_index is not None:
        mask[:, actions.no_contact_index] = True
    return mask
