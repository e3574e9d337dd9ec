"""What the contact ledger knows of debtors, as who decides next reads it: contacts, outcomes, decisions that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

__all__ = ["ContactState", "LedgerContact", "LedgerOutcome", "LiveDecision", "Seen", "Standing"]

ContactState = Literal["reserved", "dispatched", "overridden"]


@dataclass(frozen=True)
class LedgerOutcome:
    """One outcome of a decision about a debtor; corrections are applied."""

    decision_id: str
    account_id: str
    debtor_id: str
    channel: str | None
    occurred_at: datetime
    outcome: str
    amount_minor: int | None
    currency: str | None
    promise_date: date | None = None
    callback_at: datetime | None = None
    outcome_id: str | None = None


@dataclass(frozen=True)
class LedgerContact:
    """A contact that counts: planned, or sent as far as anybody knows.

    Attributes
    ----------
    decision_id, account_id, debtor_id, channel : str
    at : datetime
    state : {"reserved", "dispatched", "overridden"}
    outcomes : tuple of LedgerOutcome
        Oldest first.
    purpose : str or None
        None = nobody knows any more: retention removed the decision before it kept purposes.
    """

    decision_id: str
    account_id: str
    debtor_id: str
    channel: str
    at: datetime
    state: ContactState
    outcomes: tuple[LedgerOutcome, ...] = ()
    purpose: str | None = None


@dataclass(frozen=True)
class LiveDecision:
    """A decision that stands: it was not taken back.

    Attributes
    ----------
    decision_id, account_id, debtor_id : str
    decided_at : datetime
    state : str
        ``decided``, or what its last event says.
    is_silent : bool
        Nothing at all was told of it.
    purpose : str or None
        None = collection.
    """

    decision_id: str
    account_id: str
    debtor_id: str
    decided_at: datetime
    state: str
    is_silent: bool
    purpose: str | None = None


@dataclass(frozen=True)
class Seen:
    """Ids of all that a standing was read from: decisions and events, by debtor and by account."""

    debtors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    accounts: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """What the ledger knows of some debtors.

    Attributes
    ----------
    contacts : dict of str to list of LedgerContact
        By debtor, oldest first.
    outcomes : dict of str to list of LedgerOutcome
        By debtor, oldest first.
    live : dict of str to list of LiveDecision
        Decisions that stand, by account.
    taken_back : dict of str to str
        Decisions whose contact did not and will not take place: id -> what was told of them last.
    seen : Seen
        All that was read: what :func:`~.ledger.refuse_stale` compares.
    offers : sequence of mapping
        Offers made to them that were not released, where they were asked for.
    committed_minor : float
        What all offers of the log may cost, those to others too; NaN where nobody knows.
    """

    contacts: Mapping[str, list[LedgerContact]] = field(default_factory=dict)
    outcomes: Mapping[str, list[LedgerOutcome]] = field(default_factory=dict)
    live: Mapping[str, list[LiveDecision]] = field(default_factory=dict)
    taken_back: Mapping[str, str] = field(default_factory=dict)
    seen: Seen = field(default_factory=Seen)
    offers: Sequence[Mapping[str, Any]] = ()
    committed_minor: float = 0.0
