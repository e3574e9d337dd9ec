"""Locks by name that last as long as a transaction: who writes about the same thing waits."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

__all__ = ["DEBTORS", "OUTCOMES", "hold_names"]

DEBTORS, OUTCOMES = 20, 22  # what the names are of: seeds of the locks' numbers

_IDS_A_QUERY = 500
_MOST_LOCKS = 2_000
_WHOLE = sa.text("SELECT pg_advisory_xact_lock(:space)")
_SHARED = sa.text("SELECT pg_advisory_xact_lock_shared(:space)")
_EACH = sa.text(
    "SELECT pg_advisory_xact_lock(hashtextextended(name, :space)) FROM unnest(CAST(:names AS text[])) "
    "WITH ORDINALITY AS t(name, position) ORDER BY position"
)


def hold_names(connection: sa.Connection, names: Iterable[str], space: int) -> None:
    """Hold some names until the transaction ends; a SQLite writer holds the whole log already."""
    if connection.dialect.name != "postgresql":
        return
    # One order for everybody, so that two batches wait for each other instead of deadlocking.
    ordered = sorted(set(names))
    if not ordered:
        return
    # A server holds some thousand locks in all: who wants many holds the log as a whole, the others share it.
    if len(ordered) > _MOST_LOCKS:
        connection.execute(_WHOLE, {"space": space})
        return
    connection.execute(_SHARED, {"space": space})
    for start in range(0, len(ordered), _IDS_A_QUERY):
        connection.execute(_EACH, {"space": space, "names": ordered[start : start + _IDS_A_QUERY]})
