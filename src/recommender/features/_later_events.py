"""Events of a log and those that came after it, brought together account by account."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["with_later"]

_FEW = 48  # events that are put in order one by one faster than by a sort


@compiled
def with_later(
    position: NDArray[np.int64],
    start: NDArray[np.int64],
    time: NDArray[np.float64],
    known: NDArray[np.float64],
    action: NDArray[np.int32],
    reward: NDArray[np.float64],
    owner: NDArray[np.int64],
    later_time: NDArray[np.float64],
    later_action: NDArray[np.int64],
    later_reward: NDArray[np.float64],
) -> Any:
    """Collect the events of some accounts, as :func:`~recommender.features._replay.replay` takes them.

    Parameters
    ----------
    position : ndarray of shape (n_accounts,)
        Place of each account in the log's history, -1 where it has none.
    start, time, known, action, reward
        Of the log, see :class:`~recommender.features.account_history.AccountHistory`: by account, time and action.
    owner : ndarray of shape (n_later,)
        Account of each later event, as a row of ``position``; -1 for an account that nobody asks about.
    later_time, later_action, later_reward : ndarray of shape (n_later,)
        A reward that is NaN is not known yet; the others were known at once.

    Returns
    -------
    start, time, known, by_known, action, reward
        Of the accounts asked about, in their order; events by time and action.
    """
    n = len(position)
    first = np.zeros(n + 1, dtype=np.int64)
    for row in range(n):
        if position[row] >= 0:
            first[row + 1] = start[position[row] + 1] - start[position[row]]
    for at in range(len(owner)):
        if owner[at] >= 0:
            first[owner[at] + 1] += 1
    for row in range(n):
        first[row + 1] += first[row]
    m = first[n]
    times, knowns, rewards = np.empty(m), np.empty(m), np.empty(m)
    actions = np.empty(m, dtype=action.dtype)
    fill = first[:n].copy()
    for row in range(n):
        if position[row] < 0:
            continue
        for event in range(start[position[row]], start[position[row] + 1]):
            to = fill[row]
            times[to], knowns[to], rewards[to], actions[to] = time[event], known[event], reward[event], action[event]
            fill[row] += 1
    for at in range(len(owner)):
        if owner[at] < 0:
            continue
        to = fill[owner[at]]
        times[to], rewards[to], actions[to] = later_time[at], later_reward[at], later_action[at]
        knowns[to] = np.inf if np.isnan(later_reward[at]) else later_time[at]
        fill[owner[at]] += 1
    if len(owner):
        order = np.arange(m)
        _sort_stably(order, first, actions)
        _sort_stably(order, first, times)
        times, knowns, rewards, actions = times[order], knowns[order], rewards[order], actions[order]
    by_known = np.arange(m)
    _sort_stably(by_known, first, knowns)
    return first, times, knowns, by_known, actions, rewards


@compiled
def _sort_stably(order: NDArray[np.int64], first: NDArray[np.int64], key: Any) -> None:
    """Put the events of each account in the order of a key; those of one key stay as they are."""
    for account in range(len(first) - 1):
        begin, end = first[account], first[account + 1]
        if end - begin > _FEW:
            own = order[begin:end].copy()
            order[begin:end] = own[np.argsort(key[own], kind="mergesort")]
            continue
        for at in range(begin + 1, end):
            event, to = order[at], at
            while to > begin and key[order[to - 1]] > key[event]:
                order[to] = order[to - 1]
                to -= 1
            order[to] = event
