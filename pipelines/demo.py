"""``demo``: the main job end to end, on real calls and on a simulated portfolio whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from pipelines.evaluate import VERDICT_COLOUR, wide_console
from recommender.deciding import decide
from recommender.history import LoggedFeedback
from recommender.proof import OffPolicyEvaluator
from recommender.simulation import SimulatedLog, simulate, simulate_portfolio
from recommender.store.files import bank_feedback, write_frame
from recommender.strategy import ContactStrategy, applies_to

BANK_FILE = Path("data/samples/bank_marketing/bank-additional-full.csv.gz")
_PAST_SHARE = 0.6


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(run)


def run(
    contacts: Annotated[int, typer.Option(min=2_000, help="Simulated past contacts.")] = 60_000,
    out: Annotated[Path, typer.Option(help="Folder for what the demo writes.")] = Path("data/demo"),
    jobs: Annotated[int, typer.Option(help="Threads.")] = 2,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train, prove and score: real calls first, then a simulated portfolio beside its true values."""
    console = wide_console()
    console.rule("1. Real calls: UCI Bank Marketing (10 actions, propensities not logged)")
    bank = bank_feedback(BANK_FILE)
    _, strategy, future = learn_from_the_past(console, bank, jobs, seed)
    compare(console, strategy, future, title="What each policy would have earned on the later calls (share of yes)")
    show_ranking(console, strategy.recommend(future.context.head(3), top_k=3, seed=seed), strategy)

    console.rule("2. A simulated portfolio (261 actions, propensities logged, truth known)")
    world = simulate(contacts, seed=seed, no_contact=True)
    log = world.feedback()
    past, strategy, future = learn_from_the_past(console, log, jobs, seed)
    rows = np.arange(len(past), len(log))
    compare(
        console,
        strategy,
        future,
        title="What each policy would have earned on the later contacts (response rate)",
        world=world,
        rows=rows,
    )
    as_of = world.contacts["sent_at"].max().to_pydatetime()
    accounts = simulate_portfolio(500, seed=seed, as_of=as_of)
    never = pd.DataFrame(columns=["account_id", "sent_at", "channel", "initiated_by", "outcome", "status"])
    decided = decide(accounts, strategy=strategy, as_of=as_of, packs=["CO"], contacts=never, top_k=3, seed=seed)
    show_ranking(console, decided.ranked.loc[decided.ranked["row"] < 4], strategy)
    removed = decided.eligibility.counts()
    console.print(
        f"rules removed {int((~decided.eligibility.mask).sum()):,} of {decided.eligibility.mask.size:,} "
        f"(account, action) pairs: {removed}",
        highlight=False,
    )

    saved = strategy.save(out / "strategy")
    plan = write_frame(decided.ranked, out / "plan.parquet")
    table = write_frame(accounts, out / "accounts.parquet")
    console.rule("Where to look next")
    console.print(
        f"saved      {saved} (strategy), {plan} (plan), {table} (accounts)\n"
        "your log   python -m pipelines train LOG --help\n"
        f"serve it   RECOMMENDER_MODEL_PATH={saved} make serve, then http://127.0.0.1:8000/docs\n"
        "notebook   notebooks/01_first_recommendation.ipynb",
        highlight=False,
    )


def learn_from_the_past(
    console: Console, log: LoggedFeedback, jobs: int, seed: int
) -> tuple[LoggedFeedback, ContactStrategy, LoggedFeedback]:
    """Train on the earlier decisions and keep the later ones for the proof."""
    at = pd.Series(log.time).sort_values().iloc[int(_PAST_SHARE * len(log))]
    past, future = log.split(at)
    console.print(f"past   {past}\nfuture {future}", highlight=False)
    with console.status("Learning from the past ..."):
        strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(past)
    console.print(
        f"learnt {strategy.version_}: exploring gives up {strategy.exploration_cost_:.1%} of the modelled gain"
    )
    return past, strategy, future


def compare(
    console: Console,
    strategy: ContactStrategy,
    future: LoggedFeedback,
    *,
    title: str,
    world: SimulatedLog | None = None,
    rows: np.ndarray[Any, np.dtype[np.int64]] | None = None,
) -> None:
    """Show the new policy, the one in use and the simple ones side by side, with intervals and, if known, the truth."""
    policies: dict[str, Any] = {"new policy": strategy, "best constant": "best_constant"}
    if applies_to(future.actions, list(future.context.columns)):
        policies["seed rules"] = "seed_rules"
    table = Table(title=title, title_justify="left")
    for name in ("policy", "estimate", "95 % interval", "effective sample", "against the policy in use"):
        table.add_column(name, justify="right" if name in ("estimate", "effective sample") else "left")
    if world is not None:
        table.add_column("true value", justify="right")
    evaluator = OffPolicyEvaluator(future)
    truth: Mapping[str, float] = {} if world is None else {"in use": world.logging_value(rows)}
    table.add_row(
        "in use (what happened)",
        f"{future.reward.mean():.4f}",
        "",
        f"{len(future):,}",
        "",
        *([f"{truth['in use']:.4f}"] if world is not None else []),
    )
    reasons = {}
    missed = []
    for name, policy in policies.items():
        with console.status(f"Evaluating {name} ..."):
            report = evaluator.evaluate(policy)
        row, gap = report.default, report.difference
        reasons[name] = report.reasons
        interval = f"[{gap.low:+.4f}, {gap.high:+.4f}]"
        cells = [
            name,
            f"{row['value']:.4f}",
            f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}",
            f"{row['effective_sample_size']:,.0f}",
            f"[{VERDICT_COLOUR[report.verdict]}]{report.verdict}[/] {gap.value:+.4f} \\{interval}",
        ]
        if world is not None:
            probabilities = evaluator.probabilities(policy)
            value = world.value(probabilities, rows)  # type: ignore[arg-type]
            cells.append(f"{value:.4f}")
            if not row["ci_low"] <= value <= row["ci_high"]:
                missed.append(name)
        table.add_row(*cells)
    console.print(table)
    for name, told in reasons.items():
        console.print(f"  {name}: {' '.join(told)}", highlight=False)
    if missed:
        console.print(
            f"  The interval of {' and '.join(missed)} does not hold the true value here. One in twenty may not: "
            "docs/evaluation-coverage.md counts them over thousands of logs.",
            highlight=False,
        )


def show_ranking(console: Console, ranked: pd.DataFrame, strategy: ContactStrategy) -> None:
    """Show ranked actions of a few accounts."""
    table = Table(title="Next-best actions of a few accounts", title_justify="left")
    for name in (
        "account",
        "rank",
        "action",
        "expected",
        "95 % interval",
        "propensity",
        "evidence",
        "contact at (UTC)",
    ):
        table.add_column(name, justify="left" if name in ("account", "action") else "right")
    factors = list(strategy.actions_.factors)
    for row in ranked.to_dict(orient="records"):
        levels = [str(row[name]) for name in factors if not pd.isna(row[name])]
        when = row["contact_at"]
        table.add_row(
            str(row["row"] if pd.isna(row["account"]) else row["account"]),
            str(row["rank"]),
            " ".join(levels) or "leave alone",
            f"{row['expected_reward']:.4f}",
            f"{row['lo']:.4f} .. {row['hi']:.4f}",
            f"{row['propensity']:.3f}",
            f"{row['evidence']:,.0f}",
            "" if pd.isna(when) else f"{when:%Y-%m-%d %H:%M}",
        )
    console.print(table)
