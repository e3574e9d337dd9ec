"""The one-pass kernel behind :mod:`recommender.features.account_history`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled

__all__ = ["N_TOTALS", "replay"]

N_TOTALS = 6  # contacts, responses, days since contact, days since response, two recency-weighted counts


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

    Returns
    -------
    ndarray of shape (n_questions, 6 + 2 * n_levels), dtype float32
    """
    n = len(account)
    out = np.zeros((n, N_TOTALS + 2 * n_levels), dtype=np.float32)
    counts = np.zeros(2 * n_levels)
    rate = np.log(2.0) / half_life
    current = -2
    next_event = 0
    next_known = 0
    end = 0
    contacts = 0.0
    responses = 0.0
    last_contact = np.nan
    last_response = np.nan
    recent_contacts = 0.0
    recent_responses = 0.0
    recent_contacts_at = 0.0
    recent_responses_at = 0.0
    for row in range(n):
        if account[row] < 0:
            out[row, 2] = np.nan
            out[row, 3] = np.nan
            continue
        if account[row] != current:
            current = account[row]
            next_event = start[current]
            next_known = start[current]
            end = start[current + 1]
            counts[:] = 0.0
            contacts = 0.0
            responses = 0.0
            last_contact = np.nan
            last_response = np.nan
            recent_contacts = 0.0
            recent_responses = 0.0
        now = moment[row]
        while next_event < end and time[next_event] < now:
            at = time[next_event]
            recent_contacts = recent_contacts * np.exp(-rate * (at - recent_contacts_at)) + 1.0 if contacts > 0 else 1.0
            recent_contacts_at = at
            contacts += 1.0
            last_contact = at
            for slot in range(level_codes.shape[1]):
                code = level_codes[action[next_event], slot]
                if code >= 0:
                    counts[2 * code] += 1.0
            next_event += 1
        while next_known < end and known[by_known[next_known]] < now:
            event = by_known[next_known]
            if reward[event] > 0.0:
                # a response counts from the moment it is known, so its age does too: nothing earlier was observable
                at = known[event]
                recent_responses = (
                    recent_responses * np.exp(-rate * (at - recent_responses_at)) + 1.0 if responses > 0 else 1.0
                )
                recent_responses_at = at
                responses += 1.0
                last_response = at
                for slot in range(level_codes.shape[1]):
                    code = level_codes[action[event], slot]
                    if code >= 0:
                        counts[2 * code + 1] += 1.0
            next_known += 1
        out[row, 0] = contacts
        out[row, 1] = responses
        out[row, 2] = now - last_contact
        out[row, 3] = now - last_response
        if contacts > 0:
            out[row, 4] = recent_contacts * np.exp(-rate * (now - recent_contacts_at))
        if responses > 0:
            out[row, 5] = recent_responses * np.exp(-rate * (now - recent_responses_at))
        for column in range(2 * n_levels):
            out[row, N_TOTALS + column] = counts[column]
    return out
