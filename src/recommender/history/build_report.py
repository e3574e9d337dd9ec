"""What became of raw tables on their way to a log: counts, reasons, what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recommender.features import Knowledge, family_of
from recommender.history.raw_tables import RawTables
from recommender.history.rewards import Rewards

__all__ = ["BuildReport", "most_frequent_reasons", "report_of"]


@dataclass
class BuildReport:
    """What became of the tables.

    Attributes
    ----------
    counts : DataFrame
        Rows given, clean and in quarantine, a line a table.
    reasons : DataFrame
        Quarantined rows by table, column and rule.
    left_out : dict of str to str
        Column that is no context -> why.
    families : dict of str to list of str
        Feature family -> its context columns.
    notes : list of str
    currency : str or None
    single_snapshot : bool
    n_decisions, n_mature : int
        Rows of the log, and those whose reward is known.
    n_unknown_payments : int
        Rewards that are unknown because a payment that could count lies in quarantine.
    n_unknown_outcomes : int
        Rewards that are unknown because an outcome that could count lies in quarantine; some may be in both.
    n_unknown_costs : int
        Rewards net of cost that are unknown because a contact of the decision lies in quarantine.
    n_orphan_outcomes : int
        Quarantined outcomes that name no contact of the contacts table, so that nobody can tell whose they are.
    """

    counts: pd.DataFrame
    reasons: pd.DataFrame
    left_out: dict[str, str]
    families: dict[str, list[str]]
    notes: list[str]
    currency: str | None
    single_snapshot: bool
    n_decisions: int = 0
    n_mature: int = 0
    n_unknown_payments: int = 0
    n_unknown_outcomes: int = 0
    n_unknown_costs: int = 0
    n_orphan_outcomes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready report."""
        return {
            "tables": self.counts.to_dict("records"),
            "quarantine": self.reasons.to_dict("records"),
            "left_out": self.left_out,
            "families": self.families,
            "notes": self.notes,
            "currency": self.currency,
            "single_snapshot": self.single_snapshot,
            "decisions": self.n_decisions,
            "mature": self.n_mature,
            "unknown_for_quarantined_payments": self.n_unknown_payments,
            "unknown_for_quarantined_outcomes": self.n_unknown_outcomes,
            "unknown_for_quarantined_contacts": self.n_unknown_costs,
            "orphan_outcomes": self.n_orphan_outcomes,
        }


def report_of(
    raw: RawTables,
    knowledge: Knowledge,
    names: Sequence[str],
    left_out: dict[str, str],
    *,
    rewards: Rewards,
    with_propensity: bool,
) -> BuildReport:
    """Counts, reasons, families and notes of a log that was built."""
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(family_of(name), []).append(name)
    quarantine = raw.quarantine
    reasons = quarantine.groupby(["table", "column", "rule"], sort=True).size().rename("rows").reset_index()
    single = knowledge.states is not None and knowledge.states.single_snapshot
    report = BuildReport(
        raw.counts(), reasons, left_out, families, raw.notes, raw.currency, single,
        len(rewards.reward), int((~np.isnan(rewards.reward)).sum()), rewards.n_unknown_payments,
        rewards.n_unknown_outcomes, rewards.n_unknown_costs, 0 if raw.lost is None else raw.lost.n_orphans,
    )  # fmt: skip
    _note_missing(report, raw.tables, with_propensity)
    _note_lost(report)
    return report


def _note_lost(report: BuildReport) -> None:
    if report.n_unknown_payments:
        report.notes.append(
            f"{report.n_unknown_payments:,} rewards are unknown: a payment of the account that may fall in the window "
            "lies in quarantine. Mend the payments to use these decisions."
        )
    if report.n_unknown_outcomes:
        report.notes.append(
            f"{report.n_unknown_outcomes:,} rewards are unknown: an outcome of the decision's contact that may count "
            "in the window lies in quarantine. Mend the outcomes (or their contacts) to use these decisions."
        )
    if report.n_unknown_costs:
        report.notes.append(
            f"{report.n_unknown_costs:,} rewards are unknown: a contact that may have carried out the decision lies in "
            "quarantine, and so does what it cost. Mend the contacts, or use reward='amount_gross'."
        )
    if report.n_orphan_outcomes:
        report.notes.append(
            f"{report.n_orphan_outcomes:,} outcomes in quarantine name no contact of the contacts table: whose they "
            "are cannot be told, so their decisions count as they stand. Export contacts in full, or correct the ids."
        )


def _note_missing(report: BuildReport, given: Mapping[str, Any], with_propensity: bool) -> None:
    lost = {
        "accounts": "no state of the account, no debtor, no local time zone enter the context",
        "decisions": "the sent contacts are the decisions, so accounts left alone on purpose are not in the log",
        "outcomes": "responses and promises are unknown",
        "payments": "payment history is unknown and no money reward is possible",
    }
    report.notes += [f"No {name} table: {what}." for name, what in lost.items() if name not in given]
    if not with_propensity:
        report.notes.append("No propensities were logged; they will be estimated and flagged.")
    if report.single_snapshot:
        report.notes.append(
            "accounts holds one row an account: columns that vary over time are left out of training. Export the "
            "change history (valid_from), or pass snapshot='trust' if each row was in force from its valid_from on."
        )


def most_frequent_reasons(raw: RawTables) -> str:
    """Say the three most frequent reasons of the quarantine in one line."""
    quarantine = raw.quarantine
    if not len(quarantine):
        return "none; the tables hold no decision."
    top = (quarantine["table"] + "." + quarantine["column"] + " " + quarantine["reason"]).value_counts().head(3)
    return "; ".join(f"{reason} ({count:,})" for reason, count in top.items()) + "."
