"""``evaluate``: what a strategy would have earned on a log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipelines.rule_masks import lever_masks, pack_mask
from pipelines.train import LogFile, read_log
from recommender.columns import Columns
from recommender.deciding import default_segments
from recommender.errors import InvalidInput
from recommender.evaluation import refusals
from recommender.proof import OffPolicyEvaluator, PolicyReport
from recommender.store.files import folder_digest
from recommender.strategy import ContactStrategy

_MOSTLY = 0.5
VERDICT_COLOUR = {"better": "green", "worse": "red", "not proven": "yellow", "refused": "magenta"}


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("evaluate")(run)


def run(
    log: LogFile,
    strategy: Annotated[Path, typer.Option(help="Directory of a saved strategy.")] = Path("models/strategy"),
    since: Annotated[str | None, typer.Option(help="Evaluate on decisions from this instant on.")] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help="logging, seed_rules, best_constant, uniform, or a strategy directory; repeat for more."),
    ] = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999)] = 0.95,
    slice_by: Annotated[
        list[str] | None, typer.Option(help="Context column to report by, or `segment`; repeat for more.")
    ] = None,
    price_of_rules: Annotated[
        bool,
        typer.Option("--price-of-rules", help="Price each channel, hour block and other lever of the action space."),
    ] = False,
    pack: Annotated[
        list[str] | None, typer.Option(help="Price this rule pack, too (needs the account's facts in the log); repeat.")
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    html_out: Annotated[Path | None, typer.Option("--html", help="Write the report as one page.")] = None,
) -> None:
    """Estimate a strategy's value on a log, against one or more baselines, with a verdict.

    A strategy trained on this very log is refitted by folds of debtors; on a later log it is used as it is.
    """
    console = wide_console()
    feedback = read_log(log, console)
    if since is not None:
        _, feedback = feedback.split(since)
    trained = ContactStrategy.load(strategy)
    slices = {name: _slice(feedback.context, name) for name in slice_by or []}
    evaluator = OffPolicyEvaluator(feedback)
    if trained.trained_on_["digest"] == feedback.digest:
        console.print(
            "trained on this very log: refitted by folds of debtors, once, which takes about two trainings; a later "
            "log (or train --until and evaluate --since) needs none",
            highlight=False,
        )
    prices = None
    if price_of_rules or pack:
        rules = lever_masks(feedback.actions) if price_of_rules else {}
        for name in pack or []:
            rules[f"pack {name}"] = pack_mask(log, feedback, name, since)
            if hint := silence_hint(name, rules[f"pack {name}"], feedback.actions.no_contact_index):
                console.print(hint, style="yellow", highlight=False)
        with console.status("Pricing rules ..."):
            prices = evaluator.price_of_rules(trained, rules, confidence)
    for position, name in enumerate(baseline or ["logging"]):
        other = ContactStrategy.load(name) if Path(name).is_dir() else name
        with console.status(f"Evaluating against {name} ..."):
            report = evaluator.evaluate(
                trained,
                baseline=other,
                estimators=None if position == 0 else (),  # the verdict needs the default estimator alone
                confidence=confidence,
                slices=slices if position == 0 else None,
            )
        if position == 0:
            console.print(estimates_table(report, f"{strategy} on {log} ({len(feedback):,} decisions)"))
            if json_out is not None:
                json_out.parent.mkdir(parents=True, exist_ok=True)
                document = report.to_dict() | {"subject": subject(log, strategy, name)}
                if prices is not None:
                    document["prices"] = json.loads(prices.to_json(orient="records"))  # NaN becomes null
                json_out.write_text(json.dumps(document, indent=2, ensure_ascii=False), encoding="utf-8")
            if html_out is not None:
                html_out.parent.mkdir(parents=True, exist_ok=True)
                report.to_html(html_out, title=f"Evaluation of {strategy.name} on {log.name}", prices=prices)
        console.print(verdict_line(report, name), highlight=False)
    console.print(exploration_line(trained), highlight=False)
    if prices is not None:
        console.print(prices_table(prices, confidence))
        for why, names in refusals(prices).items():
            console.print(f"{', '.join(names) if len(names) < len(prices) else 'all of them'}: {why}", highlight=False)


def _slice(context: pd.DataFrame, name: str) -> NDArray[Any]:
    """Values of a context column; segments are worked out where the log does not carry them."""
    if name in context.columns:
        return np.asarray(context[name])
    if name == "segment":
        return np.array(default_segments().of(Columns.of(context)), dtype=object)
    raise InvalidInput.missing_columns([name], [str(one) for one in context.columns], role="slice of the report")


def exploration_line(strategy: ContactStrategy) -> str:
    """What the strategy's own draws of the second best cost it, as its model sees it."""
    return f"exploring gives up {strategy.exploration_cost_:.1%} of the modelled gain; the estimates above include it"


