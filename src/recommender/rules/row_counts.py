"""Caps, gaps, cooldowns, exclusive channels and escalation for one debtor: contacts counted one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import HOUR_US, local_time
from recommender.rules.contact_history import EXCLUDABLE
from recommender.rules.schema import Pack, Per, Week
from recommender.rules.vocabulary import CHANNELS, DAYS, RUNGS

__all__ = ["CountRule", "RowContact", "ZoneClock", "channel_bits", "count_rules"]

N_CHANNELS = len(CHANNELS)


class RowContact(NamedTuple):
    """One contact; see :class:`~recommender.rules.contact_history.ContactHistory` for the codes."""

    account: str | None
    instant_us: int
    channel: int
    rung: int
    excludable: int
    by_debtor: bool
    elsewhere: bool
    planned: bool
    pending: bool


@dataclass(frozen=True)
class ZoneClock:
    """Instants read on the clock of one zone.

    Attributes
    ----------
    days : list of int
        Local date of each instant.
    by_day : list of int
        For each date from the first to the last, one bit for each of its instants.
    """

    zone: str
    instant_us: list[int]
    days: list[int]
    first_day: int
    last_day: int
    by_day: list[int]

    @classmethod
    def of(cls, zone: str, instant_us: NDArray[np.int64]) -> ZoneClock:
        """Read the clock."""
        days = local_time(instant_us, zone).day.tolist()
        first, last = min(days), max(days)
        by_day = [0] * (last - first + 1)
        for i, day in enumerate(days):
            by_day[day - first] |= 1 << (N_CHANNELS * i)
        return cls(zone, instant_us.tolist(), days, first, last, by_day)


class CountRule(NamedTuple):
    """One counting rule.

    Attributes
    ----------
    id : str
    ask : callable
        (clock, account, contacts, their local days, consents, opt-outs, elsewhere) -> forbidden cells.
    without_contacts : callable
        (consents, opt-outs, elsewhere) -> channels forbidden at every instant to somebody never contacted.
    """

    id: str
    ask: Callable[[ZoneClock, str, Sequence[RowContact], Sequence[int], int, int, bool], int]
    without_contacts: Callable[[int, int, bool], int]


class _Filter(NamedTuple):
    """As :class:`~recommender.rules.contact_history.ContactFilter`."""

    per_debt: bool
    channels: frozenset[int] | None
    rung: int
    exclude: frozenset[int] = frozenset()
    with_debtor_initiated: bool = False
    elsewhere_only: bool = False
    sent_only: bool = False
    pending_counts: bool = False

    def keep(self, account: str, contacts: Sequence[RowContact], days: Sequence[int]) -> list[tuple[int, int]]:
        """Local date and instant of each contact that counts."""
        kept = []
        for contact, day in zip(contacts, days, strict=True):
            if self.per_debt and contact.account is not None and contact.account != account:
                continue
            if contact.rung < self.rung and not (self.pending_counts and contact.pending):
                continue
            if self.channels is not None and contact.channel not in self.channels:
                continue
            if contact.by_debtor and not self.with_debtor_initiated:
                continue
            if contact.excludable in self.exclude or (self.elsewhere_only and not contact.elsewhere):
                continue
            if self.sent_only and contact.planned:
                continue
            kept.append((day, contact.instant_us))
        return kept


def channel_bits(channels: Sequence[str] | str) -> int:
    """Set of channels that a list of a pack names."""
    return sum(1 << i for i, channel in enumerate(CHANNELS) if channels == "*" or channel in channels)


def count_rules(pack: Pack, exempt: frozenset[str], readings: frozenset[str]) -> list[CountRule]:
    """Counting rules of a pack, without the parts that a purpose is exempt from."""
    rules = []
    if "caps" not in exempt:
        rules += _caps(pack, readings)
    if "cooldowns" not in exempt:
        rules += _cooldowns(pack)
    if "exclusive_channel" not in exempt:
        rules += _exclusive(pack, readings)
    return rules + _escalations(pack)


def _positions(channels: Sequence[str], *, wildcard: bool = True) -> frozenset[int]:
    return frozenset([CHANNELS.index(name) for name in channels] + ([-1] if wildcard else []))


def _scopes(scope: Sequence[str] | str) -> list[tuple[frozenset[int] | None, int]]:
    """Channels that share a counter, and the set that it forbids."""
    if scope == "all_channels":
        return [(None, channel_bits("*"))]
    groups = [(channel,) for channel in CHANNELS] if scope == "each_channel" else [tuple(scope)]
    return [(None if len(group) == N_CHANNELS else _positions(group), channel_bits(group)) for group in groups]


def _caps(pack: Pack, readings: frozenset[str]) -> list[CountRule]:
    rules = []
    per_debt = pack.unit == "debt"
    for cap in pack.caps:
        loose = cap.alt if cap.alt is not None and cap.id in readings else None
        rung = RUNGS.index((loose.counts if loose is not None else None) or cap.counts)
        exclude = frozenset(1 + EXCLUDABLE.index(name) for name in cap.exclude)
        away = cap.place == "elsewhere"
        scopes = [
            (_Filter(per_debt, channels, rung, exclude, elsewhere_only=away), bits)
            for channels, bits in _scopes(cap.scope)
        ]
        rules.append(_cap(cap.id, scopes, cap.max, cap.per, pack.time.week, away=away))
        if cap.min_gap_days:
            gap = loose.min_gap_days if loose is not None and loose.min_gap_days is not None else cap.min_gap_days
            rules.append(_gap(f"{cap.id}-gap", scopes, gap))
    return rules


def _cap(name: str, scopes: list[tuple[_Filter, int]], most: int, per: Per, week: Week, *, away: bool) -> CountRule:
    every = 0
    for _, bits in scopes:
        every |= bits

    def ask(
        clock: ZoneClock, account: str, contacts: Sequence[RowContact], days: Sequence[int],
        _consents: int, _opt_outs: int, elsewhere: bool,
    ) -> int:  # fmt: skip
        if away and not elsewhere:
            return 0
        forbidden = 0
        for which, bits in scopes:
            kept = which.keep(account, contacts, days)
            if len(kept) < most:
                continue
            if per.kind == "rolling_hours":
                span = (per.hours or 0) * HOUR_US
                for i, instant in enumerate(clock.instant_us):
                    if sum(instant - span < at < instant + span for _, at in kept) >= most:
                        forbidden |= bits << (N_CHANNELS * i)
                continue
            latest = max(days)
            for offset, cells in enumerate(clock.by_day):
                for first, last in _spans(per, week, clock.first_day, clock.first_day + offset, latest):
                    if sum(first <= day <= last for day, _ in kept) >= most:
                        forbidden |= bits * cells
                        break
        return forbidden

    return CountRule(name, ask, lambda _c, _o, elsewhere: every if most == 0 and (elsewhere or not away) else 0)


def _spans(per: Per, week: Week, first_day: int, day: int, latest: int) -> Iterator[tuple[int, int]]:
    """First and last date of every span that a date belongs to; ``latest`` is that of the last contact."""
    if per.kind == "calendar_day":
        yield day, day
        return
    if per.kind == "week" and week.kind == "calendar":
        start = day - (day + 3 - DAYS.index(week.starts)) % 7
        yield start, start + 6
        return
    length = per.days if per.kind == "rolling_days" and per.days is not None else 7
    for shift in range(max(0, min(length - 1, latest - first_day)) + 1):
        yield day + shift - length + 1, day + shift


def _gap(name: str, scopes: list[tuple[_Filter, int]], gap: int) -> CountRule:
    def ask(
        clock: ZoneClock, account: str, contacts: Sequence[RowContact], days: Sequence[int],
        _consents: int, _opt_outs: int, _elsewhere: bool,
    ) -> int:  # fmt: skip
        forbidden = 0
        for which, bits in scopes:
            for day, _ in which.keep(account, contacts, days):
                for offset in range(
                    max(0, day - gap + 1 - clock.first_day), min(len(clock.by_day), day + gap - clock.first_day)
                ):
                    forbidden |= bits * clock.by_day[offset]
        return forbidden

    return CountRule(name, ask, _nothing)


def _nothing(_consents: int, _opt_outs: int, _elsewhere: bool) -> int:
    return 0


def _cooldowns(pack: Pack) -> list[CountRule]:
    rules = []
    for rule in pack.cooldowns:
        which = _Filter(
            pack.unit == "debt",
            _positions(rule.by),
            RUNGS.index(rule.after),
            with_debtor_initiated=rule.initiated_by == "either",
            pending_counts=True,
        )
        reach = rule.days - (1 if rule.first_day == "contact_date" else 0)
        rules.append(CountRule(rule.id, _cooling(which, reach, channel_bits(rule.blocks)), _nothing))
    return rules


def _cooling(which: _Filter, reach: int, bits: int) -> Callable[..., int]:
    def ask(
        clock: ZoneClock, account: str, contacts: Sequence[RowContact], days: Sequence[int],
        _consents: int, _opt_outs: int, _elsewhere: bool,
    ) -> int:  # fmt: skip
        kept = which.keep(account, contacts, days)
        if not kept:
            return 0
        forbidden = 0
        for i, (today, instant) in enumerate(zip(clock.days, clock.instant_us, strict=True)):
            # Counted as on sorted keys: where a clock is set back over midnight, dates and instants disagree.
            before = sum(day < today - reach for day, _ in kept)
            until = min(sum(day <= today for day, _ in kept), sum(at <= instant for _, at in kept))
            if until > before:
                forbidden |= bits << (N_CHANNELS * i)
        return forbidden

    return ask


def _exclusive(pack: Pack, readings: frozenset[str]) -> list[CountRule]:
    rules = []
    for rule in pack.exclusive_channel:
        loose = rule.alt if rule.alt is not None and rule.id in readings else None
        rung = RUNGS.index(loose.trigger if loose is not None else rule.trigger)
        every = _Filter(pack.unit == "debt", None, rung)
        own = [every._replace(channels=_positions((channel,), wildcard=False)) for channel in CHANNELS]
        rules.append(CountRule(rule.id, _other_channel(every, own, rule.per, pack.time.week), _nothing))
    return rules


def _other_channel(every: _Filter, own: list[_Filter], per: Per, week: Week) -> Callable[..., int]:
    def ask(
        clock: ZoneClock, account: str, contacts: Sequence[RowContact], days: Sequence[int],
        _consents: int, _opt_outs: int, _elsewhere: bool,
    ) -> int:  # fmt: skip
        kept = every.keep(account, contacts, days)
        if not kept:
            return 0
        by_channel = [which.keep(account, contacts, days) for which in own]
        latest = max(days)
        forbidden = 0
        for offset, cells in enumerate(clock.by_day):
            for first, last in _spans(per, week, clock.first_day, clock.first_day + offset, latest):
                total = sum(first <= day <= last for day, _ in kept)
                if not total:
                    continue
                for channel, mine in enumerate(by_channel):
                    if total > sum(first <= day <= last for day, _ in mine):
                        forbidden |= cells << channel
        return forbidden

    return ask


def _escalations(pack: Pack) -> list[CountRule]:
    rules = []
    for rule in pack.escalation:
        which = _Filter(pack.unit == "debt", _positions(rule.after, wildcard=False), 0, sent_only=True)
        cheap, dear = channel_bits(rule.after), channel_bits(rule.channels)
        ask = _untried(which, rule.within_days, rule.attempts, cheap, dear)
        rules.append(CountRule(rule.id, ask, _untried_at_all(cheap, dear)))
    return rules


def _untried_at_all(cheap: int, dear: int) -> Callable[[int, int, bool], int]:
    return lambda consents, opt_outs, _elsewhere: dear if consents & ~opt_outs & cheap else 0


def _untried(which: _Filter, within_days: int, attempts: int, cheap: int, dear: int) -> Callable[..., int]:
    def ask(
        clock: ZoneClock, account: str, contacts: Sequence[RowContact], days: Sequence[int],
        consents: int, opt_outs: int, _elsewhere: bool,
    ) -> int:  # fmt: skip
        if not consents & ~opt_outs & cheap:  # one who agreed to no cheaper channel cannot be made to try one
            return 0
        kept = which.keep(account, contacts, days)
        forbidden = 0
        for offset, cells in enumerate(clock.by_day):
            today = clock.first_day + offset
            if sum(today - within_days <= day <= today - 1 for day, _ in kept) < attempts:
                forbidden |= dear * cells
        return forbidden

    return ask
