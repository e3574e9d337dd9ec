"""The parts of a week: days within which a debtor's contact takes the place of another one of his."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_problem import CapacityRows

__all__ = ["part_of_rows", "parts_of_week"]

_WEEK = 7


def parts_of_week(days: int, capacity: CapacityOrder) -> list[range]:
    """Days, from 0, of each part of a plan, one round a part.

    A debtor who may be contacted twice a week gives up nothing later by a contact today: it is made all the same.
    Were all days one choice, a contact today would have to outbid every later one, and what looks best later would be
    put off, day after day. So the days of one choice are those that a debtor's contacts of a week have each, and they
    are one choice where he may have a single one. Minimums of later days need all days in one problem.

    Parameters
    ----------
    days : int
    capacity : CapacityOrder

    Returns
    -------
    list of range

    Examples
    --------
    >>> order = {"timezone": "UTC", "queue": [{"name": "a", "channels": ["sms"]}], "week": {"contacts_per_debtor": 2}}
    >>> parts_of_week(7, CapacityOrder.model_validate(order))
    [range(0, 3), range(3, 6), range(6, 7)]
    """
    week = capacity.week_of(days)
    if days == 1 or capacity.minimum:
        return [range(days)]
    length = max(1, _WEEK // week.contacts_per_debtor)
    return [range(first, min(first + length, days)) for first in range(0, days, length)]


def part_of_rows(rows: CapacityRows, days: int, parts: Sequence[range]) -> NDArray[np.int64]:
    """Part of the week that each limit belongs to: that of the first day whose contacts use it; 0 for none.

    Parameters
    ----------
    rows : CapacityRows
    days : int
    parts : sequence of range

    Returns
    -------
    ndarray of shape (n_rows,)
    """
    n_kinds, n_actions, n_rows = rows.use.shape
    used = (rows.use != 0).any(axis=0).reshape(days, n_actions // days, n_rows).any(axis=1)
    first = np.argmax(used, axis=0) if n_kinds else np.zeros(n_rows, dtype=np.int64)
    part = np.concatenate([np.full(len(one), at) for at, one in enumerate(parts)])
    return np.asarray(part[first], dtype=np.int64)
