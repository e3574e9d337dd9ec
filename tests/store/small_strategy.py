"""A small strategy that knows accounts by id, as files."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from tests.made_once import MadeOnce


def saved_strategy(place: Path, made_once: MadeOnce) -> Path:
    """A copy, at ``place``, of the one strategy that all workers share."""
    shared = made_once.folder / "small-strategy"
    made_once.made_at(shared, lambda: fitted().save(shared))
    return Path(shutil.copytree(shared, place))


def fitted() -> ContactStrategy:
    """Learn from 600 decisions on two channels and two hours, with and without a contact."""
    rng = np.random.default_rng(3)
    n = 600
    space = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]}, no_contact=True)
    action = rng.integers(0, 4, n)
    log = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in rng.integers(0, 200, n)],
            "sent_at": pd.Timestamp("2026-01-01T12:00Z") + pd.to_timedelta(np.arange(n), unit="h"),
            "stage": rng.choice(["early", "late"], n),
            "overdue": rng.normal(size=n),
            "propensity": 0.25,
        }
    )
    log = pd.concat([log, space.describe(action)], axis=1)
    log["reward"] = (rng.random(n) < 0.2 + 0.4 * (action == 1)).astype(float)
    roles = {"propensity": "propensity", "account": "account_id", "time": "sent_at"}
    feedback = LoggedFeedback.from_frame(log, actions=space, context=["stage", "overdue"], **roles)
    return ContactStrategy(n_jobs=1).fit(feedback)
