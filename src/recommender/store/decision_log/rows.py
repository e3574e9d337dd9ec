"""Records to table rows and back, and inserts that never change what is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput, RecommenderError
from recommender.store.decision_log.contact_event import ContactEvent
from recommender.store.decision_log.outcome_record import OutcomeRecord
from recommender.store.decision_log.record_fields import WrittenJson, unpack_eligible
from recommender.store.decision_log.records import DecisionRecord, Provenance, ShadowChoice
from recommender.store.decision_log.schema import (
    Row,
    UtcInstant,
    contact_events,
    decisions,
    outcomes,
    provenances,
)
from recommender.store.decision_log.statements import execute_many, rows_of

__all__ = [
    "ALL_EVENTS",
    "ALL_OUTCOMES",
    "DecisionConflict",
    "by_ids",
    "correction_chains",
    "decision_of",
    "insert_checked",
    "insert_events",
    "insert_new",
    "joined",
    "outcome_of",
    "rows_of_ids",
    "without_repeats",
]
ALL_EVENTS = sa.select(contact_events)
ALL_OUTCOMES = sa.select(outcomes)
_CORRECTIONS = sa.select(outcomes.c.outcome_id, outcomes.c.decision_id, outcomes.c.replaces)
_STEPS = sa.select(contact_events.c.decision_id, contact_events.c.step)
_Keyed = TypeVar("_Keyed", DecisionRecord, OutcomeRecord, ContactEvent)


class DecisionConflict(RecommenderError, ValueError):
    """A key that is already in the log was sent again with other content.

    Attributes
    ----------
    keys : tuple of str
        The decision or outcome ids at fault.
    """

    def __init__(self, kind: str, keys: Sequence[str]) -> None:
        self.kind = kind
        self.keys = tuple(keys)
        shown = ", ".join(repr(key) for key in self.keys[:5])
        super().__init__(
            f"{len(self.keys)} {kind}(s) with an id that is already logged with other content: {shown}. "
            f"Nothing of this batch was written. Send a new {kind} under a new id; what is logged is never changed."
        )


def insert_new(connection: sa.Connection, table: sa.Table, rows: list[Row]) -> int:
    """Insert the rows whose key is not there; how many these were."""
    key = next(iter(table.primary_key.columns))
    # In key order, so that writers of overlapping batches wait for each other instead of deadlocking.
    ordered = sorted(rows, key=lambda row: str(row[key.name]))
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(table).on_conflict_do_nothing().returning(key)
        return len(connection.execute(statement, ordered).all())
    text, values_of = _driver_insert(table, tuple(ordered[0]), connection.dialect)
    return execute_many(connection, text, values_of(ordered))


@lru_cache(maxsize=32)  # by identity: the tables are constants, and an engine has one dialect
def _driver_insert(
    table: sa.Table, names: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, Callable[[Sequence[Row]], list[tuple[Any, ...]]]]:
    """Statement of an insert and what makes its parameters of rows: writing a row must cost less than deciding it."""
    statement = sqlite.insert(table).values({name: sa.bindparam(name) for name in names}).on_conflict_do_nothing()
    text = str(statement.compile(dialect=dialect))
    kept = [column for column in table.c if column.name in names]
    processors = [
        (place, process)
        for place, column in enumerate(kept)
        if (process := _written_by(column.type, dialect)) is not None
    ]
    take = itemgetter(*(column.name for column in kept))

    def values_of(rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        columns: list[Iterable[Any]] = list(zip(*map(take, rows), strict=True))
        for place, process in processors:
            columns[place] = map(process, columns[place])
        return list(zip(*columns, strict=True))

    return text, values_of


def _written_by(kind: sa.types.TypeEngine[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """How a value of a column is given to SQLite's driver: as SQLAlchemy does, without its way there."""
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    if isinstance(kind, UtcInstant):
        return _instant_text
    if isinstance(kind, sa.JSON):
        assert process is not None, "JSON is always written"  # noqa: S101
        return partial(_json_text, process)
    return None if isinstance(kind, sa.Boolean | sa.LargeBinary) else process


