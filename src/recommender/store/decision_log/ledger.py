"""The contact ledger: what is planned, sent or taken back for each debtor, whoever decided it, in whichever process.

A decision to contact reserves its contact at once; events say what became of it. Who decides next reads the debtor's
standing, decides, and writes under a lock of the debtor, provided that the standing is still the one that was read:
so no split of accounts into requests, workers or retries can plan more than one process would have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import sqlalchemy as sa

from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log.record_fields import check_id, sha256_of, utc_instant
from recommender.store.decision_log.schema import contact_events, decisions, outcomes

__all__ = [
    "ContactEvent",
    "LedgerContact",
    "LedgerOutcome",
    "StaleStanding",
    "Standing",
    "lock_debtors",
    "read_standing",
    "refuse_stale",
]

ContactState = Literal["reserved", "dispatched", "overridden"]
EventKind = Literal["dispatched", "overridden", "cancelled", "expired", "undelivered"]
KINDS = ("dispatched", "overridden", "cancelled", "expired", "undelivered")
#: A contact with one of these as its last event did not and will not take place.
TAKEN_BACK = frozenset({"cancelled", "expired", "undelivered"})
_IDS_A_QUERY = 500


class StaleStanding(RecommenderError):
    """Somebody decided about the same debtors meanwhile; nothing was written. Read their standing and decide again."""

    def __init__(self, debtors: Iterable[str]) -> None:
        self.debtors = tuple(sorted(debtors))
        super().__init__(
            f"{len(self.debtors)} debtor(s) were decided about by another request at the same time. Nothing of this "
            "batch was written; read their standing and decide again."
        )


@dataclass(frozen=True, kw_only=True)
class ContactEvent:
    """What became of a planned contact.

    Attributes
    ----------
    decision_id, debtor_id : str
    kind : {"dispatched", "overridden", "cancelled", "expired", "undelivered"}
        ``overridden`` = something else was sent, of the engine's own choosing; ``undelivered`` = the decision never
        reached the caller.
    at : datetime
    channel : str or None
        What was really sent.
    reason : str or None
    propensity : float or None
        Probability of what was sent under the policy over what was left; None where it was not the policy's choice.
    event_id : str
        Default: digest of the above, so that the same event told twice counts once.
    """

    decision_id: str
    debtor_id: str
    kind: EventKind
    at: datetime
    channel: str | None = None
    reason: str | None = None
    propensity: float | None = None
    event_id: str = ""

    def __post_init__(self) -> None:
        """Check every field; fill in the key."""
        put = object.__setattr__.__get__(self)
        for name in ("decision_id", "debtor_id"):
            check_id(name, getattr(self, name))
        if self.kind not in KINDS:
            raise InvalidInput.in_column("kind", "is no event", values=[self.kind], mend=f"Use one of {list(KINDS)}.")
        put("at", utc_instant("at", self.at))
        if self.propensity is not None and not 0.0 < self.propensity <= 1.0:
            raise InvalidInput.in_column(
                "propensity", "must lie in (0, 1]", values=[self.propensity], mend="Log that of what was sent."
            )
        put("event_id", check_id("event_id", self.event_id or self.content_digest))

    @cached_property
    def content_digest(self) -> str:
        """SHA-256 of the content without the key."""
        return sha256_of(
            [self.decision_id, self.debtor_id, self.kind, self.at.isoformat(), self.channel, self.reason,
             self.propensity]
        )  # fmt: skip

    def to_row(self) -> dict[str, Any]:
        """Columns of the ``contact_events`` table."""
        names = (
            "event_id", "decision_id", "debtor_id", "kind", "at", "channel", "reason", "propensity", "content_digest",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


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
    """

    decision_id: str
    account_id: str
    debtor_id: str
    channel: str
    at: datetime
    state: ContactState
    outcomes: tuple[LedgerOutcome, ...] = ()


@dataclass(frozen=True)
class Standing:
    """What the ledger knows of some debtors.

    Attributes
    ----------
    contacts : dict of str to list of LedgerContact
        By debtor, oldest first.
    outcomes : dict of str to list of LedgerOutcome
        By debtor, oldest first.
    seen : dict of str to frozenset of str
        Ids of all that was read, by debtor: what :func:`refuse_stale` compares.
    """

    contacts: Mapping[str, list[LedgerContact]] = field(default_factory=dict)
    outcomes: Mapping[str, list[LedgerOutcome]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)


