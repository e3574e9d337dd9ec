"""Reading the log as a person asks: page by page, and everything about one debtor."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from recommender.errors import InvalidInput
from recommender.store.decision_log.contact_event import state_of
from recommender.store.decision_log.decisions import DecisionLog
from recommender.store.decision_log.log_reading import decided_within
from recommender.store.decision_log.record_fields import WrittenJson, sha256_of, utc_instant
from recommender.store.decision_log.records import DecisionRecord
from recommender.store.decision_log.removing import of_account, of_debtor
from recommender.store.decision_log.rows import ALL_EVENTS, ALL_OUTCOMES, decision_of, joined, outcome_of, rows_of_ids
from recommender.store.decision_log.schema import Row, contact_events, decisions, kept_states, outcomes

__all__ = ["DecisionPage", "debtor_export", "decisions_page"]

_KEPT = sa.select(kept_states).order_by(kept_states.c.at, kept_states.c.state_id)


@dataclass(frozen=True)
class DecisionPage:
    """Some decisions, newest first.

    Attributes
    ----------
    decisions : list of (DecisionRecord, list of dict)
        Each with its rows of ``contact_events``.
    next_cursor : str or None
        Where the next page begins; None after the last one.
    """

    decisions: list[tuple[DecisionRecord, list[Row]]]
    next_cursor: str | None


def decisions_page(
    log: DecisionLog,
    *,
    account_id: str | None = None,
    debtor_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    segment: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> DecisionPage:
    """Decisions of ``since <= decided_at < until``, newest first.

    Parameters
    ----------
    log : DecisionLog
    account_id, debtor_id : str, optional
    since, until : datetime, optional
        With a time zone.
    segment : str, optional
        Of the account when the decision was made: letters, digits and hyphens.
    cursor : str, optional
        Of the page before.
    limit : int, default=100

    Raises
    ------
    InvalidInput
        For a cursor that is none, or of a list that was asked for otherwise.
    """
    asked = _digest_of(account_id, debtor_id, since, until, segment)
    query = joined().order_by(decisions.c.decided_at.desc(), decisions.c.decision_id.desc()).limit(limit + 1)
    query = query.where(decided_within(since, until))
    if account_id is not None:
        query = query.where(of_account(account_id))
    if segment is not None:  # JSON is written without blanks
        written = sa.cast(decisions.c.ranking, sa.String)
        query = query.where(written.contains(f'"segment":{json.dumps(segment)}', autoescape=True))
    if cursor is not None:
        moment, last = _read_cursor(cursor, asked)
        key = sa.tuple_(decisions.c.decided_at, decisions.c.decision_id)
        query = query.where(
            key
            < sa.tuple_(
                sa.bindparam("cursor_at", moment, decisions.c.decided_at.type),
                sa.bindparam("cursor_id", last, decisions.c.decision_id.type),
            )
        )
    with log.engine.connect() as connection:
        if debtor_id is not None:
            query = query.where(of_debtor(connection, debtor_id))
        records = [decision_of(row) for row in connection.execute(query).mappings()]
    shown = records[:limit]
    events = log.events_of([record.decision_id for record in shown])
    return DecisionPage(
        [(record, events.get(record.decision_id, [])) for record in shown],
        _cursor(shown[-1], asked) if len(records) > limit else None,
    )


def debtor_export(log: DecisionLog, debtor_id: str) -> dict[str, Any]:
    """Everything that the log holds about one debtor, as plain values (a data subject's request).

    Returns
    -------
    dict
        ``debtor_id``, ``decisions`` oldest first, each with its ``events``, ``outcomes`` and ``state``, and
        ``kept_states``: what still acts of decisions that retention deleted.
    """
    with log.engine.connect() as connection:
        query = joined().where(of_debtor(connection, debtor_id))
        query = query.order_by(decisions.c.decided_at, decisions.c.decision_id)
        records = [decision_of(row) for row in connection.execute(query).mappings()]
        ids = [record.decision_id for record in records]
        events = rows_of_ids(connection, ALL_EVENTS, contact_events.c.decision_id, ids)
        heard = rows_of_ids(connection, ALL_OUTCOMES, outcomes.c.decision_id, ids)
        of_kept = _KEPT.where(of_debtor(connection, debtor_id, kept_states))
        kept = [dict(row) for row in connection.execute(of_kept).mappings()]
    entries = []
    for record in records:
        own = sorted((row for row in events if row["decision_id"] == record.decision_id), key=_order)
        entries.append(
            {
                **{name: value for name, value in record.to_row().items() if name != "eligible"},
                "eligible": record.eligible.nonzero()[0].tolist(),
                "state": state_of(own),
                "events": [{name: value for name, value in event.items() if name != "eligible"} for event in own],
                "outcomes": [outcome_of(row).to_row() for row in heard if row["decision_id"] == record.decision_id],
            }
        )
    plain: dict[str, Any] = json.loads(
        json.dumps({"debtor_id": debtor_id, "decisions": entries, "kept_states": kept}, default=_plain)
    )
    return plain


def _order(event: Row) -> tuple[Any, ...]:
    return event["step"], event["at"], event["event_id"]


def _plain(value: Any) -> Any:
    if isinstance(value, WrittenJson):
        return json.loads(value.text)
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _digest_of(
    account_id: str | None, debtor_id: str | None, since: datetime | None, until: datetime | None, segment: str | None
) -> str:
    """What a list was asked for: a page of another one would leave decisions out and not say so."""
    instants = [None if one is None else utc_instant("since", one).isoformat() for one in (since, until)]
    return sha256_of([account_id, debtor_id, *instants, segment])[:16]


def _cursor(record: DecisionRecord, asked: str) -> str:
    text = f"{asked}|{record.decided_at.isoformat()}|{record.decision_id}"
    return base64.urlsafe_b64encode(text.encode()).decode()


def _read_cursor(cursor: str, asked: str) -> tuple[datetime, str]:
    try:
        own, _, place = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        moment, _, last = place.partition("|")
        instant = datetime.fromisoformat(moment)
    except (ValueError, binascii.Error) as error:
        raise InvalidInput("The cursor cannot be read.", column="cursor", mend="Take next_cursor of a page.") from error
    if instant.tzinfo is None or not last or "\x00" in last:
        raise InvalidInput("The cursor cannot be read.", column="cursor", mend="Take next_cursor of a page.")
    if own != asked:
        raise InvalidInput(
            "The cursor is of a list with other filters.", column="cursor", mend="Ask for every page of a list alike."
        )
    return instant, last
