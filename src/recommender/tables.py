"""Contracts of the five raw tables: which columns they hold, of which kind, and what a cell must satisfy.

The contracts are data; ``recommender.history`` checks frames against them and puts rows that break one in quarantine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from recommender.calendar_days import PAYDAY
from recommender.spelling import column_word

__all__ = [
    "CASE_DECISIONS",
    "CONTRACTS",
    "DEBTOR_FLAGS",
    "FACTS",
    "OUTCOMES",
    "REACHED_BY",
    "RESPONSES",
    "STATIC_COLUMNS",
    "UNREADABLE_ROW",
    "Column",
    "Contract",
    "Kind",
    "contracted_names",
    "fields",
    "planned_contact",
]

Kind = Literal[
    "id",
    "instant",
    "date",
    "text",
    "level",
    "number",
    "flag",
    "flags",
    "zone",
    "currency",
    "probability",
    "channels",
    "country",
    "language",
    "subdivision",
    "paydays",
]

OUTCOMES: tuple[str, ...] = (
    "attempted",
    "not_connected",
    "bounced",
    "delivered",
    "read",
    "replied",
    "wrong_party",
    "right_party_contact",
    "promise_to_pay",
    "promise_kept",
    "paid",
    "opt_out",
    "complaint",
    # Since 2026-11 (codes are positions, so that stored logs keep theirs): events that are no rung of a contact.
    "answered",
    "third_party",
    "promise_broken",
    "paid_in_full",
    "payment_reversed",
    "opt_out_all",
    "opt_in",
    "complaint_resolved",
    "dispute",
    "dispute_resolved",
    "callback_requested",
    "number_invalid",
    "deceased",
    # Since 2026-11: what a person of the house decided about the case, not what the debtor did.
    "contact_stopped",
    "contact_resumed",
    # Since 2026-12: what was learnt of the debtor, for good; the flag of that name.
    "insolvent",
    "represented",
    "in_lawsuit",
    "hardship",
    # Since 2026-12: a person of the house looked at the case and agreed to contact; or takes that back.
    "contact_agreed",
    "agreement_withdrawn",
)
"""The outcome ladder, lowest rung first, the two negative outcomes, then events that only make states
(:func:`recommender.intake.account_states`)."""

CASE_DECISIONS: tuple[str, ...] = ("contact_stopped", "contact_resumed", "contact_agreed", "agreement_withdrawn")
"""Outcomes that a person of the house decided: they stop, free and agree to contact, and tell nothing of one."""

_LADDER = OUTCOMES[:11]

_PROMISED = ("promise_to_pay", "promise_kept")

RESPONSES: tuple[str, ...] = ("replied", "right_party_contact", *_PROMISED)
"""Outcomes that show the debtor reacted to the contact."""

REACHED_BY: dict[str, tuple[str, ...]] = {
    "attempted": (*_LADDER[:-1], "answered", "third_party", "number_invalid"),
    "not_connected": ("not_connected",),
    "bounced": ("bounced",),
    "delivered": ("delivered", "read", "wrong_party", "answered", "third_party", *RESPONSES),
    "read": ("read", *RESPONSES),
    "replied": ("replied", *_PROMISED),
    "wrong_party": ("wrong_party",),
    "right_party_contact": ("right_party_contact", *_PROMISED),
    "promise_to_pay": _PROMISED,
    "promise_kept": ("promise_kept",),
    "paid": ("paid", "paid_in_full"),
    "opt_out": ("opt_out", "opt_out_all"),
    "complaint": ("complaint",),
    "response": RESPONSES,
}
"""Reward name -> outcomes that reach it: many systems write down only the highest rung of a contact."""

DEBTOR_FLAGS: tuple[str, ...] = (
    "do_not_contact",
    "disputed",
    "insolvent",
    "represented",
    "in_lawsuit",
    "hardship",
    "deceased",
    "cease_contact",
)

STATIC_COLUMNS: tuple[str, ...] = (
    "debtor_id",
    "country",
    "subdivision",
    "timezone",
    "language",
    "debtor_type",
    "product",
    "currency",
)
"""Account columns that do not change over time, so that one snapshot is enough to know them."""


UNREADABLE_ROW = "_unreadable_row"
"""Column in which a reader of files says what is wrong with a row whose cells it could not tell apart."""


@dataclass(frozen=True)
class Column:
    """What one column of a raw table must satisfy.

    Attributes
    ----------
    name : str
    kind : str
        How a cell is read, by every reader. ``level`` is checked against ``levels`` or, for action factors, the
        action space.
    required : bool
        The table cannot be used without the column.
    nullable : bool
        A row may leave the cell empty.
    levels : tuple of str or None
        The values that are allowed.
    minimum : float or None
        Smallest number allowed; with ``above`` the number must exceed it.
    past : bool
        An instant after ``as_of`` breaks the contract.
    decides : bool
        A contact may hang on the column, so that cells nobody can read stop a table; elsewhere they are unknown, and a
        purpose that speaks of them denies.
    """

    name: str
    kind: Kind
    required: bool = False
    nullable: bool = True
    levels: tuple[str, ...] | None = None
    minimum: float | None = None
    above: bool = False
    past: bool = True
    decides: bool = True


@dataclass(frozen=True)
class Contract:
    """Columns of one raw table and the key that may not repeat."""

    table: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    whole_row_key: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the contracted columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns the table cannot do without."""
        return tuple(column.name for column in self.columns if column.required)


