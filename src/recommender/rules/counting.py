"""Rules that count contacts: caps, gaps, cooldowns, the exclusive channel, escalation."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from recommender.local_time import HOUR_US
from recommender.rules.contact_history import ContactFilter
from recommender.rules.rules import Answer, Rule, View, bits, channel_mask
from recommender.rules.schema import Cap, Cooldown, Escalation, ExclusiveChannel, Pack, Per, Week
from recommender.rules.vocabulary import CHANNELS, DAYS, RUNGS

__all__ = ["cap_rules", "cooldown_rules", "escalation_rules", "exclusive_rules"]


def cap_rules(pack: Pack) -> list[Rule]:
    """Caps and the gaps that some of them ask for."""
    rules = []
    for cap in pack.caps:
        rules.append(Rule(cap.id, pack.id, cap.cite, partial(_over_cap, pack, cap)))
        if cap.min_gap_days:
            rules.append(Rule(f"{cap.id}-gap", pack.id, cap.cite, partial(_too_close, pack, cap)))
    return rules


def _scopes(cap: Cap) -> list[tuple[str, ...]]:
    """Groups of channels that share a counter."""
    if cap.scope == "all_channels":
        return [CHANNELS]
    if cap.scope == "each_channel":
        return [(channel,) for channel in CHANNELS]
    return [cap.scope]


def _cap_filter(pack: Pack, cap: Cap, channels: tuple[str, ...], view: View) -> ContactFilter:
    loose = cap.alt if cap.alt is not None and cap.id in view.readings else None
    counts = (loose.counts if loose is not None else None) or cap.counts
    return ContactFilter(
        unit=pack.unit,
        channels=None if len(channels) == len(CHANNELS) else frozenset(channels),
        rung=RUNGS.index(counts),
        exclude=cap.exclude,
        elsewhere_only=cap.place == "elsewhere",
    )


def _over_cap(pack: Pack, cap: Cap, view: View) -> Answer:
    answers = []
    for channels in _scopes(cap):
        which = _cap_filter(pack, cap, channels, view)
        if cap.per.kind == "rolling_hours":
            full = _full_elapsed(which, cap.max, (cap.per.hours or 0) * HOUR_US, view)
        else:
            full = _full_span(which, cap.max, cap.per, pack.time.week, view)
        if cap.place == "elsewhere":
            full = full & view.facts.elsewhere[:, None]
        answers.append(full[:, :, None] & channel_mask(channels))
    return Answer("instant" if cap.per.kind == "rolling_hours" else "date", np.logical_or.reduce(answers))


def _full_elapsed(which: ContactFilter, most: int, span_us: int, view: View) -> NDArray[np.bool_]:
    """Whether the span before and after an instant already holds ``most`` contacts; time is elapsed time."""
    counts = view.history.count_within(which, view.facts.debtor, view.facts.account, view.instant_us, span_us)
    return np.asarray(counts >= most)


def _full_span(which: ContactFilter, most: int, per: Per, week: Week, view: View) -> NDArray[np.bool_]:
    """Whether some span of local dates that holds the date already has ``most`` contacts, shape (n, n_dates)."""
    full = np.zeros((len(view.facts), view.days.shape[1]), dtype=bool)
    for first, last in _spans(per, week, view):
        counts = view.history.count(which, view.facts.debtor, view.facts.account, first, last)
        full |= counts >= most
    return full


def _spans(per: Per, week: Week, view: View) -> Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """First and last date of every span that a date belongs to."""
    days = view.days
    if per.kind == "calendar_day":
        yield days, days
        return
    if per.kind == "week" and week.kind == "calendar":
        start = days - (days + 3 - DAYS.index(week.starts)) % 7
        yield start, start + 6
        return
    length = per.days if per.kind == "rolling_days" and per.days is not None else 7
    # Spans that end after the date matter only while planned contacts lie ahead.
    ahead = view.history.last_day - int(days.min())
    for shift in range(max(0, min(length - 1, ahead)) + 1):
        yield days + shift - length + 1, days + shift


def _too_close(pack: Pack, cap: Cap, view: View) -> Answer:
    loose = cap.alt if cap.alt is not None and cap.id in view.readings else None
    gap = loose.min_gap_days if loose is not None and loose.min_gap_days is not None else cap.min_gap_days
    answers = []
    for channels in _scopes(cap):
        which = _cap_filter(pack, cap, channels, view)
        near = view.history.count(
            which, view.facts.debtor, view.facts.account, view.days - (gap - 1), view.days + (gap - 1)
        )
        answers.append((near > 0)[:, :, None] & channel_mask(channels))
    return Answer("date", np.logical_or.reduce(answers))


def cooldown_rules(pack: Pack) -> list[Rule]:
    """Silence after an event."""
    return [Rule(rule.id, pack.id, rule.cite, partial(_cooling, pack, rule)) for rule in pack.cooldowns]


def _cooling(pack: Pack, rule: Cooldown, view: View) -> Answer:
    which = ContactFilter(
        unit=pack.unit,
        channels=frozenset(rule.by),
        rung=RUNGS.index(rule.after),
        with_debtor_initiated=rule.initiated_by == "either",
        pending_counts=True,
    )
    reach = rule.days - (1 if rule.first_day == "contact_date" else 0)
    # What has not happened by the instant asked about starts no silence; once a planned contact is due, it may have.
    events = view.history.count(
        which, view.facts.debtor, view.facts.account, view.day - reach, view.day, view.instant_us
    )
    return Answer("instant", (events > 0)[:, :, None] & channel_mask(rule.blocks))


def exclusive_rules(pack: Pack) -> list[Rule]:
    """After a contact, no other channel in the same span."""
    return [
        Rule(rule.id, pack.id, rule.cite, partial(_other_channel_used, pack, rule)) for rule in pack.exclusive_channel
    ]


def _other_channel_used(pack: Pack, rule: ExclusiveChannel, view: View) -> Answer:
    loose = rule.alt if rule.alt is not None and rule.id in view.readings else None
    rung = RUNGS.index(loose.trigger if loose is not None else rule.trigger)
    owner = (view.facts.debtor, view.facts.account)
    forbidden = np.zeros((len(view.facts), view.days.shape[1], len(CHANNELS)), dtype=bool)
    for first, last in _spans(rule.per, pack.time.week, view):
        every = view.history.count(ContactFilter(unit=pack.unit, rung=rung), *owner, first, last)
        if not every.any():
            continue
        for position, channel in enumerate(CHANNELS):
            own = ContactFilter(unit=pack.unit, channels=frozenset({channel}), rung=rung, wildcard=False)
            forbidden[:, :, position] |= every > view.history.count(own, *owner, first, last)
    return Answer("date", forbidden)


def escalation_rules(pack: Pack) -> list[Rule]:
    """Dear channels only after cheaper ones were tried in vain."""
    return [Rule(rule.id, pack.id, rule.cite, partial(_cheaper_untried, pack, rule)) for rule in pack.escalation]


def _cheaper_untried(pack: Pack, rule: Escalation, view: View) -> Answer:
    owner = (view.facts.debtor, view.facts.account)
    cheap = ContactFilter(unit=pack.unit, channels=frozenset(rule.after), sent_only=True, wildcard=False)
    tried = view.history.count(cheap, *owner, view.days - rule.within_days, view.days - 1)
    # An account that has agreed to no cheaper channel cannot be made to try one.
    open_channels = bits(view.facts.consents & ~view.facts.opt_outs, len(CHANNELS)) & channel_mask(rule.after)
    untried: NDArray[np.bool_] = np.asarray(open_channels.any(axis=1))
    forbidden = (tried < rule.attempts) & untried[:, None]
    return Answer("date", forbidden[:, :, None] & channel_mask(rule.channels))
