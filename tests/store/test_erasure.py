"""Erasing one debtor reads its own rows and no others, and leaves nothing that was written meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    StaleStanding,
    debtor_export,
    decisions_page,
    migration,
)
from recommender.store.decision_log.database import open_engine
from recommender.store.decision_log.schema import contact_events, decisions, outcomes
from tests.store.test_kept_states import LATER, heard, made, retained, words

TABLES = (decisions, outcomes, contact_events)
Decide = Callable[..., DecisionRecord]


@contextmanager
def statements_of(engine: sa.Engine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement of an engine that names a table of the log, with its parameters."""
    made: list[tuple[str, Any]] = []

    def keep(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and any(f" {table.name}" in statement for table in TABLES):
            made.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", keep)
    try:
        yield made
    finally:
        sa.event.remove(engine, "before_cursor_execute", keep)


def tables_read_whole(engine: sa.Engine, statement: str, parameters: Any) -> list[str]:
    """What the database reads from end to end for a statement."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if not sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")  # what is read whole all the same has no index
        rows = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters).all()
        connection.rollback()
    found = [re.match(r"(?:SCAN|(?:->)?\s*Seq Scan on) (\w+)", str(row[-1]).strip()) for row in rows]
    return [one[1] for one in found if one is not None and one[1] != "listed"]


def test_an_erasure_reads_no_table_as_a_whole(log: DecisionLog, decide: Decide) -> None:
    """Nor do an export and a list of one debtor: each is as fast in a log of millions."""
    log.record([made(decide, one, f"D{one % 3}") for one in range(9)])
    retained(log, 5)
    log.record_outcomes([heard(one, "opt_out", 6) for one in range(9)])
    log.record([made(decide, one, f"D{one % 3}") for one in range(20, 29)])
    with statements_of(log.engine) as made_of:
        log.erase(requested_by="desk", at=LATER, debtor_id="D0")
        log.erase(requested_by="desk", at=LATER, account_id="A1")
        debtor_export(log, "D1")
        decisions_page(log, debtor_id="D1")
        decisions_page(log, account_id="A1")
    assert len(made_of) > 10
    whole = {one[0]: read for one in made_of if (read := tables_read_whole(log.engine, *one))}
    assert whole == {}


def test_orphans_from_before_they_could_be_found_by_index_are_erased(empty_url: str, decide: Decide) -> None:
    """The migration writes down whose they are."""
    with DecisionLog.create(empty_url) as log:
        log.record([made(decide, 1), made(decide, 2, "E"), made(decide, 3, "E")])
        retained(log, 5)
        log.record([made(decide, 4, "E")])
        log.record_outcomes([heard(one, "opt_out", 6) for one in (1, 2, 4)])
    engine = open_engine(empty_url)
    migration.downgrade(engine, "0011")
    DecisionLog.upgrade(empty_url)
    engine.dispose()
    with DecisionLog(empty_url) as log:
        assert log.erase(requested_by="desk", at=LATER, debtor_id="D").outcomes == 1
        assert log.count() == (1, 2) and [word for _, word, _ in words(log, "E")] == ["opt_out", "opt_out"]


def test_what_is_decided_while_a_debtor_is_erased_goes_as_a_whole_or_stays(empty_url: str, decide: Decide) -> None:
    """No event and no outcome is left of a decision that was erased."""
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other, ThreadPoolExecutor(2) as pool:
        for number in range(15):
            name, start = f"D{number}", threading.Barrier(2)
            log.record([made(decide, number, name)])
            seen = log.standing([name], LATER).seen

            def write(number: int = number, name: str = name, start: Any = start, seen: Any = seen) -> None:
                start.wait(30)
                other.record([made(decide, 100 + number, name)], seen=seen)

            written = pool.submit(write)
            start.wait(30)
            log.erase(requested_by="desk", at=LATER, debtor_id=name)
            trouble = written.exception()
            assert trouble is None or type(trouble).__name__ == "StaleStanding"
            log.erase(requested_by="desk", at=LATER, debtor_id=name)
        with log.engine.connect() as connection:
            for table in TABLES:
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_no_event_is_written_of_a_decision_that_was_erased(log: DecisionLog, decide: Decide) -> None:
    """It would name the debtor: who judged before the erasure is told to judge again, and what failed is let go."""
    log.record([made(decide, 1), made(decide, 2, "E")])
    sent = [
        ContactEvent(decision_id=f"d{one:05d}", debtor_id=who, event_id=f"e{one}", kind=kind, at=LATER)
        for one, who, kind in ((1, "D", "undelivered"), (2, "E", "undelivered"))
    ]
    log.erase(requested_by="desk", at=LATER, debtor_id="D")
    with pytest.raises(StaleStanding):
        log.record_events(sent)
    with pytest.raises(StaleStanding):
        log.record([made(decide, 3, "E")], events=sent[:1])
    assert log.count() == (1, 0) and log.events_of(["d00001", "d00002"]) == {}
    assert log.record_undelivered(sent) == 1 and list(log.events_of(["d00001", "d00002"])) == ["d00002"]
