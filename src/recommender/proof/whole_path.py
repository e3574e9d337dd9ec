"""One call for a newcomer: split, train, judge on what was not seen, against what was done and what is simpler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.proof.backtest import known_by
from recommender.proof.off_policy import OffPolicyEvaluator
from recommender.proof.policies import baseline_probabilities
from recommender.proof.policy_report import PolicyReport
from recommender.strategy import ContactStrategy, best_constant, checked_log, epsilon_greedy

__all__ = ["BASELINES", "ExperimentReport", "experiment"]

BASELINES = {"logging": "what was done", "best_constant": "best single action", "seed_rules": "seed rules"}
"""What a strategy is held against, and its words."""
_ROTATIONS = 2


@dataclass(frozen=True)
class ExperimentReport:
    """What a strategy learnt from a part of a log is worth on the rest.

    Attributes
    ----------
    verdict : {"better", "worse", "not proven", "refused"}
        Better: proven against every baseline. Worse: proven worse than one of them. Refused: nothing can be said
        against what was logged.
    reasons : tuple of str
        One sentence a baseline.
    reports : mapping of str to PolicyReport
        By baseline, all on the same decisions.
    left_out : mapping of str to str
        Baselines that this log cannot give, and why.
    design : str
        How the log was split, in words.
    n_trained_on, n_judged : int
        Decisions; with two rotations each half is trained on once and judged once.
    strategies : tuple of ContactStrategy
        Those that were judged.
    """

    verdict: str
    reasons: tuple[str, ...]
    reports: Mapping[str, PolicyReport]
    left_out: Mapping[str, str]
    design: str
    n_trained_on: int
    n_judged: int
    strategies: tuple[ContactStrategy, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a baseline: its verdict, the paired difference with its interval, both values, the reasons."""
        rows = [
            {
                "baseline": name,
                "verdict": report.verdict,
                "difference": report.difference.value,
                "ci_low": report.difference.low,
                "ci_high": report.difference.high,
                "value": report.default["value"],
                "baseline_value": report.diagnostics["baseline_value"],
                "reasons": report.reasons,
            }
            for name, report in self.reports.items()
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        """Verdict, design and one sentence a baseline."""
        return "\n".join([f"{self.verdict} ({self.design})", *self.reasons])


def experiment(
    log: LoggedFeedback,
    strategy: ContactStrategy | None = None,
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    estimators: Sequence[str] | None = None,
    trained_share: float = 0.5,
    confidence: float = 0.95,
    n_folds: int = 5,
    random_state: int = 0,
) -> ExperimentReport:
    """Learn a strategy from a part of a log and judge it on the rest.

    A log with times is cut once, the past trains and the future judges. Without times its clusters are halved, each
    half trains a strategy that the other judges, and the intervals allow for any dependence between the two, so what
    chance taught either of them is in the interval. The strategy is never judged on a decision that it, or the choice
    of the best constant, has seen.

    Parameters
    ----------
    log : LoggedFeedback
    strategy : ContactStrategy, optional
        Cloned before it is trained; the defaults when omitted.
    baselines : sequence of {"logging", "best_constant", "seed_rules"}
        The best constant is chosen on the training part and, like the strategy, keeps to what was tried.
    estimators : sequence of str or None
        Rows of each report's table besides the default one; None = all of them. No verdict depends on it: without any
        (``()``) a log with propensities is judged in half the time.
    trained_share : float, default=0.5
        Of the decisions with a known reward, where the log has times.
    confidence : float, default=0.95
        Of each interval: 2.5 % a side against each baseline.
    n_folds : int, default=5
        Folds of the nuisance models.
    random_state : int, default=0

    Returns
    -------
    ExperimentReport

    Raises
    ------
    InvalidInput
        For an unknown baseline, a share outside (0, 1), or a log that cannot be split.
    """
    checked_log(log)
    if unknown := [name for name in baselines if name not in BASELINES]:
        raise InvalidInput.in_column(
            "baselines", "names an unknown baseline", values=unknown, mend=f"Known are {', '.join(BASELINES)}."
        )
    if not 0.0 < trained_share < 1.0:
        raise InvalidInput.in_column(
            "trained_share", "must lie strictly between 0 and 1", values=[trained_share], mend="Pass e.g. 0.5."
        )
    parts, design = _parts(log, trained_share, random_state)
    judged = np.sort(np.concatenate([rows for _, rows in parts]))
    target = np.zeros((len(log), log.n_actions))
    constant = np.zeros_like(target)
    strategies = []
    for past, rows in parts:
        own = _learnt(strategy or ContactStrategy(random_state=random_state), past)
        strategies.append(own)
        held_out = log.take(rows)
        target[rows] = own.log_probabilities(held_out)
        constant[rows] = _constant(past, held_out, own)
    evaluator = OffPolicyEvaluator(log.take(judged), n_folds=n_folds, random_state=random_state)
    others, left_out = _others(baselines, evaluator.log, constant[judged], random_state)
    reports = {
        name: evaluator.evaluate(target[judged], given, estimators, confidence, n_dependent_folds=len(parts))
        for name, given in others.items()
    }
    verdict = _verdict(reports)
    reasons = tuple(f"Against {BASELINES[name]}: {' '.join(report.reasons)}" for name, report in reports.items())
    return ExperimentReport(
        verdict=verdict,
        reasons=reasons,
        reports=reports,
        left_out=left_out,
        design=design,
        n_trained_on=sum(int(past.mature.sum()) for past, _ in parts),
        n_judged=int(evaluator.log.mature.sum()),
        strategies=tuple(strategies),
    )


def _parts(
    log: LoggedFeedback, trained_share: float, random_state: int
) -> tuple[list[tuple[LoggedFeedback, NDArray[np.int64]]], str]:
    """Pairs of a training log and the rows it may be judged on."""
    if log.order is not None:
        known = log.order[log.mature]
        cut = float(np.quantile(known, trained_share, method="higher")) if len(known) else np.nan
        before = log.order < cut
        if before.any() and not before.all():
            rows = np.flatnonzero(~before)
            return [(known_by(log.take(before), cut), rows)], "trained on the past, judged on what followed"
        raise InvalidInput(
            "This log cannot be cut by time: all known rewards belong to one moment.",
            column=log.names.get("time") or "time",
            mend="Check the time column, or leave it out to split by debtor.",
        )
    fold = log.fold_codes(_ROTATIONS, random_state)
    halves = [(log.take(fold != own), np.flatnonzero(fold == own)) for own in range(_ROTATIONS)]
    return halves, "two halves of the debtors, each judged by a strategy learnt from the other"


def _learnt(strategy: ContactStrategy, past: LoggedFeedback) -> ContactStrategy:
    try:
        return clone(strategy).fit(past)  # type: ignore[no-any-return]
    except InvalidInput as error:
        raise InvalidInput(
            f"The part of the log that would train ({len(past):,} of its decisions) teaches nothing: {error.problem}",
            column=error.column,
            rows=(),
            mend=f"{error.mend} A longer log, or another trained_share, may leave enough in both parts.",
        ) from error


def _constant(past: LoggedFeedback, held_out: LoggedFeedback, strategy: ContactStrategy) -> NDArray[np.float64]:
    """The action with the best mean reward in the training part, where it was tried; elsewhere the next best."""
    scores = best_constant(past.action[past.mature], past.reward[past.mature], past.n_actions)
    everyone = np.broadcast_to(scores, (len(held_out), len(scores)))
    return epsilon_greedy(everyone, strategy.log_tried(held_out), 0.0)


def _others(
    names: Sequence[str], judged: LoggedFeedback, constant: NDArray[np.float64], random_state: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Baselines by name, and those that this log cannot give."""
    others: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if name == "seed_rules":
            try:
                others[name] = baseline_probabilities(name, judged, random_state=random_state)
            except InvalidInput as error:
                left_out[name] = str(error)
        else:
            others[name] = "logging" if name == "logging" else constant
    return others, left_out


def _verdict(reports: Mapping[str, PolicyReport]) -> str:
    verdicts = {name: report.verdict for name, report in reports.items()}
    if verdicts.get("logging") == "refused" or set(verdicts.values()) == {"refused"}:
        return "refused"
    if "worse" in verdicts.values():
        return "worse"
    return "better" if set(verdicts.values()) == {"better"} else "not proven"
