"""The contact ledger: what is planned, sent or taken back for each debtor, whoever decided it, in whichever process.

A decision to contact reserves its contact at once; events say what became of it. Who decides next reads the debtor's
standing, decides, and writes under a lock of the debtor, provided that the standing is still the one that was read:
so no split of accounts into requests, workers or retries can plan more than one process would have.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from recommender.errors import RecommenderError
from recommender.intake import id_key, id_spellings
from recommender.store.decision_log.contact_event import TAKEN_BACK, state_event, state_of
from recommender.store.decision_log.named_locks import DEBTORS, hold_names
from recommender.store.decision_log.record_fields import utc_instant
from recommender.store.decision_log.rows import ALL_EVENTS, ALL_OUTCOMES, rows_of_ids
from recommender.store.decision_log.schema import Row, contact_events, decisions, kept_states, outcomes
from recommender.store.decision_log.standing import (
    ContactState,
    LedgerContact,
    LedgerOutcome,
    LiveDecision,
    Seen,
    Standing,
)

__all__ = [
    "StaleStanding",
    "kept_id",
    "known_debtors",
    "lock_debtors",
    "read_standing",
    "refuse_stale",
]

_WHOSE = sa.select(decisions.c.decision_id, decisions.c.debtor_id, decisions.c.account_id)
_TOLD = sa.select(contact_events.c.decision_id, contact_events.c.event_id)
_MADE = sa.select(
    decisions.c.decision_id, decisions.c.account_id, decisions.c.debtor_id, decisions.c.decided_at,
    decisions.c.contact_at, decisions.c.action_factors, decisions.c.purpose,
)  # fmt: skip
_NAMED = sa.select(
    decisions.c.account_id, decisions.c.debtor_id, decisions.c.decided_at, decisions.c.decision_id
).where(decisions.c.debtor_id != decisions.c.account_id)
_KEPT = sa.select(kept_states)
_KEPT_OWNERS = sa.select(
    kept_states.c.account_id, kept_states.c.debtor_id, kept_states.c.at, kept_states.c.state_id
).where(kept_states.c.kind == "owner")


class StaleStanding(RecommenderError):
    """Somebody decided about the same debtors meanwhile; nothing was written. Read their standing and decide again."""

    def __init__(self, debtors: Iterable[str]) -> None:
        self.debtors = tuple(sorted(debtors))
        super().__init__(
            f"{len(self.debtors)} debtor(s) were decided about by another request at the same time. Nothing of this "
            "batch was written; read their standing and decide again."
        )


def read_standing(
    connection: sa.Connection, debtors: Sequence[str], since: datetime, accounts: Mapping[str, str] | None = None
) -> Standing:
    """Everything decided about, sent to and heard from some debtors since an instant.

    Parameters
    ----------
    connection : Connection
    debtors : sequence of str
    since : datetime
        Contacts planned for earlier are left out; outcomes such as an opt-out never grow old.
    accounts : mapping of str to str, optional
        Debtor of each account: what was decided about the account counts for that debtor, whoever was named then.
    """
    moment = utc_instant("since", since)
    wanted = set(debtors)
    named, made, kept = _about(connection, debtors, accounts or {})
    ids = [row["decision_id"] for row in made]
    events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in rows_of_ids(connection, ALL_EVENTS, contact_events.c.decision_id, ids):
        events[event["decision_id"]].append(event)
    heard, in_log = _outcomes(connection, made, events)
    seen_debtors: dict[str, set[str]] = {debtor: set() for debtor in debtors}
    seen_accounts: dict[str, set[str]] = {account: set() for account in named}
    contacts: dict[str, list[LedgerContact]] = defaultdict(list)
    by_debtor: dict[str, list[LedgerOutcome]] = defaultdict(list)
    live: dict[str, list[LiveDecision]] = defaultdict(list)
    taken_back: dict[str, str] = {}
    for row in made:
        own = events[row["decision_id"]]
        read = {row["decision_id"], *(event["event_id"] for event in own)}
        seen_debtors.get(row["debtor_id"], set()).update(read)
        seen_accounts.get(row["account_id"], set()).update(read)
        last = state_event(own)
        if last is not None and last["kind"] in TAKEN_BACK:
            taken_back[row["decision_id"]] = last["kind"]
        else:
            live[row["account_id"]].append(
                LiveDecision(
                    row["decision_id"],
                    row["account_id"],
                    row["debtor_id"],
                    row["decided_at"],
                    state_of(own),
                    not own,
                    row["purpose"],
                )
            )
        contact = _contact(row, last, heard[row["decision_id"]])
        for debtor in {row["debtor_id"], named.get(row["account_id"], row["debtor_id"])} & wanted:
            if contact is not None and contact.at >= moment:
                contacts[debtor].append(replace(contact, debtor_id=debtor))
            by_debtor[debtor] += [replace(one, debtor_id=debtor) for one in heard[row["decision_id"]]]
    told = {kept_id(*one) for one in in_log} if kept else set()
    for row in kept:
        if row["state_id"] in told:  # kept before its decision was in the log
            continue
        for debtor in {row["debtor_id"], named.get(row["account_id"], row["debtor_id"])} & wanted:
            if row["kind"] == "heard":
                by_debtor[debtor].append(_kept_outcome(row, debtor))
            elif row["kind"] == "contact" and row["at"] >= moment:
                contacts[debtor].append(_kept_contact(row, debtor))
    seen = Seen(_frozen(seen_debtors), _frozen(seen_accounts))
    return Standing(_in_time(contacts, "at"), _in_time(by_debtor, "occurred_at"), dict(live), taken_back, seen)


def kept_id(decision_id: str, outcome_id: str) -> str:
    """Id of the row that keeps an outcome whose decision is not in the log."""
    digest = hashlib.sha256(f"{decision_id}\n{outcome_id}".encode()).hexdigest()
    return f"kept:{digest}"


def _in_time(by_debtor: Mapping[str, list[Any]], when: str) -> dict[str, list[Any]]:
    """Each debtor's, oldest first."""
    return {debtor: sorted(some, key=attrgetter(when, "decision_id")) for debtor, some in by_debtor.items()}