def silence_hint(pack: str, allowed: NDArray[np.bool_], no_contact: int | None) -> str | None:
    """What to know where a pack forbids every contact in most decisions: usually facts are missing from the file."""
    contact = np.ones(allowed.shape[1], dtype=bool)
    if no_contact is not None:
        contact[no_contact] = False
    silent = float(np.mean(~allowed[:, contact].any(axis=1)))
    if silent <= _MOSTLY:
        return None
    return (
        f"pack {pack} allows no contact at all in {silent:.0%} of the decisions: a fact that the log's file does not "
        "hold (consent, time zone, permitted channels ...) denies. Its price is that of silence; add the facts first."
    )


def subject(log: Path, strategy: Path, baseline: str) -> dict[str, str]:
    """What a report is about; the digests are those of the registry, so that ``promote --report`` can tell."""
    described = {
        "log": log.name,
        "strategy": str(strategy),
        "strategy_digest": folder_digest(strategy),
        "baseline": baseline,
    }
    return described | ({"baseline_digest": folder_digest(Path(baseline))} if Path(baseline).is_dir() else {})


def wide_console() -> Console:
    """A console whose tables keep their lines when the output goes to a file or a pipe."""
    console = Console()
    return console if console.is_terminal else Console(width=130)


def estimates_table(report: PolicyReport, title: str) -> Table:
    """Show the estimates, the default one marked."""
    table = Table(title=title, title_justify="left")
    for name in ("estimator", "value", "95 % interval", "effective sample size", "warnings"):
        table.add_column(name, justify="left" if name in ("estimator", "warnings") else "right")
    table.columns[2].header = f"{report.confidence:.0%} interval"
    for row in report.to_frame().itertuples():
        table.add_row(
            f"[bold]{row.estimator} *[/]" if row.default else str(row.estimator),
            f"{row.value:.4f}",
            f"{row.ci_low:.4f} .. {row.ci_high:.4f}",
            f"{row.effective_sample_size:,.0f}",
            ", ".join(row.warnings),
        )
    return table


def prices_table(prices: pd.DataFrame, confidence: float) -> Table:
    """Show what each rule or lever costs, per decision."""
    table = Table(title="Price of rules and levers: value per decision lost", title_justify="left")
    for name in ("rule", "probability moved", "no action left", "value lost", f"{confidence:.0%} interval", "verdict"):
        table.add_column(name, justify="left" if name in ("rule", "verdict") else "right")
    for row in prices.itertuples():
        known = not pd.isna(row.value_lost)
        table.add_row(
            row.rule,
            f"{row.probability_moved:.1%}" if known else "-",
            f"{row.rows_barred:,}",
            f"{row.value_lost:+.4f}" if known else "-",
            f"{row.ci_low:+.4f} .. {row.ci_high:+.4f}" if known else "-",
            row.verdict,
        )
    return table


def verdict_line(report: PolicyReport, baseline: str) -> str:
    """One line: verdict, paired difference, reasons."""
    gap = report.difference
    colour = VERDICT_COLOUR[report.verdict]
    interval = "" if pd.isna(gap.low) else f" [{gap.low:+.4f}, {gap.high:+.4f}]"
    return f"against {baseline}: [{colour}]{report.verdict}[/] ({gap.value:+.4f}{interval}). {' '.join(report.reasons)}"
