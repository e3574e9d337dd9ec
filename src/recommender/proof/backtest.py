"""Temporal backtest: train on the past, evaluate on the time that follows, step by step forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from recommender.errors import InvalidInput, RecommenderError
from recommender.history import LoggedFeedback
from recommender.proof.backtest_report import BacktestReport, BacktestWindow
from recommender.proof.off_policy import OffPolicyEvaluator
from recommender.proof.policies import baseline_probabilities, seen_in_training
from recommender.proof.policy_report import PolicyReport
from recommender.strategy import ContactStrategy, best_constant, check_eligible, epsilon_greedy

__all__ = ["backtest", "known_by"]

Probabilities = NDArray[np.float64]
Policy = Callable[[LoggedFeedback], Any]
Factory = Callable[[LoggedFeedback], "ContactStrategy | Policy"]

_BASELINES = ("logging", "seed_rules", "best_constant", "uniform")


def backtest(
    log: LoggedFeedback,
    strategy: ContactStrategy | Factory,
    *,
    n_splits: int = 4,
    cutoffs: Sequence[Any] | None = None,
    baselines: Sequence[str] = ("logging", "seed_rules", "best_constant"),
    champion: ContactStrategy | None = None,
    confidence: float = 0.95,
    n_folds: int = 5,
    random_state: int = 0,
) -> BacktestReport:
    """Evaluate a way of learning on the future, window after window.

    At each cutoff the strategy is trained anew on the decisions before it, with the rewards that were known by then,
    and evaluated on the decisions up to the next cutoff. The pooled result evaluates all windows as one log of the
    retrained strategy; debtors that appear in several windows count as one cluster.

    Parameters
    ----------
    log : LoggedFeedback
        With a time column.
    strategy : ContactStrategy or callable
        A strategy is cloned and fitted at each cutoff. A callable takes the past log and returns a fitted strategy, or
        a function from a log to probabilities of shape (n_decisions, n_actions).
    n_splits : int, default=4
        Windows; the log is cut into ``n_splits + 1`` parts of about equal numbers of decisions.
    cutoffs : sequence of instants, optional
        Instead of ``n_splits``: start of each window, increasing; the last window ends with the log.
    baselines : sequence of {"logging", "seed_rules", "best_constant", "uniform"}
        ``best_constant`` is chosen on the past, too. A baseline that the log cannot give is named in ``left_out``.
    champion : ContactStrategy, optional
        Fitted; one more baseline, used as it is. A window that it was trained on is refused.
    confidence : float, default=0.95
    n_folds : int, default=5
        Folds of the nuisance models.
    random_state : int, default=0

    Returns
    -------
    BacktestReport

    Raises
    ------
    InvalidInput
        Without a time column, with unknown baselines, with cutoffs that are not increasing or lie outside the log, or
        when no window can be evaluated.
    """
    if unknown := [name for name in baselines if name not in _BASELINES]:
        raise InvalidInput.in_column(
            "baselines", "names an unknown baseline", values=unknown, mend=f"Known are {', '.join(_BASELINES)}."
        )
    cuts = _cutoffs(log, n_splits, cutoffs)
    order = _order(log)
    window_of = np.searchsorted(cuts, order, side="right") - 1
    future = log.take(window_of >= 0)
    window_of = window_of[window_of >= 0]
    target = np.zeros((len(future), log.n_actions))
    others, left_out = _fixed_baselines(future, baselines, champion, random_state)
    drafts, usable = [], np.zeros(len(future), dtype=bool)
    for number, cut in enumerate(cuts):
        here = window_of == number
        past, trouble = known_by(log.take(order < cut), cut), ""
        window = future.take(here)
        try:
            target[here] = _policy(strategy, past)(window)
            if "best_constant" in others:
                others["best_constant"][here] = _constant_of_the_past(past, window)
            if not window.mature.any():
                trouble = "No reward of this window is known yet."
        except RecommenderError as error:
            trouble = f"Could not be trained on what was known at its start: {error}"
        usable |= here & (not trouble)
        drafts.append(
            BacktestWindow(
                *_ends(future, here), int(past.mature.sum()), int(window.mature.sum()), reports={}, trouble=trouble
            )
        )
    if not (usable & future.mature).any():
        raise InvalidInput(
            f"No window can be evaluated: {drafts[0].trouble}",
            column="cutoffs",
            mend="Choose later cutoffs or fewer splits, so that each window has a past to learn from.",
        )
    judged = np.flatnonzero(usable)
    target = target[judged]
    evaluator = OffPolicyEvaluator(future.take(judged), n_folds=n_folds, random_state=random_state)
    others = {name: given if isinstance(given, str) else given[judged] for name, given in others.items()}
    flattery = _flattery(champion, future, window_of)

    def reports(within: NDArray[np.bool_], windows: Sequence[int]) -> dict[str, PolicyReport]:
        answer = {}
        for name, given in others.items():
            report = evaluator.evaluate(target, given, None, confidence, within=within)
            reasons = [flattery[number] for number in windows if number in flattery] if name == "champion" else []
            answer[name] = (
                replace(report, verdict="refused", reasons=(*reasons, *report.reasons)) if reasons else report
            )
        return answer

    windows = [
        draft if draft.trouble else replace(draft, reports=reports(window_of[judged] == number, [number]))
        for number, draft in enumerate(drafts)
    ]
    whole = reports(np.ones(len(judged), dtype=bool), range(len(cuts)))
    return BacktestReport(tuple(windows), whole, left_out, confidence)


def _order(log: LoggedFeedback) -> NDArray[np.float64]:
    if log.order is None:
        raise InvalidInput(
            "A backtest goes forward in time, and this log has no time column.",
            column="time",
            mend="Pass time=... to LoggedFeedback.from_frame.",
        )
    return log.order


def _cutoffs(log: LoggedFeedback, n_splits: int, given: Sequence[Any] | None) -> NDArray[np.float64]:
    """Start of each window on the log's number line of time."""
    order = _order(log)
    if given is None:
        if n_splits < 1:
            raise InvalidInput.in_column("n_splits", "must be at least 1", values=[n_splits], mend="Pass e.g. 4.")
        shares = np.arange(1, n_splits + 1) / (n_splits + 1)
        cuts = np.unique(np.quantile(order[log.mature] if log.mature.any() else order, shares, method="higher"))
        cuts = cuts[cuts > order.min()]
        if not len(cuts):
            raise InvalidInput("All decisions have the same time.", column="time", mend="Check the time column.")
        return np.asarray(cuts, dtype=np.float64)
    if not len(given):
        raise InvalidInput("No cutoff was given.", column="cutoffs", mend="Pass at least one instant inside the log.")
    # The first decision at or after an instant stands for it on the number line; split() checks that it is inside.
    cuts = np.array([float(np.min(_order(log.split(moment)[1]))) for moment in given])
    if (np.diff(cuts) <= 0).any():
        raise InvalidInput.in_column(
            "cutoffs",
            "must be increasing, with decisions between one and the next",
            values=list(given),
            mend="Sort them, or leave out those that bound an empty window.",
        )
    return cuts