def _id(name: str, *, required: bool = False) -> Column:
    return Column(name, "id", required=required, nullable=not required)


_ACCOUNTS = Contract(
    "accounts",
    ("account_id", "valid_from"),
    (
        _id("account_id", required=True),
        Column("valid_from", "instant", nullable=False),
        _id("debtor_id"),
        Column("country", "country"),
        Column("subdivision", "subdivision"),
        Column("timezone", "zone"),
        Column("language", "language"),
        Column("debtor_type", "level", levels=("person", "company")),
        Column("product", "text"),
        Column("balance_minor", "number", minimum=0),
        Column("currency", "currency"),
        Column("due_date", "date"),
        Column(PAYDAY, "paydays", decides=False),
        Column("channels_reachable", "channels"),
        Column("channels_consented", "channels"),
        Column("channels_preferred", "channels"),
        *(Column(flag, "flag") for flag in DEBTOR_FLAGS),
    ),
)

_DECISIONS = Contract(
    "decisions",
    ("decision_id",),
    (
        _id("decision_id", required=True),
        _id("account_id", required=True),
        Column("decided_at", "instant", required=True, nullable=False),
        Column("propensity", "probability"),
        Column("policy_version", "text"),
    ),
)

_CONTACTS = Contract(
    "contacts",
    ("contact_id",),
    (
        _id("contact_id", required=True),
        _id("account_id", required=True),
        _id("decision_id"),
        Column("sent_at", "instant", required=True, nullable=False),
        Column("channel", "level"),
        Column("tone", "level"),
        Column("message_kind", "text"),
        Column("template_id", "text"),
        Column("initiated_by", "level", levels=("creditor", "debtor")),
        Column("status", "level", levels=("sent", "planned")),
        Column("cost_minor", "number", minimum=0),
    ),
)

_OUTCOMES = Contract(
    "outcomes",
    ("contact_id",),
    (
        _id("contact_id", required=True),
        Column("occurred_at", "instant", required=True, nullable=False),
        Column("outcome", "level", required=True, nullable=False, levels=OUTCOMES),
    ),
    whole_row_key=True,
)

_PAYMENTS = Contract(
    "payments",
    ("account_id",),
    (
        _id("account_id", required=True),
        Column("paid_at", "instant", required=True, nullable=False),
        Column("amount_minor", "number", required=True, nullable=False, minimum=0, above=True),
        Column("currency", "currency"),
    ),
    whole_row_key=True,
)

CONTRACTS: dict[str, Contract] = {
    contract.table: contract for contract in (_ACCOUNTS, _DECISIONS, _CONTACTS, _OUTCOMES, _PAYMENTS)
}
"""Table name -> its contract."""

FACTS: dict[str, tuple[Column, ...]] = {
    "accounts": (
        Column("balance_as_of", "instant"),
        Column("consented_channels", "channels"),
        Column("flags", "flags"),
        Column("party", "level", levels=("debtor", "codebtor", "guarantor", "reference")),
        Column("days_past_due", "number"),
        # What purposes speak of; what events tell goes before what a table does.
        Column("last_paid_on", "date", decides=False),
        Column("promise_on", "date"),
        Column("promise_state", "level", levels=("open", "kept", "broken", "none")),
        Column("cured_on", "date", decides=False),
        Column("information_requested_on", "date", decides=False),
        Column("fraud_noticed_on", "date", decides=False),
        Column("late_due_share", "number", minimum=0, decides=False),
    ),
    "contacts": (
        _id("debtor_id"),
        Column("outcome", "level", levels=OUTCOMES),
        Column("promise_date", "date"),
        Column("callback_at", "instant", past=False),
        _id("case_id"),
        Column("purpose", "text"),
    ),
    "outcomes": (
        _id("account_id"),
        Column("channel", "level"),
        Column("promise_date", "date"),
        Column("callback_at", "instant", past=False),
        _id("case_id"),
    ),
}
"""Table name -> what decisions read beside the contract of the log: facts of rules, and what makes states."""


def fields(table: str) -> dict[str, Column]:
    """Every column of a raw table that has a meaning, by name: one meaning for the log and for decisions."""
    known = (*(CONTRACTS[table].columns if table in CONTRACTS else ()), *FACTS.get(table, ()))
    return {column.name: column for column in known}


def planned_contact(
    account_id: Any, debtor_id: Any, channel: str, when: datetime, purpose: str | None = None
) -> dict[str, Any]:
    """A contact that was decided and is not sent yet, in the form of a contact history."""
    return {
        "account_id": account_id,
        "debtor_id": debtor_id,
        "sent_at": when,
        "channel": channel,
        "initiated_by": "creditor",
        "outcome": None,
        "status": "planned",
        "purpose": purpose,
    }


def contracted_names(columns: Iterable[object], names: Iterable[str]) -> dict[str, str]:
    """Columns that are written in another way than the contract does (``ACCOUNT_ID``, ``Paid At``) -> its name.

    Only where one column alone can be meant, and none has the name itself.
    """
    given = [str(column) for column in columns]
    wanted = dict.fromkeys(name for name in names if name not in given)
    spelt = {column: column_word(column) for column in given}
    meant = Counter(spelt.values())
    return {column: name for column, name in spelt.items() if name in wanted and meant[name] == 1}
