"""Point-in-time features: our one-pass kernel against DuckDB window functions, from the same frames, in one run.

    OMP_NUM_THREADS=1 python benchmarks/features.py --contacts 5000000 --accounts 500000

Both sides get the same pandas frames and give the same ten columns, in the order of the contacts; the answers are
compared value by value, and a sample against a naive loop. CPU time of the process, one thread each, sides interleaved.
Memory is the peak of a process of its own for each side (--memory).
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import duckdb
import numpy as np
import pandas as pd
from quick import add_quick

from recommender.features.event_log import EventLog

CHANNELS = ("call", "sms", "whatsapp", "email")
COLUMNS = (
    "contacts_7d",
    "contacts_30d",
    "contacts_90d",
    "contacts_30d_call",
    "responses_7d",
    "responses_30d",
    "responses_90d",
    "days_since_contact",
    "days_since_response",
    "days_since_payment",
)
QUERY = """
WITH answer AS (
  SELECT c.account_id, min(o.occurred_at) AS moment
  FROM outcomes o JOIN contacts c USING (contact_id)
  WHERE o.outcome IN ('replied', 'right_party_contact', 'promise_to_pay', 'promise_kept')
  GROUP BY o.contact_id, c.account_id
), event AS (
  SELECT account_id, sent_at AS moment, 1 AS contact, (channel = 'call')::INT AS call, 0 AS response, 0 AS payment,
         contact_id FROM contacts
  UNION ALL SELECT account_id, moment, 0, 0, 1, 0, NULL FROM answer
  UNION ALL SELECT account_id, paid_at, 0, 0, 0, 1, NULL FROM payments
), seen AS (
  SELECT contact_id, contact, moment,
    sum(contact) OVER w7 AS contacts_7d, sum(contact) OVER w30 AS contacts_30d, sum(contact) OVER w90 AS contacts_90d,
    sum(call) OVER w30 AS contacts_30d_call,
    sum(response) OVER w7 AS responses_7d, sum(response) OVER w30 AS responses_30d,
    sum(response) OVER w90 AS responses_90d,
    max(CASE WHEN contact = 1 THEN moment END) OVER ever AS last_contact,
    max(CASE WHEN response = 1 THEN moment END) OVER ever AS last_response,
    max(CASE WHEN payment = 1 THEN moment END) OVER ever AS last_payment
  FROM event
  WINDOW
    w7 AS (PARTITION BY account_id ORDER BY moment
      RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING),
    w30 AS (PARTITION BY account_id ORDER BY moment
      RANGE BETWEEN INTERVAL 30 DAY PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING),
    w90 AS (PARTITION BY account_id ORDER BY moment
      RANGE BETWEEN INTERVAL 90 DAY PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING),
    ever AS (PARTITION BY account_id ORDER BY moment
      RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 MICROSECOND PRECEDING)
)
SELECT contact_id,
  coalesce(contacts_7d, 0)::FLOAT AS contacts_7d, coalesce(contacts_30d, 0)::FLOAT AS contacts_30d,
  coalesce(contacts_90d, 0)::FLOAT AS contacts_90d, coalesce(contacts_30d_call, 0)::FLOAT AS contacts_30d_call,
  coalesce(responses_7d, 0)::FLOAT AS responses_7d, coalesce(responses_30d, 0)::FLOAT AS responses_30d,
  coalesce(responses_90d, 0)::FLOAT AS responses_90d,
  ((epoch_us(moment) - epoch_us(last_contact)) / 86400000000.0)::FLOAT AS days_since_contact,
  ((epoch_us(moment) - epoch_us(last_response)) / 86400000000.0)::FLOAT AS days_since_response,
  ((epoch_us(moment) - epoch_us(last_payment)) / 86400000000.0)::FLOAT AS days_since_payment
