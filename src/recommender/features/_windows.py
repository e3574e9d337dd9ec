"""Sliding-window counts of an account's events at many moments: one pass over events and questions in time order."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["AMOUNT", "COUNT", "DAYS_SINCE", "LAST_AMOUNT", "order_by_account", "window_counts"]

COUNT, AMOUNT, DAYS_SINCE, LAST_AMOUNT = 0, 1, 2, 3
_DAY_US = 86_400_000_000.0
_SMALL_GROUP = 48


@numba.njit(cache=True, nogil=True)
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


@numba.njit(cache=True, nogil=True)
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
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` for every question; an event counts when ``moment - window <= instant < moment``.

    Parameters
    ----------
    account, moment : ndarray of shape (n_questions,)
        Account code (-1: no events) and microseconds.
    asked : ndarray of shape (n_questions,)
        Order of the questions by account, then moment.
    start, instant, cells, amount
        Events sorted by account, then instant: ``start`` bounds each account; ``cells`` of shape (n_events, k) names
        the counters that an event adds to (-1 none); ``amount`` is int64 so that sums do not depend on order.
    windows : ndarray of shape (n_windows,)
        Microseconds.
    out_kind, out_window, out_cell : ndarray of shape (n_columns,)
        What each output column holds.
    out : ndarray of shape (n_questions, n_columns)
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
        if account[row] < 0:
            for j in range(n_columns):
                out[row, j] = 0.0 if out_kind[j] <= AMOUNT else np.nan
            continue
        if account[row] != current:
            current = account[row]
            head = start[current]
            end = start[current + 1]
            tails[:] = head
            counts[:] = 0
            sums[:] = 0
            seen[:] = False
        now = moment[row]
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
                out[row, j] = counts[out_window[j], cell]
            elif kind == AMOUNT:
                out[row, j] = sums[out_window[j], cell]
            elif not seen[cell]:
                out[row, j] = np.nan
            elif kind == DAYS_SINCE:
                out[row, j] = (now - last[cell]) / _DAY_US
            else:
                out[row, j] = last_amount[cell]
