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
from recommender.reports import Words
from recommender.store.files import bank_feedback
from recommender.strategy import ContactStrategy

__all__ = ["calls_story"]

BANK_FILE = Path("data/samples/bank_marketing/bank-additional-full.csv.gz")
_PAST_SHARE = 0.6
_REASONS_SHOWN = 300


def calls_story(console: Console, jobs: int, seed: int, t: Words) -> None:
    """Ask a log that nobody randomised what a new policy would earn; it says why it cannot tell."""
    console.rule(t("Real calls: UCI Bank Marketing (10 actions, propensities not logged)"))
    log = bank_feedback(BANK_FILE)
    at = pd.Series(log.time).sort_values().iloc[int(_PAST_SHARE * len(log))]
    past, future = log.split(at)
    console.print(
        t(
            "{past:,} calls teach, {future:,} later ones judge. Of the earlier {before:.1%} said yes, of the later "
            "{after:.1%}: the bank changed whom it called, and the times changed.",
            past=len(past),
            future=len(future),
            before=past.reward.mean(),
            after=future.reward.mean(),
        ),
        highlight=False,
    )
    strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(past)
    _compare(console, strategy, future, t)
    console.print("\n" + t("What the doctor says of the same log:"), highlight=False)
    for finding in diagnose(future, subject="later calls").findings[:4]:
        line = f"  {t(finding.grade)}: {_cut(t.of(finding.what))} {t.of(finding.mend)}"
        console.print(line, highlight=False, markup=False)
    console.print(
        "\n"
        + t(
            "So the refusal is the answer: in these weeks an action was all but fixed by the date, and no estimator "
            "can say what another action would have done. What helps is chance: let a small share of the contacts be "
            "drawn (ContactStrategy keeps 5 % by itself), log the propensities, and ask again."
        ),
        highlight=False,
    )


def _compare(console: Console, strategy: ContactStrategy, future: LoggedFeedback, t: Words) -> None:
    table = Table(title=t("What each policy would have earned on the later calls (share of yes)"), title_justify="left")
    for name in ("policy", "estimate", "95 % interval", "effective sample", "against what was done"):
        table.add_column(t(name), justify="right" if name in ("estimate", "effective sample") else "left")
    figures = (f"{future.reward.mean():.4f}", "", f"{len(future):,}", "")
    table.add_row(t("what was done"), *map(t.number, figures))
    evaluator = OffPolicyEvaluator(future)
    reasons = []
    policies: dict[str, Any] = {"learnt policy": strategy, "best constant": "best_constant"}
    for name, policy in policies.items():
        report = evaluator.evaluate(policy, estimators=("ips", "sndr", "dm"))
        row, gap = report.default, report.difference
        gap_of = t("[{low}, {high}]", low=t.number(f"{gap.low:+.4f}"), high=t.number(f"{gap.high:+.4f}"))
        table.add_row(
            t(name),
            t.number(f"{row['value']:.4f}"),
            t.number(f"{row['ci_low']:.4f}") + " .. " + t.number(f"{row['ci_high']:.4f}"),
            t.number(f"{row['effective_sample_size']:,.0f}"),
            f"[{VERDICT_COLOUR[report.verdict]}]{t(report.verdict)}[/] {t.number(f'{gap.value:+.4f}')} \\{gap_of}",
        )
        reasons += [f"  {t(name)}: {_cut(' '.join(map(t.of, report.reasons)))}"]
    console.print(table)
    for line in reasons:
        console.print(line, highlight=False, markup=False)


def _cut(text: str) -> str:
    return text if len(text) <= _REASONS_SHOWN else text[: _REASONS_SHOWN - 4] + " ..."
