"""Past and planned contacts as one table, sorted by debtor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.errors import InvalidInput
from recommender.rules.facts import Facts, id_texts
from recommender.rules.vocabulary import CHANNELS, HIGHEST_RUNG, OUTCOME_RUNG

__all__ = ["CONTACT", "ContactHistory", "code_contacts", "read_history"]

EXCLUDABLE = ("not_connected", "wrong_party")

#: One contact as the rules see it. ``debtor`` and ``account`` are the codes of :data:`~recommender.rules.facts.FACT`
#: (``account`` -1: it names none); ``channel`` is a position in ``CHANNELS`` (-1: unknown, counts as every channel);
#: ``rung`` is how far it got (an unknown outcome stands highest); ``excludable`` is 1 + position in ``EXCLUDABLE``;
#: ``pending`` is planned for an instant that lies ahead, with an outcome nobody can know yet; ``shared`` belongs to an
#: account of several debtors and does not say which of them it reached.
CONTACT = np.dtype(
    [
        ("debtor", np.int64), ("account", np.int64), ("instant_us", np.int64), ("channel", np.int64),
        ("rung", np.int64), ("excludable", np.int64), ("by_debtor", np.bool_), ("elsewhere", np.bool_),
        ("planned", np.bool_), ("pending", np.bool_), ("shared", np.bool_),
    ]
)  # fmt: skip

_CHANNEL_AT: dict[Any, int] = {name: position for position, name in enumerate(CHANNELS)}
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
        if len(table) > 1:
            table = table[np.argsort(table["debtor"], kind="stable")]
        return cls(table, unmatched)

    def spans(self, debtor: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First contact of each debtor, and the one after the last."""
        owner = np.ascontiguousarray(self.table["debtor"])
        return np.searchsorted(owner, debtor, side="left"), np.searchsorted(owner, debtor, side="right")


def read_history(contacts: Columns | None, facts: Facts, as_of_us: int) -> ContactHistory:
    """Read contacts under the owner codes of the accounts.

    The accounts table says whose an account is; a contact's own ``debtor_id`` serves where its account is not there.
    A contact of an account that stands in the table under several debtors counts for each of them: against every cap,
    and as the message that must come before a call only where it names the debtor.

    Parameters
    ----------
    contacts : Columns or None
        ``account_id``, ``sent_at`` and, where known, ``channel``, ``debtor_id``, ``outcome``, ``initiated_by``,
        ``status``, ``place``.
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
    account, _ = id_texts(contacts.coded("account_id"), facts.account_codes)
    named, _ = id_texts(contacts.coded("debtor_id"), facts.debtor_codes)
    row, debtor, shared, matched = _owners_of(account, named, facts)
    kept = contacts if matched == len(row) == len(contacts) else contacts.take(row)
    table = code_contacts(kept, as_of_us)
    table["debtor"], table["account"], table["shared"] = debtor, account[row], shared
    return ContactHistory.of(table, len(contacts) - matched)


def _owners_of(
    account: NDArray[np.int64], named: NDArray[np.int64], facts: Facts
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_], int]:
    """Rows of contacts that belong to somebody, to which debtor, whether that is unsure, and how many contacts.

    In the order of the contacts; one of an account that several debtors share comes once for each of them.
    """
    accounts, debtors = facts.table["account"], facts.table["debtor"]
    known = accounts >= 0
    if not known.all():
        accounts, debtors = accounts[known], debtors[known]
    inside = (account >= 0) & (account < len(facts.account_codes))
    spare = np.where((named >= 0) & (named < len(facts.debtor_codes)), named, -1)
    owner = np.full(max(len(facts.account_codes), 1), -1, dtype=np.int64)
    owner[accounts] = debtors
    if (owner[accounts] == debtors).all():  # no account is shared
        debtor = owner[np.where(inside, account, 0)]
        debtor = np.where(inside & (debtor >= 0), debtor, spare)
        row = np.flatnonzero(debtor >= 0)
        return row, debtor if len(row) == len(debtor) else debtor[row], np.zeros(len(row), dtype=bool), len(row)
    pairs = np.unique(np.stack([accounts, debtors]), axis=1)
    first = np.searchsorted(pairs[0], account, side="left")
    count = np.where(inside, np.searchsorted(pairs[0], account, side="right") - first, 0)
    row = np.repeat(np.arange(len(account)), count)
    pair = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
    debtor = pairs[1][pair]
    by_name = np.flatnonzero((count == 0) & (spare >= 0))
    if len(by_name):
        row, debtor = np.concatenate([row, by_name]), np.concatenate([debtor, named[by_name]])
        order = np.argsort(row, kind="stable")
        row, debtor = row[order], debtor[order]
    return row, debtor, (count[row] > 1) & (debtor != named[row]), len(np.unique(row))


def code_contacts(contacts: Columns, as_of_us: NDArray[np.int64] | int) -> NDArray[Any]:
    """Encode contacts whose owners are known; ``debtor`` and ``account`` are left 0."""
    table = np.zeros(len(contacts), dtype=CONTACT)
    table["instant_us"] = contacts.instants("sent_at")
    channel, outcome = contacts.coded("channel"), contacts.coded("outcome")
    table["channel"] = channel.take([_CHANNEL_AT.get(value, -1) for value in channel.values], np.int64)
    rung = outcome.take([OUTCOME_RUNG.get(value, -1) for value in outcome.values], np.int64)
    table["excludable"] = outcome.take([_EXCLUDABLE_AT.get(value, 0) for value in outcome.values], np.int64)
    for field, name, words in (
        ("by_debtor", "initiated_by", ("debtor",)), ("planned", "status", ("planned",)),
        ("elsewhere", "place", ("work", "elsewhere")),
    ):  # fmt: skip
        column = contacts.coded(name)
        table[field] = column.take([value in words for value in column.values], bool)
    # A contact that still lies ahead has no outcome yet: an attempt, and a conversation perhaps once it is due.
    table["pending"] = (rung < 0) & table["planned"] & (table["instant_us"] > as_of_us)
    table["rung"] = np.where(table["pending"], 0, np.where(rung < 0, HIGHEST_RUNG, rung))
    return table
