"""The rules of a pack as flat tables: what the kernel reads, one line a rule (or one a group of channels it counts).

Each function here is one section of a pack in its own terms; citations stay with the packs. Three tables, by what a
rule looks at: facts of the account, the clock and the calendar, past and planned contacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recommender.local_time import HOUR_US
from recommender.rules.contact_history import EXCLUDABLE
from recommender.rules.purpose_rules import speaks_names, speaks_row
from recommender.rules.schema import Cap, Pack, Per, Week
from recommender.rules.vocabulary import (
    ABOUT_FLAG,
    CHANNELS,
    DAYS,
    DEBT_FREE_PURPOSES,
    EXEMPT_PURPOSES,
    FLAGS,
    PARTIES,
    RUNGS,
)

__all__ = [
    "COUNT_RULE",
    "EVERY_CHANNEL",
    "FACT_RULE",
    "RuleName",
    "RuleTables",
    "channel_bits",
    "no_law",
    "no_window",
    "unknown_facts",
]

#: Set of all channels; sets of channels are bits over ``CHANNELS``.
EVERY_CHANNEL = (1 << len(CHANNELS)) - 1
#: In sets of counted channels: contacts of unknown channel count too.
UNKNOWN_CHANNEL = 1 << len(CHANNELS)

# -- kinds of rules about facts
ALWAYS, MALFORMED, NO_COUNTRY, NO_PARTY, NO_FLAGS, NO_CONTACTS, BALANCE = 0, 1, 2, 3, 4, 5, 6
CONSENT, PARTY, OPT_OUT, FLAG, WORKPLACE = 7, 8, 9, 10, 11
#: ``position`` of the rule's name, its ``kind``, the ``channels`` it forbids, and a ``value`` of the kind's own.
FACT_RULE = np.dtype([("position", np.int64), ("kind", np.int64), ("channels", np.int64), ("value", np.int64)])

# -- kinds of rules that count contacts
CAP, CAP_HOURS, GAP, COOLDOWN, EXCLUSIVE, ESCALATION = 0, 1, 2, 3, 4, 5
# -- spans of local dates
DAY, WEEK, ROLLING = 0, 1, 2
#: ``channels`` are forbidden; the fields from ``per_debt`` to ``pending`` say which contacts count; ``most`` is the
#: number of a cap or the attempts of an escalation; ``length`` is a span in days, or microseconds for elapsed time.
COUNT_RULE = np.dtype(
    [
        ("position", np.int64), ("kind", np.int64), ("channels", np.int64),
        ("per_debt", np.bool_), ("counted", np.int64), ("rung", np.int64), ("excluded", np.int64),
        ("by_debtor", np.bool_), ("elsewhere", np.bool_), ("sent_only", np.bool_), ("pending", np.bool_),
        ("most", np.int64), ("span", np.int64), ("length", np.int64), ("week_starts", np.int64), ("cheaper", np.int64),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class RuleName:
    """Name of a rule in a verdict, and where it comes from; ``lasting`` is what time alone does not lift."""

    id: str
    pack: str
    cite: str
    lasting: bool = False


@dataclass
class RuleTables:
    """Tables of one book of packs; positions count from ``first``, through all books of a law."""

    first: int
    names: list[RuleName] = field(default_factory=list)
    facts: list[tuple[int, int, int, int]] = field(default_factory=list)
    counts: list[tuple[int | bool, ...]] = field(default_factory=list)
    speaks: list[tuple[Any, ...]] = field(default_factory=list)

    def name(self, rule: str, pack: str, cite: str, *, lasting: bool = False) -> int:
        """Position of a new rule."""
        self.names.append(RuleName(rule, pack, cite, lasting))
        return self.first + len(self.names) - 1

    def fact(self, rule: str, pack: str, cite: str, kind: int, channels: int = EVERY_CHANNEL, value: int = 0) -> None:
        """Add a rule about the account itself."""
        self.facts.append((self.name(rule, pack, cite, lasting=True), kind, channels, value))

    def count(self, position: int, kind: int, channels: int, which: _Counted, **limits: int) -> None:
        """Add a rule that counts contacts."""
        self.counts.append(
            (
                position, kind, channels, which.per_debt, which.channels, which.rung, which.excluded, which.by_debtor,
                which.elsewhere, which.sent_only, which.pending,
                limits.get("most", 0), limits.get("span", 0), limits.get("length", 0), limits.get("week_starts", 0),
                limits.get("cheaper", 0),
            )
        )  # fmt: skip

    # -- sections of a pack ----------------------------------------------------------------------------------------
    def about_facts(self, pack: Pack, purpose: str) -> None:
        """Consent, parties, opt-outs, settled debts, stops, bans and the place of work."""
        prefix, stoppable = pack.id.lower(), purpose not in EXEMPT_PURPOSES
        if pack.consent is not None:
            bits = channel_bits(pack.consent.channels)
            self.fact(f"{prefix}-consent", pack.id, pack.consent.cite, CONSENT, bits)
        if pack.parties is not None:
            allowed = sum(1 << PARTIES.index(name) for name in pack.parties.allowed)
            self.fact(f"{prefix}-party", pack.id, pack.parties.cite, PARTY, value=allowed)
        if pack.opt_out is not None:
            self.fact(f"{prefix}-opt-out", pack.id, pack.opt_out.cite, OPT_OUT)
        if pack.settled is not None and purpose not in DEBT_FREE_PURPOSES:
            self.fact(f"{prefix}-settled", pack.id, pack.settled.cite, BALANCE, value=1)
        for stop in pack.stops:
            if stop.effect == "everything" or (stoppable and stop.flag != ABOUT_FLAG.get(purpose)):
                name = f"{prefix}-stop-{stop.flag.replace('_', '-')}"
                self.fact(name, pack.id, stop.cite, FLAG, value=1 << FLAGS.index(stop.flag))
        for ban in pack.forbidden:
            self.fact(ban.id, pack.id, ban.cite, ALWAYS, channel_bits(ban.channels))
        if pack.workplace is not None:
            bits = channel_bits(pack.workplace.forbid)
            self.fact(f"{prefix}-workplace", pack.id, pack.workplace.cite, WORKPLACE, bits)

    def caps(self, pack: Pack, readings: frozenset[str]) -> None:
        """How often, and how far apart."""
        for cap in pack.caps:
            loose = cap.alt if cap.alt is not None and cap.id in readings else None
            rung = RUNGS.index((loose.counts if loose is not None else None) or cap.counts)
            excluded = sum(1 << (1 + EXCLUDABLE.index(name)) for name in cap.exclude)
            away = cap.place == "elsewhere"
            groups = [
                (bits, _Counted(pack.unit == "debt", bits | UNKNOWN_CHANNEL, rung, excluded, elsewhere=away))
                for bits in _scopes(cap)
            ]
            position = self.name(cap.id, pack.id, cap.cite)
            for bits, which in groups:
                if cap.per.kind == "rolling_hours":
                    limits = {"most": cap.max, "length": (cap.per.hours or 0) * HOUR_US}
                    self.count(position, CAP_HOURS, bits, which, **limits)
                else:
                    self.count(position, CAP, bits, which, most=cap.max, **_span(cap.per, pack.time.week))
            if cap.min_gap_days:
                gap = loose.min_gap_days if loose is not None and loose.min_gap_days is not None else cap.min_gap_days
                position = self.name(f"{cap.id}-gap", pack.id, cap.cite)
                for bits, which in groups:
                    self.count(position, GAP, bits, which, length=gap)

    def cooldowns(self, pack: Pack) -> None:
        """Silence after an event."""
        for rule in pack.cooldowns:
            which = _Counted(
                pack.unit == "debt",
                channel_bits(rule.by) | UNKNOWN_CHANNEL,
                RUNGS.index(rule.after),
                by_debtor=rule.initiated_by == "either",
                pending=True,
            )
            reach = rule.days - (1 if rule.first_day == "contact_date" else 0)
            position = self.name(rule.id, pack.id, rule.cite)
            self.count(position, COOLDOWN, channel_bits(rule.blocks), which, length=reach)

    def exclusive_channels(self, pack: Pack, readings: frozenset[str]) -> None:
        """After a contact, no other channel in the same span."""
        for rule in pack.exclusive_channel:
            loose = rule.alt if rule.alt is not None and rule.id in readings else None
            rung = RUNGS.index(loose.trigger if loose is not None else rule.trigger)
            which = _Counted(pack.unit == "debt", EVERY_CHANNEL | UNKNOWN_CHANNEL, rung)
            position = self.name(rule.id, pack.id, rule.cite)
            self.count(position, EXCLUSIVE, EVERY_CHANNEL, which, **_span(rule.per, pack.time.week))

    def escalations(self, pack: Pack) -> None:
        """Dear channels only after cheaper ones were tried in vain."""
        for rule in pack.escalation:
            cheaper = channel_bits(rule.after)
            which = _Counted(pack.unit == "debt", cheaper, 0, sent_only=True)
            position = self.name(rule.id, pack.id, rule.cite)
            limits = {"most": rule.attempts, "length": rule.within_days, "cheaper": cheaper}
            self.count(position, ESCALATION, channel_bits(rule.channels), which, **limits)

    def speaks_of(self, pack: Pack, purpose: str) -> None:
        """Whom a purpose is for."""
        for rule in pack.speaks_of:
            if rule.purpose == purpose:
                self.speaks.append(speaks_row(rule, self.first + len(self.names)))
                for name, lasting in speaks_names(rule):
                    self.name(name, pack.id, rule.cite, lasting=lasting)


@dataclass(frozen=True)
class _Counted:
    """Which contacts a rule counts."""

    per_debt: bool
    channels: int
    rung: int
    excluded: int = 0
    by_debtor: bool = False
    elsewhere: bool = False
    sent_only: bool = False
    pending: bool = False


def channel_bits(channels: Sequence[str] | str) -> int:
    """Set of channels that a list of a pack names."""
    return sum(1 << i for i, channel in enumerate(CHANNELS) if channels == "*" or channel in channels)


def unknown_facts(tables: RuleTables, purpose: str) -> None:
    """Rules of the engine itself, in force under every pack: what is not known or not readable denies."""
    tests = {
        "input": MALFORMED,
        "unknown-country": NO_COUNTRY,
        "unknown-party": NO_PARTY,
        "unknown-flags": NO_FLAGS,
        "unknown-contacts": NO_CONTACTS,
    }
    for name, kind in tests.items():
        tables.fact(name, "FLOOR", "policy", kind)
    if purpose not in DEBT_FREE_PURPOSES:
        tables.fact("unknown-balance", "FLOOR", "policy", BALANCE, value=0)


def no_window(tables: RuleTables, packs: tuple[Pack, ...]) -> None:
    """Forbid the channels of which no window of a book speaks: default deny."""
    named = 0
    for pack in packs:
        for window in pack.windows:
            named |= channel_bits(window.channels)
    tables.fact(f"{packs[-1].id.lower()}-no-window", packs[-1].id, "", ALWAYS, EVERY_CHANNEL & ~named)


def no_law(tables: RuleTables) -> None:
    """Forbid everything: overlays alone are no law."""
    tables.fact("no-law", "FLOOR", "", ALWAYS)


def _scopes(cap: Cap) -> list[int]:
    """Groups of channels that share a counter."""
    if cap.scope == "all_channels":
        return [EVERY_CHANNEL]
    if cap.scope == "each_channel":
        return [1 << i for i in range(len(CHANNELS))]
    return [channel_bits(cap.scope)]


def _span(per: Per, week: Week) -> dict[str, int]:
    if per.kind == "calendar_day":
        return {"span": DAY}
    if per.kind == "week" and week.kind == "calendar":
        return {"span": WEEK, "week_starts": DAYS.index(week.starts)}
    return {"span": ROLLING, "length": per.days if per.kind == "rolling_days" and per.days is not None else 7}