def known_by(past: LoggedFeedback, cut: float) -> LoggedFeedback:
    """The past as it looked at the cutoff: rewards that became known later are not known yet."""
    if past.known_order is None:
        return past
    return replace(past, reward=np.where(past.known_order < cut, past.reward, np.nan))


def _policy(strategy: ContactStrategy | Factory, past: LoggedFeedback) -> Policy:
    if isinstance(strategy, ContactStrategy):
        return clone(strategy).fit(past).log_probabilities  # type: ignore[no-any-return]
    made = strategy(past)
    return made.log_probabilities if isinstance(made, ContactStrategy) else made


def _constant_of_the_past(past: LoggedFeedback, window: LoggedFeedback) -> Probabilities:
    known = past.mature
    scores = best_constant(past.action[known], past.reward[known], past.n_actions)
    allowed = check_eligible(window.eligible, len(window), window.actions)
    return epsilon_greedy(np.broadcast_to(scores, (len(window), len(scores))), allowed, 0.0)


def _fixed_baselines(
    future: LoggedFeedback, names: Sequence[str], champion: ContactStrategy | None, random_state: int
) -> tuple[dict[str, Any], dict[str, str]]:
    """Baselines that no cutoff changes (and room for the one that it does), and those that this log cannot give."""
    baselines: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name in names:
        if name == "logging":
            baselines[name] = "logging"
        elif name == "best_constant":
            baselines[name] = np.zeros((len(future), future.n_actions))
        else:
            try:
                baselines[name] = baseline_probabilities(name, future, random_state=random_state)
            except InvalidInput as error:
                left_out[name] = str(error)
    if champion is not None:
        baselines["champion"] = champion.log_probabilities(future)
    return baselines, left_out


def _flattery(champion: ContactStrategy | None, future: LoggedFeedback, window_of: NDArray[np.int64]) -> dict[int, str]:
    """Windows whose decisions the champion was trained on, with the sentence that says so."""
    reasons: dict[int, str] = {}
    for number in set(window_of.tolist()) if champion is not None else ():
        window = future.take(window_of == number)
        why = seen_in_training(champion, window)
        if champion is not None and champion.trained_on_["digest"] == window.digest:
            why = "Refused: the champion was trained on exactly these decisions, and it is not retrained here."
        if why:
            reasons[number] = f"Window {number + 1}: {why}"
    return reasons


def _ends(future: LoggedFeedback, here: NDArray[np.bool_]) -> tuple[Any, Any]:
    """First and last moment of a window, as the log tells time."""
    moments = pd.Series(np.asarray(future.time)[here])
    return moments.min(), moments.max()
