"""Questions at the numbers by which a pack counts contacts: caps, gaps, silences, one channel, cheaper ones first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from recommender.rules import CHANNELS
from tests.rules.probes import DAY, KINDS, TICK, Asker, Leaf, Probe, local

OUTCOMES = ("attempt", "delivered", "live_contact", "wrong_party", "not_connected", None)


@dataclass
class CountingAsker(Asker):
    """What is asked about history."""

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
            marks = [local(date, dt.time(0), zone) for date in sorted(nights)]
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
                        night = local(today + n * DAY, dt.time(0), zone)
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
                    night = local(today + n * DAY, dt.time(0), zone)
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
                    night = local(today + n * DAY, dt.time(0), zone)
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
