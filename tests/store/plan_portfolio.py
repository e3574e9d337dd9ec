"""A small portfolio with everything that makes chunks hard, and a plan for it made in one piece."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.deciding import debtor_rounds, decide, planned_contacts
from tests.made_once import MadeOnce

AS_OF = datetime(2026, 11, 23, 13, tzinfo=UTC)


def portfolio(n: int = 60, *, seed: int = 0, together: bool = False) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts that share debtors across the file or beside each other, some with none, and their contacts."""
    rng = np.random.default_rng(seed)
    debtor = rng.integers(0, n // 2, n)
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{number:05d}" for number in range(n)],
            "debtor_id": [f"D{number:05d}" for number in (np.sort(debtor) if together else debtor)],
            "country": rng.choice(["CO", "CO", "PE"], n),
            "timezone": "America/Bogota",
            "due_date": (np.datetime64("2026-11-17") - rng.integers(-10, 150, n)).astype(str),
            "balance_minor": rng.integers(1, 50, n) * 1_000,
            "consented_channels": rng.choice(["sms;email", "call;sms;whatsapp;email", "call"], n),
            "flags": rng.choice(["", "disputed"], n, p=[0.9, 0.1]),
            "party": "debtor",
            "kept": pd.array(rng.choice([0, 1, 2], n), dtype="Int64"),
        }
    )
    accounts.loc[n // 2, "kept"] = None  # one hole: the whole column is a float for pandas, in every chunk
    if not together:
        accounts.loc[::13, "debtor_id"] = None
    m = 2 * n
    contacts = pd.DataFrame(
        {
            "contact_id": [f"C{number}" for number in range(m)],
            "account_id": [f"A{number:05d}" for number in rng.integers(0, n + n // 10, m)],
            "sent_at": pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(60, 9 * 86_400, m), unit="s"),
            "channel": rng.choice(["call", "sms", "email"], m),
            "initiated_by": rng.choice(["creditor", "debtor"], m, p=[0.95, 0.05]),
            "outcome": rng.choice(["attempt", "delivered"], m),
            "status": "sent",
        }
    )
    return accounts, contacts


def write(folder: Path, accounts: pd.DataFrame, contacts: pd.DataFrame) -> tuple[Path, Path]:
    """Both tables as Parquet with small row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts.to_parquet(folder / "accounts.parquet", row_group_size=17)
    contacts.to_parquet(folder / "contacts.parquet", row_group_size=23)
    return folder / "accounts.parquet", folder / "contacts.parquet"


def plan_in_one_piece(accounts: pd.DataFrame, contacts: pd.DataFrame, model, *, packs: list[str]) -> pd.DataFrame:
    """The second implementation: everything in memory, every round sees every contact."""
    owner = accounts.set_index("account_id")["debtor_id"]
    known = contacts.assign(debtor_id=contacts["account_id"].map(owner))
    turn = debtor_rounds(accounts)
    parts = []
    for number in range(int(turn.max()) + 1):
        positions = np.flatnonzero(turn == number)
        part = accounts.iloc[positions].reset_index(drop=True)
        decided = decide(part, strategy=model, as_of=AS_OF, packs=packs, contacts=known)
        known = pd.concat([known, pd.DataFrame(planned_contacts(decided))], ignore_index=True)
        parts.append(decided.ranked.assign(row=positions[decided.ranked["row"].to_numpy()]))
    return pd.concat(parts, ignore_index=True).sort_values(["row", "rank"], ignore_index=True)


def small_strategy(actions: ActionSpace, made_once: MadeOnce) -> ContactStrategy:
    """A strategy over columns that only raw tables give, and one that has holes; all workers share it."""
    return made_once(f"plan-strategy-{len(actions)}", lambda: _fitted(actions))


def _fitted(actions: ActionSpace) -> ContactStrategy:
    rng = np.random.default_rng(3)
    n = 700
    action = rng.integers(0, actions.n_contact_actions, n)
    context = {
        "kept": rng.integers(0, 3, n),
        "contacts_7d": rng.integers(0, 4, n),
        "debtor_contacts_7d": rng.integers(0, 6, n),
        "payments_90d": rng.integers(0, 3, n),
        "responses_30d": rng.integers(0, 2, n),
    }
    log = pd.concat([pd.DataFrame(context), actions.describe(action)], axis=1)
    log["kept"] = log["kept"].astype(float).where(rng.random(n) > 0.1)
    log["reward"] = (rng.random(n) < 0.2 + 0.1 * (action < 6) + 0.1 * (log["contacts_7d"] == 0)).astype(float)
    log["propensity"] = 1 / actions.n_contact_actions
    feedback = LoggedFeedback.from_frame(
        log, actions=actions, context=list(context), categorical=["kept"], propensity="propensity"
    )
    return ContactStrategy(n_jobs=1).fit(feedback)
