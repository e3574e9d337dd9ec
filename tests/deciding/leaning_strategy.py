"""A strategy whose objectives disagree for a reason, and accounts to decide about, for the tests that lean on them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from tests.made_once import MadeOnce

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
ACTIONS = ActionSpace({"channel": ["sms", "email"], "hour": [10], "tone": ["friendly", "neutral"]}, no_contact=True)
FACTS = {
    "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "currency": "COP",
    "consented_channels": "sms;email", "flags": "", "due_date": "2026-11-01",
}  # fmt: skip


def leaning_strategy(made_once: MadeOnce) -> ContactStrategy:
    """SMS reach people and bring little; e-mails reach few, who pay much, and cost nothing; all workers share it."""
    return made_once("leaning-strategy", _fitted)


def leaning_accounts() -> pd.DataFrame:
    """Forty debtors who may be reached over both channels."""
    rng = np.random.default_rng(2)
    rows = [FACTS | {"account_id": f"A{at}", "debtor_id": f"D{at}"} for at in range(40)]
    return pd.DataFrame(rows).assign(balance_minor=rng.integers(100_000, 900_000, 40))


def _fitted() -> ContactStrategy:
    rng, n = np.random.default_rng(1), 3_000
    action = rng.integers(0, len(ACTIONS), n)
    told = ACTIONS.describe(action)
    balance = rng.integers(100_000, 900_000, n).astype(float)
    reached = rng.random(n) < told["channel"].map({"sms": 0.6, "email": 0.3}).fillna(0.0).to_numpy(dtype=float)
    pays = reached & (rng.random(n) < told["channel"].map({"sms": 0.15, "email": 0.6}).fillna(0).to_numpy(dtype=float))
    rung = np.where(pays, "paid", np.where(reached, "reached", np.where(told["channel"].notna(), "delivered", "none")))
    cost = told["channel"].map({"sms": 500.0}).fillna(0.0).astype(float)
    frame = pd.DataFrame(
        {
            "account_id": [f"L{at}" for at in range(n)], "balance_minor": balance, "reward": reached.astype(float),
            "rung": rung, "money": pays * balance, "cost": cost,
        }
    )  # fmt: skip
    log = LoggedFeedback.from_frame(
        pd.concat([frame, told], axis=1), actions=ACTIONS, context=["balance_minor"], account="account_id",
        rung="rung", paid="money", cost="cost",
    )  # fmt: skip
    learner = LogisticRegression()
    return ContactStrategy(policy="epsilon", epsilon=0.1, random_state=0, n_jobs=1, reward_model=learner).fit(log)
