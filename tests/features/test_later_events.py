"""Events of a log and later ones stand as a stable sort by account, time and action puts them."""

import numpy as np
import pytest

from recommender.features._later_events import with_later


@pytest.mark.parametrize("most", [0, 3, 130])
@pytest.mark.parametrize("n_later", [0, 1, 200])
def test_events_are_sorted_stably(most, n_later):
    """Accounts of few events and of many, unknown ones, ties of every kind; later events of strangers are left out."""
    rng = np.random.default_rng(most + n_later)
    counts = rng.integers(0, most + 1, 6)
    start = np.concatenate([[0], np.cumsum(counts)])
    account = np.repeat(np.arange(6), counts)
    time, action = rng.integers(0, 20, start[-1]).astype(float), rng.integers(0, 4, start[-1]).astype(np.int32)
    order = np.lexsort((action, time, account))
    time, action = time[order], action[order]
    known = np.where(rng.random(len(time)) < 0.3, np.inf, time + rng.integers(0, 9, len(time)))
    reward = rng.random(len(time))
    position = np.array([4, -1, 0, 5, -1])
    owner = rng.integers(-1, 5, n_later)
    later_time, later_action = rng.integers(10, 25, n_later).astype(float), rng.integers(0, 4, n_later)
    later_reward = np.where(rng.random(n_later) < 0.5, np.nan, rng.random(n_later))

    first, *found = with_later(
        position, start, time, known, action, reward, owner, later_time, later_action, later_reward
    )

    rows = [(row, e) for row, place in enumerate(position) if place >= 0 for e in range(start[place], start[place + 1])]
    events = [(row, time[e], known[e], action[e], reward[e]) for row, e in rows]
    for row, at, what, worth in zip(owner, later_time, later_action, later_reward, strict=True):
        if row >= 0:
            events.append((row, at, np.inf if np.isnan(worth) else at, what, worth))
    events.sort(key=lambda one: (one[0], one[1], one[3]))
    want = np.array(events, dtype=float).reshape(-1, 5)
    assert first.tolist() == [int((want[:, 0] < row).sum()) for row in range(6)]
    by_known = np.lexsort((want[:, 2], want[:, 0]))
    for one, expected in zip(found, (want[:, 1], want[:, 2], by_known, want[:, 3], want[:, 4]), strict=True):
        np.testing.assert_array_equal(one, expected)
