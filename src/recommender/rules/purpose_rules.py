"""Whom a purpose is for: accounts of which the thing that it speaks of is known to be so, on the day of contact.

Thanks need a payment, a follow-up a promise, a reminder a due date that comes near. Each ``[[speaks_of]]`` of a pack is
one line of the table that the kernel reads; what is not known denies, under a name that says which fact is missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.allactions import compiled
from recommender.rules.contact_history import ANY_PURPOSE
from recommender.rules.facts import NO_DUE_DAY, NO_SHARE, SETTLED
from recommender.rules.schema import SpeaksOf
from recommender.rules.vocabulary import ABOUT, FLAGS, PURPOSES

__all__ = ["SPEAKS_RULE", "forbid_unspoken", "speaks_names", "speaks_row"]

#: Positions of what a rule denies by (a day out of reach, one that nobody knows, overdue, said already, a habit of
#: paying on time, one that nobody knows; -1 where it cannot), what it is ``about`` in ``ABOUT``, days since, the
#: ``flag`` that stands for a day, the ``purpose`` whose contacts count and the least share of late dues.
SPEAKS_RULE = np.dtype(
    [
        ("outside", np.int64), ("unknown", np.int64), ("overdue", np.int64), ("said", np.int64), ("habit", np.int64),
        ("habit_unknown", np.int64), ("about", np.int64), ("least", np.int64), ("most", np.int64), ("flag", np.int64),
        ("purpose", np.int64), ("late_share", np.float64),
    ]
)  # fmt: skip

_EVER = 2**20  # days: longer than any span that a rule may name, shorter than what stands for no day
#: What is added to the id of a rule in the name that it denies by, and whether time alone does not lift that.
_DENIES = {"": False, "-unknown": True, "-overdue": False, "-said": True, "-habit": True, "-habit-unknown": True}


def speaks_names(rule: SpeaksOf) -> list[tuple[str, bool]]:
    """Names that a rule denies by, and whether time alone does not lift what they deny."""
    by_habit = rule.least_late_share is not None
    used = {"": True, "-unknown": True, "-overdue": rule.not_overdue, "-said": rule.once}
    return [(rule.id + end, lasting) for end, lasting in _DENIES.items() if used.get(end, by_habit)]


def speaks_row(rule: SpeaksOf, first: int) -> tuple[Any, ...]:
    """The rule as a line of the table; its names stand from position ``first`` on."""
    place = {name: first + number for number, (name, _) in enumerate(speaks_names(rule))}
    return (
        *(place.get(rule.id + end, -1) for end in _DENIES),
        ABOUT.index(rule.about),
        -_EVER if rule.from_days is None else rule.from_days,
        _EVER if rule.to_days is None else rule.to_days,
        0 if rule.or_flag is None else 1 << FLAGS.index(rule.or_flag),
        PURPOSES.index(rule.purpose),
        NO_SHARE if rule.least_late_share is None else rule.least_late_share,
    )


@compiled
def _day_of(rule, fact):  # type: ignore[no-untyped-def]
    """Day of what a rule speaks of."""
    about = rule.about
    if about == 0:
        return fact.due_day
    if about == 1:
        return fact.last_paid_on
    if about == 2:
        return fact.promise_on
    if about == 3:
        return fact.cured_on
    return fact.information_requested_on if about == 4 else fact.fraud_noticed_on


@compiled
def _was_said(rule, fact, contacts, at, days, n, since):  # type: ignore[no-untyped-def]
    """Whether a contact that may have been of the purpose went out, or is planned, on the day it speaks of or later."""
    for j in range(n):
        contact = contacts[at[j]]
        mine = fact.account < 0 or contact.account < 0 or contact.account == fact.account
        same = contact.purpose == rule.purpose or contact.purpose == ANY_PURPOSE
        if mine and same and not contact.by_debtor and days[j] >= since:
            return True
    return False


@compiled
def forbid_unspoken(rule, fact, contacts, at, days, n, today, forbidden, i, channels):  # type: ignore[no-untyped-def]
    """Add to the forbidden channels of an instant what one rule about one account leaves out.

    Parameters
    ----------
    rule : record of SPEAKS_RULE
    fact : record of FACT
    contacts : ndarray, dtype CONTACT
    at : ndarray of int64
        Places of the debtor's ``n`` contacts among them.
    days : ndarray of int64 of shape (n,)
        Their local dates.
    n, today : int
    forbidden : ndarray of int64 of shape (n_rules, k)
    i : int
        Instant.
    channels : int
        All channels.
    """
    day = _day_of(rule, fact)  # type: ignore[no-untyped-call]
    if day == NO_DUE_DAY:
        if fact.flags & rule.flag == 0:
            forbidden[rule.unknown, i] |= channels
    else:
        if not rule.least <= today - day <= rule.most:
            forbidden[rule.outside, i] |= channels
        since = day + min(rule.least, 0)
        if rule.said >= 0 and _was_said(rule, fact, contacts, at, days, n, since):  # type: ignore[no-untyped-call]
            forbidden[rule.said, i] |= channels
    if rule.overdue >= 0 and fact.balance != SETTLED and today > fact.due_day:
        forbidden[rule.overdue, i] |= channels
    if rule.habit >= 0:
        if fact.late_share < 0.0:
            forbidden[rule.habit_unknown, i] |= channels
        elif fact.late_share < rule.late_share:
            forbidden[rule.habit, i] |= channels