def read_standing(connection: sa.Connection, debtors: Sequence[str], since: datetime) -> Standing:
    """Everything decided about, sent to and heard from some debtors since an instant.

    Parameters
    ----------
    connection : Connection
    debtors : sequence of str
    since : datetime
        Contacts planned for earlier are left out; outcomes such as an opt-out never grow old.
    """
    moment = utc_instant("since", since)
    made = _by_ids(
        connection,
        sa.select(
            decisions.c.decision_id, decisions.c.account_id, decisions.c.debtor_id, decisions.c.decided_at,
            decisions.c.contact_at, decisions.c.action_factors,
        ),
        decisions.c.debtor_id,
        debtors,
    )  # fmt: skip
    happened = _by_ids(connection, sa.select(contact_events), contact_events.c.debtor_id, debtors)
    heard = _outcomes(connection, debtors, {row["decision_id"]: row for row in made})
    events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for event in sorted(happened, key=lambda row: (row["at"], row["event_id"])):
        events[event["decision_id"]].append(event)
    seen: dict[str, set[str]] = {debtor: set() for debtor in debtors}
    contacts: dict[str, list[LedgerContact]] = defaultdict(list)
    for row in made:
        seen[row["debtor_id"]].add(row["decision_id"])
        contact = _contact(row, events[row["decision_id"]], heard)
        if contact is not None and contact.at >= moment:
            contacts[row["debtor_id"]].append(contact)
    by_debtor: dict[str, list[LedgerOutcome]] = defaultdict(list)
    for outcome in heard:
        by_debtor[outcome.debtor_id].append(outcome)
    for event in happened:
        seen[event["debtor_id"]].add(event["event_id"])
    for found in contacts.values():
        found.sort(key=lambda contact: (contact.at, contact.decision_id))
    return Standing(dict(contacts), dict(by_debtor), {debtor: frozenset(ids) for debtor, ids in seen.items()})


def _contact(
    row: Mapping[str, Any], events: Sequence[Mapping[str, Any]], heard: Sequence[LedgerOutcome]
) -> LedgerContact | None:
    """The contact that a decision amounts to after its events; None where there is none."""
    last = events[-1] if events else None
    if last is not None and last["kind"] in TAKEN_BACK:
        return None
    channel = row["action_factors"].get("channel")
    if last is not None and last["kind"] == "overridden":
        channel = last["channel"]
    if channel is None:
        return None
    at = row["contact_at"] or row["decided_at"]
    if last is not None:
        at = last["at"]
    own = tuple(outcome for outcome in heard if outcome.decision_id == row["decision_id"])
    state: ContactState = "reserved" if last is None else last["kind"]
    return LedgerContact(row["decision_id"], row["account_id"], row["debtor_id"], str(channel), at, state, own)


def _outcomes(
    connection: sa.Connection, debtors: Sequence[str], made: Mapping[str, Mapping[str, Any]]
) -> list[LedgerOutcome]:
    query = sa.select(outcomes, decisions.c.debtor_id).join(
        decisions, decisions.c.decision_id == outcomes.c.decision_id
    )
    rows = _by_ids(connection, query, decisions.c.debtor_id, debtors)
    replaced = {row["replaces"] for row in rows if row["replaces"]}
    found = []
    for row in sorted(rows, key=lambda row: (row["occurred_at"], row["outcome_id"])):
        if row["outcome_id"] in replaced:
            continue
        about = made[row["decision_id"]]
        channel = about["action_factors"].get("channel")
        found.append(
            LedgerOutcome(
                row["decision_id"], about["account_id"], row["debtor_id"], None if channel is None else str(channel),
                row["occurred_at"], row["outcome"], row["amount_minor"], row["currency"],
            )
        )  # fmt: skip
    return found


def lock_debtors(connection: sa.Connection, debtors: Iterable[str]) -> None:
    """Hold the debtors until the transaction ends; a SQLite writer holds the whole log already."""
    if connection.dialect.name != "postgresql":
        return
    # One lock a debtor, in one order for everybody, so that two batches wait for each other instead of deadlocking.
    for debtor in sorted(set(debtors)):
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:debtor, 20))"), {"debtor": debtor})


def refuse_stale(connection: sa.Connection, seen: Mapping[str, frozenset[str]], own: Iterable[str]) -> None:
    """Raise where a debtor's standing is no longer what was read.

    Parameters
    ----------
    connection : Connection
        In the transaction that will write, after :func:`lock_debtors`.
    seen : mapping of str to frozenset of str
        As :attr:`Standing.seen`.
    own : iterable of str
        Decisions that are about to be written: to find them there is a repetition, not a surprise.

    Raises
    ------
    StaleStanding
    """
    mine = set(own)
    now: dict[str, set[str]] = {debtor: set() for debtor in seen}
    for table, key in ((decisions, decisions.c.decision_id), (contact_events, contact_events.c.event_id)):
        for row in _by_ids(connection, sa.select(table.c.debtor_id, key.label("id")), table.c.debtor_id, list(seen)):
            now[row["debtor_id"]].add(row["id"])
    if stale := [debtor for debtor, ids in now.items() if ids - mine != seen[debtor] - mine]:
        raise StaleStanding(stale)


def _by_ids(
    connection: sa.Connection, query: sa.Select[Any], key: sa.Column[Any], ids: Sequence[Hashable]
) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for start in range(0, len(ids), _IDS_A_QUERY):
        some = ids[start : start + _IDS_A_QUERY]
        rows.extend(dict(row) for row in connection.execute(query.where(key.in_(some))).mappings())
    return rows
