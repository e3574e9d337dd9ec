"""From prices to a plan within the limits: every account's best action, then the cheapest moves that mend and fill."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["choose_best", "make_moves", "proposed_moves"]

_SLACK = 1e-9


@compiled
def choose_best(
    debtor_start: NDArray[np.int64],
    column: NDArray[np.int32],
    reduced: NDArray[np.float64],
    slot: NDArray[np.int64],
    most: int,
    choice: NDArray[np.int64],
) -> None:
    """Give each debtor its best actions after prices, at most ``most``, in different slots.

    Parameters
    ----------
    debtor_start : ndarray of shape (n_debtors + 1,)
    column : ndarray of shape (m, depth)
        -1 where there is none.
    reduced : ndarray of shape (m, depth)
    slot : ndarray of shape (n_columns,)
    most : int
    choice : ndarray of shape (m,)
        Filled with places in ``column``, -1 for no contact.
    """
    depth = column.shape[1]
    for d in range(len(debtor_start) - 1):
        first, end = debtor_start[d], debtor_start[d + 1]
        for i in range(first, end):
            choice[i] = -1
        for _ in range(min(most, end - first)):
            top, at, to = 0.0, -1, -1
            for i in range(first, end):
                if choice[i] >= 0:
                    continue
                for j in range(depth):
                    if column[i, j] < 0 or reduced[i, j] <= top:
                        continue
                    if not _meets(first, end, i, slot[column[i, j]], column, choice, slot):
                        top, at, to = reduced[i, j], i, j
            if at < 0:
                break
            choice[at] = to


@compiled
def _meets(
    first: int,
    end: int,
    me: int,
    wanted: int,
    column: NDArray[np.int32],
    choice: NDArray[np.int64],
    slot: NDArray[np.int64],
) -> Any:
    """Whether another account of the debtor is contacted in the slot."""
    for i in range(first, end):
        if i != me and choice[i] >= 0 and wanted >= 0 and slot[column[i, choice[i]]] == wanted:
            return True
    return False


@compiled
def _fits(
    i: int,
    to: int,
    debtor_of: NDArray[np.int64],
    debtor_start: NDArray[np.int64],
    column: NDArray[np.int32],
    use: NDArray[np.float64],
    limit: NDArray[np.float64],
    slot: NDArray[np.int64],
    most: int,
    choice: NDArray[np.int64],
    used: NDArray[np.float64],
) -> Any:
    """Whether account ``i`` may change to its candidate ``to`` (-1: none) without making any limit worse than kept."""
    for r in range(len(limit)):
        before = use[column[i, choice[i]], r] if choice[i] >= 0 else 0.0
        after = use[column[i, to], r] if to >= 0 else 0.0
        if after > before and used[r] + after - before > limit[r] + _SLACK * max(1.0, abs(limit[r])):
            return False
    if to < 0:
        return True
    first, end = debtor_start[debtor_of[i]], debtor_start[debtor_of[i] + 1]
    if end - first == 1:
        return True
    if choice[i] < 0:
        count = 0
        for other in range(first, end):
            count += choice[other] >= 0
        if count >= most:
            return False
    return not _meets(first, end, i, slot[column[i, to]], column, choice, slot)


@compiled
def proposed_moves(
    row: int,
    lower: bool,
    debtor_of: NDArray[np.int64],
    debtor_start: NDArray[np.int64],
    column: NDArray[np.int32],
    value: NDArray[np.float32],
    reduced: NDArray[np.float64],
    use: NDArray[np.float64],
    limit: NDArray[np.float64],
    slot: NDArray[np.int64],
    most: int,
    choice: NDArray[np.int64],
    used: NDArray[np.float64],
) -> Any:
    """List the best single move of each account: one that lowers the use of ``row``, or one that gains value.

    Returns
    -------
    account, to : ndarray of int64
    regret : ndarray of float64
        What the move loses after prices.
    """
    m, depth = column.shape
    account, to, regret = np.empty(m, np.int64), np.empty(m, np.int64), np.empty(m)
    n = 0
    for i in range(m):
        now = choice[i]
        have = reduced[i, now] if now >= 0 else 0.0
        worth = value[i, now] if now >= 0 else 0.0
        uses = use[column[i, now], row] if now >= 0 and lower else 0.0
        top, target = -np.inf, -2
        for j in range(-1, depth):
            if j == now or (j >= 0 and column[i, j] < 0):
                continue
            if lower:
                if (use[column[i, j], row] if j >= 0 else 0.0) >= uses:
                    continue
            elif (value[i, j] if j >= 0 else 0.0) <= worth:
                continue
            then = reduced[i, j] if j >= 0 else 0.0
            if then > top and _fits(i, j, debtor_of, debtor_start, column, use, limit, slot, most, choice, used):
                top, target = then, j
        if target > -2:
            account[n], to[n], regret[n] = i, target, have - top
            n += 1
    return account[:n], to[:n], regret[:n]


@compiled
def make_moves(
    order: NDArray[np.int64],
    account: NDArray[np.int64],
    to: NDArray[np.int64],
    row: int,
    debtor_of: NDArray[np.int64],
    debtor_start: NDArray[np.int64],
    column: NDArray[np.int32],
    use: NDArray[np.float64],
    limit: NDArray[np.float64],
    slot: NDArray[np.int64],
    most: int,
    choice: NDArray[np.int64],
    used: NDArray[np.float64],
) -> Any:
    """Make moves in turn where they still fit, until ``row`` keeps its limit (-1: all); how many were made."""
    made = 0
    for k in range(len(order)):
        if row >= 0 and used[row] <= limit[row] + _SLACK * max(1.0, abs(limit[row])):
            break
        i, target = account[order[k]], to[order[k]]
        if not _fits(i, target, debtor_of, debtor_start, column, use, limit, slot, most, choice, used):
            continue
        if choice[i] >= 0:
            used -= use[column[i, choice[i]]]
        if target >= 0:
            used += use[column[i, target]]
        choice[i] = target
        made += 1
    return made
