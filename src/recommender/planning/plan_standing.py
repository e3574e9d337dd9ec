"""What the decision log knows of the debtors of a chunk, read once when a plan begins and kept beside its accounts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.intake import FAILED, SAME_CONTACT_US, canonical_word
from recommender.store.decision_log import (
    REACH,
    DecisionLog,
    Seen,
    heard_events,
    ledger_contacts,
    not_told_twice,
    told_purposes,
    with_purposes,
)

__all__ = ["ChunkStanding", "read_chunk_standing"]

_SAME_FAILURE = pd.Timedelta(SAME_CONTACT_US, "us")
#: Columns that what was heard needs, whether the history has them or not.
_OF_EVENTS = ("outcome", "initiated_by", "status", "promise_date", "callback_at")


@dataclass(frozen=True)
class ChunkStanding:
    """Contacts planned or sent, what was heard, and all that was read.

    Attributes
    ----------
    contacts : list of dict
        As in a contact history; those that the history tells too are left out.
    heard : list of dict
        Events that make states (an opt-out, a promise), one an account that it concerns.
    seen : Seen
        What must be unchanged when the decisions are written.
    purposes : list of (account, channel, moment, purpose)
        What contacts of the ledger were for: those among them that the history tells, too, say it nowhere else.
    """

    contacts: list[dict[str, Any]] = field(default_factory=list)
    heard: list[dict[str, Any]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    purposes: list[tuple[str, str, datetime, str]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        seen = {name: {key: sorted(ids) for key, ids in vars(self.seen)[name].items()} for name in vars(self.seen)}
        stored = {"contacts": self.contacts, "heard": self.heard, "seen": seen, "purposes": self.purposes}
        path.write_text(json.dumps(stored, default=datetime.isoformat), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> ChunkStanding:
        """Inverse of :meth:`save`."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        for row in (*stored["contacts"], *stored["heard"]):
            row["sent_at"] = datetime.fromisoformat(row["sent_at"])
        seen = {name: {key: frozenset(ids) for key, ids in by_kind.items()} for name, by_kind in stored["seen"].items()}
        purposes = [(*one[:2], datetime.fromisoformat(one[2]), one[3]) for one in stored["purposes"]]
        return cls(stored["contacts"], stored["heard"], Seen(**seen), purposes)

    def with_contacts(self, known: pd.DataFrame | None) -> pd.DataFrame | None:
        """A history with the ledger's contacts; an unknown one stays unknown."""
        known = self._purposed(known)
        return known if known is None or not self.contacts else _joined(known, self.contacts)

    def _purposed(self, known: pd.DataFrame | None) -> pd.DataFrame | None:
        """A history whose contacts say what they were for where the ledger knows it and they do not."""
        if known is None or not self.purposes or not len(known):
            return known
        purposes: dict[tuple[str, str], list[tuple[datetime, str]]] = {}
        for account, channel, at, purpose in self.purposes:
            purposes.setdefault((account, channel), []).append((at, purpose))
        names = known["account_id"].astype("str")
        mine = names.isin({account for account, _ in purposes}).to_numpy() & known["sent_at"].notna().to_numpy()
        told = known["purpose"].astype(object) if "purpose" in known else pd.Series(None, known.index, dtype=object)
        rows = known.loc[mine].assign(account_id=names[mine], purpose=told[mine].where(told[mine].notna(), None))
        cells = told.to_numpy(copy=True)
        cells[mine] = [one.get("purpose") for one in with_purposes(rows.to_dict("records"), purposes)]
        return known.assign(purpose=pd.Series(cells, known.index, dtype=object))

    def with_heard(self, known: pd.DataFrame | None, outcomes: pd.DataFrame | None = None) -> pd.DataFrame | None:
        """Contacts from which states are made, with what was heard; None where nothing is known at all.

        A failure that ``outcomes``, a table of its own, tells of a contact is no second one.
        """
        if not self.heard:
            return known
        heard = self.heard
        if known is not None and any(event["outcome"] in FAILED for event in heard):
            beside = known.loc[_fails(known["outcome"])] if "outcome" in known else known.iloc[:0]
            heard = not_told_twice(heard, [*beside.to_dict("records"), *_failures_in(outcomes, known)])
        return known if not heard else _joined(known, [row | {"status": "sent"} for row in heard])


