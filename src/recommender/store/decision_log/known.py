"""What the contact ledger knows, joined with what a caller or an export tells: the same for service, score and plan.

Neither side alone is asked: a contact that only one of them knows counts, and what was heard from a debtor acts on
every later decision, whichever process made the earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from recommender.columns import Columns, Tabular
from recommender.intake import (
    EVENT_DAYS,
    FAILED,
    SAME_CONTACT_US,
    acts_when_told,
    canonical_word,
    id_key,
    with_states,
)
from recommender.store.decision_log.standing import LedgerContact, LedgerOutcome, Standing
from recommender.tables import CASE_DECISIONS, planned_contact

__all__ = [
    "REACH", "counted_as", "furthest_rung", "heard_events", "heard_facts", "known_purposes", "ledger_contacts",
    "not_told_twice", "rung_of", "told_purposes", "with_heard", "with_purposes",
]  # fmt: skip

#: How far back a contact can matter to any rule: a year, and some.
REACH = timedelta(days=400)
#: A contact that the caller tells this close to the ledger's, of the same account and channel, is the same one.
_SAME_CONTACT = timedelta(microseconds=SAME_CONTACT_US)
#: Outcomes that the rules count, from the words of the ladder; what is not here counts as a conversation.
_RUNGS = {
    "attempted": "attempt", "not_connected": "not_connected", "bounced": "not_connected", "wrong_party": "wrong_party",
    "delivered": "delivered", "read": "delivered", "attempt": "attempt",
}  # fmt: skip
_FACTS = (
    "account_id", "debtor_id", "balance_minor", "due_date", "timezone", "country", "consented_channels", "flags",
    *EVENT_DAYS,
)  # fmt: skip


def ledger_contacts(standing: Standing, known: Tabular, without: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Contacts of the ledger, by debtor.

    Parameters
    ----------
    standing : Standing
    known : Tabular
        Contacts that the caller sent: those are not counted twice.
    without : iterable of str
        Decisions that are counted otherwise.
    """
    if not standing.contacts:
        return {}
    sent_at: dict[tuple[str, str], list[datetime]] = {}
    told = Columns.of(known)
    for account, channel, at in zip(*map(told.values, ("account_id", "channel", "sent_at")), strict=True):
        sent_at.setdefault((account, channel), []).append(at)
    left_out = set(without)
    by_debtor: dict[str, list[dict[str, Any]]] = {}
    for debtor, contacts in standing.contacts.items():
        for contact in contacts:
            same = sent_at.get((contact.account_id, contact.channel), ())
            if contact.decision_id in left_out or any(abs(when - contact.at) < _SAME_CONTACT for when in same):
                continue
            row = planned_contact(contact.account_id, debtor, contact.channel, contact.at, contact.purpose)
            by_debtor.setdefault(debtor, []).append(row | {"outcome": rung_of(contact)})
    return by_debtor


def told_purposes(standing: Standing) -> dict[tuple[str, str], list[tuple[datetime, str]]]:
    """Moments and purposes of the ledger's contacts by account and channel, where it knows what they were for."""
    purposes: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
    for some in standing.contacts.values():
        for contact in some:
            if contact.purpose is not None:
                purposes.setdefault((contact.account_id, contact.channel), []).append((contact.at, contact.purpose))
    return purposes


def with_purposes(
    known: Sequence[dict[str, Any]], purposes: Mapping[tuple[str, str], Sequence[tuple[datetime, str]]]
) -> list[dict[str, Any]]:
    """Contacts that a caller tells as rows, see :func:`known_purposes`."""
    found = known_purposes(Columns.of(known), purposes)
    return [one | found[row] if row in found else one for row, one in enumerate(known)]


def known_purposes(
    known: Columns, purposes: Mapping[tuple[str, str], Sequence[tuple[datetime, str]]]
) -> dict[int, dict[str, Any]]:
    """``purpose`` of the contacts that a caller tells, by row, where the ledger knows it and the caller names none.

    The ledger's own row of such a contact is left out (:func:`ledger_contacts`); what it was for must not be lost.
    """
    found: dict[int, dict[str, Any]] = {}
    if not purposes:
        return found
    columns = map(known.values, ("account_id", "channel", "sent_at", "purpose"))
    for row, (account, channel, sent_at, named) in enumerate(zip(*columns, strict=True)):
        at = purposes.get((str(account), str(channel)), ()) if named is None else ()
        same = next((purpose for when, purpose in at if abs(sent_at - when) < _SAME_CONTACT), None)
        if same is not None:
            found[row] = {"purpose": same}
    return found


def counted_as(word: str | None) -> str | None:
    """What an outcome is where the rules count contacts: how far it got, and nothing of what it says of the debtor."""
    return None if word is None or word in CASE_DECISIONS else _RUNGS.get(word, "live_contact")


def rung_of(contact: LedgerContact) -> str | None:
    """How far a contact got as the rules count it; None while nothing was heard."""
    return furthest_rung(rung for outcome in contact.outcomes if (rung := counted_as(outcome.outcome)) is not None)


def furthest_rung(rungs: Iterable[str]) -> str | None:
    """The rung that got furthest of those that rules count; None of none."""
    return max(rungs, key=("not_connected", "wrong_party", "attempt", "delivered", "live_contact").index, default=None)


def heard_events(owners: Mapping[str, str], outcomes: Mapping[str, Sequence[LedgerOutcome]]) -> list[dict[str, Any]]:
    """What was heard of some debtors, as events that make states: each once, of its account and its debtor.

    Parameters
    ----------
    owners : mapping of str to str
        Debtor of each account.
    outcomes : mapping of str to sequence of LedgerOutcome
        By debtor.
    """
    return [
        _event(heard.account_id, heard.occurred_at, heard.channel, heard.outcome, day=heard.promise_date,
               call=heard.callback_at)
        | {"debtor_id": debtor}
        for debtor in dict.fromkeys(owners.values())
        for heard in outcomes.get(debtor, ())
    ]  # fmt: skip


