"""The earliest instant at which a contact becomes legal."""

from __future__ import annotations

import datetime as dt

import numpy as np
from numpy.typing import NDArray

from recommender.guardrails.contact_history import ContactHistory
from recommender.guardrails.evaluation import Law, _candidates, distinct_zones, evaluate
from recommender.guardrails.facts import Facts
from recommender.local_time import DAY_US, HOUR_US, local_time, local_to_utc, zone_changes

__all__ = ["HORIZON_DAYS", "next_allowed"]

HORIZON_DAYS = 60


def next_allowed(law: Law, facts: Facts, history: ContactHistory, at_us: int, channel: int) -> int | None:
    """Earliest instant in ``[at, at + 60 days]`` at which one account may be contacted over a channel.

    A verdict changes only where a clock of a zone the debtor may be in passes an edge of a window or midnight, where
    an offset changes, and where an elapsed-time cap lets go; so these instants are all there is to try.

    Parameters
    ----------
    law : Law
    facts : Facts of one account
    history : ContactHistory
    at_us : int
        Microseconds UTC.
    channel : int
        Position in ``CHANNELS``.

    Returns
    -------
    int or None
        Microseconds UTC.
    """
    own = history.of_debtors(facts.debtor)
    tried = _turning_points(law, facts, own, at_us)
    # Most accounts are let in within days, so the far end is looked at only when the near one has nothing.
    for near, far in ((0, 4), (4, 16), (16, HORIZON_DAYS + 1)):
        part = tried[(tried >= at_us + near * DAY_US) & (tried < at_us + far * DAY_US)]
        if not len(part):
            continue
        verdict = evaluate(law, facts, own, part[None, :])
        allowed = verdict.allowed[0, :, channel]
        if allowed.any():
            return int(part[int(np.argmax(allowed))])
    return None


def _turning_points(law: Law, facts: Facts, own: ContactHistory, at_us: int) -> NDArray[np.int64]:
    end = at_us + HORIZON_DAYS * DAY_US
    zone, phone_zones, _, _ = facts.places[int(facts.place_key[0])]
    zones = tuple(
        dict.fromkeys(name for book, _ in law.books for name in _candidates(zone, phone_zones, book.zones or law.zones))
    )
    edges = {0}
    elapsed = set()
    for book, _ in law.books:
        for pack in book.packs:
            for window in pack.windows:
                start = _clock(window.from_)
                edges.add(start + 1 if window.closed == "none" else start)
            elapsed |= {(cap.per.hours or 0) * HOUR_US for cap in pack.caps if cap.per.kind == "rolling_hours"}
    points = [np.array([at_us])]
    clocks = np.array(sorted(edges), dtype=np.int64)
    span = np.array([at_us, end], dtype=np.int64)
    for name in distinct_zones(zones, span, np.empty(0, dtype=np.int64)):
        first, last = local_time(span, name).day.tolist()
        local = (np.arange(first - 1, last + 2)[:, None] * DAY_US + clocks).ravel()
        points += [local_to_utc(local, name, fold=0), local_to_utc(local, name, fold=1)]
        years = span.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970
        points.append(zone_changes(name, *years.tolist())[0])
    points += [own.instant_us + sign * span_us for span_us in elapsed for sign in (-1, 1)]
    tried = np.unique(np.concatenate(points))
    return np.asarray(tried[(tried >= at_us) & (tried <= end)], dtype=np.int64)


def _clock(time: dt.time) -> int:
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1_000_000 + time.microsecond