def read_chunk_standing(
    log: DecisionLog,
    accounts: pd.DataFrame,
    contacts: pd.DataFrame | None,
    as_of: datetime,
    own: Iterable[str],
) -> ChunkStanding:
    """Ask the log about the debtors of some accounts.

    Parameters
    ----------
    log : DecisionLog
    accounts : DataFrame
    contacts : DataFrame or None
        History as the tables tell it.
    as_of : aware datetime
        What was heard later is known now: it counts as heard then.
    own : iterable of str
        Ids that the plan gives to its own decisions: made again, they do not stand in their own way.
    """
    names = accounts["account_id"].astype("str").tolist()
    debtors: list[Any] = accounts["debtor_id"].tolist() if "debtor_id" in accounts.columns else [None] * len(names)
    owners = {
        name: name if debtor is None or pd.isna(debtor) else str(debtor)
        for name, debtor in zip(names, debtors, strict=True)
    }
    standing = log.standing(owners.values(), as_of - REACH, owners)
    history = [] if contacts is None or not standing.contacts else _candidates_of(contacts, standing.contacts.values())
    left = set(own)
    planned = [row for rows in ledger_contacts(standing, history, left).values() for row in rows]
    heard = heard_events(owners, standing.outcomes)
    for event in heard:
        event["sent_at"] = min(event["sent_at"], as_of)
    taken = {debtor: [one for one in some if one.decision_id not in left] for debtor, some in standing.contacts.items()}
    purposes = [
        (account, channel, at, purpose)
        for (account, channel), some in told_purposes(replace(standing, contacts=taken)).items()
        for at, purpose in some
        if purpose != "collection"
    ]
    return ChunkStanding(planned, heard, standing.seen, purposes)


def _candidates_of(contacts: pd.DataFrame, known: Iterable[Iterable[Any]]) -> list[dict[str, Any]]:
    """Contacts of the history that may be one of the ledger's."""
    names = {contact.account_id for some in known for contact in some}
    mine = contacts.loc[contacts["account_id"].astype("str").isin(names) & contacts["sent_at"].notna()]
    channels = mine["channel"].tolist() if "channel" in mine.columns else [None] * len(mine)
    return [
        {"account_id": str(account), "channel": channel, "sent_at": at.to_pydatetime()}
        for account, channel, at in zip(mine["account_id"], channels, mine["sent_at"], strict=True)
    ]


def _failures_in(outcomes: pd.DataFrame | None, known: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Failed contacts that a table of outcomes tells and the history itself does not."""
    if outcomes is None or known is None or not {"contact_id", "channel"} <= {*known.columns}:
        return []
    if not {"contact_id", "outcome", "occurred_at"} <= {*outcomes.columns}:
        return []
    failures = outcomes.loc[_fails(outcomes["outcome"]), ["contact_id", "outcome", "occurred_at"]].dropna()
    failures = failures.sort_values("occurred_at", kind="stable")
    again = failures.groupby("contact_id")["occurred_at"].diff() < _SAME_FAILURE
    silent = known if "outcome" not in known else known.loc[~_fails(known["outcome"])]
    told = failures.loc[~again].astype({"contact_id": object}).rename(columns={"occurred_at": "sent_at"})
    sent = silent[["contact_id", "account_id", "channel"]].astype({"contact_id": object})
    rows: list[dict[str, Any]] = sent.merge(told, on="contact_id").to_dict("records")
    return rows


def _fails(words: pd.Series) -> NDArray[np.bool_]:
    failing = [word for word in words.dropna().unique() if canonical_word("outcome", word) in FAILED]
    return np.asarray(words.isin(failing), dtype=bool)


def _joined(known: pd.DataFrame | None, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of a history below those that it holds."""
    more = pd.DataFrame(rows)
    more["sent_at"] = pd.to_datetime(more["sent_at"], utc=True).dt.as_unit("us")
    if known is None or not len(known):
        return more
    wanted = [name for name in more.columns if name in known.columns or name in _OF_EVENTS]
    widened = known.assign(**{name: np.full(len(known), None, dtype=object) for name in wanted if name not in known})
    columns = {
        name: widened[name].tolist() + (more[name].tolist() if name in wanted else [None] * len(more))
        for name in widened
    }
    joined = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})
    return joined.assign(sent_at=pd.to_datetime(joined["sent_at"], utc=True).dt.as_unit("us")).infer_objects()