def not_told_twice(heard: list[dict[str, Any]], told: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Events of the log without failures that a history tells of the same contact: of failures the number counts.

    Parameters
    ----------
    heard : list of dict
        As :func:`heard_events` gives them.
    told : iterable of mapping
        Contacts with ``account_id``, ``channel``, ``sent_at`` and ``outcome``.
    """
    failed: dict[tuple[str, Any], list[datetime]] = {}
    for contact in told:
        if canonical_word("outcome", contact["outcome"]) in FAILED:
            failed.setdefault((str(contact["account_id"]), contact["channel"]), []).append(contact["sent_at"])
    kept = []
    for event in heard:
        times = failed.get((event["account_id"], event["channel"]), []) if event["outcome"] in FAILED else []
        same = next((when for when in times if abs(when - event["sent_at"]) < _SAME_CONTACT), None)
        if same is None:
            kept.append(event)
        else:
            times.remove(same)
    return kept


def with_heard(
    rows: list[dict[str, Any]],
    contacts: Sequence[Mapping[str, Any]],
    outcomes: Mapping[str, Sequence[LedgerOutcome]],
    as_of: datetime,
) -> list[dict[str, Any]]:
    """Accounts as rows with what was heard from their debtors written into their facts, see :func:`heard_facts`."""
    changed = heard_facts(Columns.of(rows), contacts, outcomes, as_of)
    return [row | changed[position] if position in changed else row for position, row in enumerate(rows)]


def heard_facts(
    accounts: Columns,
    contacts: Tabular,
    outcomes: Mapping[str, Sequence[LedgerOutcome]],
    as_of: datetime,
) -> dict[int, dict[str, Any]]:
    """Facts of accounts, by row, that what was heard from their debtors changed.

    Parameters
    ----------
    accounts : Columns
    contacts : Tabular
        As the caller sent them; their outcomes are events too, of everybody whose they are.
    outcomes : mapping of str to sequence of LedgerOutcome
        By debtor.
    as_of : aware datetime
        What the log heard later acts as well: it is known now. Of what the caller dates later, what stops does.
    """
    told = _told_events(Columns.of(contacts), as_of)
    if not told and not outcomes:
        return {}
    names = accounts.values("account_id")
    owners = {one: debtor or one for one, debtor in zip(names, accounts.values("debtor_id"), strict=True)}
    events = [
        _event(one["account_id"], one["sent_at"], one["channel"], one["outcome"], day=one.get("promise_date"),
               call=one.get("callback_at"))
        | {"debtor_id": owners.get(one["account_id"]) or one.get("debtor_id")}
        for one in told
    ]  # fmt: skip
    events += not_told_twice(heard_events(owners, outcomes), told)
    if not events:
        return {}
    heard = pd.DataFrame(events)
    # At the moment itself what was heard after it acts, and what ends by itself has not ended yet.
    heard["sent_at"] = pd.to_datetime(heard["sent_at"], utc=True).clip(upper=pd.Timestamp(as_of))
    heard["debtor_id"] = [None if event["debtor_id"] is None else id_key(event["debtor_id"]) for event in events]
    people, person = set(heard["debtor_id"]), {account: id_key(owner) for account, owner in owners.items()}
    concerned = [row for row, name in enumerate(names) if person[name] in people]
    if not concerned:
        return {}
    columns = {name: accounts.values(name) for name in _FACTS}
    facts = [{**{name: columns[name][row] for name in _FACTS}, "debtor_id": person[names[row]]} for row in concerned]
    stated, _ = with_states(pd.DataFrame(facts, dtype=object), contacts=heard, as_of=as_of)
    changed: dict[int, dict[str, Any]] = {}
    for index, row in enumerate(concerned):
        balance = stated["balance_minor"].iloc[index]
        days = {name: stated[name].iloc[index] for name in EVENT_DAYS if name in stated}
        changed[row] = {
            "consented_channels": _words(stated["consented_channels"].iloc[index]),
            "flags": _words(stated["flags"].iloc[index]),
            "balance_minor": None if pd.isna(balance) else int(balance),
            **{name: None if pd.isna(value) else value for name, value in days.items()},
        }
    return changed


def _told_events(contacts: Columns, as_of: datetime) -> list[dict[str, Any]]:
    """Contacts that a caller tells of which something was heard that counts now."""
    names = ("account_id", "debtor_id", "sent_at", "channel", "outcome", "promise_date", "callback_at")
    rows = zip(contacts.values("status"), zip(*map(contacts.values, names), strict=True), strict=True)
    told = [dict(zip(names, row, strict=True)) for status, row in rows if row[4] is not None and status != "planned"]
    return [
        one
        for one in told
        if one["sent_at"] <= as_of or acts_when_told(one["outcome"], one["promise_date"], one["callback_at"])
    ]


def _words(value: Any) -> Any:
    """A list that was joined as in a table, as a list again: who asks as JSON reads no other."""
    return [one for one in value.split(";") if one] if isinstance(value, str) else value


def _event(
    account: str,
    at: datetime,
    channel: str | None,
    outcome: str,
    *,
    day: date | None = None,
    call: datetime | None = None,
) -> dict[str, Any]:
    """An event as a row of a contact history; texts where a plan keeps it beside its accounts as JSON."""
    event = {"account_id": account, "sent_at": at, "channel": channel, "outcome": outcome, "initiated_by": "creditor"}
    return event | {
        "promise_date": None if day is None else day.isoformat(),
        "callback_at": None if call is None else call.isoformat(),
    }
