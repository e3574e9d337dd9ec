"""Policies as probabilities for the decisions of a log: baselines, arrays, and strategies that never saw the log."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.proof.policy_report import PolicyReport
from recommender.strategy import (
    ContactStrategy,
    applies_to,
    best_constant,
    check_eligible,
    epsilon_greedy,
    mask_and_normalise,
    seed_rule_scores,
    uniform,
)

__all__ = [
    "baseline_probabilities",
    "given_probabilities",
    "n_refits",
    "refused",
    "seen_in_training",
    "strategy_probabilities",
]

_REFIT_FOLDS = 3
_OVERLAP_REFUSED = 0.05
_BASELINES = ("logging", "uniform", "best_constant", "seed_rules")


def baseline_probabilities(name: str, log: LoggedFeedback, *, random_state: int = 0) -> NDArray[np.float64]:
    """Probabilities of a standard baseline for the decisions of a log.

    ``best_constant`` is chosen by folds of clusters, so that it is not judged on the decisions that chose it.

    Returns
    -------
    ndarray of shape (n_decisions, n_actions)
    """
    allowed = check_eligible(log.eligible, len(log), log.actions)
    if name == "uniform":
        return uniform(allowed)
    if name == "seed_rules":
        if not applies_to(log.actions, list(log.context.columns)):
            raise InvalidInput(
                "The seed rules need a 'channel' factor and days_past_due, stage or due_date in the context.",
                column="baseline",
                mend="Use another baseline, e.g. 'best_constant'.",
            )
        return epsilon_greedy(seed_rule_scores(log.context, log.actions), allowed, 0.0)
    if name == "best_constant":
        answer = np.empty(allowed.shape)
        n_clusters = len(np.unique(log.groups))
        fold = log.fold_codes(min(5, n_clusters), random_state) if n_clusters > 1 else np.zeros(len(log), dtype=int)
        for held_out in np.unique(fold):
            here, rest = fold == held_out, (fold != held_out) | (n_clusters == 1)
            rest &= log.mature
            scores = best_constant(log.action[rest], log.reward[rest], log.n_actions)
            answer[here] = epsilon_greedy(np.broadcast_to(scores, (int(here.sum()), len(scores))), allowed[here], 0.0)
        return answer
    raise InvalidInput(f"Unknown baseline {name!r}.", column="baseline", mend=f"Use one of {_BASELINES}, or an array.")


def given_probabilities(
    target: Any, log: LoggedFeedback, rows: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Checked probabilities of an array, one row a decision of the log, cut to the rows that are evaluated."""
    try:
        given = np.asarray(target, dtype=np.float64)
    except (TypeError, ValueError) as error:  # a function, a ragged list, words
        raise InvalidInput(
            "The target policy must be a strategy, the name of a baseline or an array of probabilities; "
            f"got {type(target).__name__}.",
            column="target",
            mend="Pass the probabilities themselves, one row a decision: of a function, what it returns.",
        ) from error
    if given.shape != (len(log), log.n_actions):
        raise InvalidInput(
            f"The target policy must have shape {(len(log), log.n_actions)} (decisions x actions); got {given.shape}.",
            column="target",
            mend="Give one row for each decision of the log and one column for each row of actions.to_frame().",
        )
    given = given[rows]
    wrong = np.flatnonzero(
        ~np.isfinite(given).all(axis=1) | (given < 0).any(axis=1) | (np.abs(given.sum(axis=1) - 1.0) > 1e-6)
    )
    if wrong.size:
        raise InvalidInput.in_column(
            "target",
            "must hold probabilities: finite, not negative, each row summing to 1",
            values=[float(given[row].sum()) for row in wrong[:5]],
            rows=rows[wrong].tolist(),
            mend="Normalise the rows after masking, e.g. recommender.strategy.policy.mask_and_normalise.",
        )
    forbidden = np.flatnonzero((given * ~allowed).sum(axis=1) > 1e-9)
    if forbidden.size:
        raise InvalidInput.in_column(
            "target",
            "gives probability to actions that were not eligible",
            rows=rows[forbidden].tolist(),
            mend="Mask before normalising, e.g. recommender.strategy.policy.mask_and_normalise(p, log.eligible).",
        )
    return mask_and_normalise(given, allowed)


def strategy_probabilities(
    strategy: ContactStrategy, log: LoggedFeedback, rows: NDArray[np.int64], random_state: int
) -> NDArray[np.float64]:
    """Served probabilities, never from a model that has seen the decision it is judged on."""
    part = log.take(rows)
    n_clusters = len(np.unique(log.groups))
    if not _is_refitted(strategy, log):
        return strategy.log_probabilities(part)
    fold = log.fold_codes(min(_REFIT_FOLDS, n_clusters), random_state)
    answer = np.empty((len(part), log.n_actions))
    for held_out in np.unique(fold):
        here = fold[rows] == held_out
        refitted = clone(strategy).fit(log.take(fold != held_out))
        answer[here] = refitted.log_probabilities(log.take(rows[here]))
    return answer


def n_refits(policy: Any, log: LoggedFeedback) -> int:
    """Strategies that stand for this policy: several where it is refitted by folds."""
    refitted = isinstance(policy, ContactStrategy) and _is_refitted(policy, log)
    return min(_REFIT_FOLDS, len(np.unique(log.groups))) if refitted else 1


def _is_refitted(strategy: ContactStrategy, log: LoggedFeedback) -> bool:
    """Whether a strategy was trained on exactly this log, and the log can be cut into folds."""
    check_is_fitted(strategy)
    same = bool(strategy.trained_on_["digest"] == log.digest) and not strategy.trained_on_.get("weighted", False)
    return same and len(np.unique(log.groups)) > 1


def seen_in_training(policy: Any, log: LoggedFeedback) -> str | None:
    """Why an estimate would flatter a policy that was learnt from the decisions it is judged on; None if it would not.

    A strategy that was trained on exactly this log is not reported where it can be refitted by folds.
    """
    if not isinstance(policy, ContactStrategy):
        return None
    check_is_fitted(policy)
    if policy.trained_on_["digest"] == log.digest:
        if policy.trained_on_.get("weighted", False):
            return (
                "Refused: the strategy was trained on this log with sample_weight, which a refit by folds would lose. "
                "Evaluate on a later log."
            )
        if len(np.unique(log.groups)) > 1:
            return None  # refitted by folds
        return (
            "Refused: the strategy was trained on this log, which has a single cluster, so it cannot be refitted by "
            "folds. Evaluate on a later log, or name a finer cluster column."
        )
    overlap, known_by = policy.share_seen_in_training(log)
    if overlap < _OVERLAP_REFUSED:
        return None
    return (
        f"Refused: {overlap:.0%} of these decisions were in the strategy's training log (known by their {known_by}), "
        "so the estimate flatters it. Evaluate on a later log (log.split(at)), or on exactly the log it was trained "
        "on: then it is refitted."
    )


def refused(report: PolicyReport, reasons: list[str]) -> PolicyReport:
    """The same report with the verdict withdrawn; the table keeps its intervals and says what is wrong with them."""
    table = report.to_frame()
    table["warnings"] = [(*codes, "seen-in-training") for codes in table["warnings"]]
    return replace(report, table=table, verdict="refused", reasons=(*reasons, *report.reasons))
