"""``backtest``: train on the past of a log, evaluate on what followed, window after window."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.table import Table

from pipelines.evaluate import VERDICT_COLOUR, wide_console
from pipelines.train import LogFile, read_log
from recommender.proof import BacktestReport, backtest
from recommender.store.files import write_frame
from recommender.strategy import ContactStrategy


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("backtest")(run)


def run(
    log: LogFile,
    splits: Annotated[int, typer.Option(min=1, help="Windows; the log is cut into one more part.")] = 4,
    cutoff: Annotated[
        list[str] | None, typer.Option(help="Start of a window, instead of --splits; repeat in order of time.")
    ] = None,
    baseline: Annotated[
        list[str] | None, typer.Option(help="logging, seed_rules, best_constant, uniform; repeat for more.")
    ] = None,
    champion: Annotated[
        Path | None, typer.Option(help="Directory of the strategy in use, as one more baseline.")
    ] = None,
    policy: Annotated[str, typer.Option(help="softmax, epsilon, thompson or greedy.")] = "softmax",
    epsilon: Annotated[float, typer.Option(help="Share of decisions spread evenly: the floor.")] = 0.05,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    jobs: Annotated[int, typer.Option(help="Threads; the result does not depend on it.")] = 2,
    seed: Annotated[int, typer.Option()] = 0,
    csv_out: Annotated[Path | None, typer.Option("--out", help="Write the table (Parquet or CSV).")] = None,
    html_out: Annotated[Path | None, typer.Option("--html", help="Write the report as one page.")] = None,
) -> None:
    """Train at each cutoff on what was known by then and evaluate on the time up to the next, against baselines."""
    console = wide_console()
    feedback = read_log(log, console)
    learner = ContactStrategy(policy=policy, epsilon=epsilon, n_jobs=jobs, random_state=seed)  # type: ignore[arg-type]
    with console.status("Going forward in time ..."):
        report = backtest(
            feedback,
            learner,
            n_splits=splits,
            cutoffs=cutoff,
            baselines=tuple(baseline or ("logging", "seed_rules", "best_constant")),
            champion=None if champion is None else ContactStrategy.load(champion),
            confidence=confidence,
            random_state=seed,
        )
    console.print(windows_table(report, f"{log} ({len(feedback):,} decisions)"))
    for name, whole in report.pooled.items():
        said = f"against {name}: [{VERDICT_COLOUR[whole.verdict]}]{whole.verdict}[/]. {' '.join(whole.reasons)}"
        console.print(said, highlight=False)
    for name, why in report.left_out.items():
        console.print(f"[yellow]without {name}:[/] {why}", highlight=False)
    for number, window in enumerate(report.windows, start=1):
        if window.trouble:
            console.print(f"[yellow]window {number} was not evaluated:[/] {window.trouble}", highlight=False)
    if csv_out is not None:
        table = report.to_frame()
        table["reasons"] = table["reasons"].map(" ".join)
        csv_out.parent.mkdir(parents=True, exist_ok=True)
        write_frame(table, csv_out)
    if html_out is not None:
        html_out.parent.mkdir(parents=True, exist_ok=True)
        report.to_html(html_out)


def windows_table(report: BacktestReport, title: str) -> Table:
    """One line a window and baseline, the pooled lines last."""
    table = Table(title=f"Backtest on {title}", title_justify="left")
    for name in ("window", "from", "trained on", "decisions", "baseline", "value", "difference", "interval", "verdict"):
        table.add_column(name, justify="left" if name in ("window", "from", "baseline", "verdict") else "right")
    table.columns[7].header = f"{report.confidence:.0%} interval"
    for row in report.to_frame().itertuples():
        known = not pd.isna(row.difference)
        table.add_row(
            row.window,
            str(row.start)[:16],
            f"{row.n_trained_on:,}",
            f"{row.n_decisions:,}",
            row.baseline,
            f"{row.value:.4f}" if known else "-",
            f"{row.difference:+.4f}" if known else "-",
            f"{row.ci_low:+.4f} .. {row.ci_high:+.4f}" if known else "-",
            f"[{VERDICT_COLOUR[row.verdict]}]{row.verdict}[/]",
        )
    return table
