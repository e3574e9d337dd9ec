"""A strategy whose debtors answer on the day of pay and the two after it, and an account of its law."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from tests.made_once import MadeOnce
from tests.test_calendar_days import naive

ACTIONS = ActionSpace({"channel": ["sms", "call"], "hour": list(range(8, 19))}, no_contact=True)
ACCOUNT = {
    "account_id": "A", "debtor_id": "D", "country": "CO", "timezone": "America/Bogota", "party": "debtor",
    "language": "es", "consented_channels": "sms;call", "balance_minor": 400_000, "flags": "", "due_date": "2026-11-01",
}  # fmt: skip


def payday_strategy(made_once: MadeOnce) -> ContactStrategy:
    """Learnt from 6,000 contacts of ten months; all workers share it."""
    return made_once("payday-strategy", _fitted)


def _fitted() -> ContactStrategy:
    rng = np.random.default_rng(0)
    n = 6_000
    sent = pd.Timestamp("2026-01-01T15:00Z") + pd.to_timedelta(rng.integers(0, 300, n), unit="D")
    paydays = rng.choice([1, 10, 20], n)
    known = [naive(day.date(), [int(one)]) for day, one in zip(sent, paydays, strict=True)]
    frame = pd.DataFrame(known, columns=["weekday", "days_to_payday", "days_since_payday"])
    frame = frame.assign(channel=rng.choice(["sms", "call"], n), hour=rng.integers(8, 19, n), sent_at=sent, p=1 / 22)
    frame["reward"] = (rng.random(n) < np.where(frame["days_since_payday"] < 3, 0.4, 0.03)).astype(float)
    log = LoggedFeedback.from_frame(
        frame, actions=ACTIONS, context=["weekday", "days_to_payday", "days_since_payday"], categorical=["weekday"],
        reward="reward", propensity="p", time="sent_at",
    )  # fmt: skip
    return ContactStrategy(policy="softmax", n_jobs=1, random_state=0).fit(log)
