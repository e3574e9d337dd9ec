"""Outcomes that come after their decision was deleted act on the debtor, where it is known whose they are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import Any

import sqlalchemy as sa

from recommender.store.decision_log import (
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    Whose,
    debtor_export,
    stopped_ids,
)
from recommender.store.decision_log.schema import contact_events, decisions, kept_states, offers, outcomes
from tests.store.conftest import NOON
from tests.store.test_kept_states import DAY, LATER, YEAR, heard, made, retained, rows, words

Decide = Callable[..., DecisionRecord]


def test_a_late_opt_out_of_a_deleted_decision_stops_its_debtor(log: DecisionLog, decide: Decide) -> None:
    """Found by what was kept of the contact; told again it changes nothing, and the next purge keeps it."""
    log.record([made(decide, 1), made(decide, 2, "E")])
    retained(log, 5)
    told = [heard(1, "opt_out", 6), heard(1, "read", 6)]
    first = log.record_outcomes(told)
    assert (first.stored, first.orphans, first.late) == (2, (), ("d00001",))
    again = log.record_outcomes(told)
    assert (again.stored, again.repeated, again.late) == (0, 2, ("d00001",))
    assert [word for _, word, _ in words(log)] == ["opt_out", "read"] and words(log, "E") == []
    assert {one.channel for one in log.standing(["D"], NOON - YEAR).outcomes["D"]} == {"call"}
    retained(log, 30)
    assert [word for _, word, _ in words(log)] == ["opt_out"]
    retained(log, 500)
    assert [word for _, word, _ in words(log)] == ["opt_out"]
    assert log.record_outcomes([heard(1, "complaint", 501)]).late == ("d00001",)  # the opt-out tells whose it was


def test_how_far_a_kept_contact_got_is_what_is_heard_late(log: DecisionLog, decide: Decide) -> None:
    log.record([made(decide, 1)])
    log.record_outcomes([heard(1, "delivered")])
    retained(log, 5)

    def rungs() -> list[str]:
        (contact,) = log.standing(["D"], NOON - YEAR).contacts["D"]
        return [one.outcome for one in contact.outcomes]

    assert rungs() == ["delivered"]
    log.record_outcomes([heard(1, "not_connected", 6, outcome_id="n")])
    assert rungs() == ["delivered"]
    log.record_outcomes([heard(1, "right_party_contact", 7)])
    assert rungs() == ["live_contact"]


def test_what_was_corrected_when_it_was_told_lifts_no_kept_contact(log: DecisionLog, decide: Decide) -> None:
    """A conversation that was none, with its correction, in one message: the contact got as far as it had."""
    log.record([made(decide, 1)])
    log.record_outcomes([heard(1, "delivered")])
    retained(log, 5)
    told = [heard(1, "right_party_contact", 6, outcome_id="x"), heard(1, "not_connected", 7, replaces="x")]
    for _ in range(2):
        log.record_outcomes(told)
        (contact,) = log.standing(["D"], NOON - YEAR).contacts["D"]
        assert [one.outcome for one in contact.outcomes] == ["delivered"]


def test_corrections_reach_what_was_kept(log: DecisionLog, decide: Decide) -> None:
    """Of an outcome that was told late, and of one that went with its decision; told again it stays corrected."""
    log.record([made(decide, 1), made(decide, 2)])
    log.record_outcomes([heard(1, "opt_out", outcome_id="before")])
    retained(log, 5)
    late = heard(2, "opt_out", 6, outcome_id="late")
    log.record_outcomes([late])
    assert [word for _, word, _ in words(log)] == ["opt_out", "opt_out"]
    log.record_outcomes([heard(2, "delivered", 7, replaces="late"), heard(1, "delivered", 7, replaces="before")])
    assert [word for _, word, _ in words(log)] == ["delivered", "delivered"]
    log.record_outcomes([late])
    assert [word for _, word, _ in words(log)] == ["delivered", "delivered"]


def test_where_nothing_is_known_the_account_that_is_told_acts_or_the_outcome_is_reported(
    log: DecisionLog, decide: Decide
) -> None:
    """With the debtor that is told, or that the log knows; what was kept goes before what is told."""
    log.record([made(decide, 1), made(decide, 7, "F", decided_at=NOON + 20 * DAY)])
    retained(log, 5)
    told = [heard(one, "opt_out", 6) for one in (1, 3, 4, 5, 6)]
    owners = {
        "d00001": Whose("OTHER", "OTHER"), "d00003": Whose("A3", "E"), "d00004": Whose("A7"),
        "d00005": Whose(None, "G"),
    }  # fmt: skip
    receipt = log.record_outcomes(told, owners=owners)
    assert receipt.orphans == ("d00006",) and set(receipt.late) == {f"d0000{one}" for one in (1, 3, 4, 5)}
    assert [words(log, name)[0][:2] for name in "DEFG"] == [
        ("A1", "opt_out"), ("A3", "opt_out"), ("A7", "opt_out"), ("G", "opt_out"),
    ]  # fmt: skip
    assert words(log, "OTHER") == []
    assert log.whose_are([f"d0000{one}" for one in range(1, 8)]) == {
        "d00001": Whose("A1", "D"), "d00003": Whose("A3", "E"), "d00004": Whose("A7", "F"), "d00005": Whose("G", "G"),
        "d00007": Whose("A7", "F"),
    }  # fmt: skip


def test_a_person_s_stop_acts_late_as_well(log: DecisionLog) -> None:
    log.record_outcomes([heard(1, "contact_stopped")], owners={"d00001": Whose("A1", "D")})
    assert stopped_ids(log) == ("A1", "D")


def test_an_outcome_that_came_first_counts_once_when_its_decision_arrives(log: DecisionLog, decide: Decide) -> None:
    """Corrected then, it acts no longer; after a purge it is the row that it was."""
    log.record_outcomes([heard(1, "opt_out", outcome_id="o")], owners={"d00001": Whose("A1", "D")})
    assert [word for _, word, _ in words(log)] == ["opt_out"]
    log.record([made(decide, 1)])
    assert [word for _, word, _ in words(log)] == ["opt_out"]
    retained(log, 5)
    assert [word for _, word, _ in words(log)] == ["opt_out"]
    assert len([row for row in rows(log) if row["kind"] == "heard"]) == 1
    log.record_outcomes([heard(2, "opt_out", outcome_id="p")], owners={"d00002": Whose("A2", "E")})
    log.record([made(decide, 2, "E")])
    log.record_outcomes([heard(2, "read", 2, replaces="p")])
    assert [word for _, word, _ in words(log, "E")] == ["read"]


def test_an_erasure_takes_late_outcomes_and_counts_them(log: DecisionLog, decide: Decide) -> None:
    """Nothing is left by which a later one would find the debtor; those of others stay."""
    log.record([made(decide, 1), made(decide, 2, "E")])
    retained(log, 5)
    promised = date(2026, 9, 1)
    log.record_outcomes([heard(1, "promise_to_pay", 6, promise_date=promised), heard(2, "opt_out", 6)])
    assert log.erase(requested_by="desk", at=LATER, debtor_id="D").outcomes == 1
    assert log.removals()[-1].outcomes == 1
    assert words(log) == [] and [word for _, word, _ in words(log, "E")] == ["opt_out"]
    assert log.count() == (0, 1) and debtor_export(log, "D")["kept_states"] == []
    assert log.record_outcomes([heard(1, "opt_out", 8)]).orphans == ("d00001",)


def test_an_opt_out_told_while_its_decision_is_purged_acts_whichever_comes_first(
    empty_url: str, decide: Decide
) -> None:
    """Told a moment before it is read by the purge, a moment later it finds what the purge kept."""
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other, ThreadPoolExecutor(2) as pool:
        for number in range(12):
            log.record([made(decide, number, f"D{number}")])
            gone = pool.submit(retained, log, 5)
            told = pool.submit(other.record_outcomes, [heard(number, "opt_out", 1)])
            gone.result()
            assert told.result().orphans == ()
            assert [word for _, word, _ in words(log, f"D{number}")] == ["opt_out"]
            assert log.count()[0] == 0


def test_a_decision_dated_back_while_a_purge_runs_stays_whole(empty_url: str, decide: Decide) -> None:
    """Written between any two statements of the purge, with its event and outcome: all three stay, or none."""

    def backdated(number: int) -> None:
        event = ContactEvent(
            decision_id=f"d{number:05d}", debtor_id=f"D{number}", kind="reserved", at=NOON, event_id=f"e{number}",
            dispatch_id=f"x{number}",
        )  # fmt: skip
        other.record([made(decide, number, f"D{number}")])
        other.record_events([event])
        other.record_outcomes([heard(number, "opt_out", 1)])

    def between(connection: sa.Connection, *_: Any) -> None:
        written.append(pool.submit(backdated, 100 + len(written)))
        if connection.dialect.name == "postgresql":  # SQLite lets them come in when the purge is over
            written[-1].result(30)

    written: list[Future[None]] = []
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other, ThreadPoolExecutor(1) as pool:
        log.record([made(decide, 1, "D1")])
        log.record_outcomes([heard(1, "opt_out", 1)])
        sa.event.listen(log.engine, "after_cursor_execute", between)
        gone = log.purge(NOON + 5 * DAY, requested_by="retention", at=NOON + 5 * DAY).decisions
        sa.event.remove(log.engine, "after_cursor_execute", between)
        for one in written:
            one.result(30)
        with log.engine.connect() as connection:
            of_decisions, of_events, of_outcomes = (
                set(connection.scalars(sa.select(table.c.decision_id)))
                for table in (decisions, contact_events, outcomes)
            )
        assert 1 <= gone <= 3 and len(written) > 8  # those of before it was settled which they are
        assert of_decisions == of_events == of_outcomes and len(of_decisions) == 1 + len(written) - gone
        assert [word for _, word, _ in words(log, "D1")] == ["opt_out"]
        retained(log, 5)
        assert log.count()[0] == 0 and all(len(words(log, f"D{100 + one}")) == 1 for one in range(len(written)))


def test_what_is_kept_names_no_decision(log: DecisionLog, decide: Decide) -> None:
    """A digest finds it, and the outcome itself goes with the orphans of its age."""
    log.record([made(decide, 1)])
    log.record_outcomes([heard(1, "opt_out")])
    retained(log, 5)
    log.record_outcomes([heard(1, "complaint", 6)])
    assert not any("d00001" in str(value) for row in rows(log) for value in row.values())
    retained(log, 30)
    with log.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(outcomes)) == 0
    assert [word for _, word, _ in words(log)] == ["opt_out", "complaint"]


def left_of_anybody(log: DecisionLog) -> int:
    """Rows that still tell of somebody."""
    tables = decisions, outcomes, contact_events, offers, kept_states
    with log.engine.connect() as connection:
        return sum(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables)


def test_no_outcome_stays_that_an_erasure_could_not_find(log: DecisionLog, decide: Decide) -> None:
    """Of a decision of which retention kept nothing none is kept, unless it tells whose it is; it is reported."""
    alone = decide(3, account_id="A3", debtor_id="D", action=9, ranking=())  # leaves alone: nothing that acts
    log.record([made(decide, 1), made(decide, 2), alone])
    retained(log, 500)
    told = [heard(1, "paid", 501, amount_minor=5, currency="COP"), heard(3, "read", 501), heard(9, "opt_out", 501)]
    receipt = log.record_outcomes(told)
    assert (receipt.stored, receipt.orphans, receipt.late) == (1, ("d00001", "d00003", "d00009"), ())
    assert [one.decision_id for one in log.orphans()] == ["d00009"]  # its decision may be on its way
    named = log.record_outcomes([heard(2, "opt_out", 502)], owners={"d00002": Whose("A2", "D"), "d00001": Whose(None)})
    assert named.late == ("d00002",) and [word for _, word, _ in words(log)] == ["opt_out"]
    log.record_outcomes([heard(1, "read", 503)], owners={"d00001": Whose(None)})
    assert log.erase(requested_by="desk", at=LATER, debtor_id="D").outcomes == 1
    assert [one.decision_id for one in log.orphans()] == ["d00009"]
    log.purge(NOON + 600 * DAY, requested_by="retention", at=NOON + 600 * DAY)
    assert left_of_anybody(log) == 0


def test_outcomes_that_came_late_go_with_the_last_state_that_tells_whose_they_are(
    log: DecisionLog, decide: Decide
) -> None:
    """However young they are; what acts still keeps its own."""
    log.record([made(decide, 1), made(decide, 2, "E")])
    retained(log, 5)
    log.record_outcomes([heard(1, "read", 380), heard(2, "opt_out", 380)])
    log.purge(NOON + 300 * DAY, requested_by="retention", at=NOON + 390 * DAY)  # the contacts count no longer
    assert [one.decision_id for one in log.orphans()] == ["d00002"]
    assert log.record_outcomes([heard(1, "read", 391)]).stored == 0
    assert log.record_outcomes([heard(2, "read", 391)]).late == ("d00002",)
    log.erase(requested_by="desk", at=LATER, debtor_id="D")
    log.erase(requested_by="desk", at=LATER, debtor_id="E")
    assert left_of_anybody(log) == 0
