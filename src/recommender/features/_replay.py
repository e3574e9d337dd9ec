"""The one-pass kernel behind :mod:`recommender.features.account_history`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["N_TOTALS", "clear_state", "count_event", "read_memory", "read_state", "replay"]

N_TOTALS = 6  # contacts, responses, days since contact, days since response, two recency-weighted counts


@compiled
def read_memory(sums: Any, precision: Any, out: Any) -> None:
    """Posterior means of the personal factors, by Cholesky; see :class:`PersonalMemory`.

    Parameters
    ----------
    sums : ndarray of shape (n_state,)
        Lower triangle of the precision that events add, row by row, then the slope.
    precision : ndarray of shape (d,)
        Before any event.
    out : ndarray of shape (d - 1,)
    """
    d = len(precision)
    if d == 0:
        return
    L = np.zeros((d, d))
    x = np.empty(d)
    for i in range(d):
        for j in range(i + 1):
            total = sums[i * (i + 1) // 2 + j]
            if i == j:
                total += precision[i]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(total) if i == j else total / L[j, j]
    first = d * (d + 1) // 2
    for i in range(d):
        total = sums[first + i]
        for k in range(i):
            total -= L[i, k] * x[k]
        x[i] = total / L[i, i]
    for i in range(d - 1, -1, -1):
        for k in range(i + 1, d):
            x[i] -= L[k, i] * x[k]
        x[i] /= L[i, i]
    for i in range(d - 1):
        out[i] = x[i]


# -- one account's state: what both a replay and a state that is told event by event go through ----------------------
@compiled
def count_event(state: Any, counts: Any, slots: Any, at: float, rate: float, response: int) -> None:
    """Count a contact (``response`` 0), or a response from the moment it is known (1).

    Parameters
    ----------
    state : ndarray of shape (6,)
        Contacts, responses, when the last of each was, and their recency-weighted counts as of then.
    counts : ndarray of shape (2 * n_levels,)
        Contacts and responses of each level.
    slots : ndarray of int64
        Levels of the action, -1 for none.
    at : float
        A response's age counts from when it was known: nothing earlier was observable.
    rate : float
        Of the decay.
    """
    if state[response] > 0.0:
        state[4 + response] = state[4 + response] * np.exp(-rate * (at - state[2 + response])) + 1.0
    else:
        state[4 + response] = 1.0
    state[response] += 1.0
    state[2 + response] = at
    for slot in slots:
        if slot >= 0:
            counts[2 * slot + response] += 1.0


@compiled
def read_state(state: Any, counts: Any, now: float, rate: float, out: Any) -> None:
    """Features of a state at a moment."""
    for response in range(2):
        out[response] = state[response]
        out[2 + response] = now - state[2 + response]
        out[4 + response] = 0.0
        if state[response] > 0.0:
            out[4 + response] = state[4 + response] * np.exp(-rate * (now - state[2 + response]))
    for column in range(len(counts)):
        out[N_TOTALS + column] = counts[column]


@compiled
def clear_state(state: Any, counts: Any) -> None:
    """Nothing has happened yet."""
    state[:] = 0.0
    state[2:4] = np.nan
    counts[:] = 0.0


@compiled
def replay(
    account: NDArray[np.int64],
    moment: NDArray[np.float64],
    start: NDArray[np.int64],
    time: NDArray[np.float64],
    known: NDArray[np.float64],
    by_known: NDArray[np.int64],
    action: NDArray[np.int32],
    reward: NDArray[np.float64],
    level_codes: NDArray[np.int64],
    n_levels: int,
    half_life: float,
    increments: NDArray[np.float64],
    precision: NDArray[np.float64],
) -> Any:
    """Answer questions (account, moment), sorted by both, from events sorted by account and time.

    Parameters
    ----------
    account, moment : ndarray of shape (n_questions,)
        Account -1 has no history.
    start, time, known, by_known, action, reward
        See :class:`recommender.features.account_history.AccountHistory`; ``by_known`` lists each account's events in
        the order in which their rewards became known.
    level_codes : ndarray of shape (n_actions, n_factors)
        Level column of each action and factor, -1 for none.
    n_levels : int
        Number of level columns; each holds two numbers (contacts, responses).
    half_life : float
        Of the recency-weighted counts.
    told, precision
        Of the personal memory; of shapes (2, n_actions, 0) and (0,) where there is none.

    Returns
    -------
    ndarray of shape (n_questions, 6 + 2 * n_levels + n_factors), dtype float32
    """
    rate = np.log(2.0) / half_life
    n_counted = N_TOTALS + 2 * n_levels
    out = np.zeros((len(account), n_counted + max(len(precision) - 1, 0)), dtype=np.float32)
    sums = np.zeros(increments.shape[2])
    state, counts = np.empty(N_TOTALS), np.empty(2 * n_levels)
    clear_state(state, counts)
    current = -1
    next_event = next_known = end = 0
    for row in range(len(account)):
        if account[row] < 0:
            out[row, 2:4] = np.nan
            continue
        if account[row] != current:
            current = account[row]
            next_event = next_known = start[current]
            end = start[current + 1]
            clear_state(state, counts)
            sums[:] = 0.0
        now = moment[row]
        while next_event < end and time[next_event] < now:
            count_event(state, counts, level_codes[action[next_event]], time[next_event], rate, 0)
            sums += increments[0, action[next_event]]
            next_event += 1
        while next_known < end and known[by_known[next_known]] < now:
            event = by_known[next_known]
            if reward[event] > 0.0:
                count_event(state, counts, level_codes[action[event]], known[event], rate, 1)
                sums += increments[1, action[event]]
            next_known += 1
        read_state(state, counts, now, rate, out[row])
        read_memory(sums, precision, out[row, n_counted:])
    return out
