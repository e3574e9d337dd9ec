"""Cases on both sides of every number that a rule pack states: opening minutes, caps, gaps, silences, ages, dates.

The generator walks parsed packs. It knows the *kinds* of rules, no pack: a pack that is added is covered by itself, and
a number of a kind that is not known here fails ``test_boundaries.py`` by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from recommender.rules import CHANNELS, FLAGS, PARTIES, PURPOSES, Pack
from recommender.rules.vocabulary import ABOUT

__all__ = ["Probe", "batches", "leaves", "probes"]

Leaf = tuple[str, ...]
DAY, TICK = dt.timedelta(days=1), dt.timedelta(microseconds=1)
#: Wednesday; no public holiday of any jurisdiction lies on it or the day before.
BASE = dt.date(2026, 11, 18)
NOON = dt.time(12)
OUTCOMES = ("attempt", "delivered", "live_contact", "wrong_party", "not_connected", None)
#: Where an overlay, which names no zone, is tried: one clock that never changes, one that does.
OVERLAY_ZONES = ("America/Lima", "America/Santiago")
#: Where a probe is about what a rule counts, not how much.
KINDS: Leaf = ("kinds",)
#: What identifies or dates the file itself; :mod:`tests.rules.test_boundaries` asks for the review date elsewhere.
NOT_RULES = {"cases", "sources", "schema", "reviewed_on", "review_max_age_days"}


@dataclass(frozen=True)
class Probe:
    """One question, and which number of the pack it stands at.

    Attributes
    ----------
    leaf : tuple of str
        Path of the number in the pack.
    rule : str
        Id of the rule whose verdict turns on it.
    channel : str
        A channel that the rule concerns.
    """

    leaf: Leaf
    rule: str
    channel: str
    at: dt.datetime
    account: dict[str, Any]
    contacts: tuple[dict[str, Any], ...] | None = ()
    purpose: str = "collection"
    readings: tuple[str, ...] = ()

    def changed(self, **facts: Any) -> Probe:
        """Return the same question about an account that differs in some facts."""
        return replace(self, account=self.account | facts)


def leaves(pack: Pack) -> dict[Leaf, Any]:
    """Every number, date and clock time that a pack states, by its path; rules are named by their id."""
    return dict(_walk(pack.model_dump(by_alias=True, exclude_unset=True), ()))


def _walk(part: Any, path: Leaf) -> Iterator[tuple[Leaf, Any]]:
    if isinstance(part, dict):
        for name, value in part.items():
            if path or name not in NOT_RULES:
                yield from _walk(value, (*path, name))
    elif isinstance(part, list | tuple):
        for position, value in enumerate(part):
            name = value.get("id", str(position)) if isinstance(value, dict) else str(position)
            yield from _walk(value, (*path, name))
    elif isinstance(part, int | float | dt.date | dt.time) and not isinstance(part, bool):
        yield path, part


def probes(pack: Pack, jurisdiction: str = "") -> list[Probe]:
    """All questions about a pack.

    Parameters
    ----------
    pack : Pack
    jurisdiction : str
        Country of the accounts where the pack names none.
    """
    return list(_Maker(pack, jurisdiction).all())


def _named(channels: Any) -> tuple[str, ...]:
    return CHANNELS if isinstance(channels, str) else channels


@dataclass
class _Maker:
    pack: Pack
    jurisdiction: str
    zones: tuple[str, ...] = field(init=False)
    clocks: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.zones = self.pack.time.zones or OVERLAY_ZONES
        changing = [zone for zone in self.zones if _clock_changes(zone)]
        self.clocks = tuple(dict.fromkeys([self.zones[0], *changing[:1], self.zones[-1]]))

    # -- what is common ------------------------------------------------------------------------------------------
    def account(self, zone: str | None, **facts: Any) -> dict[str, Any]:
        """An account that nothing but the rule at hand stops."""
        country, _, part = (self.pack.jurisdiction or self.jurisdiction).partition("-")
        return {
            "account_id": "A1", "debtor_id": "D1", "country": country, "subdivision": part or None, "timezone": zone,
            "phone_timezones": None, "due_date": (BASE - 45 * DAY).isoformat(), "balance_minor": 100_000,
            "consented_channels": list(CHANNELS), "flags": [], "party": "debtor", "place": None,
            "promise_state": None, "late_due_share": None, **dict.fromkeys(ABOUT[1:]),
        } | facts  # fmt: skip

    def contact(self, sent: dt.datetime, channel: str | None, **facts: Any) -> dict[str, Any]:
        """A contact of the creditor about this account."""
        return {
            "sent_at": sent.isoformat(), "channel": channel, "account_id": "A1", "initiated_by": "creditor",
            "outcome": "attempt", "status": "sent", "place": None, "purpose": None,
        } | facts  # fmt: skip

    def moments(self, zone: str) -> list[dt.datetime]:
        """Noons on which history is tried: mid-week, both ends of a week, and days on which the clock changes."""
        dates = [BASE, BASE - 2 * DAY, BASE + 4 * DAY, *_clock_changes(zone)]
        return [_local(date, NOON, zone) for date in dates]

    def all(self) -> Iterator[Probe]:
        """Every probe of every part of the pack."""
        pack = self.pack
        yield from self.in_force()
        for window in pack.windows:
            yield from self.window(window)
        for cap in pack.caps:
            yield from self.cap(cap)
            yield from self.gap(cap)
        for silence in pack.cooldowns:
            yield from self.silence(silence)
        for only in pack.exclusive_channel:
            yield from self.exclusive(only)
        for step in pack.escalation:
            yield from self.escalation(step)
        for position, tone in enumerate(pack.tones):
            yield from self.ages(tone, ("tones", tone.id), f"{pack.id.lower()}-tone", position)
        for position, human in enumerate(pack.needs_human):
            yield from self.ages(human, ("needs_human", human.id), human.id, position)
        for spoken in pack.speaks_of:
            yield from self.spoken(spoken)
        for name in ("extra", "remove"):
            yield from self.holidays(name)
        yield from self.person()

    # -- dates and hours -----------------------------------------------------------------------------------------
    def in_force(self) -> Iterator[Probe]:
        """First and last date on which the pack holds, to the microsecond on the local clock."""
        rule = f"{self.pack.id.lower()}-not-in-force"
        purpose = self.pack.speaks_of[0].purpose if self.pack.speaks_of else "collection"
        for name, step in (("valid_from", 0), ("valid_to", 1)):
            date = getattr(self.pack, name)
            if date is None:
                continue
            for zone in self.clocks:
                midnight = _local(date + step * DAY, dt.time(0), zone)
                for at in (midnight - 12 * dt.timedelta(hours=1), midnight - TICK, midnight, midnight + DAY / 2):
                    yield Probe((name,), rule, "sms", at, self.account(zone), purpose=purpose)

    def window(self, window: Any) -> Iterator[Probe]:
        """Both edges on every day of the week, in every zone, on days whose clock changes; then in no known zone."""
        rule, channel = f"{self.pack.id.lower()}-window", _named(window.channels)[0]
        readings = (window.id,) if window.alternative else ()
        for name, clock in (("from", window.from_), ("to", window.to)):
            leaf: Leaf = ("windows", window.id, name)
            for zone in self.zones:
                dates = [*(BASE + n * DAY for n in range(-2, 5)), *_clock_changes(zone)]
                for edge in (_local(date, clock, zone) for date in dates):
                    for at in (edge - TICK, edge, edge + TICK):
                        yield Probe(leaf, rule, channel, at, self.account(zone), readings=readings)
            for zone in self.clocks:
                for date in (BASE, BASE + 3 * DAY):
                    edge = _local(date, clock, zone)
                    for at in (edge - TICK, edge, edge + TICK):
                        somewhere = Probe(leaf, rule, channel, at, self.account(None), readings=readings)
                        if not self.pack.tones:  # tones are read on one clock
                            yield somewhere
                        yield somewhere.changed(timezone=self.zones[0], phone_timezones=[self.zones[-1]])
                        yield replace(somewhere.changed(timezone=zone), readings=())
                        for late in (-1, 0, 1):
                            yield somewhere.changed(timezone=zone, due_date=(date - late * DAY).isoformat())

    def holidays(self, name: str) -> Iterator[Probe]:
        """Corrections of the calendar: their day, and the instants around it."""
        calendar = self.pack.time.holidays
        for position, date in enumerate(getattr(calendar, name) if calendar else ()):
            for zone in self.clocks:
                first = _local(date, dt.time(0), zone)
                last = _local(date + DAY, dt.time(0), zone)
                for at in (first - TICK, first, last - TICK, last):
                    leaf = ("time", "holidays", name, str(position))
                    yield Probe(leaf, f"{self.pack.id.lower()}-holiday", "sms", at, self.account(zone))

    # -- what counts contacts ------------------------------------------------------------------------------------
    def edges(self, at: dt.datetime, zone: str, per: Any) -> list[dt.datetime]:
        """Instants around which a contact enters or leaves a span, each with its neighbours."""
        today = at.astimezone(ZoneInfo(zone)).date()
        if per.kind == "rolling_hours":
            reach = dt.timedelta(hours=per.hours)
            marks = [at - reach, at + reach]
        else:
            length = 1 if per.kind == "calendar_day" else per.days or 7
            nights = {today + n * DAY for n in (-length - 1, -length, 1 - length, 0, 1, length - 1, length, length + 1)}
            monday = today - today.weekday() * DAY
            if per.kind == "week":  # wherever a week starts, the nights around today are among these
                nights |= {monday + n * DAY for n in range(-1, 9)}
            marks = [_local(date, dt.time(0), zone) for date in sorted(nights)]
        return sorted({mark + step for mark in marks for step in (-TICK, 0 * DAY, TICK)})

    def cap(self, cap: Any) -> Iterator[Probe]:
        """How many, how far apart in time, and every kind of contact as the decisive one."""
        scope = CHANNELS if isinstance(cap.scope, str) else cap.scope
        away = {"place": "work"} if cap.place == "elsewhere" else {}
        size: Leaf = ("caps", cap.id, "max")
        span: Leaf = ("caps", cap.id, "per", "hours" if cap.per.kind == "rolling_hours" else "days")
        if cap.per.kind in ("calendar_day", "week"):
            span = size  # "a day" and "a week" are no numbers of the pack, but their ends are boundaries all the same
        every = (cap.id,) if cap.alt is not None else ()
        for zone in self.clocks:
            for at in self.moments(zone):
                plain = Probe(size, cap.id, scope[0], at, self.account(zone, **away))

                def told(sent: dt.datetime, channel: str | None = scope[0], **facts: Any) -> dict[str, Any]:
                    return self.contact(sent, channel, **({"outcome": cap.counts} | away | facts))

                def just(n: int) -> tuple[dict[str, Any], ...]:
                    return tuple(told(at - (k + 1) * TICK) for k in range(n))  # noqa: B023 - used within the round

                for n in (cap.max - 1, cap.max, cap.max + 1):
                    if n >= 0:
                        yield replace(plain, contacts=just(n))
                spare = just(cap.max - 1)
                for sent in self.edges(at, zone, cap.per):
                    ahead = {"status": "planned"} if sent > at else {}
                    yield replace(plain, leaf=span, contacts=(*spare, told(sent, **ahead)))
                if cap.per.kind in ("rolling_days", "rolling_hours"):
                    yield from self.spread(replace(plain, leaf=span), cap, told)
                if at != self.moments(zone)[0]:
                    continue
                sent = at - dt.timedelta(hours=1)
                others = [
                    *({"channel": channel} for channel in (*CHANNELS, None)),
                    *({"outcome": outcome} for outcome in OUTCOMES),
                    *({"initiated_by": who} for who in ("debtor", None)),
                    *({"account_id": which} for which in ("A2", None)),
                    *({"place": place} for place in ("home", "work", "elsewhere", None)),
                    {"status": "planned"}, {"status": "planned", "outcome": None}, {"status": None},
                ]  # fmt: skip
                plain = replace(plain, leaf=KINDS)
                for facts in others:
                    one = replace(plain, contacts=(*spare, told(sent, **facts)))
                    yield one
                    yield one.changed(place="work" if not away else "home")
                    if every:
                        yield replace(one, readings=every)
                for channel in CHANNELS:
                    yield replace(plain, channel=channel, contacts=just(cap.max))
                yield replace(plain, contacts=just(cap.max)).changed(account_id=None)
                tomorrow = told(at + DAY, status="planned", outcome=None)
                yield replace(plain, contacts=(*spare, tomorrow), readings=every)

    def spread(self, plain: Probe, cap: Any, told: Any) -> Iterator[Probe]:
        """Contacts before and planned ones after: no span that holds both and the new one may be overfull."""
        unit = dt.timedelta(hours=1) if cap.per.kind == "rolling_hours" else DAY
        length = cap.per.hours if cap.per.kind == "rolling_hours" else cap.per.days
        if cap.max < 2:
            return
        for behind in (0, 1, length // 2, length - 1, length):
            for ahead in (length - behind - 1, length - behind, length - behind + 1):
                past = [told(plain.at - behind * unit - TICK) for _ in range(cap.max - 1)]
                planned = told(plain.at + max(ahead, 0) * unit + TICK, status="planned")
                yield replace(plain, contacts=(*past, planned))

    def gap(self, cap: Any) -> Iterator[Probe]:
        """Dates of two contacts: one less than apart enough, enough, one more, before and ahead; each reading."""
        if not cap.min_gap_days:
            return
        scope = CHANNELS if isinstance(cap.scope, str) else cap.scope
        counted = {"outcome": cap.counts, "place": "work" if cap.place == "elsewhere" else None}
        readings: list[tuple[Leaf, int, tuple[str, ...]]] = [(("caps", cap.id, "min_gap_days"), cap.min_gap_days, ())]
        if cap.alt is not None and cap.alt.min_gap_days is not None:
            readings.append((("caps", cap.id, "alt", "min_gap_days"), cap.alt.min_gap_days, (cap.id,)))
        for leaf, days, chosen in readings:
            for zone in self.clocks:
                for at in self.moments(zone):
                    today = at.astimezone(ZoneInfo(zone)).date()
                    for n in sorted({*range(-days - 1, -days + 3), *range(days - 1, days + 3)}):
                        night = _local(today + n * DAY, dt.time(0), zone)
                        for sent in (night - TICK, night):
                            ahead = {"status": "planned"} if sent > at else {}
                            for channel in (scope[-1], *((None, "visit") if n == -1 else ())):
                                past = (self.contact(sent, channel, **counted, **ahead),)
                                account = self.account(zone)
                                yield Probe(
                                    leaf, f"{cap.id}-gap", scope[0], at, account, contacts=past, readings=chosen
                                )

    def silence(self, rule: Any) -> Iterator[Probe]:
        """The date on which silence ends, and what begins it."""
        leaf: Leaf = ("cooldowns", rule.id, "days")
        for zone in self.clocks:
            for at in self.moments(zone):
                today = at.astimezone(ZoneInfo(zone)).date()
                plain = Probe(leaf, rule.id, rule.blocks[0], at, self.account(zone))

                def told(
                    sent: dt.datetime, channel: str | None = rule.by[0], **facts: Any
                ) -> tuple[dict[str, Any], ...]:
                    return (self.contact(sent, channel, **({"outcome": rule.after} | facts)),)

                for n in range(-rule.days - 1, -rule.days + 3):
                    night = _local(today + n * DAY, dt.time(0), zone)
                    for sent in (night - TICK, night):
                        yield replace(plain, contacts=told(sent))
                for step in (-TICK, 0 * DAY, TICK):
                    for facts in ({}, {"status": "planned"}, {"status": "planned", "outcome": None}):
                        yield replace(plain, leaf=KINDS, contacts=told(at + step, **facts))
                for facts in (
                    *({"channel": channel} for channel in (*CHANNELS, None)),
                    *({"outcome": outcome} for outcome in OUTCOMES),
                    *({"initiated_by": who} for who in ("debtor", None)),
                    *({"account_id": which} for which in ("A2", None)),
                ):
                    yield replace(plain, leaf=KINDS, contacts=told(at - DAY, **facts))

    def exclusive(self, rule: Any) -> Iterator[Probe]:
        """Ends of the span within which one channel excludes the others; what begins it."""
        leaf: Leaf = ("exclusive_channel", rule.id, "per", "days")
        for zone in self.clocks:
            for at in self.moments(zone):
                plain = Probe(leaf, rule.id, "sms", at, self.account(zone))
                for sent in self.edges(at, zone, rule.per):
                    ahead = {"status": "planned"} if sent > at else {}
                    yield replace(plain, contacts=(self.contact(sent, "call", **ahead),))
                for facts in (
                    *({"channel": channel} for channel in (*CHANNELS, None)),
                    *({"outcome": outcome} for outcome in OUTCOMES),
                    *({"initiated_by": who} for who in ("debtor", None)),
                    *({"account_id": which} for which in ("A2", None)),
                ):
                    one = self.contact(at - dt.timedelta(hours=2), "call") | facts
                    yield replace(plain, leaf=KINDS, contacts=(one,))
                    yield replace(plain, leaf=KINDS, contacts=(one, self.contact(at - dt.timedelta(hours=3), "sms")))
                    if rule.alt is not None:
                        yield replace(plain, contacts=(one,), readings=(rule.id,))

    def escalation(self, rule: Any) -> Iterator[Probe]:
        """How many cheaper attempts, within which dates, over which channels; who can be tried more cheaply at all."""
        many: Leaf = ("escalation", rule.id, "attempts")
        within: Leaf = ("escalation", rule.id, "within_days")
        for zone in self.clocks:
            for at in self.moments(zone):
                today = at.astimezone(ZoneInfo(zone)).date()
                plain = Probe(many, rule.id, rule.channels[0], at, self.account(zone))

                def tried(
                    n: int, sent: dt.datetime, channel: str | None = rule.after[0], **facts: Any
                ) -> tuple[dict[str, Any], ...]:
                    return tuple(self.contact(sent - k * TICK, channel, **facts) for k in range(n))

                yesterday = at - DAY
                for n in (rule.attempts - 1, rule.attempts, rule.attempts + 1):
                    yield replace(plain, contacts=tried(n, yesterday))
                short = tried(rule.attempts - 1, yesterday)
                for n in (-rule.within_days - 1, -rule.within_days, 1 - rule.within_days, -1, 0, 1):
                    night = _local(today + n * DAY, dt.time(0), zone)
                    for sent in (night - TICK, night):
                        if sent <= at:
                            yield replace(plain, leaf=within, contacts=(*short, *tried(1, sent)))
                for facts in (
                    *({"channel": channel} for channel in (*CHANNELS, None)),
                    *({"outcome": outcome} for outcome in OUTCOMES),
                    *({"initiated_by": who} for who in ("debtor", None)),
                    *({"account_id": which} for which in ("A2", None)),
                    *({"status": status} for status in ("planned", None)),
                ):
                    yield replace(plain, leaf=KINDS, contacts=(*short, *tried(1, yesterday, **facts)))
                yield plain.changed(consented_channels=list(rule.channels))
                yield plain.changed(flags=[f"opt_out:{channel}" for channel in rule.after])
                yield plain.changed(flags=[f"opt_out:{channel}" for channel in rule.after[1:]])

    # -- the account itself --------------------------------------------------------------------------------------
    def ages(self, rule: Any, path: Leaf, rule_id: str, position: int) -> Iterator[Probe]:
        """Days past due around each limit, from the first to the last moment of the local date."""
        for name in ("from_days", "to_days"):
            limit = getattr(rule, name, None)
            if limit is None:
                continue
            for zone in self.clocks:
                for late in (limit - 1, limit, limit + 1):
                    account = self.account(zone, due_date=(BASE - late * DAY).isoformat())
                    last = _local(BASE + DAY, dt.time(0), zone) - TICK
                    for at in (_local(BASE, dt.time(0), zone), _local(BASE, NOON, zone), last):
                        yield Probe((*path, name), rule_id, "sms", at, account)
        if position == 0:
            yield Probe(KINDS, rule_id, "sms", _local(BASE, NOON, self.zones[0]),
                        self.account(self.zones[0], due_date=None))  # fmt: skip

    def spoken(self, rule: Any) -> Iterator[Probe]:
        """Each limit in days from the first to the last moment of the date; what counts as said, owed, and habit."""
        leaf: Leaf = ("speaks_of", rule.id)
        ends = [limit for limit in (rule.from_days, rule.to_days) if limit is not None]
        inside = ends[0] if ends else 0
        fit = {} if rule.least_late_share is None else {"late_due_share": 1.0}

        def about(zone: str, since: int, at: dt.datetime, **facts: Any) -> Probe:
            told = {rule.about: (BASE - since * DAY).isoformat()} | fit | facts
            return Probe(KINDS, rule.id, "sms", at, self.account(zone, **told), purpose=rule.purpose)

        for name in ("from_days", "to_days"):
            limit = getattr(rule, name)
            for zone in self.clocks if limit is not None else ():
                for since in (limit - 1, limit, limit + 1):
                    last = _local(BASE + DAY, dt.time(0), zone) - TICK
                    for at in (_local(BASE, dt.time(0), zone), _local(BASE, NOON, zone), last):
                        yield replace(about(zone, since, at), leaf=(*leaf, name))
        zone = self.zones[-1]
        noon = _local(BASE, NOON, zone)
        plain = about(zone, inside, noon)
        shares = () if rule.least_late_share is None else (-0.01, 0.0, 0.01)
        for step in shares:
            share = rule.least_late_share + step
            yield replace(
                plain.changed(late_due_share=share), rule=f"{rule.id}-habit", leaf=(*leaf, "least_late_share")
            )
        yield plain.changed(late_due_share=None)
        yield replace(plain, account=plain.account | {"timezone": None})
        for flag in (None, *FLAGS):
            yield plain.changed(**{rule.about: None, "flags": [] if flag is None else [flag]})
        for state in ("open", "kept", "broken", "none", "perhaps"):
            yield plain.changed(promise_state=state)
            yield plain.changed(**{rule.about: None, "promise_state": state})
        for balance in (None, 0, 5):
            for due in (BASE - DAY, BASE, BASE + DAY, None):
                yield plain.changed(balance_minor=balance, due_date=due and due.isoformat())
        for days in (-3, -2, -1, 0, 1, 2):
            sent = _local(BASE - (inside + days) * DAY, dt.time(0), zone)
            for at in (sent, sent - TICK):
                for facts in (
                    {}, {"outcome": "bounced"}, {"outcome": "not_connected"}, {"outcome": None, "status": "planned"},
                    {"account_id": None}, {"account_id": "A2"}, {"initiated_by": "debtor"}, {"purpose": "collection"},
                    {"purpose": None}, {"purpose": "perhaps"}, {"purpose": "perhaps", "outcome": "bounced"},
                ):  # fmt: skip
                    yield replace(plain, contacts=(self.contact(at, "email", **{"purpose": rule.purpose} | facts),))

    def person(self) -> Iterator[Probe]:
        """Facts that stop whatever the hour: each alone, for every purpose, at a good and at a bad moment."""
        zone = self.zones[0]
        used = (self.contact(_local(BASE, dt.time(11), zone), "call", outcome="live_contact"),)
        for purpose in PURPOSES:
            for clock in (NOON, dt.time(3)):
                at = _local(BASE, clock, zone)
                plain = Probe(KINDS, "", "sms", at, self.account(zone), purpose=purpose)
                yield plain
                yield replace(plain, contacts=used)
                yield replace(plain, contacts=None)
                for flag in (*FLAGS, *(f"opt_out:{channel}" for channel in CHANNELS)):
                    yield plain.changed(flags=[flag])
                for facts in (
                    *({"balance_minor": balance} for balance in (-1, 0, 1, None)),
                    *({"party": party} for party in (*PARTIES, None)),
                    *({"consented_channels": [channel]} for channel in CHANNELS),
                    *({"place": place} for place in ("home", "work", "elsewhere")),
                    {"consented_channels": None}, {"flags": None}, {"country": None},
                ):  # fmt: skip
                    yield plain.changed(**facts)
        year = BASE.year
        for n in range(365):  # every date of a year: the holidays of the place
            at = _local(dt.date(year, 1, 1) + n * DAY, NOON, zone)
            yield Probe(KINDS, "", CHANNELS[n % len(CHANNELS)], at, self.account(zone))


def _local(date: dt.date, clock: dt.time, zone: str) -> dt.datetime:
    """The instant of a wall clock; the last moment that ``datetime.time`` can say stands for 24:00."""
    if clock == dt.time.max:
        date, clock = date + DAY, dt.time(0)
    return dt.datetime.combine(date, clock, ZoneInfo(zone)).astimezone(dt.UTC)


def _clock_changes(zone: str) -> list[dt.date]:
    """Local dates of the year on which the zone's offset changes."""
    place = ZoneInfo(zone)
    days = [dt.datetime(BASE.year, 1, 1, tzinfo=place) + n * DAY for n in range(366)]
    return [a.date() for a, b in pairwise(days) if a.utcoffset() != b.utcoffset()]


def batches(asked: Sequence[Probe]) -> dict[tuple[str, tuple[str, ...]], list[Probe]]:
    """Probes that one call can answer: equal purpose and readings."""
    found: dict[tuple[str, tuple[str, ...]], list[Probe]] = {}
    for probe in asked:
        found.setdefault((probe.purpose, probe.readings), []).append(probe)
    return found
