"""The doctor: what to know of a log, or of raw tables, before learning from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput, NotMature
from recommender.history import BuildReport, LoggedFeedback
from recommender.monitoring import log_checks, overlap_checks
from recommender.monitoring.findings import Diagnosis, Finding, Grade
from recommender.monitoring.time_checks import check_clocks
from recommender.strategy import checked_log

__all__ = ["diagnose", "diagnose_refusal"]

_MUCH_QUARANTINED = 0.05


def diagnose(
    log: LoggedFeedback,
    *,
    report: BuildReport | None = None,
    zones: pd.Series | None = None,
    subject: str = "log",
    random_state: int = 0,
    more: Iterable[Finding] = (),
) -> Diagnosis:
    """Examine a log for learning and for off-policy evaluation.

    Parameters
    ----------
    log : LoggedFeedback
    report : BuildReport or None
        Of the raw tables the log was built from.
    zones : Series of str or None
        Debtor-local IANA zone of each decision.
    subject : str
        What to call the log.
    random_state : int, default=0
        Of the sample on which the determinism of the action is judged.
    more : iterable of Finding
        What was found before the log was built, e.g. by
        :func:`recommender.monitoring.written_clocks.check_written_clock`.

    Returns
    -------
    Diagnosis
        A verdict for each goal, and findings, worst first, each with its mend.
    """
    checked_log(log)
    findings: list[Finding] = [*overlap_checks.check_never_tried(log, random_state), *more]
    if report is not None:
        findings += _check_tables(report)
    findings += log_checks.check_rewards(log)
    findings += log_checks.check_leaks(log)
    findings += overlap_checks.check_propensities(log)
    findings += overlap_checks.check_determinism(log, random_state)
    findings += log_checks.check_thin_cells(log)
    findings += log_checks.check_delay(log)
    findings += log_checks.check_duplicates(log)
    findings += log_checks.check_clusters(log)
    findings += check_clocks(log, zones)
    findings += log_checks.check_context(log)
    reward = log.reward[log.mature]
    figures = {
        "decisions": len(log),
        "mature": len(reward),
        "mean_reward": float(reward.mean()) if len(reward) else None,
        "reward_kind": log.reward_kind,
        "actions": log.n_actions,
        "context_columns": int(log.context.shape[1]),
        "accounts": None if log.account is None else int(log.account.max()) + 1,
        "propensities_logged": 0 if log.propensity is None else int((~np.isnan(log.propensity)).sum()),
    }
    return Diagnosis.of(subject, findings, figures)


def diagnose_refusal(error: InvalidInput, *, subject: str = "log", more: Iterable[Finding] = ()) -> Diagnosis:
    """Diagnosis of a log that breaks its contract so that it cannot be built at all, or of one that is too young."""
    finding = Finding(
        "not_mature" if isinstance(error, NotMature) else "contract_broken",
        error.problem,
        error.mend,
        "stop",
        "stop",
        {"column": error.column, "rows": list(error.rows[:20]), "n_rows": len(error.rows)},
    )
    return Diagnosis.of(subject, [finding, *more], {})


def _check_tables(report: BuildReport) -> Iterator[Finding]:
    for row in report.counts.itertuples(index=False):
        if not row.quarantined:
            continue
        share = row.quarantined / max(row.given, 1)
        reasons = report.reasons[report.reasons["table"] == row.table].sort_values("rows", ascending=False)
        text = ", ".join(f"{reason.column} {reason.rule} ({reason.rows:,})" for reason in reasons.head(5).itertuples())
        grade: Grade = "stop" if share > 0.5 else "care" if share > _MUCH_QUARANTINED else "fine"
        yield Finding(
            "contract_breaks",
            f"Table {row.table}: {row.quarantined:,} of {row.given:,} rows ({share:.1%}) are in quarantine: {text}.",
            "Mend them at the source; the quarantine file names row, value, reason and mend.",
            grade,
            grade,
            {"table": row.table, "quarantined": row.quarantined, "given": row.given},
        )
    for name, why in report.left_out.items():
        if why.startswith("leak"):
            yield Finding("leak_left_out", f"Column {name!r} was left out: {why}.", "", figures={"column": name})
    others = [name for name, why in report.left_out.items() if not why.startswith("leak")]
    if others:
        text = ", ".join(f"{name} ({report.left_out[name]})" for name in others[:6])
        yield Finding(
            "columns_left_out",
            f"{len(others)} columns are no context: {text}.",
            "Export the change history where it is a single snapshot." if report.single_snapshot else "",
            "care" if report.single_snapshot else "fine",
            figures={"columns": others},
        )
    for note in report.notes:
        naive = "no time zone" in note
        yield Finding(
            "naive_timestamps" if naive else "note",
            note,
            "Export instants with an offset, or state --naive-timezone." if naive else "",
            "care" if naive else "fine",
            "care" if naive else "fine",
        )
