"""Accounts of one debtor in one request: who is decided when, and what is planned for the others meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from api.service.schemas import Account
from recommender.actions import ActionSpace
from recommender.store.decision_log import DecisionRecord

__all__ = ["PLANNED", "of_debtors", "planned_contact", "planned_of_record", "planned_text", "rounds", "seen_by"]

#: Under which a decision's first ranked action keeps the contacts planned for the debtor's other accounts.
PLANNED = "planned_before"


def rounds(accounts: Sequence[Account], positions: Iterable[int]) -> list[list[int]]:
    """Positions in rounds, so that no debtor has two accounts in one; an account that is named twice is one account."""
    turns: dict[str, dict[str, int]] = {}
    found: list[list[int]] = []
    for position in positions:
        account = accounts[position]
        turn = 0
        if account.debtor_id is not None:
            mine = turns.setdefault(account.debtor_id, {})
            turn = mine.setdefault(account.account_id, len(mine))
        while len(found) <= turn:
            found.append([])
        found[turn].append(position)
    return found


def planned_contact(
    account_id: str, debtor_id: str | None, actions: ActionSpace, action: int, when: datetime
) -> dict[str, Any] | None:
    """The contact that a decision amounts to; None where the account is left alone or has no known debtor."""
    if debtor_id is None or action == actions.no_contact_index:
        return None
    names = actions.factor_names
    channel = actions.factors["channel"][int(actions.codes[action, names.index("channel")])]
    return _contact(account_id, debtor_id, str(channel), when)


def _contact(account_id: str, debtor_id: str | None, channel: str, when: datetime) -> dict[str, Any]:
    return {
        "account_id": account_id,
        "debtor_id": debtor_id,
        "sent_at": when,
        "channel": channel,
        "initiated_by": "creditor",
        "outcome": None,
        "status": "planned",
        "hour": None,
        "tone": None,
        "reward": None,
    }


def planned_of_record(record: DecisionRecord) -> dict[str, Any] | None:
    """The contact that a logged decision amounts to."""
    when = record.contact_at or record.decided_at
    return planned_contact(record.account_id, record.debtor_id, record.provenance.actions, record.action, when)


def planned_text(planned: Sequence[Mapping[str, Any]]) -> str:
    """Planned contacts as the log keeps them: one text."""
    return json.dumps([[one["account_id"], one["channel"], one["sent_at"].isoformat()] for one in planned])


def seen_by(record: DecisionRecord) -> list[dict[str, Any]]:
    """Contacts planned for the debtor's other accounts that a logged decision took into account."""
    held = record.ranking[0].get(PLANNED) if record.ranking else None
    return [
        _contact(account, record.debtor_id, channel, datetime.fromisoformat(when))
        for account, channel, when in json.loads(held or "[]")
    ]


def of_debtors(
    contacts: Sequence[dict[str, Any]], accounts: Sequence[Account], *, with_strangers: bool
) -> list[dict[str, Any]]:
    """Contacts of some accounts and of their debtors' other accounts; strangers belong to no account of the request."""
    names = {account.account_id for account in accounts}
    debtors = {account.debtor_id for account in accounts} - {None}
    return [
        contact
        for contact in contacts
        if contact["account_id"] in names
        or contact["debtor_id"] in debtors
        or (with_strangers and contact.get("stranger", False))
    ]
