"""Rows of contacts, outcomes and payments as events: when, what, whose, over which channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from recommender.intake.days import day_told
from recommender.intake.event_records import FAILED, SAME_CONTACT_US
from recommender.intake.ids import id_text
from recommender.intake.vocabulary import canonical_channel, canonical_word
from recommender.local_time import DAY_US, as_utc_us, is_timezone

__all__ = ["currency_of", "due_instants", "end_of_day", "events_of", "instants_of", "is_null"]
__all__ += ["numbers_of", "payments_of", "word_of", "words_of"]

_DAY_0, _LAST_DAY = date(1970, 1, 1), date.max - timedelta(days=1)
_NO_STATE = ("attempt", "attempted")
#: Words beside which the day of a promise says nothing new.
_OF_PROMISES = ("promise_to_pay", "promise_kept", "promise_broken", "paid", "paid_in_full", "payment_reversed")


Event = tuple[int, str, str | None, str, str | None, Any, int | None, str | None]
#: Whose a contact is, over which channel: of its account, and of the debtor that it names beside it.
#: With the instants of the failures that were told of it, None for one that stands beside the contact: told again, they
#: are the same ones.
_Sent = dict[str, dict[tuple[str | None, str, str | None], dict[str, list[int | None]]]]


def events_of(
    contacts: pd.DataFrame | None, outcomes: pd.DataFrame | None, owner: Mapping[str, str]
) -> Iterator[Event]:
    """Instant, word, account, person, channel, promise date, call-back and case of each event that says something."""
    sent: _Sent = {}
    wanted = outcomes is not None and len(outcomes) > 0
    if contacts is not None and len(contacts):
        yield from _told_with_contacts(contacts, owner, sent, wanted=wanted)
    if outcomes is not None and wanted:
        yield from _told_of_contacts(outcomes, owner, sent)


def _told_with_contacts(
    contacts: pd.DataFrame, owner: Mapping[str, str], sent: _Sent, *, wanted: bool
) -> Iterator[Event]:
    """Outcomes in the contacts table; notes in ``sent`` whose each contact is, where that is wanted."""
    people = set(owner.values())
    n = len(contacts)
    outcome_cells = _column(contacts, "outcome", n)
    instants = instants_of(contacts, "sent_at")
    debtors = _column(contacts, "debtor_id", n)
    planned = _column(contacts, "status", n)
    due, callback = _column(contacts, "promise_date", n), instants_of(contacts, "callback_at")
    cases = _column(contacts, "case_id", n)
    rows = zip(_column(contacts, "contact_id", n), _column(contacts, "account_id", n), debtors,
               _column(contacts, "channel", n), outcome_cells, strict=True)  # fmt: skip
    for row, (contact, account, debtor, channel, outcome) in enumerate(rows):
        words = () if planned[row] == "planned" else words_of(outcome, due[row], callback[row])
        if not words and not wanted:
            continue
        key = id_text(account)
        person = owner.get(key) if key is not None else None
        if person is None:
            named = id_text(debtor)
            person = named if named in people else None
        if person is None:
            continue
        mine = key if key in owner else None
        by = None if is_null(channel) else canonical_channel(channel) or str(channel)
        if wanted and not is_null(contact):
            of = sent.setdefault(str(id_text(contact)), {}).setdefault((mine, person, by), {})
            of.update({word: [None] for word in words if word in FAILED})
        if (at := instants[row]) is not None:
            for word in words:
                yield at, word, mine, person, by, due[row], callback[row], id_text(cases[row])


def _told_of_contacts(outcomes: pd.DataFrame, owner: Mapping[str, str], sent: _Sent) -> Iterator[Event]:
    """Outcomes of a table of their own, of a contact or of an account."""
    n = len(outcomes)
    instants, due = instants_of(outcomes, "occurred_at"), _column(outcomes, "promise_date", n)
    callback, cases, channels = (
        instants_of(outcomes, "callback_at"),
        _column(outcomes, "case_id", n),
        _column(outcomes, "channel", n),
    )
    of_outcomes = zip(
        _column(outcomes, "contact_id", n),
        _column(outcomes, "account_id", n),
        _column(outcomes, "outcome", n),
        strict=True,
    )
    for row, (contact, account, outcome) in enumerate(of_outcomes):
        words = words_of(outcome, due[row], callback[row])
        if not words:
            continue
        of = sent.get(str(id_text(contact)), {})
        if not of and (key := id_text(account)) in owner and key is not None:
            by = channels[row]
            of = {(key, owner[key], None if is_null(by) else canonical_channel(by) or str(by)): {}}
        if (at := instants[row]) is not None:
            for one, failed in of.items():
                for word in words:
                    if word not in FAILED or _is_news(failed.setdefault(word, []), at):
                        yield at, word, *one, due[row], callback[row], id_text(cases[row])


def _is_news(told: list[int | None], at: int) -> bool:
    """Whether a failure is another one than those that were told of the contact; it is among them afterwards."""
    is_other = None not in told and not any(when is not None and abs(when - at) < SAME_CONTACT_US for when in told)
    if None in told:
        told.remove(None)
    told.append(at)
    return is_other


def words_of(outcome: Any, due: Any, callback: Any) -> list[str]:
    """What a row says: its outcome, and a promise or a call asked for that its day alone tells."""
    word = None if is_null(outcome) else word_of(outcome)
    words = [] if word is None else [word]
    if not is_null(due) and word not in _OF_PROMISES:
        words.append("promise_to_pay")
    if not is_null(callback) and word != "callback_requested":
        words.append("callback_requested")
    return words


def word_of(outcome: Any) -> str | None:
    """The outcome's word; None where it leaves no state, ``unknown`` where nobody knows what it says."""
    word = canonical_word("outcome", outcome)
    if word is None:
        return "live_contact" if outcome == "live_contact" else "unknown"
    return None if word in _NO_STATE else word


