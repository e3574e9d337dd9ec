"""Rules of a pack, compiled: each says where, in accounts x instants x channels, it forbids contact.

A rule answers in the smallest shape that holds its answer: per account, per local date, or per instant. Only
:mod:`recommender.rules.evaluation` spreads the answers over the whole array.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recommender.rules.calendars import holiday_days
from recommender.rules.contact_history import HistoryView
from recommender.rules.facts import SETTLED, UNKNOWN_BALANCE, Facts
from recommender.rules.schema import Holidays, Pack
from recommender.rules.vocabulary import CHANNELS, DAYS, EXEMPT_PURPOSES, FLAGS, PARTIES, STAGES

__all__ = ["Answer", "Rule", "View", "channel_mask"]

Axis = Literal["account", "date", "instant"]


@dataclass
class View:
    """What the rules look at: some accounts of one place, at instants read on one zone's clock.

    Attributes
    ----------
    facts : Facts of n accounts
    day, clock_us : ndarray of shape (n or 1, k)
        Local date and wall clock of each instant.
    history : HistoryView
    country, subdivision : str
    purpose : str
    readings : frozenset of str
        Ids of rules whose looser reading somebody asked for.
    """

    facts: Facts
    day: NDArray[np.int64]
    clock_us: NDArray[np.int64]
    instant_us: NDArray[np.int64]
    history: HistoryView
    country: str
    subdivision: str
    purpose: str
    readings: frozenset[str] = field(default_factory=frozenset)

    @cached_property
    def first_day(self) -> NDArray[np.int64]:
        """First local date of each row, shape (n or 1, 1)."""
        return np.asarray(self.day.min(axis=1, keepdims=True), dtype=np.int64)

    @cached_property
    def relative_day(self) -> NDArray[np.int64]:
        """Position of each instant's date in :attr:`days`, shape (n or 1, k)."""
        return self.day - self.first_day

    @cached_property
    def days(self) -> NDArray[np.int64]:
        """Every local date from a row's first to its last, shape (n or 1, n_dates)."""
        return self.first_day + np.arange(int(self.relative_day.max()) + 1)

    def dates_to_instants(self, answer: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Spread an answer of shape (n, n_dates, C) over the instants: (n, k, C)."""
        if answer.shape[1] == 1:
            return answer
        if len(self.relative_day) == 1:
            return answer[:, self.relative_day[0]]
        spread = np.broadcast_to(answer, (len(self.relative_day), *answer.shape[1:]))
        return np.take_along_axis(spread, self.relative_day[:, :, None], axis=1)

    def days_past_due(self) -> NDArray[np.int64]:
        """Local date minus due date, shape (n, n_dates); huge where no due date is known."""
        return self.days - self.facts.due_day[:, None]

    def stage_is(self, stages: tuple[str, ...]) -> NDArray[np.bool_]:
        """Whether the debt is in one of the stages, by the local date; an unknown due date is overdue."""
        late = self.days_past_due()
        code = np.where(late < 0, 0, np.where(late == 0, 1, 2))
        return np.asarray(np.isin(code, [STAGES.index(stage) for stage in stages]))


@dataclass(frozen=True)
class Answer:
    """Where a rule forbids: ``forbidden`` has shape (n or 1, 1 | n_dates | k or 1, C or 1) after its ``axis``."""

    axis: Axis
    forbidden: NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """One compiled rule.

    Attributes
    ----------
    id : str
        What a verdict names.
    pack : str
    cite : str
        Source id within the pack.
    ask : callable
        ``View -> Answer``.
    """

    id: str
    pack: str
    cite: str
    ask: Callable[[View], Answer]


def channel_mask(channels: tuple[str, ...] | str) -> NDArray[np.bool_]:
    """Which of ``CHANNELS`` a list of a pack names."""
    return np.array([channels == "*" or channel in channels for channel in CHANNELS])


def bits(values: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    """Unpack bit sets: shape (rows, n)."""
    return np.asarray((values[:, None] >> np.arange(n)) & 1 == 1)


def asks_for_money(purpose: str) -> bool:
    """Whether a purpose is collection in the wide sense: reminders before the due date are."""
    return purpose not in EXEMPT_PURPOSES


def fact_rules(pack: Pack) -> list[Rule]:
    """Rules about the account itself: unknown facts, consent, parties, stops."""
    rules: list[Rule] = []

    def per_account(name: str, cite: str, test: Callable[[View], NDArray[np.bool_]]) -> None:
        """Add a rule whose test answers (n,) or (n, C)."""

        def ask(view: View) -> Answer:
            forbidden = test(view)
            return Answer("account", forbidden[:, None, None] if forbidden.ndim == 1 else forbidden[:, None, :])

        rules.append(Rule(name, pack.id, cite, ask))

    prefix = pack.id.lower()
    if (consent := pack.consent) is not None:
        needed = channel_mask(consent.channels)
        per_account(f"{prefix}-consent", consent.cite, lambda view: needed & ~bits(view.facts.consents, len(CHANNELS)))
    if (parties := pack.parties) is not None:
        allowed = [PARTIES.index(name) for name in parties.allowed]
        per_account(
            f"{prefix}-party",
            parties.cite,
            lambda view: ~np.isin(view.facts.party, [*allowed, -1]),
        )
    if pack.opt_out is not None:
        per_account(f"{prefix}-opt-out", pack.opt_out.cite, lambda view: bits(view.facts.opt_outs, len(CHANNELS)))
    if pack.settled is not None:
        per_account(f"{prefix}-settled", pack.settled.cite, _settled)
    for stop in pack.stops:
        per_account(f"{prefix}-stop-{stop.flag.replace('_', '-')}", stop.cite, _stop_test(stop.flag, stop.effect))
    for ban in pack.forbidden:
        per_account(ban.id, ban.cite, _always(channel_mask(ban.channels)))
    if pack.workplace is not None:
        banned = channel_mask(pack.workplace.forbid)
        per_account(f"{prefix}-workplace", pack.workplace.cite, lambda view: view.facts.elsewhere[:, None] & banned)
    return rules


def unknown_fact_rules() -> list[Rule]:
    """Rules of the engine itself, in force under every pack: what is not known or not readable denies."""
    tests: dict[str, Callable[[View], NDArray[np.bool_]]] = {
        "input": lambda view: view.facts.malformed,
        "unknown-country": lambda view: ~view.facts.country_known,
        "unknown-party": lambda view: view.facts.party < 0,
        "unknown-flags": lambda view: ~view.facts.flags_known,
        "unknown-contacts": lambda view: ~view.facts.contacts_known,
        "unknown-balance": lambda view: (view.facts.balance == UNKNOWN_BALANCE) & asks_for_money(view.purpose),
    }
    return [Rule(name, "FLOOR", "policy", partial(_per_row, test)) for name, test in tests.items()]


def _per_row(test: Callable[[View], NDArray[np.bool_]], view: View) -> Answer:
    return Answer("account", test(view)[:, None, None])


def _settled(view: View) -> NDArray[np.bool_]:
    return np.asarray((view.facts.balance == SETTLED) & asks_for_money(view.purpose))


def _stop_test(flag: str, effect: str) -> Callable[[View], NDArray[np.bool_]]:
    position = FLAGS.index(flag)

    def test(view: View) -> NDArray[np.bool_]:
        applies = effect == "everything" or asks_for_money(view.purpose)
        return np.asarray(((view.facts.flags >> position) & 1 == 1) & applies)

    return test


def _always(mask: NDArray[np.bool_]) -> Callable[[View], NDArray[np.bool_]]:
    return lambda view: np.broadcast_to(mask, (len(view.facts), len(mask)))


def clock_rules(pack: Pack) -> list[Rule]:
    """Windows and holidays of one pack."""
    rules: list[Rule] = []
    prefix = pack.id.lower()
    if pack.windows:
        named = np.logical_or.reduce([channel_mask(window.channels) for window in pack.windows])
        rules.append(
            Rule(f"{prefix}-window", pack.id, pack.windows[0].cite, lambda view: _outside_windows(pack, named, view))
        )
    policy = pack.holiday_policy
    calendar = pack.time.holidays
    if policy is not None and policy.mode == "forbid" and calendar is not None:
        mask = channel_mask(policy.channels)
        rules.append(
            Rule(f"{prefix}-holiday", pack.id, policy.cite, lambda view: _on_holiday(calendar, mask, view, True))
        )
        rules.append(
            Rule(
                f"{prefix}-holiday-unknown", pack.id, policy.cite, lambda view: _on_holiday(calendar, mask, view, False)
            )
        )
    return rules


def _outside_windows(pack: Pack, named: NDArray[np.bool_], view: View) -> Answer:
    weekday = (view.day + 3) % 7
    inside = np.zeros((*view.day.shape, len(CHANNELS)), dtype=bool)
    for window in pack.windows:
        if window.alternative and window.id not in view.readings:
            continue
        start, end = clock_us(window.from_), clock_us(window.to)
        after = view.clock_us > start if window.closed == "none" else view.clock_us >= start
        on_day = np.isin(weekday, [DAYS.index(day) for day in window.days])
        open_now = (after & (view.clock_us < end) & on_day)[:, :, None] & channel_mask(window.channels)
        if len(window.stages) < len(STAGES):
            fits = view.dates_to_instants(view.stage_is(window.stages)[:, :, None])
            inside = inside | (open_now & fits)
        else:
            inside = inside | open_now
    return Answer("instant", ~inside & named)


def clock_us(time: dt.time) -> int:
    """Microseconds since midnight; the last moment that ``datetime.time`` can say stands for 24:00."""
    if time == dt.time.max:
        return 86_400_000_000
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond


def _on_holiday(rule: Holidays, mask: NDArray[np.bool_], view: View, known: bool) -> Answer:
    """Dates that are holidays (``known``) or of which the calendar cannot tell."""
    years = view.days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    answer = np.zeros(view.days.shape, dtype=bool)
    for year in np.unique(years).tolist():
        dates = holiday_days(rule, view.country, view.subdivision, year)
        if dates is None:
            answer |= (years == year) & (not known)
        elif known:
            answer |= np.isin(view.days, dates)
    return Answer("date", answer[:, :, None] & mask)


def no_window_rule(packs: tuple[Pack, ...]) -> Rule:
    """Forbid the channels of which no window of a book speaks: default deny."""
    named = np.logical_or.reduce(
        [np.zeros(len(CHANNELS), dtype=bool), *(channel_mask(w.channels) for pack in packs for w in pack.windows)]
    )
    book = packs[-1].id
    return Rule(
        f"{book.lower()}-no-window",
        book,
        "",
        lambda _view: Answer("account", np.broadcast_to(~named, (1, 1, len(CHANNELS)))),
    )
