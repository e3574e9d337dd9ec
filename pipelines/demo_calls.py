"""The second story of ``demo``: real calls, whose log refuses to answer, and why that refusal is the point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from pipelines.evaluate import VERDICT_COLOUR
from recommender.history import LoggedFeedback
from recommender.monitoring import diagnose
from recommender.proof import OffPolicyEvaluator
from recommender.store.files import bank_feedback
from recommender.strategy import ContactStrategy

__all__ = ["calls_story"]

BANK_FILE = Path("data/samples/bank_marketing/bank-additional-full.csv.gz")
_PAST_SHARE = 0.6
_REASONS_SHOWN = 300


def calls_story(console: Console, jobs: int, seed: int) -> None:
    """Ask a log that nobody randomised what a new policy would earn; it says why it cannot tell."""
    console.rule("Real calls: UCI Bank Marketing (10 actions, propensities not logged)")
    log = bank_feedback(BANK_FILE)
    at = pd.Series(log.time).sort_values().iloc[int(_PAST_SHARE * len(log))]
    past, future = log.split(at)
    console.print(
        f"{len(past):,} calls teach, {len(future):,} later ones judge. Of the earlier {past.reward.mean():.1%} said "
        f"yes, of the later {future.reward.mean():.1%}: the bank changed whom it called, and the times changed.",
        highlight=False,
    )
    strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(past)
    _compare(console, strategy, future)
    console.print("\nWhat the doctor says of the same log:", highlight=False)
    for finding in diagnose(future, subject="later calls").findings[:4]:
        console.print(f"  {finding.grade}: {_cut(finding.what)} {finding.mend}", highlight=False, markup=False)
    console.print(
        "\nSo the refusal is the answer: in these weeks an action was all but fixed by the date, and no estimator can "
        "say what another action would have done. What helps is chance: let a small share of the contacts be drawn "
        "(ContactStrategy keeps 5 % by itself), log the propensities, and ask again.",
        highlight=False,
    )


def _compare(console: Console, strategy: ContactStrategy, future: LoggedFeedback) -> None:
    table = Table(title="What each policy would have earned on the later calls (share of yes)", title_justify="left")
    for name in ("policy", "estimate", "95 % interval", "effective sample", "against what was done"):
        table.add_column(name, justify="right" if name in ("estimate", "effective sample") else "left")
    table.add_row("what was done", f"{future.reward.mean():.4f}", "", f"{len(future):,}", "")
    evaluator = OffPolicyEvaluator(future)
    reasons = []
    policies: dict[str, Any] = {"learnt policy": strategy, "best constant": "best_constant"}
    for name, policy in policies.items():
        report = evaluator.evaluate(policy, estimators=("ips", "sndr", "dm"))
        row, gap = report.default, report.difference
        table.add_row(
            name,
            f"{row['value']:.4f}",
            f"{row['ci_low']:.4f} .. {row['ci_high']:.4f}",
            f"{row['effective_sample_size']:,.0f}",
            f"[{VERDICT_COLOUR[report.verdict]}]{report.verdict}[/] {gap.value:+.4f} "
            f"\\[{gap.low:+.4f}, {gap.high:+.4f}]",
        )
        reasons += [f"  {name}: {_cut(' '.join(report.reasons))}"]
    console.print(table)
    for line in reasons:
        console.print(line, highlight=False, markup=False)


def _cut(text: str) -> str:
    return text if len(text) <= _REASONS_SHOWN else text[: _REASONS_SHOWN - 4] + " ..."