@lru_cache(maxsize=4_096)
def _instant_text(instant: datetime | None) -> str | None:
    """UTC without its zone, as SQLAlchemy writes it."""
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise InvalidInput(
            f"An instant has no time zone; got {instant.isoformat()}.",
            column="instant",
            mend="Attach one, e.g. datetime(..., tzinfo=timezone.utc).",
        )
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _json_text(process: Callable[[Any], Any], value: Any) -> Any:
    return value.text if type(value) is WrittenJson else process(value)


def insert_checked(
    connection: sa.Connection,
    table: sa.Table,
    kind: str,
    rows: list[Row],
    older: Callable[[str], str] | None = None,
) -> int:
    """Insert what is new; raise where an id is there with other content.

    Parameters
    ----------
    connection : Connection
    table : Table
    kind : str
        What a row is, for the error.
    rows : list of dict
    older : callable (id) -> digest, optional
        Digest that the same content was kept under before.
    """
    stored = insert_new(connection, table, rows)
    if stored == len(rows):
        return stored
    key = next(iter(table.primary_key.columns))
    sent = {row[key.name]: row["content_digest"] for row in rows}
    held = by_ids(connection, key, list(sent), table.c.content_digest)
    logged = {row[key.name]: row["content_digest"] for row in held}
    # What is not there under its own key met another claim: the same account under the same request key.
    conflicts = [one for one, digest in sent.items() if logged.get(one) != digest]
    if older is not None:
        conflicts = [one for one in conflicts if logged.get(one) != older(one)]
    if conflicts:
        raise DecisionConflict(kind, conflicts)
    return stored


def by_ids(
    connection: sa.Connection, key: sa.Column[Any], ids: Sequence[Hashable], *columns: sa.Column[Any]
) -> list[Row]:
    """Rows of the given keys: the key itself, then these columns."""
    if not ids:
        return []
    return rows_of(connection, _picked(key, columns, connection.dialect.name), _parameter(connection, ids))


def rows_of_ids(
    connection: sa.Connection,
    query: sa.Select[Any],
    key: sa.Column[Any],
    ids: Sequence[Hashable],
    *more: sa.Column[Any],
) -> list[Row]:
    """Rows of a query whose key (or one of ``more``) is one of some ids."""
    if not ids:
        return []
    return rows_of(connection, _narrowed(query, (key, *more), connection.dialect.name), _parameter(connection, ids))


def _parameter(connection: sa.Connection, ids: Sequence[Hashable]) -> dict[str, Any]:
    listed = list(ids)
    return {"ids": listed if connection.dialect.name == "postgresql" else json.dumps(listed)}


def _is_one_of(key: sa.Column[Any], dialect: str) -> sa.ColumnElement[bool]:
    # One parameter however many ids: the statement is written, compiled and planned once.
    if dialect == "postgresql":
        return key == sa.any_(sa.bindparam("ids", type_=postgresql.ARRAY(sa.String)))
    listed = sa.func.json_each(sa.bindparam("ids", type_=sa.String)).table_valued("value", name="listed")
    return key.in_(sa.select(listed.c.value))


@lru_cache(maxsize=64)  # by identity: the statements are constants of the modules that ask
def _narrowed(query: sa.Select[Any], keys: tuple[sa.Column[Any], ...], dialect: str) -> sa.Select[Any]:
    return query.where(sa.or_(*(_is_one_of(key, dialect) for key in keys)))


@lru_cache(maxsize=64)
def _picked(key: sa.Column[Any], columns: tuple[sa.Column[Any], ...], dialect: str) -> sa.Select[Any]:
    return sa.select(key, *columns).where(_is_one_of(key, dialect))


