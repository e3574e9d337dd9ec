"""Erasing one debtor reads its own rows and no others, and leaves nothing that was written meanwhile."""

from __future__ import annotations

import importlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    StaleStanding,
    Whose,
    debtor_export,
    decisions_page,
    migration,
)
from recommender.store.decision_log.database import open_engine
from recommender.store.decision_log.schema import (
    contact_events,
    decisions,
    erased_decisions,
    kept_states,
    offers,
    outcomes,
)
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


def kept_of_anybody(log: DecisionLog) -> list[Any]:
    """All rows that an erasure of everybody must have left empty."""
    with log.engine.connect() as connection:
        return [row for table in (*TABLES, offers, kept_states) for row in connection.execute(sa.select(table))]


@pytest.mark.parametrize("is_late", [False, True])
def test_what_is_told_of_an_erased_decision_is_not_kept(log: DecisionLog, decide: Decide, is_late: bool) -> None:
    """Its id would be all that is left of the debtor; others of the batch are kept, and whoever is named is heard."""
    log.record([made(decide, 1), made(decide, 2, "E")])
    log.record_outcomes([heard(1, "opt_out")])
    if is_late:
        retained(log, 30)
    log.erase(requested_by="desk", at=LATER, debtor_id="D")
    told = [heard(1, "paid", 3, amount_minor=5, currency="COP"), heard(1, "read", 4, replaces="x"), heard(2, "read", 3)]
    receipt = log.record_outcomes(told)
    assert (receipt.stored, receipt.repeated, receipt.orphans) == (1, 0, ("d00001",))
    assert [one.decision_id for one in log.orphans()] == (["d00002"] if is_late else [])
    assert words(log) == []
    receipt = log.record_outcomes([heard(1, "opt_out", 5)], owners={"d00001": Whose("A1", "D")})
    assert receipt.late == ("d00001",) and [word for _, word, _ in words(log)] == ["opt_out"]
    log.erase(requested_by="desk", at=LATER, debtor_id="D")
    log.erase(requested_by="desk", at=LATER, debtor_id="E")
    assert kept_of_anybody(log) == []


def test_retention_forgets_which_decisions_were_erased(log: DecisionLog, decide: Decide) -> None:
    """Not even a digest stays for longer than the log itself."""
    log.record([made(decide, 1)])
    log.erase(requested_by="desk", at=LATER, account_id="A1")
    with log.engine.connect() as connection:
        assert len(connection.execute(sa.select(erased_decisions)).all()) == 1
    log.purge(LATER + timedelta(days=1), requested_by="retention", at=LATER + timedelta(days=1))
    with log.engine.connect() as connection:
        assert connection.execute(sa.select(erased_decisions)).all() == []


@pytest.mark.parametrize("number", [0, 1])
def test_outcomes_that_are_told_late_while_a_debtor_is_erased_leave_nothing(
    empty_url: str, decide: Decide, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """An erasure waits for what is half told, of an account from before anybody said whose it is as well."""
    log_of_decisions = importlib.import_module(DecisionLog.__module__)
    check, half_told = log_of_decisions.refuse_false_corrections, threading.Barrier(2)

    def slowly(connection: sa.Connection, told: Any) -> None:
        half_told.wait(30)
        time.sleep(0.2)  # the erasure would be over by now
        check(connection, told)

    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other, ThreadPoolExecutor(1) as pool:
        unnamed = decide(0, account_id="A0", debtor_id="A0", action=0, ranking=())
        log.record([unnamed, decide(1, account_id="A0", debtor_id="D", action=0, ranking=())])
        log.record_outcomes([heard(0, "opt_out"), heard(1, "opt_out")])
        retained(log, 30)
        monkeypatch.setattr(log_of_decisions, "refuse_false_corrections", slowly)
        told = pool.submit(other.record_outcomes, [heard(number, "complaint", 31)])
        half_told.wait(30)
        log.erase(requested_by="desk", at=LATER, debtor_id="D")
        told.result(30)
        assert kept_of_anybody(log) == []
