"""A question at a number of a rule pack, and what all such questions share."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from recommender.rules import CHANNELS, Pack
from recommender.rules.vocabulary import ABOUT

Leaf = tuple[str, ...]
DAY, TICK = dt.timedelta(days=1), dt.timedelta(microseconds=1)
#: Wednesday; no public holiday of any jurisdiction lies on it or the day before.
BASE = dt.date(2026, 11, 18)
NOON = dt.time(12)
#: Where an overlay, which names no zone, is tried: one clock that never changes, one that does.
OVERLAY_ZONES = ("America/Lima", "America/Santiago")
#: Where a probe is about what a rule counts, not how much.
KINDS: Leaf = ("kinds",)


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


@dataclass
class Asker:
    """What all questions about a pack share: its zones, an account and a contact that nothing else stops."""

    pack: Pack
    jurisdiction: str
    zones: tuple[str, ...] = field(init=False)
    clocks: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.zones = self.pack.time.zones or OVERLAY_ZONES
        changing = [zone for zone in self.zones if clock_changes(zone)]
        self.clocks = tuple(dict.fromkeys([self.zones[0], *changing[:1], self.zones[-1]]))

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
        dates = [BASE, BASE - 2 * DAY, BASE + 4 * DAY, *clock_changes(zone)]
        return [local(date, NOON, zone) for date in dates]


def local(date: dt.date, clock: dt.time, zone: str) -> dt.datetime:
    """The instant of a wall clock; the last moment that ``datetime.time`` can say stands for 24:00."""
    if clock == dt.time.max:
        date, clock = date + DAY, dt.time(0)
    return dt.datetime.combine(date, clock, ZoneInfo(zone)).astimezone(dt.UTC)


def clock_changes(zone: str) -> list[dt.date]:
    """Local dates of the year on which the zone's offset changes."""
    place = ZoneInfo(zone)
    days = [dt.datetime(BASE.year, 1, 1, tzinfo=place) + n * DAY for n in range(366)]
    return [a.date() for a, b in pairwise(days) if a.utcoffset() != b.utcoffset()]