def _about(
    connection: sa.Connection, debtors: Sequence[str], accounts: Mapping[str, str]
) -> tuple[dict[str, str], list[Row], list[Row]]:
    """Debtor of each account that is known, decisions about debtors and accounts, and what was kept of older ones.

    An account that is known to be the debtor's counts for it, also under the name that it was first asked about.
    """
    named, wanted = dict(accounts), set(debtors)
    spelt = id_spellings([*debtors, *named])
    ids = list(spelt)
    rows = _as_asked(rows_of_ids(connection, _MADE, decisions.c.debtor_id, ids, decisions.c.account_id), spelt)
    kept = _as_asked(rows_of_ids(connection, _KEPT, kept_states.c.debtor_id, ids, kept_states.c.account_id), spelt)
    if not rows and not kept:
        return named, rows, kept
    for one in (*rows, *kept):
        if one["debtor_id"] in wanted:
            named.setdefault(one["account_id"], one["debtor_id"])
    if further := [account for account in named if account not in accounts]:
        spelt, ids = id_spellings([*debtors, *named]), list(id_spellings(further))
        rows += _as_asked(rows_of_ids(connection, _MADE, decisions.c.account_id, ids), spelt)
        kept += _as_asked(rows_of_ids(connection, _KEPT, kept_states.c.account_id, ids), spelt)
    made = {
        one["decision_id"]: one
        for one in rows
        if one["debtor_id"] in wanted or one["account_id"] in named  # a debtor may bear an account's name
    }
    return named, list(made.values()), list({one["state_id"]: one for one in kept}.values())


def _kept_outcome(row: Mapping[str, Any], debtor: str) -> LedgerOutcome:
    """An outcome whose decision retention deleted."""
    return LedgerOutcome(
        row["state_id"], row["account_id"], debtor, row["channel"], row["at"], row["outcome"], None, None,
        row["promise_date"], row["callback_at"],
    )  # fmt: skip


def _kept_contact(row: Mapping[str, Any], debtor: str) -> LedgerContact:
    """A contact whose decision retention deleted; it was sent as far as anybody knows."""
    heard = () if row["outcome"] is None else (_kept_outcome(row, debtor),)
    return LedgerContact(
        row["state_id"], row["account_id"], debtor, row["channel"], row["at"], "dispatched", heard, row["purpose"]
    )


def _as_asked(rows: Iterable[Row], spelt: Mapping[str, str]) -> list[Row]:
    """Rows with the ids of debtor and account as they were asked for: 00107 was decided about, 107 is asked."""
    return [
        {
            **row,
            "debtor_id": spelt.get(row["debtor_id"], row["debtor_id"]),
            "account_id": spelt.get(row["account_id"], row["account_id"]),
        }
        for row in rows
    ]