FROM seen WHERE contact = 1 ORDER BY contact_id
"""


def tables(n_contacts: int, n_accounts: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    start, span = pd.Timestamp("2026-01-01", tz="UTC"), 180 * 86_400
    n_answers, n_payments = 3 * n_contacts // 10, n_contacts // 10
    contacts = pd.DataFrame(
        {
            "contact_id": np.arange(n_contacts),
            "account_id": rng.integers(0, n_accounts, n_contacts),
            "sent_at": start + pd.to_timedelta(rng.integers(0, span, n_contacts), unit="s"),
            "channel": pd.Categorical.from_codes(rng.integers(0, 4, n_contacts), CHANNELS).astype("str"),
        }
    )
    answered = np.sort(rng.choice(n_contacts, n_answers, replace=False))
    outcomes = pd.DataFrame(
        {
            "contact_id": answered,
            "occurred_at": contacts["sent_at"].iloc[answered].reset_index(drop=True)
            + pd.to_timedelta(rng.integers(60, 3 * 86_400, n_answers), unit="s"),
            "outcome": pd.Series(rng.choice(["right_party_contact", "delivered"], n_answers), dtype="str"),
        }
    )
    payments = pd.DataFrame(
        {
            "account_id": rng.integers(0, n_accounts, n_payments),
            "paid_at": start + pd.to_timedelta(rng.integers(0, span, n_payments), unit="s"),
            "amount_minor": rng.integers(1, 10**6, n_payments),
        }
    )
    return contacts, outcomes, payments


def ours(contacts: pd.DataFrame, outcomes: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    log = EventLog.from_tables(contacts, outcomes, payments, channels=CHANNELS)
    return log.features(contacts["account_id"], contacts["sent_at"], columns=COLUMNS)


def theirs(contacts: pd.DataFrame, outcomes: pd.DataFrame, payments: pd.DataFrame) -> pd.DataFrame:
    with duckdb.connect(config={"threads": 1}) as base:
        for name, frame in (("contacts", contacts), ("outcomes", outcomes), ("payments", payments)):
            base.register(name, frame)
        return base.sql(QUERY).df()[list(COLUMNS)]


def naive(row: pd.Series, contacts: pd.DataFrame, outcomes: pd.DataFrame, payments: pd.DataFrame) -> list[float]:
    now = row["sent_at"]
    mine = contacts[contacts["account_id"] == row["account_id"]]
    answers = outcomes[outcomes["contact_id"].isin(mine["contact_id"]) & (outcomes["outcome"] != "delivered")]
    paid = payments.loc[payments["account_id"] == row["account_id"], "paid_at"]

    def count(instants: pd.Series, days: int) -> float:
        return float(((instants < now) & (instants >= now - pd.Timedelta(days=days))).sum())

    def since(instants: pd.Series) -> float:
        before = instants[instants < now]
        return (now - before.max()).total_seconds() / 86_400 if len(before) else np.nan

    sent, answered = mine["sent_at"], answers["occurred_at"]
    calls = mine.loc[mine["channel"] == "call", "sent_at"]
    counts = [count(sent, 7), count(sent, 30), count(sent, 90), count(calls, 30)]
    counts += [count(answered, 7), count(answered, 30), count(answered, 90)]
    return [*counts, since(sent), since(answered), since(paid)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=500_000)
    parser.add_argument("--accounts", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--memory", choices=["ours", "duckdb"], help="Run one side only and print its peak memory.")
    add_quick(parser, contacts=20_000, accounts=2_000)
    asked = parser.parse_args()
    held = tables(asked.contacts, asked.accounts)
    if asked.memory:
        (ours if asked.memory == "ours" else theirs)(*held)
        print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f}")
        return
    small = tables(1_000, 100)
    ours(*small)  # compile
    theirs(*small)
    spent: dict[str, list[float]] = {"ours": [], "duckdb": []}
    for _ in range(asked.repeats):
        for name, side in (("ours", ours), ("duckdb", theirs)):
            begin = time.process_time()
            found = side(*held)
            spent[name].append(time.process_time() - begin)
            if name == "ours":
                mine = found
    gap = np.nanmax(np.abs(mine.to_numpy() - found.to_numpy()))
    same_gaps = bool((mine.isna().to_numpy() == found.isna().to_numpy()).all())
    rows = np.random.default_rng(1).choice(asked.contacts, 20, replace=False)
    want = np.array([naive(held[0].iloc[row], *held) for row in rows])
    loop = np.nanmax(np.abs(mine.iloc[rows].to_numpy() - want))
    sizes = ["--contacts", str(asked.contacts), "--accounts", str(asked.accounts)]
    peak = {
        name: subprocess.run(
            [sys.executable, __file__, "--memory", name, *sizes],
            capture_output=True, text=True, check=False,
        ).stdout.strip() or "did not finish"
        for name in spent
    }  # fmt: skip
    cpu = {name: float(np.median(values)) for name, values in spent.items()}
    print(f"{asked.contacts:,} contacts, {asked.accounts:,} accounts, {len(COLUMNS)} features, one thread")
    print(f"{'side':<28}{'CPU s':>8}{'ratio':>8}{'peak GiB (tables included)':>30}")
    print(f"{'DuckDB ' + duckdb.__version__ + ' windows':<28}{cpu['duckdb']:>8.2f}{1.0:>8.1f}{peak['duckdb']:>30}")
    print(f"{'recommender one pass':<28}{cpu['ours']:>8.2f}{cpu['duckdb'] / cpu['ours']:>8.1f}{peak['ours']:>30}")
    print(f"largest difference {gap:.2g}, same missing values {same_gaps}; naive loop on 20 rows: {loop:.2g}")


if __name__ == "__main__":
    main()
