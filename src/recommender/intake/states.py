"""Events become states: what contacts, outcomes and payments up to a moment say about an account at that moment.

A record decides nothing by itself. This is the one place where an opt-out, a wrong number, a promise or a payment turns
into facts that the rules act on; batch, check and service call it. The latest event wins; at one instant the stop wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from recommender.intake.days import account_zones
from recommender.intake.event_days import EVENT_DAYS, note_payments, with_event_days
from recommender.intake.event_filter import with_telling_events
from recommender.intake.event_records import (
    AGREEMENT_DAYS,
    COMPLAINT_DAYS,
    FAILURES,
    LAG_DAYS,
    MARKS,
    OVERDUE_LAG_DAYS,
    REACHED,
    REST_DAYS,
    DebtEvents,
    PersonEvents,
    State,
)
from recommender.intake.event_rows import (
    currency_of,
    due_instants,
    end_of_day,
    events_of,
    instants_of,
    is_null,
    numbers_of,
    payments_of,
    word_of,
    words_of,
)
from recommender.intake.ids import id_text, id_texts
from recommender.intake.reversals import taken_back
from recommender.local_time import DAY_US, as_utc_us
from recommender.tables import DEBTOR_FLAGS

__all__ = [
    "CASE_WORDS",
    "LASTING_STOPS",
    "LIFTS",
    "State",
    "account_states",
    "acts_when_told",
    "is_stop",
    "with_case_states",
    "with_states",
    "words_of",
]


#: Events that stop contact with a debtor for good, or until another event lifts them.
LASTING_STOPS: tuple[str, ...] = (
    "opt_out", "opt_out_all", "wrong_party", "third_party", "number_invalid", "deceased", "complaint", "dispute",
    "contact_stopped", *MARKS,
)  # fmt: skip


def is_stop(outcome: Any) -> bool:
    """Whether an outcome stops a contact for good or until something lifts it, or is a word that nobody understands."""
    return word_of(outcome) in {*LASTING_STOPS, "unknown", "paid_in_full"}


#: Beside them, what says that somebody is to be left alone for a time, or owes nothing.
_RESTS = ("paid", "paid_in_full", "promise_to_pay", "callback_requested", "agreement_withdrawn", "unknown")


def acts_when_told(outcome: Any, promise_date: Any = None, callback_at: Any = None) -> bool:
    """Whether a word acts from when it is told on, be its instant ahead: a wrong clock makes no consent.

    What stops or rests a contact does; what frees one, counts or fails does not before its time.
    """
    return any(word in (*LASTING_STOPS, *_RESTS) for word in words_of(outcome, promise_date, callback_at))


#: Events that free; of what happened at one instant they are told first, so that the stop wins.
LIFTS = (
    "opt_in",
    "contact_resumed",
    "complaint_resolved",
    "dispute_resolved",
    "payment_reversed",
    "contact_agreed",
    *REACHED,
)

#: Outcomes in a contact history that make a state; the rules count ``wrong_party`` and ``not_connected`` there.
CASE_WORDS = frozenset(
    ("opt_out", "opt_out_all", "opt_in", "complaint", "complaint_resolved", "dispute", "dispute_resolved", "deceased",
     "promise_to_pay", "promise_kept", "promise_broken", "paid", "paid_in_full", "payment_reversed", "number_invalid",
     "third_party", "callback_requested", "contact_stopped", "contact_resumed", "contact_agreed", "agreement_withdrawn",
     *MARKS)
)  # fmt: skip

_FEW = 64  # ids: so few are read one by one


def account_states(
    accounts: pd.DataFrame,
    *,
    contacts: pd.DataFrame | None = None,
    outcomes: pd.DataFrame | None = None,
    payments: pd.DataFrame | None = None,
    as_of: datetime,
) -> list[State]:
    """State of each account as of a moment.

    Parameters
    ----------
    accounts : DataFrame
        ``account_id``; ``debtor_id``, ``balance_minor``, ``due_date``, ``balance_as_of`` or ``valid_from``,
        ``timezone`` where known.
    contacts : DataFrame or None
        ``account_id``, ``sent_at``, ``channel``; ``contact_id``, ``outcome``, ``promise_date``, ``callback_at``,
        ``status`` where known.
    outcomes : DataFrame or None
        ``contact_id`` (or ``account_id``), ``occurred_at``, ``outcome``; ``channel``, ``promise_date``,
        ``callback_at``, ``case_id`` (of a complaint or dispute) where known.
    payments : DataFrame or None
        ``account_id``, ``paid_at``, ``amount_minor``; a negative amount takes a payment back.
    as_of : aware datetime
        What is dated later and stops acts all the same: it is told, so it is known. The rest is not known yet. No
        clock is asked: a moment that was given too early would else lose what was said since.

    Returns
    -------
    list of State, one an account
    """
    told = _told_states(accounts, contacts, outcomes, payments, as_of)
    return [told.get(row) or State() for row in range(len(accounts))]


def _told_states(
    accounts: pd.DataFrame,
    contacts: pd.DataFrame | None,
    outcomes: pd.DataFrame | None,
    payments: pd.DataFrame | None,
    as_of: datetime,
) -> dict[int, State]:
    """States of the accounts of which something was told, by row."""
    now = as_utc_us(as_of)
    keys = _ids(accounts["account_id"], [""] * len(accounts))
    people_of = _ids(accounts["debtor_id"], keys) if "debtor_id" in accounts else [f"\0{key}" for key in keys]
    owner = dict(zip(keys, people_of, strict=True))
    people: dict[str, PersonEvents] = {}
    debts: dict[str, DebtEvents] = {}
    contacts, outcomes = with_telling_events(contacts, outcomes, owner)
    events = sorted(events_of(contacts, outcomes, owner), key=lambda event: (event[0], event[1] not in LIFTS))
    zone_of = dict(zip(keys, account_zones(accounts), strict=True)) if events else {}
    for at, word, account, person, channel, due, callback, case in events:
        if at > now and not acts_when_told(word):
            continue
        at = min(at, now)
        people.setdefault(person, PersonEvents()).tell(word, at, channel, case)
        if account is not None:
            until = None if due is None else end_of_day(due, zone_of.get(account))
            debts.setdefault(account, DebtEvents()).tell(word, at, until, callback)
    paid = {} if payments is None else payments_of(payments, now, currency_of(accounts, keys))
    rows = [row for row, key in enumerate(keys) if owner[key] in people or key in debts or key in paid]
    if not rows:
        return {}
    balances = numbers_of(accounts, "balance_minor")
    taken, since = instants_of(accounts, "balance_as_of"), instants_of(accounts, "valid_from")
    due_days = dict(zip(rows, due_instants(accounts.iloc[rows]), strict=True))
    return {
        row: _state(people.get(owner[keys[row]]), debts.get(keys[row]), paid.get(keys[row], ()), now, balances[row],
                    taken[row] if taken[row] is not None else since[row], due_days[row])
        for row in rows
    }  # fmt: skip


def _ids(column: pd.Series, others: Sequence[str]) -> list[str]:
    """Ids as text; where there is none, one that nobody has."""
    if len(column) <= _FEW:
        texts = [id_text(value) for value in column]
    else:
        texts = id_texts(column).astype(object).where(lambda text: text.notna(), None).tolist()
    return [text or f"\0{other or row}" for row, (text, other) in enumerate(zip(texts, others, strict=True))]


def with_states(
    accounts: pd.DataFrame,
    *,
    contacts: pd.DataFrame | None = None,
    outcomes: pd.DataFrame | None = None,
    payments: pd.DataFrame | None = None,
    as_of: datetime,
) -> tuple[pd.DataFrame, list[State]]:
    """Accounts with what events made of them written into the facts that rules read, and the states themselves.

    Opt-outs and open promises, complaints, disputes become flags; a contact point that may not be used loses its
    consent, which was given for the debtor's own; a debt that is paid has a balance of zero. The days that purposes
    speak of (last payment, promise, cure) are columns of their own.
    """
    told = _told_states(accounts, contacts, outcomes, payments, as_of)
    nothing = State()  # one for all of whom nothing was told: they are most of a portfolio, and nobody changes them
    states = [told.get(row, nothing) for row in range(len(accounts))]
    moved = [row for row, state in told.items() if state.names or state.balance is not None]
    frame = with_event_days(accounts, told, as_utc_us(as_of))
    if not moved:
        return frame, states
    frame = frame.copy(deep=False)
    columns: dict[str, list[Any]] = {}
    for name in ("flags", "balance_minor", *(c for c in ("consented_channels", "channels_consented") if c in frame)):
        columns[name] = frame[name].astype(object).tolist() if name in frame else [None] * len(frame)
    for row in moved:
        state = states[row]
        raised = [f"opt_out:{channel}" for channel in sorted(state.opted_out)]
        raised += [name for name in ("disputed", "deceased") if getattr(state, name)]
        raised += sorted(state.marks)
        raised += ["do_not_contact"] if state.stopped else []
        raised += ["reviewed"] if state.reviewed else []
        raised += ["complaint_open"] if state.complaint else []
        raised += ["promise_open"] if state.promise == "open" else []
        raised += ["callback_set"] if state.callback_at is not None else []
        gone = {*state.blocked, *state.opted_out}
        for name in ("consented_channels", "channels_consented"):
            if name in columns and (listed := _listed(columns[name][row])) is not None:
                columns[name][row] = ";".join(channel for channel in listed if channel not in gone)
        if (listed := _listed(columns["flags"][row])) is not None or not raised:
            columns["flags"][row] = (
                columns["flags"][row] if listed is None else ";".join(dict.fromkeys([*listed, *raised]))
            )
        elif _flags_told(frame, row):
            columns["flags"][row] = ";".join(raised)
        if state.settled:
            columns["balance_minor"][row] = 0.0
        elif state.balance is not None:
            columns["balance_minor"][row] = state.balance
    for name, values in columns.items():
        if name == "balance_minor":
            frame[name] = pd.Series(values, index=frame.index, dtype=object).astype("float64")
        elif name in frame or any(value is not None for value in values):
            frame[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame, states


def with_case_states(
    account: Mapping[str, Any], contacts: Sequence[Mapping[str, Any]] | None, at_us: int, *, every_event: bool = False
) -> Mapping[str, Any]:
    """Facts of one case with what its contacts' outcomes made of them: :func:`with_states` for a check.

    ``wrong_party`` and ``not_connected`` are words of the case format itself, which the laws count on their own; with
    ``every_event`` they, and words that nobody understands, make states as they do in a plan.

    Parameters
    ----------
    account : mapping
        ``consented_channels`` and ``flags`` as lists or None.
    contacts : sequence of mapping or None
        ``sent_at`` (aware), ``channel``, ``outcome``; ``promise_date``, ``callback_at`` (aware) where known.
    at_us : int
        Moment of the check.
    every_event : bool, default=False
    """
    own = [
        contact
        for contact in contacts or ()
        if _tells(contact, every_event=every_event) and contact.get("status") != "planned"
    ]
    if not own:
        return account
    frame = pd.DataFrame({name: [account.get(name)] for name in account}, dtype=object).assign(account_id="case")
    frame = frame.drop(columns="debtor_id", errors="ignore")
    mine = account.get("account_id")
    named = [contact.get("account_id") for contact in own]
    events = pd.DataFrame(
        {
            # A promise about another of the debtor's debts is none about this one; the person's own words are.
            "account_id": ["case" if mine is None or n is None or id_text(n) == id_text(mine) else "\0" for n in named],
            "debtor_id": "case",
            "sent_at": pd.to_datetime([contact["sent_at"] for contact in own], utc=True),
            "channel": [contact.get("channel") for contact in own],
            "outcome": [contact.get("outcome") for contact in own],
            "promise_date": pd.Series([contact.get("promise_date") for contact in own], dtype=object),
            "callback_at": pd.to_datetime([contact.get("callback_at") for contact in own], utc=True),
        }
    )
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)
    changed, _ = with_states(frame.assign(debtor_id="case"), contacts=events, as_of=moment)
    facts = dict(account)
    for name in ("consented_channels", "flags"):
        value = changed[name].iloc[0] if name in changed else None
        facts[name] = _listed(value) if isinstance(value, str) else value
    balance = changed["balance_minor"].iloc[0] if "balance_minor" in changed else None
    facts["balance_minor"] = None if balance is None or balance != balance else balance
    facts |= {name: changed[name].iloc[0] for name in EVENT_DAYS if name in changed}
    return facts


def _tells(contact: Mapping[str, Any], *, every_event: bool) -> bool:
    words = words_of(contact.get("outcome"), contact.get("promise_date"), contact.get("callback_at"))
    return bool(words) if every_event else not CASE_WORDS.isdisjoint(words)


def _state(
    person: PersonEvents | None,
    debt: DebtEvents | None,
    paid: Sequence[tuple[int, float]],
    now: int,
    balance: float,
    taken: int | None,
    due: int | None,
) -> State:
    state = State()
    if person is not None:
        state.opted_out = set(person.opted_out)
        state.blocked = dict(person.blocked)
        for channel, (count, last) in person.failures.items():
            if count >= FAILURES and now < last + REST_DAYS * DAY_US:
                state.blocked.setdefault(channel, "failed")
        state.complaint = any(now < at + COMPLAINT_DAYS * DAY_US for at in person.complaints.values())
        state.disputed, state.deceased, state.stopped = bool(person.disputes), person.deceased, person.stopped
        state.marks = set(person.marks)
    start = taken
    if start is None:
        start = now - LAG_DAYS * DAY_US if due is None or due >= now else max(due, now - OVERDUE_LAG_DAYS * DAY_US)
    if paid and debt is not None and debt.reversed_at:
        gone, _ = taken_back(paid, debt.reversed_at)
        paid = [one for row, one in enumerate(paid) if row not in gone]
    net = sum(amount for at, amount in paid if at >= start)
    if paid and net != net:
        state.settled = True  # a payment of unknown amount may have been all of it
    elif net > 0 and balance == balance and balance > 0:
        state.settled = net >= balance
        state.balance = balance - net if taken is not None and not state.settled else None
    note_payments(state, paid, debt, balance, now, since=taken)
    if debt is None:
        return state
    agreed, asked = debt.agreed_at, None if person is None else person.asked_at
    state.reviewed = agreed is not None and (asked is None or asked < agreed) and now < agreed + AGREEMENT_DAYS * DAY_US
    state.settled |= debt.settled or (debt.paid_at is not None and now < debt.paid_at + LAG_DAYS * DAY_US)
    state.callback_at = debt.callback_at if debt.callback_at is not None and debt.callback_at > now else None
    state.promise, state.promise_until = debt.promise, debt.promise_until if debt.promise else None
    if debt.promise == "open":
        since = sum(amount for at, amount in paid if at >= (debt.promised_at or 0))
        told = debt.paid_at is not None and debt.paid_at >= (debt.promised_at or 0)
        # How much was promised is not known, so a part payment leaves the promise open until its day.
        if now < debt.promise_until and not told and not state.settled:
            state.promise = "open"
        else:
            state.promise = "kept" if since > 0 or told or state.settled else "broken"
    return state


def _listed(value: Any) -> list[str] | None:
    if isinstance(value, str):
        return [item.strip() for item in value.replace("|", ";").split(";") if item.strip()]
    if isinstance(value, list | tuple | set | np.ndarray):
        return [str(item) for item in value]
    return None


def _flags_told(frame: pd.DataFrame, row: int) -> bool:
    """Whether columns of their own say all there is to know about flags."""
    return all(name in frame and not is_null(frame[name].iloc[row]) for name in DEBTOR_FLAGS)
