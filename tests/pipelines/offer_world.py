"""A strategy that learnt offers, accounts that may be made some, and a price list."""

from __future__ import annotations

import numpy as np
import pandas as pd

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from tests.made_once import MadeOnce

ACTIONS = ActionSpace(
    {"channel": ["sms", "whatsapp"], "hour": [10, 16], "tone": ["friendly"], "offer": ["none", "d20", "six"]},
    no_contact=True,
)
OFFERS = """
schema = 1
currency = "COP"
budget_minor = 400_000
capital_percent_month = 2.0
[[offers]]
id = "d20"
kind = "discount"
percent = 20
stages = ["extrajudicial", "judicial"]
[[offers]]
id = "six"
kind = "instalments"
instalments = 6
stages = ["administrative", "extrajudicial", "judicial"]
"""
CAPACITY = """
timezone = "America/Bogota"
currency = "COP"
[[queue]]
name = "messages"
channels = ["sms", "whatsapp"]
quota = 40
[arms]
explore = 0.3
"""
_FACTS = {
    "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "currency": "COP",
    "consented_channels": "sms;whatsapp", "flags": "none", "due_date": "2026-10-10",
}  # fmt: skip


def offer_strategy(made_once: MadeOnce) -> ContactStrategy:
    """Learnt from 1,200 decisions by chance: a discount is taken most."""
    return made_once("offer-strategy", _fitted)


def _fitted() -> ContactStrategy:
    rng, n = np.random.default_rng(0), 1_200
    action = rng.integers(0, len(ACTIONS), n)
    told = ACTIONS.describe(action)
    balance = rng.integers(100_000, 900_000, n).astype(float)
    chance = told["offer"].map({"none": 0.15, "d20": 0.4, "six": 0.3}).fillna(0.05).to_numpy(dtype=float)
    money = (rng.random(n) < chance) * balance * np.where(told["offer"] == "d20", 0.8, 1.0)
    frame = pd.DataFrame({"account_id": [f"L{at}" for at in range(n)], "balance_minor": balance, "reward": money})
    log = LoggedFeedback.from_frame(
        pd.concat([frame, told], axis=1), actions=ACTIONS, context=["balance_minor"], account="account_id"
    )
    return ContactStrategy(random_state=0, n_jobs=1).fit(log)


def offer_accounts() -> pd.DataFrame:
    """Sixty accounts of thirty debtors."""
    rows = [_FACTS | {"account_id": f"A{at}", "debtor_id": f"D{at // 2}", "balance_minor": 100_000 + 9_000 * at}
            for at in range(60)]  # fmt: skip
    return pd.DataFrame(rows)
