"""What an outcome may say beside its word: the day that was promised, the moment that a call was asked for."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

__all__ = ["trouble_with_terms"]

#: The log keeps no clock of the debtor, so a day is past, or too far ahead, once it is so wherever the debtor may live.
_LAST_ZONE, _FIRST_ZONE = timezone(timedelta(hours=-12)), timezone(timedelta(hours=14))
_CALLBACK_REACH = timedelta(days=90)


def trouble_with_terms(
    outcome: str, occurred_at: datetime, promise_date: Any, callback_at: Any
) -> tuple[str, str, str] | None:
    """Field, what is wrong with its value, and the mend; None where nothing is.

    Parameters
    ----------
    outcome : str
    occurred_at : aware datetime
    promise_date : date or None
        Only of ``promise_to_pay``: not before the day of the outcome on the debtor's clock, at most a year ahead.
    callback_at : aware datetime or None
        Only of ``callback_requested``: not before the outcome, at most 90 days ahead.
    """
    if promise_date is not None:
        if outcome != "promise_to_pay":
            return "promise_date", f"{promise_date} does not belong to {outcome!r}", "Only 'promise_to_pay' carries it."
        if not isinstance(promise_date, date) or isinstance(promise_date, datetime):
            return "promise_date", f"{promise_date!r} is no date", "Give the day alone, e.g. 2026-12-31."
        first, last = occurred_at.astimezone(_LAST_ZONE).date(), occurred_at.astimezone(_FIRST_ZONE).date()
        if promise_date < first:
            return (
                "promise_date",
                f"{promise_date} lies before the promise, which was made on {first} or later",
                "Tell the day that was promised; a promise that was not kept is 'promise_broken'.",
            )
        if promise_date > (latest := _a_year_after(last)):
            return (
                "promise_date",
                f"{promise_date} is more than a year ahead, after {latest}",
                "Check the year; tell a promise of instalments by its next day.",
            )
    if callback_at is not None:
        if outcome != "callback_requested":
            return "callback_at", f"{callback_at} does not belong to {outcome!r}", "Only 'callback_requested' has it."
        if not isinstance(callback_at, datetime) or callback_at.utcoffset() is None:
            return "callback_at", f"{callback_at} has no time zone", "Write the offset, e.g. 2026-12-31T09:00:00-05:00."
        shown = callback_at.isoformat()
        if callback_at < occurred_at:
            return "callback_at", f"{shown} lies before the request", "Tell the moment that the debtor asked for."
        if callback_at > occurred_at + _CALLBACK_REACH:
            return (
                "callback_at",
                f"{shown} is more than {_CALLBACK_REACH.days} days ahead",
                "Check the date; a stop for good is 'opt_out' or 'opt_out_all'.",
            )
    return None


def _a_year_after(day: date) -> date:
    try:
        return day.replace(year=day.year + 1)
    except ValueError:  # 29 February
        return day.replace(year=day.year + 1, month=3, day=1)
