"""Past and planned contacts as one table, sorted by debtor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns, is_null
from recommender.errors import InvalidInput
from recommender.intake import canonical_word
from recommender.rules.contact_owners import owners_of_contacts
from recommender.rules.facts import Facts, id_codes
from recommender.rules.vocabulary import CHANNELS, HIGHEST_RUNG, OUTCOME_RUNG, PURPOSES

__all__ = ["ANY_PURPOSE", "CONTACT", "ContactHistory", "code_contacts", "read_history"]

EXCLUDABLE = ("not_connected", "wrong_party")

#: One contact as the rules see it. ``debtor`` and ``account`` are the codes of :data:`~recommender.rules.facts.FACT`
#: (``account`` -1: it names none); ``channel`` is a position in ``CHANNELS`` (-1: unknown, counts as every channel);
#: ``rung`` is how far it got (an unknown outcome stands highest); ``excludable`` is 1 + position in ``EXCLUDABLE``;
#: ``pending`` is planned for an instant that lies ahead, with an outcome nobody can know yet; ``shared`` belongs to an
#: account of several debtors and does not say which of them it reached; ``purpose`` is a position in ``PURPOSES`` (-1:
#: nobody told it, or the contact failed and said nothing; ``ANY_PURPOSE``: told in a word that nobody knows).
CONTACT = np.dtype(
    [
        ("debtor", np.int64), ("account", np.int64), ("instant_us", np.int64), ("channel", np.int64),
        ("rung", np.int64), ("excludable", np.int64), ("by_debtor", np.bool_), ("elsewhere", np.bool_),
        ("planned", np.bool_), ("pending", np.bool_), ("shared", np.bool_), ("purpose", np.int64),
    ]
)  # fmt: skip

_CHANNEL_AT: dict[Any, int] = {name: position for position, name in enumerate(CHANNELS)}
_SAID_OF_CONTACTS = (
    ("by_debtor", "initiated_by", ("debtor",)),
    ("planned", "status", ("planned",)),
    ("elsewhere", "place", ("work", "elsewhere")),
)
ANY_PURPOSE = -2
_POSITION: dict[str, int] = {purpose: position for position, purpose in enumerate(PURPOSES)}
_FAILED = frozenset(("not_connected", "bounced", "wrong_party"))
_EXCLUDABLE_AT: dict[Any, int] = {name: 1 + position for position, name in enumerate(EXCLUDABLE)}


@dataclass(frozen=True)
class ContactHistory:
    """Contacts of some debtors.

    Attributes
    ----------
    table : ndarray of shape (n_contacts,), dtype CONTACT
        Sorted by debtor.
    unmatched : int
        Contacts that belong to nobody and are not counted.
    """

    table: NDArray[Any]
    unmatched: int = 0

    @classmethod
    def of(cls, table: NDArray[Any], unmatched: int = 0) -> ContactHistory:
        """Sort contacts by debtor."""
        debtor = table["debtor"]
        if (debtor[1:] < debtor[:-1]).any():
            table = table[np.argsort(debtor, kind="stable")]
        return cls(table, unmatched)


def read_history(contacts: Columns | None, facts: Facts, as_of_us: int) -> ContactHistory:
    """Read contacts under the owner codes of the accounts.

    The accounts table says whose an account is; a contact's own ``debtor_id`` serves where its account is not there.
    A contact of an account that stands in the table under several debtors counts for each of them: against every cap,
    and as the message that must come before a call only where it names the debtor.

    Parameters
    ----------
    contacts : Columns or None
        ``account_id``, ``sent_at`` and, where known, ``channel``, ``debtor_id``, ``outcome``, ``initiated_by``,
        ``status``, ``place``, ``purpose``.
    facts : Facts
    as_of_us : int
        Planned contacts after it have no outcome yet.

    Raises
    ------
    InvalidInput
        When a column is missing or an instant is null or naive.
    """
    if contacts is None:
        return ContactHistory(np.zeros(0, dtype=CONTACT))
    for name in ("account_id", "sent_at"):
        if name not in contacts and (len(contacts) or contacts.names):
            raise InvalidInput.missing_columns([name], list(contacts.names), role="contact history")
    if not len(contacts):
        return ContactHistory(np.zeros(0, dtype=CONTACT))
    account, _ = id_codes(contacts, "account_id", facts.account_codes)
    named, _ = id_codes(contacts, "debtor_id", facts.debtor_codes)
    row, debtor, shared, matched = owners_of_contacts(
        account, named, facts.table, len(facts.account_codes), len(facts.debtor_codes)
    )
    kept = contacts if matched == len(row) == len(contacts) else contacts.take(row)
    table = code_contacts(kept, as_of_us)
    table["debtor"], table["account"], table["shared"] = debtor, account[row], shared
    return ContactHistory.of(table, len(contacts) - matched)


def code_contacts(contacts: Columns, as_of_us: NDArray[np.int64] | int) -> NDArray[Any]:
    """Encode contacts whose owners are known; ``debtor`` and ``account`` are left 0."""
    table = np.zeros(len(contacts), dtype=CONTACT)
    table["instant_us"] = contacts.instants("sent_at")
    table["channel"] = contacts.read("channel", _channel_at, np.int64)
    rung, table["excludable"] = contacts.fields("outcome", _outcome_said, np.int64, np.int64)
    for field, name, words in _SAID_OF_CONTACTS:
        if name in contacts:
            table[field] = contacts.read(name, words.__contains__, np.bool_)
    table["purpose"] = -1
    if "purpose" in contacts:
        failed = contacts.read("outcome", _FAILED.__contains__, np.bool_)
        table["purpose"] = np.where(failed, -1, contacts.read("purpose", _purpose_at, np.int64))
    # A contact that still lies ahead has no outcome yet: an attempt, and a conversation perhaps once it is due.
    unknown = rung < 0
    ahead = unknown & table["planned"] & (table["instant_us"] > as_of_us)
    rung[unknown] = HIGHEST_RUNG
    rung[ahead] = 0
    table["pending"], table["rung"] = ahead, rung
    return table


def _purpose_at(value: Any) -> int:
    if is_null(value) or not str(value).strip():
        return -1
    word = canonical_word("purpose", value)
    return ANY_PURPOSE if word is None else _POSITION[word]


def _channel_at(value: Any) -> int:
    return _CHANNEL_AT.get(value, -1)


def _outcome_said(value: Any) -> tuple[int, int]:
    """Rung of an outcome, -1 where it is unknown, and whether a rule may leave it out."""
    return OUTCOME_RUNG.get(value, -1), _EXCLUDABLE_AT.get(value, 0)
