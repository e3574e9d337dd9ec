"""Days of what purposes speak of, as events tell them: the last payment, the promised day, the day of a cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from recommender.intake.days import account_zones, day_told
from recommender.intake.event_records import DebtEvents, State
from recommender.intake.event_rows import is_null
from recommender.local_time import is_timezone, local_time

__all__ = ["EVENT_DAYS", "note_payments", "with_event_days"]

EVENT_DAYS = ("last_paid_on", "promise_on", "promise_state", "cured_on")
"""Columns of accounts that events write: what a table tells of them holds where no event says more."""


def with_event_days(accounts: pd.DataFrame, told: Mapping[int, State], now: int) -> pd.DataFrame:
    """Accounts with the days that events tell, on each debtor's own calendar.

    Parameters
    ----------
    accounts : DataFrame
        ``timezone``, ``country`` and ``due_date`` where known.
    told : mapping of int to State
        By row.
    now : int
        Microseconds UTC: a promise that was broken by then has no day ahead.

    Returns
    -------
    DataFrame
        The same where no event tells any. Of two payments the later one counts; a payment that a table tells does not
        stand where one of that day or later was taken back; of promises the events are the newer word.
    """
    rows = [
        row
        for row, state in told.items()
        if state.promise or state.paid_at is not None or state.reversed_at is not None
    ]
    if not rows:
        return accounts
    own = account_zones(accounts.iloc[rows]).tolist()
    zones = [zone if is_timezone(zone) else "UTC" for zone in own]
    instants = {
        "paid": [told[row].paid_at for row in rows],
        "settled": [told[row].settled_at for row in rows],
        "reversed": [told[row].reversed_at for row in rows],
        "promised": [_promised(told[row], now) for row in rows],
    }
    days = {name: _local_dates(given, zones) for name, given in instants.items()}
    frame = accounts.copy(deep=False)
    columns = {name: _cells(frame, name) for name in EVENT_DAYS}
    due = _cells(frame.iloc[rows], "due_date")
    for place, (row, zone) in enumerate(zip(rows, own, strict=True)):
        paid, settled, gone, promised = (days[name][place] for name in ("paid", "settled", "reversed", "promised"))
        by = _day(due[place], zone)
        cured = settled if settled is not None and by is not None and settled > by else None
        for name, heard in (("last_paid_on", paid), ("cured_on", cured)):
            before = _day(columns[name][row], zone)
            if before is not None and gone is not None and before <= gone:
                before = None
            columns[name][row] = max((day for day in (before, heard) if day is not None), default=None)
        if (state := told[row].promise) is not None:
            columns["promise_on"][row], columns["promise_state"][row] = promised, state
    for name, cells in columns.items():
        if name in frame or any(cell is not None for cell in cells):
            frame[name] = pd.Series(cells, index=frame.index, dtype=object)
    return frame


def note_payments(
    state: State,
    paid: Sequence[tuple[int, float]],
    debt: DebtEvents | None,
    balance: float,
    now: int,
    *,
    since: int | None,
) -> None:
    """Note the last payment that stands, and whether it is known to have settled the debt.

    Of payments and negative amounts the last one stands from whose day on more came in than went back; one of unknown
    amount may be any of them. What is dated ahead, or nowhere, stops contact as a payment of this moment: it has no day
    yet that somebody may be thanked for.

    Parameters
    ----------
    state : State
        Changed in place.
    paid : sequence of (int, float)
        Instants, none after ``now``, and amounts.
    debt : DebtEvents or None
    balance : float
        As told.
    now : int
        Microseconds UTC.
    since : int or None
        When the balance was taken; None = nobody knows.
    """
    made = [(at, amount) for at, amount in paid if at < now]
    net, last = 0.0, None
    for at, amount in sorted(made, reverse=True):
        net += amount
        if net > 0 or net != net:
            last = at if net == net else None
            break
    heard = [] if debt is None else [at for at in (debt.paid_at, debt.kept_at) if at is not None and at < now]
    state.paid_at = max((at for at in (last, *heard) if at is not None), default=None)
    came = 0.0 if since is None else sum(amount for at, amount in made if at >= since)
    if debt is not None and debt.settled and debt.paid_at is not None:
        state.settled_at = debt.paid_at if debt.paid_at < now else None
    elif balance == 0 or 0 < balance <= came:
        state.settled_at = state.paid_at
    if debt is not None and debt.reversed_at:
        state.reversed_at = max(debt.reversed_at)


def _promised(state: State, now: int) -> int | None:
    """Last moment of the promised day; None where there is none, or the promise was taken back before it."""
    until = state.promise_until
    return None if not until or (state.promise == "broken" and until > now) else until - 1


def _cells(frame: pd.DataFrame, name: str) -> list[Any]:
    return frame[name].astype(object).tolist() if name in frame else [None] * len(frame)


def _day(value: Any, zone: str | None) -> str | None:
    """Day of a cell as ISO text, which sorts by time; None where it tells none."""
    day = None if is_null(value) else day_told(value, zone)
    return None if day is None else day.isoformat()


def _local_dates(instants: list[int | None], zones: list[str]) -> list[str | None]:
    """Local date of each instant as ISO text."""
    found: list[str | None] = [None] * len(instants)
    by_zone: dict[str, list[int]] = {}
    for place, (at, zone) in enumerate(zip(instants, zones, strict=True)):
        if at is not None:
            by_zone.setdefault(zone, []).append(place)
    for zone, places in by_zone.items():
        moments = np.array([instants[place] for place in places], dtype=np.int64)
        texts = local_time(moments, zone).day.astype("datetime64[D]").astype(str).tolist()
        for place, text in zip(places, texts, strict=True):
            found[place] = text
    return found
