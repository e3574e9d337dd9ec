"""Cases on both sides of every number that a rule pack states: opening minutes, caps, gaps, silences, ages, dates.

The generator walks parsed packs. It knows the *kinds* of rules, no pack: a pack that is added is covered by itself, and
a number of a kind that is not known here fails ``test_boundaries.py`` by name.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from recommender.rules import CHANNELS, FLAGS, PARTIES, PURPOSES, Pack
from tests.rules.counted_probes import CountingAsker
from tests.rules.probes import BASE, DAY, KINDS, NOON, TICK, Leaf, Probe, clock_changes, local

__all__ = ["batches", "leaves", "probes"]

#: What identifies or dates the file itself; :mod:`tests.rules.test_boundaries` asks for the review date elsewhere.
NOT_RULES = {"cases", "sources", "schema", "reviewed_on", "review_max_age_days"}


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
class _Maker(CountingAsker):
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
                midnight = local(date + step * DAY, dt.time(0), zone)
                for at in (midnight - 12 * dt.timedelta(hours=1), midnight - TICK, midnight, midnight + DAY / 2):
                    yield Probe((name,), rule, "sms", at, self.account(zone), purpose=purpose)

    def window(self, window: Any) -> Iterator[Probe]:
        """Both edges on every day of the week, in every zone, on days whose clock changes; then in no known zone."""
        rule, channel = f"{self.pack.id.lower()}-window", _named(window.channels)[0]
        readings = (window.id,) if window.alternative else ()
        for name, clock in (("from", window.from_), ("to", window.to)):
            leaf: Leaf = ("windows", window.id, name)
            for zone in self.zones:
                dates = [*(BASE + n * DAY for n in range(-2, 5)), *clock_changes(zone)]
                for edge in (local(date, clock, zone) for date in dates):
                    for at in (edge - TICK, edge, edge + TICK):
                        yield Probe(leaf, rule, channel, at, self.account(zone), readings=readings)
            for zone in self.clocks:
                for date in (BASE, BASE + 3 * DAY):
                    edge = local(date, clock, zone)
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
                first = local(date, dt.time(0), zone)
                last = local(date + DAY, dt.time(0), zone)
                for at in (first - TICK, first, last - TICK, last):
                    leaf = ("time", "holidays", name, str(position))
                    yield Probe(leaf, f"{self.pack.id.lower()}-holiday", "sms", at, self.account(zone))

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
                    last = local(BASE + DAY, dt.time(0), zone) - TICK
                    for at in (local(BASE, dt.time(0), zone), local(BASE, NOON, zone), last):
                        yield Probe((*path, name), rule_id, "sms", at, account)
        if position == 0:
            yield Probe(KINDS, rule_id, "sms", local(BASE, NOON, self.zones[0]),
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
                    last = local(BASE + DAY, dt.time(0), zone) - TICK
                    for at in (local(BASE, dt.time(0), zone), local(BASE, NOON, zone), last):
                        yield replace(about(zone, since, at), leaf=(*leaf, name))
        zone = self.zones[-1]
        noon = local(BASE, NOON, zone)
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
            sent = local(BASE - (inside + days) * DAY, dt.time(0), zone)
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
        used = (self.contact(local(BASE, dt.time(11), zone), "call", outcome="live_contact"),)
        for purpose in PURPOSES:
            for clock in (NOON, dt.time(3)):
                at = local(BASE, clock, zone)
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
            at = local(dt.date(year, 1, 1) + n * DAY, NOON, zone)
            yield Probe(KINDS, "", CHANNELS[n % len(CHANNELS)], at, self.account(zone))


def batches(asked: Sequence[Probe]) -> dict[tuple[str, tuple[str, ...]], list[Probe]]:
    """Probes that one call can answer: equal purpose and readings."""
    found: dict[tuple[str, tuple[str, ...]], list[Probe]] = {}
    for probe in asked:
        found.setdefault((probe.purpose, probe.readings), []).append(probe)
    return found
