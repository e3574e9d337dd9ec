"""Sliding-window counts of an account's events at many moments: one pass over events and questions in time order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["AMOUNT", "COUNT", "DAYS_SINCE", "LAST_AMOUNT", "first_by_group", "order_by_account", "sorted_events"]
__all__ += ["last_at_or_before", "sums_ahead", "window_counts"]

COUNT, AMOUNT, DAYS_SINCE, LAST_AMOUNT = 0, 1, 2, 3
_DAY_US = 86_400_000_000.0
_SMALL_GROUP = 48


@compiled
def order_by_account(account: NDArray[np.int64], instant: NDArray[np.int64], n_accounts: int) -> Any:
    """Stable order by account, then instant: a counting sort, then a short sort within each account.

    Parameters
    ----------
    account : ndarray of shape (n,), in [0, n_accounts)
    instant : ndarray of shape (n,)
    n_accounts : int

    Returns
    -------
    order : ndarray of shape (n,), dtype int64
    start : ndarray of shape (n_accounts + 1,), dtype int64
        Rows of account ``i`` are ``order[start[i]:start[i + 1]]``.
    """
    n = len(account)
    start = np.zeros(n_accounts + 1, dtype=np.int64)
    for row in range(n):
        start[account[row] + 1] += 1
    for i in range(n_accounts):
        start[i + 1] += start[i]
    fill = start[:-1].copy()
    order = np.empty(n, dtype=np.int64)
    for row in range(n):
        order[fill[account[row]]] = row
        fill[account[row]] += 1
    for i in range(n_accounts):
        first, end = start[i], start[i + 1]
        if end - first <= _SMALL_GROUP:
            for at in range(first + 1, end):
                row = order[at]
                moment = instant[row]
                to = at
                while to > first and instant[order[to - 1]] > moment:
                    order[to] = order[to - 1]
                    to -= 1
                order[to] = row
        else:
            rows = order[first:end].copy()
            order[first:end] = rows[np.argsort(instant[rows], kind="mergesort")]
    return order, start


@compiled
def sorted_events(
    order: NDArray[np.int64], instant: NDArray[np.int64], cells: NDArray[np.int16], amount: NDArray[np.int64]
) -> Any:
    """Instants, cells and amounts in the given order, in one pass."""
    n, k = len(order), cells.shape[1]
    instants = np.empty(n, dtype=np.int64)
    event_cells = np.empty((n, k), dtype=np.int16)
    amounts = np.empty(n if len(amount) else 0, dtype=np.int64)
    for at in range(n):
        row = order[at]
        instants[at] = instant[row]
        for c in range(k):
            event_cells[at, c] = cells[row, c]
        if len(amount):
            amounts[at] = amount[row]
    return instants, event_cells, amounts


@compiled
def first_by_group(group: NDArray[np.int64], instant: NDArray[np.int64], n_groups: int) -> Any:
    """Mark the earliest row of each group; rows of group -1 belong to none."""
    best = np.full(n_groups, -1, dtype=np.int64)
    for row in range(len(group)):
        of = group[row]
        if of >= 0 and (best[of] < 0 or instant[row] < instant[best[of]]):
            best[of] = row
    first = np.zeros(len(group), dtype=np.bool_)
    for of in range(n_groups):
        if best[of] >= 0:
            first[best[of]] = True
    return first


@compiled
def window_counts(
    account: NDArray[np.int64],
    moment: NDArray[np.int64],
    asked: NDArray[np.int64],
    start: NDArray[np.int64],
    instant: NDArray[np.int64],
    cells: NDArray[np.int16],
    amount: NDArray[np.int64],
    n_cells: int,
    windows: NDArray[np.int64],
    out_kind: NDArray[np.int64],
    out_window: NDArray[np.int64],
    out_cell: NDArray[np.int64],
    out_column: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` for every question; an event counts when ``moment - window <= instant < moment``.

    Parameters
    ----------
    account, moment : ndarray of shape (n_questions,)
        Account code (-1: no events) and microseconds, sorted by both.
    asked : ndarray of shape (n_questions,)
        Row of ``out`` that each question fills.
    start, instant, cells, amount
        Events sorted by account, then instant: ``start`` bounds each account; ``cells`` of shape (n_events, k) names
        the counters that an event adds to (-1 none); ``amount`` is int64 so that sums do not depend on order.
    windows : ndarray of shape (n_windows,)
        Microseconds.
    out_kind, out_window, out_cell, out_column : ndarray of shape (n_columns,)
        What each output column holds, and its place in ``out``.
    out : ndarray of shape (n_questions, any)
    """
    n_windows = len(windows)
    n_columns = len(out_kind)
    k = cells.shape[1]
    with_amount = len(amount) > 0
    counts = np.zeros((n_windows, n_cells), dtype=np.int64)
    sums = np.zeros((n_windows, n_cells), dtype=np.int64)
    last = np.zeros(n_cells, dtype=np.int64)
    seen = np.zeros(n_cells, dtype=np.bool_)
    last_amount = np.zeros(n_cells, dtype=np.int64)
    tails = np.zeros(n_windows, dtype=np.int64)
    current = -1
    head = 0
    end = 0
    for position in range(len(asked)):
        row = asked[position]
        if account[position] < 0:
            for j in range(n_columns):
                out[row, out_column[j]] = 0.0 if out_kind[j] <= AMOUNT else np.nan
            continue
        if account[position] != current:
            current = account[position]
            head = start[current]
            end = start[current + 1]
            tails[:] = head
            counts[:] = 0
            sums[:] = 0
            seen[:] = False
        now = moment[position]
        while head < end and instant[head] < now:
            value = amount[head] if with_amount else 0
            for c in range(k):
                cell = cells[head, c]
                if cell < 0:
                    continue
                for w in range(n_windows):
                    counts[w, cell] += 1
                    sums[w, cell] += value
                tied = seen[cell] and last[cell] == instant[head]
                last_amount[cell] = max(last_amount[cell], value) if tied else value
                last[cell] = instant[head]
                seen[cell] = True
            head += 1
        for w in range(n_windows):
            while tails[w] < head and now - instant[tails[w]] > windows[w]:
                value = amount[tails[w]] if with_amount else 0
                for c in range(k):
                    cell = cells[tails[w], c]
                    if cell >= 0:
                        counts[w, cell] -= 1
                        sums[w, cell] -= value
                tails[w] += 1
        for j in range(n_columns):
            cell = out_cell[j]
            kind = out_kind[j]
            if kind == COUNT:
                out[row, out_column[j]] = counts[out_window[j], cell]
            elif kind == AMOUNT:
                out[row, out_column[j]] = sums[out_window[j], cell]
            elif not seen[cell]:
                out[row, out_column[j]] = np.nan
            elif kind == DAYS_SINCE:
                out[row, out_column[j]] = (now - last[cell]) / _DAY_US
            else:
                out[row, out_column[j]] = last_amount[cell]


