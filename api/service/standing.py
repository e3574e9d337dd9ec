"""What the contact ledger knows of the debtors of a request: the join itself is that of score and plan."""

from __future__ import annotations

from api.service.schemas import Account
from recommender.store.decision_log import (
    REACH,
    counted_as,
    heard_facts,
    known_purposes,
    ledger_contacts,
    told_purposes,
    with_heard,
    with_purposes,
)

__all__ = [
    "REACH",
    "counted_as",
    "debtor_of",
    "heard_facts",
    "known_purposes",
    "ledger_contacts",
    "told_purposes",
    "with_heard",
    "with_purposes",
]


def debtor_of(account: Account) -> str:
    """Under whom the ledger keeps an account: its debtor, or itself where none is known."""
    return account.debtor_id or account.account_id
