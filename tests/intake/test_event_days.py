"""Days of payments, promises and cures as events tell them, against the same said of one account in plain words."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.intake.event_days import note_payments, with_event_days
from recommender.intake.event_records import DebtEvents, State
from recommender.local_time import as_utc_us

#: Midnights and noons of a few days, so that equal days and equal instants are common.
HALF_DAY = dt.timedelta(hours=12)
BEGIN = dt.datetime(2026, 11, 9, 5, tzinfo=dt.UTC)  # midnight in Bogota
INSTANTS = st.integers(0, 7).map(lambda half_days: BEGIN + half_days * HALF_DAY)
DAYS = st.integers(8, 13).map(lambda day: f"2026-11-{day:02}")
NOW = BEGIN + 5 * HALF_DAY


def micros(at: dt.datetime | None) -> int | None:
    return None if at is None else as_utc_us(at)


def day_of(at: dt.datetime | None, zone: str) -> str | None:
    return None if at is None else at.astimezone(ZoneInfo(zone)).date().isoformat()


@settings(max_examples=300)
@given(
    paid=st.none() | INSTANTS,
    settled=st.none() | INSTANTS,
    taken_back=st.none() | INSTANTS,
    told=st.none() | DAYS,
    due=st.none() | DAYS,
    zone=st.sampled_from(["America/Bogota", "Europe/Madrid"]),
)
def test_the_later_payment_counts_and_a_cure_comes_after_the_due_date(paid, settled, taken_back, told, due, zone):
    """What a table tells falls with a payment of that day or later that was taken back; paid on time cures nothing."""
    frame = pd.DataFrame({"account_id": ["A"], "country": ["CO"], "timezone": [zone], "due_date": [due]}, dtype=object)
    settled = None if paid is None else settled  # what settled a debt was a payment
    state = State(paid_at=micros(paid), settled_at=micros(settled), reversed_at=micros(taken_back))
    found = with_event_days(frame.assign(last_paid_on=[told], cured_on=[told]), {0: state}, micros(NOW)).iloc[0]
    gone, heard = day_of(taken_back, zone), [day_of(paid, zone)]
    stands = told if told is not None and (gone is None or told > gone) else None
    assert found["last_paid_on"] == max((day for day in (stands, *heard) if day is not None), default=None)
    cured = day_of(settled, zone)
    cured = cured if cured is not None and due is not None and cured > due else None
    assert found["cured_on"] == max((day for day in (stands, cured) if day is not None), default=None)


@settings(max_examples=300)
@given(
    paid=st.lists(st.tuples(INSTANTS, st.sampled_from([-50.0, 50.0, 100.0, float("nan")])), max_size=4),
    balance=st.sampled_from([0.0, 50.0, 100.0, 150.0]),
    since=st.none() | INSTANTS,
    events=st.none() | st.tuples(st.none() | INSTANTS, st.none() | INSTANTS, st.booleans()),
)
def test_the_last_payment_that_stands_and_what_settled_the_debt(paid, balance, since, events):
    """A payment of this very moment, or dated ahead, has no day yet; what came in may be all that was left."""
    paid = sorted(((at, amount) for at, amount in paid if at <= NOW), key=lambda one: one[0])
    debt = None if events is None else DebtEvents(paid_at=micros(events[0]), kept_at=micros(events[1]))
    if debt is not None:
        debt.settled = events[2]
    state = State()
    told = [(micros(at), amount) for at, amount in paid]
    note_payments(state, told, debt, balance, micros(NOW), since=micros(since))

    made = sorted(((at, amount) for at, amount in paid if at < NOW), reverse=True)
    last, net = None, 0.0
    for at, amount in made:  # from the newest back: until more came in than went back, or nobody knows
        net += amount
        if not net <= 0:
            last = None if amount != amount or net != net else at
            break
    known = [] if debt is None else [at for at in events[:2] if at is not None and at < NOW]
    stands = max((at for at in (last, *known) if at is not None), default=None)
    assert state.paid_at == micros(stands)
    came = sum(amount for at, amount in made if since is not None and at >= since)
    if debt is not None and debt.settled and events[0] is not None:
        settled = events[0] if events[0] < NOW else None
    else:
        settled = stands if balance == 0 or 0 < balance <= came else None
    assert state.settled_at == micros(settled)


def test_a_promise_that_broke_has_its_day_and_one_taken_back_before_it_has_none():
    """Its day is over at the last moment of it, not a microsecond before."""
    frame = pd.DataFrame({"account_id": ["A"], "timezone": ["America/Bogota"]})
    midnight = BEGIN + dt.timedelta(days=3)
    for promise, until, day in (
        ("broken", micros(midnight), "2026-11-11"),
        ("broken", micros(midnight) + 1, None),
        ("open", micros(midnight) + 1, "2026-11-12"),
        ("kept", None, None),
    ):
        found = with_event_days(frame, {0: State(promise=promise, promise_until=until)}, micros(midnight)).iloc[0]
        assert found["promise_state"] == promise
        assert found.get("promise_on") == day
