"""Outcomes of decisions that the log no longer holds: what was heard acts on the debtor all the same.

Retention deletes decisions; an opt-out that follows is as much of one. What was kept of a decision tells whose it was
by a digest of its id; where nothing was kept, who tells the outcome may say whose account it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from recommender.store.decision_log.known import counted_as, furthest_rung
from recommender.store.decision_log.ledger import kept_id, known_debtors, lock_debtors
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.rows import ALL_OUTCOMES, by_ids, insert_new, rows_of_ids
from recommender.store.decision_log.schema import Row, decisions, erased_decisions, kept_states, outcomes

__all__ = ["Whose", "erased_among", "hold_decisions", "hold_late", "keep_late", "source_of", "whose_are"]

_HELD = sa.select(decisions.c.decision_id).with_for_update(read=True, key_share=True)
_KEPT = sa.select(kept_states)


@dataclass(frozen=True)
class Whose:
    """Account and debtor of a decision; one of them may be unknown."""

    account_id: str | None
    debtor_id: str | None = None


def source_of(decision_id: str) -> str:
    """Digest of a decision's id, by which what was kept of it is found."""
    return hashlib.sha256(f"decision\n{decision_id}".encode()).hexdigest()


def hold_decisions(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Those of some decisions that the log holds; none of them is removed before the transaction ends."""
    return {row["decision_id"] for row in rows_of_ids(connection, _HELD, decisions.c.decision_id, ids)}


def hold_late(connection: sa.Connection, ids: Sequence[str], owners: Mapping[str, Whose]) -> None:
    """Hold the debtors of those of some decisions that the log does not hold: an erasure comes before, or after.

    Taken before any row is held, as an erasure takes them.
    """
    there = {row["decision_id"] for row in by_ids(connection, decisions.c.decision_id, ids)}
    absent = [one for one in ids if one not in there]
    if not absent:
        return
    known = {one: owners[one] for one in absent if one in owners} | whose_are(connection, absent)
    names = {name for one in known.values() for name in (one.account_id, one.debtor_id) if name is not None}
    lock_debtors(connection, names)


def erased_among(connection: sa.Connection, ids: Collection[str]) -> set[str]:
    """Those of some decisions that were erased, or of which retention kept nothing: nothing more is kept of them."""
    sources = {source_of(one): one for one in ids}
    return {sources[row["source"]] for row in by_ids(connection, erased_decisions.c.source, list(sources))}


def whose_are(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Whose]:
    """Account and debtor of some decisions as log and kept states know them; unknown ones are left out."""
    columns = decisions.c.account_id, decisions.c.debtor_id
    found = {
        row["decision_id"]: Whose(row["account_id"], row["debtor_id"])
        for row in by_ids(connection, decisions.c.decision_id, ids, *columns)
    }
    gone = {source_of(one): one for one in ids if one not in found}
    kept = rows_of_ids(connection, _KEPT, kept_states.c.source, list(gone))
    return found | {gone[row["source"]]: Whose(row["account_id"], row["debtor_id"]) for row in kept}


def keep_late(
    connection: sa.Connection, told: Collection[OutcomeRecord], unknown: Sequence[str], owners: Mapping[str, Whose]
) -> set[str]:
    """Write what was heard after decisions that are not in the log to their debtors.

    Parameters
    ----------
    connection : Connection
        In the transaction that wrote the outcomes.
    told : collection of OutcomeRecord
    unknown : sequence of str
        Decisions that the log does not hold.
    owners : mapping of str to Whose
        Account and debtor of decisions as their outcomes tell them; what was kept goes before.

    Returns
    -------
    set of str
        Decisions whose debtor is known; the others' outcomes act on nobody.
    """
    sources = {source_of(one): one for one in unknown}
    of: dict[str, list[Row]] = {}
    for row in rows_of_ids(connection, _KEPT, kept_states.c.source, list(sources)):
        of.setdefault(sources[row["source"]], []).append(row)
    known = {one: (rows[0]["account_id"], rows[0]["debtor_id"], rows[0]["channel"]) for one, rows in of.items()}
    known |= _as_told(connection, {one: owners[one] for one in unknown if one not in known and one in owners})
    if not known:
        return set()
    heard = rows_of_ids(connection, ALL_OUTCOMES, outcomes.c.decision_id, list(known))
    corrected = {(row["decision_id"], row["replaces"]) for row in heard if row["replaces"] is not None}
    gone = [kept_id(*one) for one in sorted(corrected)]
    connection.execute(sa.delete(kept_states).where(kept_states.c.state_id.in_(gone)))
    standing = [one for one in told if one.decision_id in known and (one.decision_id, one.outcome_id) not in corrected]
    if standing:
        insert_new(connection, kept_states, [_row(one, *known[one.decision_id]) for one in standing])
    for decision_id, rows in of.items():
        mine = [row for row in heard if row["decision_id"] == decision_id]
        words = [row["outcome"] for row in mine if (decision_id, row["outcome_id"]) not in corrected]
        _raise_contacts(connection, rows, words)
    return set(known)


def _as_told(connection: sa.Connection, told: Mapping[str, Whose]) -> dict[str, tuple[str, str, str | None]]:
    """Account, debtor and (unknown) channel of decisions by what was told of them."""
    unnamed = [one.account_id for one in told.values() if one.account_id is not None and one.debtor_id is None]
    debtors = known_debtors(connection, unnamed) if unnamed else {}
    whose: dict[str, tuple[str, str, str | None]] = {}
    for decision_id, one in told.items():
        account = one.account_id or one.debtor_id
        if account is not None:
            whose[decision_id] = account, one.debtor_id or debtors.get(account, account), None
    return whose


def _row(one: OutcomeRecord, account: str, debtor: str, channel: str | None) -> Row:
    return {
        "state_id": kept_id(one.decision_id, str(one.outcome_id)), "account_id": account, "debtor_id": debtor,
        "kind": "heard", "at": one.occurred_at, "channel": channel, "outcome": one.outcome,
        "promise_date": one.promise_date, "callback_at": one.callback_at, "source": source_of(one.decision_id),
        "purpose": None,
    }  # fmt: skip


def _raise_contacts(connection: sa.Connection, kept: Sequence[Row], words: Sequence[str]) -> None:
    """Count the kept contact of a decision as what came of it says."""
    for row in kept:
        if row["kind"] != "contact":
            continue
        furthest = furthest_rung(rung for rung in (row["outcome"], *map(counted_as, words)) if rung is not None)
        if furthest != row["outcome"]:
            here = kept_states.c.state_id == row["state_id"]
            connection.execute(sa.update(kept_states).where(here).values(outcome=furthest))