def _frozen(ids: Mapping[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(some) for name, some in ids.items()}


def _contact(
    row: Mapping[str, Any], last: Mapping[str, Any] | None, heard: Sequence[LedgerOutcome]
) -> LedgerContact | None:
    """The contact that a decision amounts to after its events; None where there is none."""
    channel, at = row["action_factors"].get("channel"), row["contact_at"] or row["decided_at"]
    state: ContactState = "reserved"
    if last is not None:
        if last["kind"] in TAKEN_BACK:
            return None
        if last["channel"] is not None or last["kind"] == "overridden" or last["action"] is not None:
            channel = last["channel"]
        if last["kind"] != "delivered":
            at, state = last["at"], last["kind"]
    if channel is None:
        return None
    return LedgerContact(
        row["decision_id"], row["account_id"], row["debtor_id"], str(channel), at, state, tuple(heard),
        row["purpose"] or "collection",
    )  # fmt: skip


def _outcomes(
    connection: sa.Connection,
    made: Sequence[Mapping[str, Any]],
    events: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[dict[str, list[LedgerOutcome]], list[tuple[str, str]]]:
    """Outcomes of some decisions that were not corrected, oldest first, of the channel that was really used.

    With them (decision, outcome) of all that the log holds, the corrected ones among them.
    """
    heard: dict[str, list[LedgerOutcome]] = defaultdict(list)
    about = {row["decision_id"]: row for row in made}
    rows = rows_of_ids(connection, ALL_OUTCOMES, outcomes.c.decision_id, list(about))
    replaced = {(row["decision_id"], row["replaces"]) for row in rows}
    for row in sorted(rows, key=lambda row: (row["occurred_at"], row["outcome_id"])):
        if (row["decision_id"], row["outcome_id"]) in replaced:
            continue
        decision = about[row["decision_id"]]
        last = state_event(events.get(row["decision_id"], ()))
        sent = None if last is None else last["channel"]
        channel = decision["action_factors"].get("channel") if sent is None else sent
        heard[row["decision_id"]].append(
            LedgerOutcome(
                row["decision_id"], decision["account_id"], decision["debtor_id"],
                None if channel is None else str(channel), row["occurred_at"], row["outcome"], row["amount_minor"],
                row["currency"], row["promise_date"], row["callback_at"], row["outcome_id"],
            )
        )  # fmt: skip
    return heard, [(row["decision_id"], row["outcome_id"]) for row in rows]


def lock_debtors(connection: sa.Connection, names: Iterable[str]) -> None:
    """Hold debtors and accounts until the transaction ends; a SQLite writer holds the whole log already."""
    hold_names(connection, map(id_key, names), DEBTORS)


def refuse_stale(connection: sa.Connection, seen: Seen, own: Iterable[str]) -> None:
    """Raise where a debtor's standing is no longer what was read.

    Parameters
    ----------
    connection : Connection
        In the transaction that will write, after :func:`lock_debtors`.
    seen : Seen
        As :attr:`Standing.seen`.
    own : iterable of str
        Decisions or events that are about to be written: to find them there is a repetition, not a surprise.

    Raises
    ------
    StaleStanding
    """
    mine = set(own)
    debtors: dict[str, set[str]] = {debtor: set() for debtor in seen.debtors}
    accounts: dict[str, set[str]] = {account: set() for account in seen.accounts}
    spelt = id_spellings([*debtors, *accounts])
    made = _as_asked(rows_of_ids(connection, _WHOSE, decisions.c.debtor_id, list(spelt), decisions.c.account_id), spelt)
    of = {row["decision_id"]: row for row in made}
    later = rows_of_ids(connection, _TOLD, contact_events.c.decision_id, list(of))
    for about, read in [(key, key) for key in of] + [(event["decision_id"], event["event_id"]) for event in later]:
        debtors.get(of[about]["debtor_id"], set()).add(read)
        accounts.get(of[about]["account_id"], set()).add(read)
    stale = {debtor for debtor, ids in debtors.items() if ids - mine != seen.debtors[debtor] - mine}
    stale |= {account for account, ids in accounts.items() if ids - mine != seen.accounts[account] - mine}
    if stale:
        raise StaleStanding(stale)


def known_debtors(connection: sa.Connection, accounts: Sequence[str]) -> dict[str, str]:
    """Debtor under whom each account was last decided about; accounts that were never named with one are left out."""
    spelt = id_spellings(accounts)
    made = rows_of_ids(connection, _NAMED, decisions.c.account_id, list(spelt))
    rows = [(row["decided_at"], row["decision_id"], row) for row in made]
    kept = rows_of_ids(connection, _KEPT_OWNERS, kept_states.c.account_id, list(spelt))
    rows += [(row["at"], row["state_id"], row) for row in kept]
    ordered = sorted(rows, key=lambda one: one[:2])
    return {spelt[row["account_id"]]: row["debtor_id"] for _, _, row in ordered}