@compiled
def last_at_or_before(
    start: NDArray[np.int64], instant: NDArray[np.int64], account: NDArray[np.int64], moment: NDArray[np.int64]
) -> Any:
    """Position of the last event of the account at or before each moment, -1 where there is none.

    ``start`` and ``instant`` are events sorted by account, then instant; account -1 has none.
    """
    last = np.full(len(account), -1, dtype=np.int64)
    for row in range(len(account)):
        if account[row] < 0:
            continue
        low, high = start[account[row]], start[account[row] + 1]
        first = low
        while low < high:
            middle = (low + high) // 2
            if instant[middle] > moment[row]:
                high = middle
            else:
                low = middle + 1
        if low > first:
            last[row] = low - 1
    return last


@compiled
def sums_ahead(
    account: NDArray[np.int64],
    moment: NDArray[np.int64],
    start: NDArray[np.int64],
    instant: NDArray[np.int64],
    amount: NDArray[np.int64],
    window: int,
) -> Any:
    """Sum of amounts in ``[moment, moment + window)`` of each question, and the instant of the first (or -1)."""
    total = np.zeros(len(account), dtype=np.int64)
    first = np.full(len(account), -1, dtype=np.int64)
    before = last_at_or_before(start, instant, account, moment - 1)
    for row in range(len(account)):
        if account[row] < 0:
            continue
        at = before[row] + 1 if before[row] >= 0 else start[account[row]]
        end = start[account[row] + 1]
        while at < end and instant[at] < moment[row] + window:
            if first[row] < 0:
                first[row] = instant[at]
            total[row] += amount[at]
            at += 1
    return total, first
