"""The earliest instant at which a contact becomes legal."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import DAY_US, HOUR_US, local_time, local_to_utc, years_of, zone_changes
from recommender.rules.clocks import candidate_zones, clock_us, distinct_zones
from recommender.rules.contact_history import CONTACT, ContactHistory
from recommender.rules.evaluation import LocalTimes, evaluate, local_times
from recommender.rules.facts import FACT, Locality
from recommender.rules.law import Law

__all__ = ["HORIZON_DAYS", "NEVER", "first_open"]

HORIZON_DAYS = 60
#: What stands for "not within the horizon".
NEVER = np.iinfo(np.int64).max
_CELLS = 400_000
#: Most accounts are let in within days, so the far end is looked at only for those that are not.
_REACHES = ((0, 3), (3, 9), (9, 30), (30, HORIZON_DAYS + 1))
#: Accounts that wait from one instant, on average, from which on they are looked at together.
_FEWEST_TOGETHER = 4


def first_open(
    law: Law,
    locality: Locality,
    facts: NDArray[Any],
    history: ContactHistory,
    at_us: NDArray[np.int64],
    wanted: NDArray[np.uint8],
) -> NDArray[np.int64]:
    """Earliest instant in ``[at, at + 60 days]`` at which some of the wanted channels is allowed.

    A verdict changes only where a clock of a zone the debtor may be in passes an edge of a window or midnight, where
    an offset changes, and where an elapsed-time cap lets go; so these instants are all there is to try.

    Accounts of one place that wait from the same instant have the same instants to try: their clocks are read once
    for all of them, and once for all questions of a decision.

    Parameters
    ----------
    law : Law
    locality : Locality
    facts : ndarray of shape (n,), dtype FACT
        Accounts of this place.
    history : ContactHistory
    at_us : ndarray of shape (n,)
        Microseconds UTC.
    wanted : ndarray of uint8 of shape (n,)
        Sets of channels: the bits of their positions in ``CHANNELS``.

    Returns
    -------
    ndarray of shape (n,)
        Microseconds UTC; ``NEVER`` where there is none.
    """
    earliest = np.full(len(facts), NEVER)
    moments, group = np.unique(at_us, return_inverse=True)
    if len(moments) > max(1, len(facts) // _FEWEST_TOGETHER) or _elapsed_spans(law):
        _first_of_each(law, locality, facts, history, at_us, wanted, earliest)
        return earliest
    for number, moment in enumerate(moments.tolist()):
        rows = np.flatnonzero(group == number)
        for near, far in _REACHES:
            if not len(rows):
                break
            times = _times_of_all(law, locality, moment, near, far)
            verdict = evaluate(law, facts[rows], history, times)
            allowed = (verdict.allowed & wanted[rows][:, None]) != 0
            earliest[rows] = np.where(allowed, times.instant_us, NEVER).min(axis=1)
            rows = rows[earliest[rows] == NEVER]
    return earliest


@lru_cache(maxsize=256)
def _times_of_all(law: Law, locality: Locality, at_us: int, near: int, far: int) -> LocalTimes:
    """What there is to try from one instant, read on every clock; shape (1, k)."""
    nobody = np.zeros(0, dtype=FACT), ContactHistory.of(np.zeros(0, dtype=CONTACT))
    tried = np.unique(_turning_points(law, locality, *nobody, np.array([at_us], dtype=np.int64), near, far))
    return local_times(law, locality, tried[None])


def _first_of_each(
    law: Law,
    locality: Locality,
    facts: NDArray[Any],
    history: ContactHistory,
    at_us: NDArray[np.int64],
    wanted: NDArray[np.uint8],
    earliest: NDArray[np.int64],
) -> None:
    """Fill in what is found for accounts that each have instants of their own to try."""
    for near, far in _REACHES:
        waiting = np.flatnonzero(earliest == NEVER)
        if not len(waiting):
            break
        width = max(1, _CELLS // (400 * (far - near)))
        for start in range(0, len(waiting), width):
            rows = waiting[start : start + width]
            own = facts[rows]
            tried = _turning_points(law, locality, own, history, at_us[rows], near, far)
            verdict = evaluate(law, own, history, local_times(law, locality, tried))
            allowed = (verdict.allowed & wanted[rows][:, None]) != 0
            earliest[rows] = np.where(allowed, tried, NEVER).min(axis=1)


def _turning_points(
    law: Law,
    locality: Locality,
    facts: NDArray[Any],
    history: ContactHistory,
    at_us: NDArray[np.int64],
    near: int,
    far: int,
) -> NDArray[np.int64]:
    """Instants to try ``near`` to ``far`` days ahead, shape (n, k); those outside are replaced by ``at`` itself."""
    zone, phone_zones, _, _ = locality
    zones = dict.fromkeys(
        name for book in law.books for name in candidate_zones(zone, phone_zones, book.zones) or ("UTC",)
    )
    clocks = np.array(sorted(_edges(law)), dtype=np.int64)
    at = at_us[:, None]
    begin, end = at + near * DAY_US, np.minimum(at + far * DAY_US, at + HORIZON_DAYS * DAY_US)
    points = [at]
    same = distinct_zones(zones, int(begin.min()) - DAY_US, int(end.max()) + DAY_US)
    for name in dict.fromkeys(same.values()):
        today = local_time(begin, name).day
        dates = today + np.arange(-1, far - near + 2)
        local = (dates[:, :, None] * DAY_US + clocks).reshape(len(at), -1)
        points += [local_to_utc(local, name, fold=fold) for fold in (0, 1)]
        changes = zone_changes(name, *years_of(np.concatenate([begin, end])))[0]
        points.append(np.broadcast_to(changes, (len(at), len(changes))))
    for span_us in _elapsed_spans(law):
        own = history.table["instant_us"][np.isin(history.table["debtor"], facts["debtor"])]
        points.append(np.broadcast_to(np.concatenate([own - span_us, own + span_us]), (len(at), 2 * len(own))))
    tried = np.concatenate(points, axis=1)
    tried = np.where((tried >= begin) & (tried <= end), tried, at)
    # Most points fall together; what lies outside for every row need not be tried.
    return np.asarray(tried[:, (tried != at).any(axis=0) | (np.arange(tried.shape[1]) == 0)], dtype=np.int64)


def _edges(law: Law) -> set[int]:
    """Clock times at which some window opens, and midnight."""
    edges = {0}
    for pack in law.packs:
        edges |= {clock_us(window.from_) + (window.closed == "none") for window in pack.windows}
    return edges


def _elapsed_spans(law: Law) -> set[int]:
    return {
        (cap.per.hours or 0) * HOUR_US for pack in law.packs for cap in pack.caps if cap.per.kind == "rolling_hours"
    }
