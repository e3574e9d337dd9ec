"""What is believed of ranked actions: intervals and gains as the model scored them, evidence where the log has any."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.strategy.ranked_belief import ranked_belief

N, ACTIONS, K = 40, 6, 3
IDLE = ACTIONS - 1


class Scores:
    """Accounts as a reward model scored them: any numbers, all different."""

    def __init__(self, rng):
        self.rewards = rng.normal(size=(N, ACTIONS))
        self.width = rng.uniform(0.1, 1.0, (2, N, ACTIONS))
        self.tries = rng.uniform(1.0, 50.0, (N, ACTIONS))

    def interval(self, actions):
        rows = np.arange(N)[:, None]
        at = self.rewards[rows, actions]
        return at - self.width[0][rows, actions], at + self.width[1][rows, actions]

    def evidence(self, actions):
        return self.tries[np.arange(N)[:, None], actions]


class Never:
    """Cells that a log never shows."""

    def __init__(self, cells):
        self._cells = cells

    def __bool__(self):
        return bool(self._cells.any())

    def cells(self, X):  # noqa: ARG002
        return self._cells


@pytest.mark.parametrize("idle", [None, IDLE])
@pytest.mark.parametrize("idle_is_nothing", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_beliefs_are_those_of_the_same_account_and_action(idle, idle_is_nothing, share):
    """In plain loops: nothing is believed of what was never tried, and nothing is unsure about leaving alone."""
    rng = np.random.default_rng(0)
    scored, cells = Scores(rng), rng.random((N, ACTIONS)) < share
    ranked = np.argsort(rng.random((N, ACTIONS)), axis=1)[:, :K]
    is_nothing = idle is not None and idle_is_nothing
    rewards = scored.rewards.copy()
    if is_nothing:
        rewards[:, idle] = 0.0
    told = ranked_belief(
        scored, ranked, np.zeros((N, 1)), rewards=rewards, idle=idle, idle_is_nothing=is_nothing,
        never_tried=Never(cells), ladder=None, money="other",
    )  # fmt: skip
    for row in range(N):
        for rank, action in enumerate(ranked[row].tolist()):
            at = rewards[row, action]
            below, above = (scored.width[end, row, action] for end in (0, 1))
            if is_nothing and action == idle:
                below = above = 0.0
            assert told.lo[row, rank] == pytest.approx(at - below)
            assert told.hi[row, rank] == pytest.approx(at + above)
            assert told.evidence[row, rank] == (0.0 if cells[row, action] else scored.tries[row, action])
            if idle is None:
                continue
            alone = rewards[row, idle]
            sure = (0.0, 0.0) if is_nothing else scored.width[:, row, idle]
            gain = [at - alone, at - alone - np.hypot(below, sure[1]), at - alone + np.hypot(above, sure[0])]
            gained = [told.values[name][row, rank] for name in ("gain", "gain_lo", "gain_hi")]
            assert gained == pytest.approx([0.0, 0.0, 0.0] if action == idle else gain)
    assert set(told.values) == (set() if idle is None else {"gain", "gain_lo", "gain_hi"})
