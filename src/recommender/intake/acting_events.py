"""Which of a debtor's events still act: what may be forgotten of the others changes no decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from recommender.intake.event_records import (
    AGREEMENT_DAYS,
    COMPLAINT_DAYS,
    FAILURES,
    LAG_DAYS,
    REST_DAYS,
    DebtEvents,
    PersonEvents,
)
from recommender.intake.event_rows import end_of_day
from recommender.intake.states import LIFTS
from recommender.local_time import DAY_US, as_utc_us

__all__ = ["HeardEvent", "acting_events"]


@dataclass(frozen=True)
class HeardEvent:
    """One thing that was heard of a debtor.

    Attributes
    ----------
    account : str
        Of the debtor's.
    at : aware datetime
    word : str
        A rung or event of :data:`recommender.tables.OUTCOMES`.
    channel : str or None
    promise_date : date or None
    callback_at : aware datetime or None
    """

    account: str
    at: datetime
    word: str
    channel: str | None = None
    promise_date: date | None = None
    callback_at: datetime | None = None


def acting_events(events: Sequence[HeardEvent], now: datetime, *, given_up: Sequence[int] | None = None) -> list[int]:
    """Positions of the events that the states of one debtor hang on, of those that could be given up.

    They are left out in blocks that halve, the oldest first, and stay out where the states of the moment, and when
    these end by themselves, are the same without them. A promise of a day holds wherever the debtor's clock is.

    Parameters
    ----------
    events : sequence of HeardEvent
        Everything that was heard of the debtor.
    now : aware datetime
    given_up : sequence of int, optional
        Positions that may be left out; None = all.

    Returns
    -------
    list of int
        In the order of time.
    """
    moment = as_utc_us(now)
    order = sorted(range(len(events)), key=lambda one: (as_utc_us(events[one].at), events[one].word not in LIFTS))
    free = set(range(len(events))) if given_up is None else set(given_up)
    whole = _acts([events[one] for one in order], moment)
    kept = dict.fromkeys(order)
    blocks = [[one for one in order if one in free]]
    while blocks:  # whole blocks first: of a long history most says nothing, and each look reads all that is kept
        block = blocks.pop()
        out = set(block)
        if block and _acts([events[one] for one in kept if one not in out], moment) == whole:
            kept = dict.fromkeys(one for one in kept if one not in out)
        elif len(block) > 1:
            half = len(block) // 2
            blocks += [block[half:], block[:half]]  # the older half is next
    return [one for one in kept if one in free]


def _acts(events: Sequence[HeardEvent], now: int) -> tuple[Any, ...]:
    """What the events stop or shape, and until when."""
    person = PersonEvents()
    debts: dict[str, DebtEvents] = {}
    for event in events:
        at = as_utc_us(event.at)
        person.tell(event.word, at, event.channel)
        day = end_of_day(event.promise_date, None)
        call = None if event.callback_at is None else as_utc_us(event.callback_at)
        until = None if day is None else day + DAY_US // 2  # the last clock of the earth
        debts.setdefault(event.account, DebtEvents()).tell(event.word, at, until, call)
    failed = {
        name: last
        for name, (count, last) in person.failures.items()
        if count >= FAILURES and now < last + REST_DAYS * DAY_US
    }
    complaints = {case: at for case, at in person.complaints.items() if now < at + COMPLAINT_DAYS * DAY_US}
    of_person = (
        frozenset(person.opted_out), person.blocked, failed, complaints, person.disputes, person.deceased,
        person.stopped, person.marks,
    )  # fmt: skip
    of_debts = {account: _debt(debt, person.asked_at, now) for account, debt in debts.items()}
    return of_person, {account: state for account, state in of_debts.items() if any(state)}


def _debt(debt: DebtEvents, asked_at: int | None, now: int) -> tuple[Any, ...]:
    agreed = debt.agreed_at
    holds = agreed is not None and (asked_at is None or asked_at < agreed) and now < agreed + AGREEMENT_DAYS * DAY_US
    told = debt.paid_at is not None and debt.paid_at >= (debt.promised_at or 0)
    is_open = debt.promise == "open" and now < debt.promise_until and not told and not debt.settled
    return (
        agreed if holds else None,
        debt.settled,
        debt.paid_at if debt.paid_at is not None and now < debt.paid_at + LAG_DAYS * DAY_US else None,
        debt.callback_at if debt.callback_at is not None and now < debt.callback_at else None,
        (debt.promised_at, debt.promise_until) if is_open else None,
    )
