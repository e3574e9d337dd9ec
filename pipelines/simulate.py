"""``simulate``: a portfolio with known truth, to try everything on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from rich.console import Console

from recommender.simulation import simulate, simulate_portfolio, simulate_tables
from recommender.store.files import write_frame, write_log


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("simulate")(run)


def run(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("data/simulated"),
    contacts: Annotated[int, typer.Option(min=100, help="Past contacts in the log.")] = 50_000,
    accounts: Annotated[int, typer.Option(min=1, help="Accounts that need a recommendation now.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
    logger: Annotated[
        Literal["rules", "uniform", "near_deterministic"], typer.Option(help="Who chose the past contacts.")
    ] = ("rules"),
    propensities: Annotated[Literal["logged", "hidden"], typer.Option()] = "logged",
    world: Annotated[
        Literal["additive", "joint"], typer.Option(help="How context and action act together.")
    ] = "additive",
    reward: Annotated[Literal["response", "money"], typer.Option(help="0/1, or amounts.")] = "response",
    tables: Annotated[bool, typer.Option(help="Also write raw tables to ingest.")] = (False),
    truth: Annotated[bool, typer.Option(help="Also write the true expected reward of every action (large).")] = False,
) -> None:
    """Write a simulated contact log, accounts to score and, on request, the truth.

    Then: python -m pipelines train data/simulated/log.parquet
    """
    console = Console()
    with console.status("Simulating ..."):
        log = simulate(
            contacts, seed=seed, logger=logger, propensities=propensities, world=world, reward=reward, no_contact=True
        )
        portfolio = simulate_portfolio(accounts, seed=seed, as_of=log.contacts["sent_at"].max().to_pydatetime())
    roles = {
        "context": log.context,
        "categorical": log.categorical,
        "reward": "reward",
        "propensity": "propensity" if propensities == "logged" else None,
        "account": "account_id",
        "time": "sent_at",
        "cluster": "debtor_id",
        "reward_kind": "amount" if reward == "money" else "binary",
    }
    written = [
        write_log(log.contacts, out / "log.parquet", actions=log.actions, roles=roles),
        write_frame(portfolio, out / "accounts.parquet"),
    ]
    if truth:
        rewards = log.expected_reward().astype(np.float32)
        names = [log.actions.label(action, "|") for action in range(len(log.actions))]
        written.append(write_frame(pd.DataFrame(rewards, columns=names), out / "truth.parquet"))
    summary = f"{len(log.contacts):,} contacts, mean reward {log.contacts['reward'].mean():.4g}"
    del log, portfolio  # the tables are a world of their own: two at once would double the memory
    if tables:
        with console.status("Simulating raw tables ..."):
            raw = simulate_tables(contacts, seed=seed, logger=logger, propensities=propensities, world=world)
        for name, frame in raw.to_dict().items():
            written.append(write_frame(frame, out / "tables" / f"{name}.parquet"))
        target = out / "tables" / "actions.json"
        target.write_text(json.dumps({"actions": raw.actions.to_dict()}, indent=1), encoding="utf-8")
        console.print(f"raw tables as of {raw.as_of.isoformat()}", highlight=False)
    for path in written:
        console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB)", highlight=False)
    console.print(
        f"{summary}; next: python -m pipelines train {out / 'log.parquet'}",
        highlight=False,
    )
