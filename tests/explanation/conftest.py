"""Explanations of the shared strategy, and of a small hurdle model whose drivers are known."""

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, explain

NOISE = ["noise_a", "noise_b", "noise_c"]


@pytest.fixture(scope="session")
def explanation(strategy, simulated):
    """Top three actions of forty accounts, in English."""
    return explain(strategy, simulated.contacts.tail(40), language="en")


@pytest.fixture(scope="session")
def known_drivers():
    """Amounts whose event follows ``willing`` and the ``likes`` x channel match, whose size follows ``wealth``."""
    rng = np.random.default_rng(7)
    n = 3_000
    frame = pd.DataFrame({name: rng.normal(size=n) for name in ["willing", "wealth", *NOISE]})
    frame["likes"] = rng.choice(["call", "sms", "email"], n)
    frame["language"] = rng.choice(["es", "en"], n)
    actions = ActionSpace({"channel": ["call", "sms", "email"], "tone": ["friendly", "firm"]}, no_contact=True)
    index = rng.integers(0, 6, n)
    frame[["channel", "tone"]] = actions.describe(index).to_numpy()
    logit = -0.8 + 1.3 * frame["willing"] + 1.6 * (frame["likes"] == frame["channel"])
    paid = rng.random(n) < 1 / (1 + np.exp(-logit))
    frame["reward"] = np.where(paid, np.exp(2.0 + 0.8 * frame["wealth"] + 0.3 * rng.normal(size=n)), 0.0)
    frame["propensity"] = 1 / 6
    return frame, actions


@pytest.fixture(scope="session")
def hurdle(known_drivers):
    """A strategy of amounts that never saw NO_CONTACT."""
    frame, actions = known_drivers
    log = LoggedFeedback.from_frame(
        frame,
        actions=actions,
        context=["willing", "wealth", "likes", "language", *NOISE],
        categorical=["likes", "language"],
        reward="reward",
        propensity="propensity",
        reward_kind="amount",
    )
    return ContactStrategy(n_jobs=1, random_state=0).fit(log)
