"""The rules of a law for one account at a time, compiled to bit sets; the same verdicts as ``evaluation``.

A request about one account must not pay for arrays. A bit stands for one (instant, channel) cell: what an account's
facts forbid is kept by facts, what clocks and calendars forbid by place and quarter of an hour, and only contacts are
counted anew (:mod:`recommender.rules.row_counts`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import DAY_US, local_time, zone_changes
from recommender.rules.contact_history import ContactHistory, HistoryView
from recommender.rules.evaluation import Law, candidate_zones, distinct_zones, exempt_parts, not_in_force_rule
from recommender.rules.facts import SETTLED, UNKNOWN_BALANCE, Facts
from recommender.rules.row_counts import N_CHANNELS, CountRule, RowContact, ZoneClock, channel_bits, count_rules
from recommender.rules.rules import Rule, View, asks_for_money, clock_rules
from recommender.rules.schema import Pack
from recommender.rules.vocabulary import FLAGS, PARTIES

__all__ = ["AccountState", "Ground", "RowLaw", "RowVerdict", "local_days"]

EVERY_CHANNEL = (1 << N_CHANNELS) - 1
FIRST_YEAR, LAST_YEAR = 2000, 2059
_MOST_KEPT = 4_096


class AccountState(NamedTuple):
    """What the rules look at beside clocks and contacts; see :class:`~recommender.rules.facts.Facts`."""

    malformed: bool
    consents: int
    opt_outs: int
    flags: int
    flags_known: bool
    contacts_known: bool
    country_known: bool
    party: int
    balance: int
    elsewhere: bool


class RowVerdict(NamedTuple):
    """What is left of the cells of one account.

    Attributes
    ----------
    allowed : int
        Bit ``instant * n_channels + channel``.
    lasting : int
        Channels that the account's facts forbid whatever the time.
    removed : list of (rule, cells)
        Cells of channels of the action space that each rule forbids.
    """

    allowed: int
    lasting: int
    removed: list[tuple[str, int]]


Test = Callable[[AccountState], int]


class _Book(NamedTuple):
    zones: tuple[str, ...]
    tests: list[tuple[str, Test]]
    clocks: list[Rule]
    counts: list[CountRule]


@dataclass
class Ground:
    """Everything that the accounts of one place share for a quarter of an hour.

    Attributes
    ----------
    instant_us : ndarray of shape (k,)
    days : list of int
        Local date of each instant, in the zone that days past due are counted in.
    first_day, n_days : int
        Dates from the first to the last of them.
    repeat : int
        One bit an instant: spreads a set of channels over all instants.
    """

    instant_us: NDArray[np.int64]
    missing: NDArray[np.bool_]
    place: tuple[str | None, tuple[str, ...], str, str]
    days: list[int]
    first_day: int
    n_days: int
    repeat: int
    books: list[tuple[tuple[str, ...], tuple[ZoneClock, ...]]]
    day_range: tuple[int, int]
    lacks_hours: bool
    clocked: dict[int, tuple[int, list[tuple[str, int]]]] = field(default_factory=dict)
    fits: dict[Any, Any] = field(default_factory=dict)


class RowLaw:
    """A compiled law.

    Parameters
    ----------
    law : Law
    channels : int
        Set of the channels that the action space has; only their cells count as removed.
    """

    def __init__(self, law: Law, channels: int) -> None:
        self.law = law
        self._channels = channels
        self._books = [self._compile(book.packs, book.zones or law.zones) for book, _ in law.books]
        self._always: list[list[tuple[str, int]]] = [
            [(rule.id, EVERY_CHANNEL) for rule in rules if rule.id == "no-law"] for _, rules in law.books
        ]
        for (book, rules), always in zip(law.books, self._always, strict=True):
            if any(rule.id.endswith("-no-window") for rule in rules):
                spoken = [channel_bits(window.channels) for pack in book.packs for window in pack.windows]
                named = 0
                for bits in spoken:
                    named |= bits
                always.append((f"{book.packs[-1].id.lower()}-no-window", EVERY_CHANNEL & ~named))
        self._human = [rule for book, _ in law.books for pack in book.packs for rule in pack.needs_human]
        tones = [rule for book, _ in law.books for pack in book.packs for rule in pack.tones]
        edges = [rule.from_days for rule in tones if rule.from_days is not None]
        edges += [rule.to_days + 1 for rule in tones if rule.to_days is not None]
        self._tone_edges = sorted(edges)
        self.counts_contacts = any(book.counts for book in self._books)
        self._of_state = lru_cache(_MOST_KEPT)(self._judge_state)

    @property
    def names(self) -> list[list[str]]:
        """Rule ids by book; within a book each must be there once for the bits to be those of the arrays."""
        return [
            [*(name for name, _ in book.tests), *(name for name, _ in always), *(rule.id for rule in book.clocks)]
            + [rule.id for rule in book.counts]
            for book, always in zip(self._books, self._always, strict=True)
        ]

    def _compile(self, packs: tuple[Pack, ...], zones: tuple[str, ...]) -> _Book:
        exempt = exempt_parts(packs, self.law.purpose)
        tests: list[tuple[str, Test]] = []
        clocks: list[Rule] = []
        counts: list[CountRule] = []
        for pack in packs:
            clocks.append(not_in_force_rule(pack))
            if pack.id == "FLOOR":
                tests += _unknown_facts(self.law.purpose)
            tests += _fact_tests(pack, self.law.purpose)
            clocks += [rule for rule in clock_rules(pack) if not (rule.id.endswith("-window") and "windows" in exempt)]
            counts += count_rules(pack, exempt, self.law.readings)
        return _Book(zones, tests, clocks, counts)

    # -- what does not depend on the account -----------------------------------------------------------------------
    def ground(
        self,
        place: tuple[str | None, tuple[str, ...], str, str],
        instant_us: NDArray[np.int64],
        missing: NDArray[np.bool_],
    ) -> Ground:
        """Prepare a place at instants of shape (k,)."""
        zone, phone_zones, _, _ = place
        own = zone or next(iter(self.law.zones), "UTC")
        days = local_time(instant_us, own).day.tolist()
        nowhere = np.empty(0, dtype=np.int64)
        books = []
        for book in self._books:
            candidates = candidate_zones(zone, phone_zones, book.zones)
            near = distinct_zones(candidates or ("UTC",), instant_us, nowhere)
            books.append((candidates, tuple(ZoneClock.of(name, instant_us) for name in near)))
        every = [day for _, clocks in books for clock in clocks for day in (clock.first_day, clock.last_day)]
        return Ground(
            instant_us=instant_us,
            missing=missing,
            place=place,
            days=days,
            first_day=min(days),
            n_days=max(days) - min(days) + 1,
            repeat=sum(1 << (N_CHANNELS * i) for i in range(len(instant_us))),
            books=books,
            day_range=(min(every), max(every)),
            lacks_hours=bool(missing.any()),
        )

    def _judge_clocks(self, ground: Ground, late: int) -> tuple[int, list[tuple[str, int]]]:
        """What clocks and calendars forbid an account that is ``late`` days past due on the first date."""
        facts = _facts_of(ground.day_range[0] - late, ground.place)
        forbidden, removed = 0, []
        space = self._channels * ground.repeat
        if ground.missing.any():
            bits = sum(EVERY_CHANNEL << (N_CHANNELS * i) for i in np.flatnonzero(ground.missing).tolist())
            forbidden |= bits
            removed.append(("no-such-hour", (bits & space).bit_count()))
        instants = ground.instant_us[None, :]
        empty = _empty_history()
        _, _, country, subdivision = ground.place
        for book, (candidates, clocks) in zip(self._books, ground.books, strict=True):
            found: dict[str, int] = {}
            if not candidates:
                found["unknown-zone"] = EVERY_CHANNEL * ground.repeat
            for clock in clocks:
                read = local_time(instants, clock.zone)
                view = View(
                    facts, read.day, read.clock_us, instants, HistoryView(empty, clock.zone), country, subdivision,
                    self.law.purpose, self.law.readings,
                )  # fmt: skip
                for rule in book.clocks:
                    answer = rule.ask(view)
                    cells = answer.forbidden
                    if not cells.any():
                        continue
                    if answer.axis == "date":
                        cells = view.dates_to_instants(cells)
                    cells = np.broadcast_to(cells, (1, len(ground.instant_us), N_CHANNELS))
                    bits = int.from_bytes(np.packbits(cells.ravel(), bitorder="little").tobytes(), "little")
                    found[rule.id] = found.get(rule.id, 0) | bits
            for name, bits in found.items():
                forbidden |= bits
                removed.append((name, (bits & space).bit_count()))
        return forbidden, removed

    # -- what depends on the account alone -------------------------------------------------------------------------
    def _judge_state(self, state: AccountState) -> tuple[int, list[tuple[str, int]], int, list[tuple[str, int]]]:
        """Channels that facts forbid for good, and those that the counting rules forbid somebody never contacted."""
        lasting, removed = 0, []
        fresh, fresh_removed = 0, []
        for book, always in zip(self._books, self._always, strict=True):
            for name, bits in [*((name, test(state)) for name, test in book.tests), *always]:
                if bits:
                    lasting |= bits
                    removed.append((name, (bits & self._channels).bit_count()))
            for rule in book.counts:
                if bits := rule.without_contacts(state.consents, state.opt_outs, state.elsewhere):
                    fresh |= bits
                    fresh_removed.append((rule.id, (bits & self._channels).bit_count()))
        return lasting, removed, fresh, fresh_removed

    # -- one account -----------------------------------------------------------------------------------------------
    def judge(
        self, ground: Ground, state: AccountState, due_day: int, account: str, contacts: list[RowContact]
    ) -> RowVerdict:
        """Judge one account.

        Parameters
        ----------
        ground : Ground
            Of its place.
        state : AccountState
        due_day : int
            Days since 1970; see :class:`~recommender.rules.facts.Facts`.
        account : str
        contacts : list of RowContact
            Of its debtor.
        """
        first, last = ground.day_range
        late = max(first - last - 1, min(1, first - due_day))  # before all, or overdue on all of the dates
        clocked = ground.clocked.get(late)
        if clocked is None:
            clocked = ground.clocked.setdefault(late, self._judge_clocks(ground, late))
        lasting, by_facts, fresh, by_silence = self._of_state(state)
        forbidden, removed = clocked[0] | lasting * ground.repeat, clocked[1].copy()
        k = len(ground.days)
        removed += [(name, cells * k) for name, cells in by_facts]
        if contacts and self.counts_contacts:
            counted, more = self._judge_contacts(ground, state, account, contacts)
            forbidden |= counted
            removed += more
        else:
            forbidden |= fresh * ground.repeat
            removed += [(name, cells * k) for name, cells in by_silence]
        return RowVerdict(EVERY_CHANNEL * ground.repeat & ~forbidden, lasting, removed)

    def _judge_contacts(
        self, ground: Ground, state: AccountState, account: str, contacts: list[RowContact]
    ) -> tuple[int, list[tuple[str, int]]]:
        forbidden, removed = 0, []
        space = self._channels * ground.repeat
        for book, (candidates, clocks) in zip(self._books, ground.books, strict=True):
            if not book.counts:
                continue
            found: dict[str, int] = {}
            if len(candidates) > 1:  # zones that agree today may have differed when the contacts were made
                instants = np.array([contact.instant_us for contact in contacts], dtype=np.int64)
                names = distinct_zones(candidates, ground.instant_us, instants)
                clocks = tuple(ZoneClock.of(name, ground.instant_us) for name in names)
            for clock in clocks:
                days = local_days(clock.zone, [contact.instant_us for contact in contacts])
                for rule in book.counts:
                    bits = rule.ask(clock, account, contacts, days, state.consents, state.opt_outs, state.elsewhere)
                    if bits:
                        found[rule.id] = found.get(rule.id, 0) | bits
            for name, bits in found.items():
                forbidden |= bits
                removed.append((name, (bits & space).bit_count()))
        return forbidden, removed

    def tone_classes(self, late: NDArray[np.int64]) -> tuple[int, ...]:
        """Which stretch of the tone ladders each number of days past due lies in."""
        return tuple(bisect_right(self._tone_edges, day) for day in late.tolist()) if self._tone_edges else ()

    def needs_human(self, party: int, latest: int) -> bool:
        """Whether a person looks at the account first; ``latest`` is its most days past due."""
        return any(
            (party >= 0 and PARTIES[party] in rule.parties) or (rule.from_days is not None and latest >= rule.from_days)
            for rule in self._human
        )


def _unknown_facts(purpose: str) -> list[tuple[str, Test]]:
    money = asks_for_money(purpose)
    return [
        ("input", lambda state: EVERY_CHANNEL if state.malformed else 0),
        ("unknown-country", lambda state: 0 if state.country_known else EVERY_CHANNEL),
        ("unknown-party", lambda state: EVERY_CHANNEL if state.party < 0 else 0),
        ("unknown-flags", lambda state: 0 if state.flags_known else EVERY_CHANNEL),
        ("unknown-contacts", lambda state: 0 if state.contacts_known else EVERY_CHANNEL),
        ("unknown-balance", lambda state: EVERY_CHANNEL if money and state.balance == UNKNOWN_BALANCE else 0),
    ]


def _fact_tests(pack: Pack, purpose: str) -> list[tuple[str, Test]]:
    """As :func:`recommender.rules.rules.fact_rules`, on bits."""
    prefix, money = pack.id.lower(), asks_for_money(purpose)
    tests: list[tuple[str, Test]] = []
    if pack.consent is not None:
        tests.append((f"{prefix}-consent", _needed(channel_bits(pack.consent.channels))))
    if pack.parties is not None:
        allowed = frozenset([*(PARTIES.index(name) for name in pack.parties.allowed), -1])
        tests.append((f"{prefix}-party", lambda state: 0 if state.party in allowed else EVERY_CHANNEL))
    if pack.opt_out is not None:
        tests.append((f"{prefix}-opt-out", lambda state: state.opt_outs))
    if pack.settled is not None:
        tests.append((f"{prefix}-settled", lambda state: EVERY_CHANNEL if money and state.balance == SETTLED else 0))
    tests += [
        (f"{prefix}-stop-{stop.flag.replace('_', '-')}", _raised(1 << FLAGS.index(stop.flag)))
        for stop in pack.stops
        if stop.effect == "everything" or money
    ]
    tests += [(ban.id, _constant(channel_bits(ban.channels))) for ban in pack.forbidden]
    if pack.workplace is not None:
        banned = channel_bits(pack.workplace.forbid)
        tests.append((f"{prefix}-workplace", lambda state: banned if state.elsewhere else 0))
    return tests


def _needed(channels: int) -> Test:
    return lambda state: channels & ~state.consents


def _raised(flag: int) -> Test:
    return lambda state: EVERY_CHANNEL if state.flags & flag else 0


def _constant(channels: int) -> Test:
    return lambda _state: channels


def _facts_of(due_day: int, place: tuple[str | None, tuple[str, ...], str, str]) -> Facts:
    """One account of which the clock rules read nothing but the due date."""
    no, none = np.zeros(1, dtype=bool), np.zeros(1, dtype=np.int64)
    return Facts(
        malformed=no, consents=none, opt_outs=none, flags=none, flags_known=~no, contacts_known=~no,
        country_known=~no, party=none, balance=none, due_day=np.array([due_day], dtype=np.int64), elsewhere=no,
        debtor=none, account=none, place_key=none, places=[place],
    )  # fmt: skip


def _empty_history() -> ContactHistory:
    no, none = np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64)
    return ContactHistory(none, none, none, none, none, none, no, no, no, no)


# -- clocks ------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=512)
def _table(zone: str) -> tuple[list[int], list[int]]:
    changes, offsets = zone_changes(zone, FIRST_YEAR, LAST_YEAR)
    return changes.tolist(), offsets.tolist()


def local_days(zone: str, instants_us: Iterable[int]) -> list[int]:
    """Local dates of instants of the years ``FIRST_YEAR`` to ``LAST_YEAR``, as days since 1970."""
    changes, offsets = _table(zone)
    return [(instant + offsets[bisect_right(changes, instant)]) // DAY_US for instant in instants_us]