def correction_chains(connection: sa.Connection, ids: Sequence[str]) -> list[Row]:
    """Outcomes of some ids, those that take their place, and what all of them took the place of, however far back.

    A chain may be as long as it likes, and may come back to itself: the database walks over each outcome once.
    """
    found = rows_of_ids(connection, _CORRECTIONS, outcomes.c.outcome_id, ids, outcomes.c.replaces)
    begun = [row["replaces"] for row in found if row["replaces"] is not None]
    if begun:
        found += rows_of(connection, _chains(connection.dialect.name), _parameter(connection, begun))
    return list({row["outcome_id"]: row for row in found}.values())


@lru_cache(maxsize=2)
def _chains(dialect: str) -> sa.Select[Any]:
    first = _CORRECTIONS.where(_is_one_of(outcomes.c.outcome_id, dialect)).cte("chain", recursive=True)
    before = outcomes.alias("before")
    further = sa.select(before.c.outcome_id, before.c.decision_id, before.c.replaces)
    return sa.select(first.union(further.join(first, before.c.outcome_id == first.c.replaces)))


def joined() -> sa.Select[Any]:
    """Select decisions with what they share."""
    shared = [column for column in provenances.c if column.name != "provenance_digest"]
    return sa.select(*decisions.c, *shared).join(provenances)


def decision_of(row: Mapping[Any, Any]) -> DecisionRecord:
    """Rebuild the record of a joined row; raise where it is not what was written."""
    space = ActionSpace.from_dict(row["action_space"])
    shadow = None
    if row["shadow_action"] is not None:
        shadow = ShadowChoice(
            action=row["shadow_action"],
            expected_reward=row["shadow_expected_reward"],
            policy_version=row["shadow_policy_version"],
        )
    names = (
        "decision_id", "account_id", "debtor_id", "decided_at", "action", "propensity", "context", "ranking",
        "request_key", "request_position", "contact_at", "fallback", "deterministic", "seed", "purpose",
    )  # fmt: skip
    versions = ("policy_version", "model_digest", "rule_packs", "holidays_version", "tzdata_version", "code_version")
    record = DecisionRecord(
        **{name: row[name] for name in names},
        eligible=unpack_eligible(row["eligible"], len(space)),
        provenance=Provenance(actions=space, **{name: row[name] for name in versions}),
        shadow=shadow,
    )
    if row["content_digest"] not in (record.content_digest, record.first_digest):
        raise RecommenderError(
            f"Decision {record.decision_id!r} was altered in the database after it was logged: its content no longer "
            "has the digest it was written with. Restore it from a backup."
        )
    return record


def outcome_of(row: Mapping[Any, Any]) -> OutcomeRecord:
    """Rebuild the record of a row."""
    names = (
        "decision_id", "occurred_at", "outcome", "amount_minor", "currency", "outcome_id", "replaces", "promise_date",
        "callback_at",
    )  # fmt: skip
    return OutcomeRecord(**{name: row[name] for name in names})


def insert_events(connection: sa.Connection, events: Mapping[str, ContactEvent], told_at: datetime | None) -> int:
    """Insert events as the next steps of their decisions; the lock of their debtors is held."""
    about = list(dict.fromkeys(event.decision_id for event in events.values()))
    step: dict[str, int] = {}
    for row in rows_of_ids(connection, _STEPS, contact_events.c.decision_id, about):
        step[row["decision_id"]] = max(step.get(row["decision_id"], 0), row["step"])
    rows = []
    for event in events.values():
        step[event.decision_id] = step.get(event.decision_id, 0) + 1
        rows.append(event.to_row() | {"step": step[event.decision_id], "told_at": told_at})
    return insert_checked(connection, contact_events, "event", rows)


def without_repeats(records: Iterable[_Keyed], kind: str, key_of: Any) -> dict[str, _Keyed]:
    """Records by key; the same content twice counts once, other content under the same key is a conflict."""
    batch: dict[str, _Keyed] = {}
    conflicts = []
    for record in records:
        key = key_of(record)
        first = batch.setdefault(key, record)
        if first is not record and first.content_digest != record.content_digest:
            conflicts.append(key)
    if conflicts:
        raise DecisionConflict(kind, conflicts)
    return batch
