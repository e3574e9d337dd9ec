"""CPU of the whole decision, facts to ranked legal actions, in one process and without a log.

    python benchmarks/decision_path.py [--accounts 1000] [--rounds 15] [--strategy DIRECTORY] [--quick]

JSON objects as a request holds them go in; ranked actions with propensity, interval and template come out. The same
accounts are decided one a call and all in one call; beside it stand the rules alone, reading the objects into columns
alone, and ``Booster.predict`` of the strategy's trees over account x actions (no law, no regressions, no interval).
Medians over rounds in which every side takes its turn; read the ratios, absolute times drift with the machine.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from quick import add_quick

from recommender import ContactStrategy
from recommender.deciding import Accounts, Decider
from recommender.learning.trees.tree_columns import factor_levels
from recommender.messages import default_catalogue
from recommender.rules import Guardrails, judged
from recommender.simulation import simulate

AS_OF = dt.datetime(2026, 11, 23, 13, tzinfo=dt.UTC)
PLACES = {
    "CO": "America/Bogota", "MX": "America/Mexico_City", "PE": "America/Lima", "CL": "America/Santiago",
    "EC": "America/Guayaquil", "US": "America/New_York",
}  # fmt: skip


def portfolio(
    strategy: ContactStrategy, n: int, rng: random.Random
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Accounts of several countries with all features, and two past contacts each."""
    kinds = {one.name: one for one in strategy.reward_model_.encoder.columns}
    rows, contacts = [], []
    for number in range(n):
        country = rng.choice(list(PLACES))
        row: dict[str, Any] = {
            str(name): rng.choice(kinds[name].categories[:5]) if kinds[name].kind == "category" else rng.random() * 50
            for name in strategy.feature_names_in_
            if name not in {"country", "balance_minor", "days_past_due", "stage"}
        }
        row |= {
            "account_id": f"A{number}", "debtor_id": f"D{number}", "country": country, "timezone": PLACES[country],
            "due_date": str(dt.date(2026, 11, 20) - dt.timedelta(days=number % 90)), "balance_minor": 1_200_000,
            "consented_channels": ["sms", "whatsapp", "email", "call"], "flags": [], "party": "debtor",
            "packs": [country],
        }  # fmt: skip
        rows.append(row)
        contacts += [
            {
                "account_id": f"A{number}", "sent_at": AS_OF - dt.timedelta(days=days, hours=rng.random() * 8),
                "channel": rng.choice(["sms", "call", "email"]), "hour": 10, "tone": "friendly",
                "outcome": rng.choice(["attempt", "delivered"]), "initiated_by": "creditor", "status": "sent",
            }
            for days in (3, 11)
        ]  # fmt: skip
    return rows, contacts


def cross_product(strategy: ContactStrategy, n: int) -> Callable[[], object]:
    """The trees alone, asked as a plain LightGBM user would."""
    model = strategy.reward_model_
    part = next(iter(model.parts.values()))
    trees = next(iter(part.trees.values()))
    context = part.tree_columns(np.zeros((n, len(model.columns_))))
    levels = np.stack([values for _, values, _ in factor_levels(model.actions_)], axis=1)

    def predict() -> object:
        crossed = np.hstack([np.repeat(context, len(levels), axis=0), np.tile(levels, (len(context), 1))])
        raw = np.mean([one.predict(crossed, raw_score=True, num_threads=1) for one in trees.boosters], axis=0)
        return np.argsort(-raw.reshape(n, -1), axis=1, kind="stable")[:, :3]

    return predict


def measure(sides: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, float]:
    """Median CPU seconds an account of each side."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for run, _ in sides.values():
        run()
    for _ in range(rounds):
        for name, (run, accounts) in sides.items():
            started = time.process_time()
            run()
            taken[name].append((time.process_time() - started) / accounts)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--debtors", type=int, default=6_000, help="of the log that the strategy is trained on")
    parser.add_argument("--strategy", type=Path, help="saved strategy; by default one is trained")
    add_quick(parser, accounts=50, rounds=2, debtors=800)
    options = parser.parse_args()
    if options.strategy:
        strategy = ContactStrategy.load(options.strategy)
    else:
        log = simulate(options.debtors, seed=1, no_contact=True).feedback()
        with tempfile.TemporaryDirectory() as folder:
            strategy = ContactStrategy.load(ContactStrategy(n_jobs=1, random_state=0).fit(log).save(Path(folder) / "s"))
    rows, contacts = portfolio(strategy, options.accounts, random.Random(1))  # noqa: S311 - made-up accounts
    decider = Decider(strategy)
    singles = min(100, options.accounts)
    own = [[one for one in contacts if one["account_id"] == row["account_id"]] for row in rows[:singles]]

    def one_by_one() -> None:
        for row, sent in zip(rows[:singles], own, strict=True):
            decider.decide([row], as_of=AS_OF, packs=("CO",), contacts=sent)

    together = options.accounts
    law = Guardrails(strategy.actions_, catalogue=default_catalogue())
    sides: dict[str, tuple[Callable[[], object], int]] = {
        "one account a call": (one_by_one, singles),
        f"{together:,} accounts in one call": (
            lambda: decider.decide(rows, as_of=AS_OF, packs=("CO",), contacts=contacts),
            together,
        ),
        "of it the rules alone": (
            lambda: judged(law.case(rows, as_of=AS_OF, contacts=contacts)),
            together,
        ),
        "of it reading into columns": (lambda: Accounts.of(rows).situated(AS_OF), together),
        "peer: Booster.predict, cross product": (cross_product(strategy, min(50, together)), min(50, together)),
    }
    seconds = measure(sides, options.rounds)
    base = seconds["peer: Booster.predict, cross product"]
    print(f"{len(strategy.actions_)} actions, {len(strategy.feature_names_in_)} features, {len(contacts):,} contacts")
    for name, value in seconds.items():
        print(f"  {name:40s} {value * 1e6:9.1f} us an account   {base / value:7.1f} x the peer's speed")


if __name__ == "__main__":
    main()
