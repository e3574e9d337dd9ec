"""How long the mask of a whole portfolio takes, against the rules asked one account and action at a time.

    python benchmarks/guardrails.py [--accounts 1000000] [--packs CO HOUSE]

260 actions (5 channels x 13 hours x 4 tones) and NO_CONTACT, three past contacts an account. The peer is the naive
reading of the law that the tests use as oracle, on a sample, scaled up; the mask is compared with it cell by cell.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from quick import add_quick

from recommender import ActionSpace
from recommender.rules import eligibility
from tests.rules.naive_law import permits

CHANNELS = ["call", "sms", "whatsapp", "email", "visit"]
TONES = ["friendly", "neutral", "firm", "formal-legal"]
AS_OF = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC)
ZONE = {"CO": "America/Bogota", "CL": "America/Santiago", "PE": "America/Lima", "US": "America/New_York"}


def portfolio(n: int, pack: str, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accounts, one in five with a debtor who has several, and their contacts of the last twenty days."""
    accounts = pd.DataFrame(
        {
            "account_id": np.arange(n),
            "debtor_id": np.where(rng.random(n) < 0.2, np.arange(n) // 3, np.arange(n) + n),
            "country": pack[:2],
            "subdivision": None,
            "timezone": np.where(rng.random(n) < 0.97, ZONE.get(pack, "America/Bogota"), None),
            "due_date": (np.datetime64("2026-11-17") - rng.integers(-10, 150, n)).astype(str),
            "balance_minor": rng.integers(0, 50, n) * 1_000,
            "consented_channels": rng.choice(["sms;email", "call;sms;whatsapp;email", "call", ""], n),
            "flags": rng.choice(["", "disputed", "opt_out:sms"], n, p=[0.94, 0.03, 0.03]),
            "party": rng.choice(["debtor", "guarantor", "reference"], n, p=[0.95, 0.04, 0.01]),
        }
    )
    m = 3 * n
    contacts = pd.DataFrame(
        {
            "account_id": rng.integers(0, n, m),
            "sent_at": pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(60, 20 * 86_400, m), unit="s"),
            "channel": rng.choice(CHANNELS, m),
            "initiated_by": rng.choice(["creditor", "debtor"], m, p=[0.95, 0.05]),
            "outcome": rng.choice(["attempt", "delivered", "live_contact", "not_connected"], m),
            "status": "sent",
        }
    )
    return accounts, contacts


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--packs", nargs="+", default=["CO"])
    parser.add_argument("--sample", type=int, default=60)
    add_quick(parser, accounts=2_000, sample=5)
    options = parser.parse_args()
    accounts, contacts = portfolio(options.accounts, options.packs[0], np.random.default_rng(0))
    space = ActionSpace({"channel": CHANNELS, "hour": range(8, 21), "tone": TONES}, no_contact=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    wall, cpu = time.perf_counter(), time.process_time()
    found = eligibility(accounts, space, as_of=AS_OF, packs=options.packs, contacts=contacts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cells = len(accounts) * (len(space) - 1)

    rng = np.random.default_rng(1)
    sample = rng.choice(len(accounts), size=min(options.sample, len(accounts)), replace=False)
    by_debtor = contacts.merge(accounts[["account_id", "debtor_id"]], on="account_id")
    started, asked, wrong = time.process_time(), 0, 0
    for row in sample.tolist():
        account = accounts.iloc[row]
        case = {
            "packs": [pack for pack in options.packs if pack not in {"HOUSE", "TRADE"}],
            "account": account.to_dict() | {
                "consented_channels": account["consented_channels"].split(";"),
                "flags": [flag for flag in account["flags"].split(";") if flag],
                "account_id": str(account["account_id"]),
                "timezone": None if pd.isna(account["timezone"]) else account["timezone"],
            },
            "contacts": [
                contact | {"sent_at": contact["sent_at"].isoformat(), "account_id": str(contact["account_id"])}
                for contact in by_debtor[by_debtor["debtor_id"] == account["debtor_id"]].to_dict("records")
            ],
        }  # fmt: skip
        for action in range(0, len(space) - 1, len(TONES)):
            hour = action // len(TONES) % 13
            want = permits(
                case | {"at": f"{found.contact_at[row, hour]}+00:00", "channel": CHANNELS[action // len(TONES) // 13]}
            )
            asked += 1
            if {"HOUSE", "TRADE"} & set(options.packs):
                wrong += bool(found.mask[row, action]) and not want
            else:
                wrong += bool(found.mask[row, action]) != want
    naive_cpu = (time.process_time() - started) / asked * cells / len(TONES)
    print(f"packs {' '.join(options.packs)}, {len(accounts):,} accounts x {len(space) - 1} actions = {cells:,} cells")
    print(f"{'':28}{'wall s':>10}{'CPU s':>12}{'cells per CPU s':>18}")
    print(f"{'eligibility()':28}{wall:>10.1f}{cpu:>12.1f}{cells / cpu:>18,.0f}")
    print(f"{'naive law, scaled from sample':28}{'':>9}{naive_cpu:>12,.0f}{cells / naive_cpu:>18,.0f}")
    print(
        f"ratio of CPU time: {naive_cpu / cpu:,.0f}; peak memory {peak:.2f} GiB, of it tables and imports {before:.2f}"
    )
    print(f"eligible: {found.mask[:, :-1].mean():.1%}; disagreements on {asked:,} sampled cells: {wrong}")
    assert wrong == 0
    assert found.mask[:, -1].all()


if __name__ == "__main__":
    main()