def currency_of(accounts: pd.DataFrame, keys: Sequence[str]) -> dict[str, str]:
    """Currency of each account that names one."""
    if "currency" not in accounts:
        return {}
    return {key: str(code) for key, code in zip(keys, accounts["currency"], strict=True) if not is_null(code)}


def payments_of(payments: pd.DataFrame, now: int, codes: Mapping[str, str]) -> dict[str, list[tuple[int, float]]]:
    """Instants and amounts by account; an amount in another currency than the debt's is none that is known.

    A payment dated ahead counts as made now: somebody told it. One that is taken back ahead is not taken back yet.
    """
    paid: dict[str, list[tuple[int, float]]] = {}
    if not len(payments):
        return paid
    once = payments.drop_duplicates(
        subset=["payment_id"] if "payment_id" in payments and payments["payment_id"].notna().all() else None
    )
    amounts, currencies = numbers_of(once, "amount_minor"), _column(once, "currency", len(once))
    rows = zip(once["account_id"], instants_of(once, "paid_at"), amounts, currencies, strict=True)
    for account, at, amount, code in rows:
        key = id_text(account)
        if key is not None and (at is None or at <= now or not amount <= 0):
            known = is_null(code) or codes.get(key, code) == code
            paid.setdefault(key, []).append((now if at is None else min(at, now), amount if known else float("nan")))
    return paid


def _column(frame: pd.DataFrame, name: str, n: int) -> list[Any]:
    return frame[name].tolist() if name in frame else [None] * n


def instants_of(frame: pd.DataFrame, name: str) -> list[int | None]:
    """Microseconds UTC of a column, None where there is none."""
    if name not in frame:
        return [None] * len(frame)
    at = pd.to_datetime(
        frame[name], utc=True, errors="coerce", format=None if frame[name].dtype != object else "ISO8601"
    )
    whole = at.dt.as_unit("us").astype("int64").tolist()
    return [None if gone else value for value, gone in zip(whole, at.isna().tolist(), strict=True)]


def numbers_of(frame: pd.DataFrame, name: str) -> list[float]:
    """Numbers of a column, NaN where there is none."""
    if name not in frame:
        return [float("nan")] * len(frame)
    numbers: list[float] = (
        pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).tolist()
    )
    return numbers


def due_instants(accounts: pd.DataFrame) -> list[int | None]:
    """Due date as microseconds UTC of its midnight: near enough for a lag of days."""
    if "due_date" not in accounts:
        return [None] * len(accounts)
    days = [day_told(value) for value in accounts["due_date"].tolist()]
    return [None if day is None else (day - _DAY_0).days * DAY_US for day in days]


def end_of_day(day: Any, zone: str | None) -> int | None:
    """Last instant of a date on the debtor's clock; None where it is no date."""
    told = day_told(day, zone)
    if told is None:
        return None
    # 9999-12-31 is how programs write "never".
    ends = pd.Timestamp(min(told, _LAST_DAY) + timedelta(days=1)).tz_localize(
        zone if is_timezone(zone) else "UTC", ambiguous=False, nonexistent="shift_forward"
    )
    return as_utc_us(ends.to_pydatetime())


def is_null(value: Any) -> bool:
    """Whether a cell says nothing."""
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and np.isnan(value))
        or value == ""
    )
