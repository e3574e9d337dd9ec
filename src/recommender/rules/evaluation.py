"""Accounts of one place under one law, at instants: clocks prepared once, then every rule for every account."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import years_of, zone_changes
from recommender.rules.clocks import REACH_US, Reading, candidate_zones, distinct_zones, read_clock
from recommender.rules.contact_history import ContactHistory
from recommender.rules.facts import Locality
from recommender.rules.kernel import judge
from recommender.rules.law import NO_SUCH_HOUR, Law
from recommender.rules.rule_tables import EVERY_CHANNEL

__all__ = ["LocalTimes", "Verdict", "evaluate", "local_times"]

_ALWAYS = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class LocalTimes:
    """Instants of contact at a place, read on every clock that its debtors may live by.

    Attributes
    ----------
    instant_us : ndarray of shape (n or 1, k)
    missing : ndarray of bool, same shape
        Hours that the debtor's day does not have.
    own_day : ndarray of int64, same shape
        Local dates in the zone that days past due are counted in.
    days, clock_rules, clock_bits, zone_start, zone_changes, zone_offsets, rule_zones, speaks_zones
        See :func:`recommender.rules.kernel.judge`.
    """

    instant_us: NDArray[np.int64]
    missing: NDArray[np.bool_]
    own_day: NDArray[np.int64]
    days: NDArray[np.int64]
    clock_rules: NDArray[np.int64]
    clock_bits: NDArray[np.uint8]
    zone_start: NDArray[np.int64]
    zone_changes: NDArray[np.int64]
    zone_offsets: NDArray[np.int64]
    rule_zones: NDArray[np.bool_]
    speaks_zones: NDArray[np.bool_]

    @cached_property
    def contact_at(self) -> NDArray[np.datetime64]:
        """UTC instants; ``NaT`` where the debtor's day lacks the hour."""
        return np.where(self.missing, np.datetime64("NaT", "us"), self.instant_us.astype("datetime64[us]"))


def local_times(
    law: Law, locality: Locality, instant_us: NDArray[np.int64], missing: NDArray[np.bool_] | None = None
) -> LocalTimes:
    """Prepare a locality at instants of shape (n, k), or (1, k) where all accounts share them."""
    zone, phone_zones, country, subdivision = locality
    candidates = [candidate_zones(zone, phone_zones, book.zones) or ("UTC",) for book in law.books]
    low, high = int(instant_us.min()) - REACH_US, int(instant_us.max()) + REACH_US
    same = distinct_zones(dict.fromkeys(name for names in candidates for name in names), low, high)
    zones = list(dict.fromkeys(same.values()))
    read = {name: read_clock(instant_us, name, country, subdivision) for name in zones}
    own = zone or next(iter(law.zones), "UTC")
    own_day = (read[same[own]] if own in same else read_clock(instant_us, own, country, subdivision)).day
    gone = np.zeros(instant_us.shape, dtype=bool) if missing is None else missing
    rules, bits = _clock_table(law, locality, gone, candidates, same, zones, read)
    tables = [zone_changes(name, *years_of(np.array([low, high]))) for name in zones]
    end = np.array([_ALWAYS])
    by_book = np.array([[name in {same[one] for one in names} for name in zones] for names in candidates], dtype=bool)
    return LocalTimes(
        instant_us=instant_us,
        missing=gone,
        own_day=own_day,
        days=np.stack([read[name].day for name in zones]),
        clock_rules=rules,
        clock_bits=bits,
        zone_start=np.concatenate([[0], np.cumsum([len(offsets) for _, offsets in tables])]).astype(np.int64),
        zone_changes=np.concatenate([part for changes, _ in tables for part in (changes, end)]).astype(np.int64),
        zone_offsets=np.concatenate([offsets for _, offsets in tables]).astype(np.int64),
        rule_zones=by_book[law.book_of] if len(law.book_of) else np.zeros((0, len(zones)), dtype=bool),
        speaks_zones=by_book[law.speaks_book] if len(law.speaks_book) else np.zeros((0, len(zones)), dtype=bool),
    )


def _clock_table(
    law: Law,
    locality: Locality,
    missing: NDArray[np.bool_],
    candidates: list[tuple[str, ...]],
    same: dict[str, str],
    zones: list[str],
    read: dict[str, Reading],
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """What clocks forbid, by rule and stage; what forbids nothing is left out."""
    forbidden: list[tuple[int, int, NDArray[np.uint8]]] = []

    def add(position: int, zone: int, bits: NDArray[np.uint8]) -> None:
        if bits.any():
            forbidden.append((position, zone, np.broadcast_to(bits, (3, *missing.shape))))

    add(NO_SUCH_HOUR, -1, np.where(missing, EVERY_CHANNEL, 0).astype(np.uint8))
    for book, names in zip(law.books, candidates, strict=True):
        if not candidate_zones(locality[0], locality[1], book.zones):
            add(book.unknown_zone, -1, np.full(missing.shape, EVERY_CHANNEL, dtype=np.uint8))
        for name in dict.fromkeys(same[one] for one in names):
            for position, rule in book.clocks:
                add(position, zones.index(name) if rule.by_stage else -1, rule.forbids(read[name]))
    rules = np.array([(position, zone) for position, zone, _ in forbidden], dtype=np.int64).reshape(-1, 2)
    bits = (
        np.stack([part for _, _, part in forbidden]) if forbidden else np.zeros((0, 3, *missing.shape), dtype=np.uint8)
    )
    return rules, np.ascontiguousarray(bits)


@dataclass
class Verdict:
    """Allowed cells and what removed the others; sets of channels are bits over ``CHANNELS``.

    Attributes
    ----------
    allowed : ndarray of uint8 of shape (n, k)
    removed : ndarray of int64 of shape (n_rules,)
        Cells of the action space's channels that each rule of the law forbids (one may count for several rules).
    failing : ndarray of uint8 of shape (n_rules or 0, n, k)
        Kept only on request.
    """

    allowed: NDArray[np.uint8]
    removed: NDArray[np.int64]
    failing: NDArray[np.uint8]


def evaluate(
    law: Law,
    facts: NDArray[Any],
    history: ContactHistory,
    times: LocalTimes,
    *,
    space: int = EVERY_CHANNEL,
    known_before: NDArray[np.int64] | None = None,
    keep: bool = False,
) -> Verdict:
    """Judge accounts of one place at its instants.

    Parameters
    ----------
    law : Law
    facts : ndarray of shape (n,), dtype FACT
    history : ContactHistory
        Contacts of at least their debtors.
    times : LocalTimes
        Of their place.
    space : int
        Channels whose cells count as removed.
    known_before : ndarray of shape (n,), optional
        Instants from which contacts are not yet known: a decision of the past must not see later ones.
    keep : bool, default=False
        Keep the failing cells of every rule.
    """
    n, k = len(facts), times.instant_us.shape[1]
    n_rules = len(law.names)
    verdict = Verdict(
        np.empty((n, k), dtype=np.uint8),
        np.zeros(n_rules, dtype=np.int64),
        np.zeros((n_rules if keep else 0, n, k), dtype=np.uint8),
    )
    judge(
        facts, history.table, np.full(n, _ALWAYS) if known_before is None else known_before,
        law.fact_rules, law.count_rules, times.rule_zones, law.speaks_rules, times.speaks_zones, n_rules,
        times.instant_us, times.days, times.clock_rules, times.clock_bits, times.zone_start, times.zone_changes,
        times.zone_offsets, space,
        verdict.allowed, verdict.removed, verdict.failing,
    )  # fmt: skip
    return verdict
