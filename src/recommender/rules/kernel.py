"""Every rule for every account: the one place where the law is applied, compiled to machine code.

A verdict on an account is one byte of channels for each instant. Each kind of rule is one function, in the terms of
the law; the same pass says which rule removed which cell where it is asked.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.allactions import compiled
from recommender.local_time import DAY_US
from recommender.rules.purpose_rules import forbid_unspoken
from recommender.rules.rule_tables import (
    ALWAYS,
    BALANCE,
    CAP,
    CAP_HOURS,
    CONSENT,
    COOLDOWN,
    DAY,
    ESCALATION,
    EVERY_CHANNEL,
    EXCLUSIVE,
    FLAG,
    GAP,
    MALFORMED,
    NO_CONTACTS,
    NO_COUNTRY,
    NO_FLAGS,
    NO_PARTY,
    OPT_OUT,
    PARTY,
    WEEK,
    WORKPLACE,
)
from recommender.rules.vocabulary import CHANNELS

__all__ = ["asked_by_reviews", "judge"]

_UNKNOWN = len(CHANNELS)
_SIZES = np.array([channels.bit_count() for channels in range(256)])  # of sets of channels


# -- facts ---------------------------------------------------------------------------------------------------------
@compiled
def _by_facts(rule, fact):  # type: ignore[no-untyped-def]
    """Channels that a rule about the account itself forbids."""
    kind = rule.kind
    if kind == CONSENT:
        return rule.channels & ~fact.consents
    if kind == OPT_OUT:
        return fact.opt_outs
    if kind == ALWAYS:
        broken = True
    elif kind == MALFORMED:
        broken = fact.malformed
    elif kind == NO_COUNTRY:
        broken = not fact.country_known
    elif kind == NO_PARTY:
        broken = fact.party < 0
    elif kind == NO_FLAGS:
        broken = not fact.flags_known
    elif kind == NO_CONTACTS:
        broken = not fact.contacts_known
    elif kind == BALANCE:
        broken = fact.balance == rule.value
    elif kind == PARTY:
        broken = fact.party >= 0 and (rule.value >> fact.party) & 1 == 0
    elif kind == FLAG:
        broken = fact.flags & rule.value != 0
    elif kind == WORKPLACE:
        broken = fact.elsewhere
    else:
        broken = True
    return rule.channels if broken else 0


# -- contacts ------------------------------------------------------------------------------------------------------
@compiled
def _counts(rule, contact, account):  # type: ignore[no-untyped-def]
    """Whether a rule counts a contact; what is unsure counts against a cap and opens no dearer channel."""
    if rule.per_debt and account >= 0 and contact.account >= 0 and contact.account != account:
        return False
    if contact.rung < rule.rung and not (rule.pending and contact.pending):
        return False
    channel = contact.channel if contact.channel >= 0 else _UNKNOWN
    if (rule.counted >> channel) & 1 == 0 or (rule.excluded >> contact.excludable) & 1 == 1:
        return False
    if contact.by_debtor and not rule.by_debtor:
        return False
    if rule.elsewhere and not contact.elsewhere:
        return False
    if rule.kind == ESCALATION and contact.shared:
        return False
    return not (rule.sent_only and contact.planned)


@compiled
def _within(days, n, first, last):  # type: ignore[no-untyped-def]
    """Contacts with a local date in ``[first, last]``."""
    count = 0
    for i in range(n):
        if first <= days[i] <= last:
            count += 1
    return count


@compiled
def _over_cap(rule, days, n, today):  # type: ignore[no-untyped-def]
    """Whether some span of local dates that holds today has as many contacts as are allowed."""
    if n < rule.most:
        return False
    if rule.span == DAY:
        return _within(days, n, today, today) >= rule.most
    if rule.span == WEEK:
        start = today - (today + 3 - rule.week_starts) % 7
        return _within(days, n, start, start + 6) >= rule.most
    latest = today  # spans that end later matter only while planned contacts lie ahead
    for i in range(n):
        latest = max(latest, days[i])
    for last in range(today, min(today + rule.length - 1, latest) + 1):
        if _within(days, n, last - rule.length + 1, last) >= rule.most:
            return True
    return False


@compiled
def _over_cap_of_hours(rule, instants, n, now):  # type: ignore[no-untyped-def]
    """Whether the elapsed time before and after an instant already holds as many contacts as are allowed."""
    count = 0
    for i in range(n):
        if now - rule.length < instants[i] < now + rule.length:
            count += 1
    return count >= rule.most


@compiled
def _too_close(rule, days, n, today):  # type: ignore[no-untyped-def]
    """Whether the local date of some contact differs by less than the gap."""
    return _within(days, n, today - (rule.length - 1), today + (rule.length - 1)) > 0


@compiled
def _cooling(rule, days, instants, n, today, now):  # type: ignore[no-untyped-def]
    """Whether an event within reach has happened; a planned contact may have happened once it is due."""
    for i in range(n):  # noqa: SIM110 - machine code
        if today - rule.length <= days[i] <= today and instants[i] <= now:
            return True
    return False


@compiled
def _other_channels(rule, days, channels, n, today):  # type: ignore[no-untyped-def]
    """Channels other than those of the contacts in a span that holds today."""
    forbidden = 0
    for i in range(n):
        if rule.span == DAY:
            same = days[i] == today
        elif rule.span == WEEK:
            start = today - (today + 3 - rule.week_starts) % 7
            same = start <= days[i] <= start + 6
        else:
            same = abs(days[i] - today) < rule.length
        if same:
            own = 1 << channels[i] if channels[i] >= 0 else 0
            forbidden |= EVERY_CHANNEL & ~own
    return forbidden


@compiled
def _cheaper_untried(rule, fact, days, n, today):  # type: ignore[no-untyped-def]
    """Whether cheaper channels are open and have not been tried; who agreed to none cannot be made to try one."""
    if fact.consents & ~fact.opt_outs & rule.cheaper == 0:
        return False
    return _within(days, n, today - rule.length, today - 1) < rule.most


@compiled
def _by_contacts(rule, fact, days, instants, channels, n, today, now):  # type: ignore[no-untyped-def]
    """Channels that a counting rule forbids at an instant, given the contacts that it counts."""
    kind = rule.kind
    if kind == EXCLUSIVE:
        return _other_channels(rule, days, channels, n, today)
    if kind == CAP:
        broken = _over_cap(rule, days, n, today)
    elif kind == CAP_HOURS:
        broken = _over_cap_of_hours(rule, instants, n, now)
    elif kind == GAP:
        broken = _too_close(rule, days, n, today)
    elif kind == COOLDOWN:
        broken = _cooling(rule, days, instants, n, today, now)
    elif kind == ESCALATION:
        broken = _cheaper_untried(rule, fact, days, n, today)
    else:
        broken = True
    return rule.channels if broken else 0


@compiled
def _local_day(instant, changes, offsets, start, end):  # type: ignore[no-untyped-def]
    """Local date of an instant in the zone whose changes are ``changes[start:end]``."""
    low, high = start, end
    while low < high:
        middle = (low + high) // 2
        if changes[middle] <= instant:
            low = middle + 1
        else:
            high = middle
    return (instant + offsets[low]) // DAY_US


@compiled
def _first_of(contacts, debtor):  # type: ignore[no-untyped-def]
    """Place of the first contact of a debtor, or of a later one."""
    low, high = 0, len(contacts)
    while low < high:
        middle = (low + high) // 2
        if contacts[middle].debtor < debtor:
            low = middle + 1
        else:
            high = middle
    return low


# -- all together --------------------------------------------------------------------------------------------------
@compiled
def judge(  # type: ignore[no-untyped-def]
    facts,
    contacts,
    known_before,
    fact_rules,
    count_rules,
    rule_zones,
    speaks_rules,
    speaks_zones,
    n_rules,
    instants,
    days,
    clock_rules,
    clock_bits,
    zone_start,
    zone_changes,
    zone_offsets,
    space,
    allowed,
    removed,
    failing,
):
    """Judge accounts of one place under one law at instants.

    Parameters
    ----------
    facts : ndarray of shape (n,), dtype FACT
    contacts : ndarray, dtype CONTACT
        Sorted by debtor.
    known_before : ndarray of int64 of shape (n,)
        Instants from which contacts are not yet known.
    fact_rules, count_rules : ndarray, dtypes FACT_RULE and COUNT_RULE
    rule_zones : ndarray of bool of shape (n_count_rules, n_zones)
        Clocks that each counting rule is read on.
    speaks_rules : ndarray, dtype SPEAKS_RULE
        Whom the purpose is for.
    speaks_zones : ndarray of bool of shape (n_speaks_rules, n_zones)
        Clocks that each of them is read on.
    n_rules : int
        Named rules.
    instants : ndarray of int64 of shape (n or 1, k)
    days : ndarray of int64 of shape (n_zones, n or 1, k)
        Local date of each instant on the clock of each zone.
    clock_rules : ndarray of int64 of shape (n_clock_rules, 2)
        Position of the rule, and the zone that tells the stage of the debt (-1: the stage does not matter).
    clock_bits : ndarray of uint8 of shape (n_clock_rules, 3, n or 1, k)
        Channels forbidden before the due date, on it and after it.
    zone_start, zone_changes, zone_offsets : ndarray of int64
        Changes of the zones' offsets, one zone after the other.
    space : int
        Channels of the action space; only their cells count as removed.
    allowed : ndarray of uint8 of shape (n, k)
        Set to the allowed channels.
    removed : ndarray of int64 of shape (n_rules,)
        Cells that each rule forbids are added to it.
    failing : ndarray of uint8 of shape (n_rules or 0, n, k)
        Set to the channels that each rule forbids, unless it is empty.
    """
    k = instants.shape[1]
    keeps = failing.shape[0] > 0
    forbidden_by = np.zeros((n_rules, k), dtype=np.int64)
    spans = np.empty((2, len(facts)), dtype=np.int64)
    most = 0
    for row in range(len(facts)):
        spans[0, row] = _first_of(contacts, facts[row].debtor)
        spans[1, row] = _first_of(contacts, facts[row].debtor + 1)
        most = max(most, spans[1, row] - spans[0, row])
    at = np.empty(most, dtype=np.int64)
    day_of = np.empty((days.shape[0], most), dtype=np.int64)
    kept_day, kept_at = np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    kept_channel = np.empty(most, dtype=np.int64)
    for row in range(len(facts)):
        fact = facts[row]
        shared = row if instants.shape[0] > 1 else 0
        forbidden_by[:] = 0
        for r in range(len(fact_rules)):
            bits = _by_facts(fact_rules[r], fact)
            if bits:
                forbidden_by[fact_rules[r].position] |= bits
        for r in range(len(clock_rules)):
            position, zone = clock_rules[r, 0], clock_rules[r, 1]
            for i in range(k):
                stage = 0
                if zone >= 0:
                    late = days[zone, shared, i] - fact.due_day
                    stage = 0 if late < 0 else (1 if late == 0 else 2)
                forbidden_by[position, i] |= np.int64(clock_bits[r, stage, shared, i])
        first, n = spans[0, row], 0
        for c in range(first, spans[1, row]):
            if contacts[c].instant_us < known_before[row]:
                at[n] = c
                for zone in range(days.shape[0]):
                    day_of[zone, n] = _local_day(
                        contacts[c].instant_us, zone_changes, zone_offsets, zone_start[zone], zone_start[zone + 1] - 1
                    )
                n += 1
        for r in range(len(count_rules)):
            rule = count_rules[r]
            for zone in range(days.shape[0]):
                if not rule_zones[r, zone]:
                    continue
                m = 0
                for j in range(n):
                    contact = contacts[at[j]]
                    if _counts(rule, contact, fact.account):
                        kept_day[m], kept_at[m], kept_channel[m] = day_of[zone, j], contact.instant_us, contact.channel
                        m += 1
                if m == 0 and rule.most == 0 and rule.kind != CAP and rule.kind != CAP_HOURS:
                    continue  # nothing has happened that it could speak of
                if rule.elsewhere and not fact.elsewhere and (rule.kind == CAP or rule.kind == CAP_HOURS):
                    continue  # a cap for places away from home
                by_date = rule.kind != CAP_HOURS and rule.kind != COOLDOWN
                bits = 0
                for i in range(k):
                    today = days[zone, shared, i]
                    if i == 0 or not by_date or today != days[zone, shared, i - 1]:
                        bits = _by_contacts(rule, fact, kept_day, kept_at, kept_channel, m, today, instants[shared, i])
                    forbidden_by[rule.position, i] |= bits
        for r in range(len(speaks_rules)):
            for zone in range(days.shape[0]):
                if speaks_zones[r, zone]:
                    for i in range(k):
                        forbid_unspoken(
                            speaks_rules[r], fact, contacts, at, day_of[zone], n, days[zone, shared, i], forbidden_by,
                            i, EVERY_CHANNEL,
                        )  # fmt: skip
        for i in range(k):
            forbidden = 0
            for r in range(n_rules):
                bits = forbidden_by[r, i]
                if bits:
                    forbidden |= bits
                    removed[r] += _SIZES[bits & space]
                    if keeps:
                        failing[r, row, i] = bits
            allowed[row, i] = EVERY_CHANNEL & ~forbidden


@compiled
def asked_by_reviews(
    facts: Any, own_day: Any, parties: Any, flags: Any, from_days: Any, reviewed: int, asked: Any
) -> None:
    """Mark which reviews ask that a person looks at an account first.

    Parameters
    ----------
    facts : ndarray of shape (n,), dtype FACT
    own_day : ndarray of int64 of shape (n or 1, k)
        Local dates of the instants of contact; the latest counts.
    parties : ndarray of bool of shape (n_reviews, n_parties + 1)
        By position in ``PARTIES``; the last place is that of a party nobody knows (-1).
    flags : ndarray of int64 of shape (n_reviews,)
        Sets over ``FLAGS``.
    from_days : ndarray of int64 of shape (n_reviews,)
        Days past due.
    reviewed : int
        The flag that a person has looked, and it still holds.
    asked : ndarray of bool of shape (n_reviews, n)
        Filled.
    """
    for row in range(len(facts)):
        fact = facts[row]
        days = own_day[row if own_day.shape[0] > 1 else 0]
        latest = days[0]
        for i in range(1, len(days)):
            latest = max(latest, days[i])
        for r in range(len(flags)):
            asks = parties[r, fact.party] or fact.flags & flags[r] != 0 or latest - fact.due_day >= from_days[r]
            asked[r, row] = asks and fact.flags & reviewed == 0
