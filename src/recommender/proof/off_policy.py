"""What a policy would have earned on a log: the thin adapter between strategies and :mod:`recommender.evaluation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from recommender.errors import InvalidInput
from recommender.evaluation import evaluate, price_of_rules
from recommender.history import LoggedFeedback
from recommender.learning import (
    ContextEncoder,
    PropensityEstimate,
    as_propensity_learner,
    as_reward_learner,
    cross_fit_own_propensities,
    cross_fit_own_rewards,
    cross_fit_propensities,
    cross_fit_rewards,
    training_set_of,
)
from recommender.proof.policy_report import PolicyReport
from recommender.strategy import (
    ContactStrategy,
    applies_to,
    best_constant,
    check_eligible,
    checked_log,
    epsilon_greedy,
    mask_and_normalise,
    seed_rule_scores,
    uniform,
)
from recommender.support import NeverTried, find_never_tried

__all__ = ["OffPolicyEvaluator", "baseline_probabilities", "evaluate_policy", "seen_in_training"]

_MOST_CELLS = 60_000_000  # decisions x actions held at once; a larger log is sampled by cluster
_REFIT_FOLDS = 3
_KEPT_STRATEGIES = 2
_OVERLAP_REFUSED = 0.05
_NEED_LOGGING_POLICY = frozenset({"mips", "factored_dr"})
_BASELINES = ("logging", "uniform", "best_constant", "seed_rules")


def evaluate_policy(
    log: LoggedFeedback,
    target: ContactStrategy | Any,
    baseline: str | ContactStrategy | Any = "logging",
    estimators: Sequence[str] | None = None,
    confidence: float = 0.95,
    *,
    slices: Mapping[str, Any] | None = None,
    n_folds: int = 5,
    random_state: int = 0,
    reward_model: Any | None = None,
    propensity_model: Any | None = None,
) -> PolicyReport:
    """Estimate a policy's value from a log of another policy, with intervals and a verdict.

    Parameters
    ----------
    log : LoggedFeedback
        Immature decisions are left out and counted.
    target : ContactStrategy or array-like of shape (n_decisions, n_actions)
        A strategy that was trained on this very log is refitted by folds of clusters; one that was trained on a part
        of it is refused. An array holds the target's probabilities for the log's own rows.
    baseline : {"logging", "uniform", "best_constant", "seed_rules"}, ContactStrategy or array-like, default="logging"
        What the target is compared with, paired on the same decisions.
    estimators : sequence of str or None
        None = all of them.
    confidence : float, default=0.95
    slices : mapping of str to array-like of shape (n_decisions,) or None
        Further results by group.
    n_folds : int, default=5
        Folds of the nuisance models (reward and, where needed, propensity).
    random_state : int, default=0
    reward_model : RewardLearner, scikit-learn classifier or regressor, or None
        Nuisance model of the expected reward, see :class:`recommender.learning.RewardLearner`; None = the built-in one.
    propensity_model : PropensityLearner, scikit-learn classifier, or None
        Of the logging policy, where it was not logged; None = the built-in one.

    Returns
    -------
    PolicyReport

    Raises
    ------
    InvalidInput
        When the target's rows do not sum to 1 or give probability to ineligible actions.
    """
    evaluator = OffPolicyEvaluator(
        log,
        n_folds=n_folds,
        random_state=random_state,
        reward_model=reward_model,
        propensity_model=propensity_model,
    )
    return evaluator.evaluate(target, baseline, estimators, confidence, slices=slices)


class OffPolicyEvaluator:
    """Evaluates several policies on one log; the nuisance models are fitted once.

    Parameters
    ----------
    log : LoggedFeedback
    n_folds : int, default=5
    random_state : int, default=0
    reward_model, propensity_model
        As for :func:`evaluate_policy`.
    """

    def __init__(
        self,
        log: LoggedFeedback,
        *,
        n_folds: int = 5,
        random_state: int = 0,
        reward_model: Any | None = None,
        propensity_model: Any | None = None,
    ) -> None:
        if n_folds < 2:
            raise InvalidInput.in_column(
                "n_folds",
                "must be at least 2: nuisance models must not see the rows they predict",
                values=[n_folds],
                mend="Pass e.g. 5.",
            )
        self.log = checked_log(log)
        self.n_folds = n_folds
        self.random_state = random_state
        self.reward_model = None if reward_model is None else as_reward_learner(reward_model)
        self.propensity_model = None if propensity_model is None else as_propensity_learner(propensity_model)
        self._asked: list[tuple[ContactStrategy, NDArray[np.float64]]] = []

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Positions of the decisions that are evaluated."""
        most = max(1, _MOST_CELLS // self.log.n_actions)
        return self.log.sample_rows(np.flatnonzero(self.log.mature), most, self.random_state)

    @cached_property
    def part(self) -> LoggedFeedback:
        """The decisions that are evaluated."""
        return self.log.take(self.rows)

    @cached_property
    def expected_reward(self) -> NDArray[np.float64]:
        """Reward of every action at the evaluated decisions, by a model that has not seen them (cross-fitted)."""
        part = self.part
        if self.reward_model is not None:
            return cross_fit_own_rewards(
                training_set_of(part, None), self.reward_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_rewards(
            part.context,
            part.categorical,
            part.actions,
            part.action,
            part.reward,
            part.groups,
            n_folds=self.n_folds,
            random_state=self.random_state,
            reward_kind=part.reward_kind,
        )

    @cached_property
    def _estimate(self) -> PropensityEstimate:
        """The whole logging policy, which no log holds: the marginalised estimators weight whole cells of actions."""
        part = self.part
        if self.propensity_model is not None:
            return cross_fit_own_propensities(
                training_set_of(part, None), self.propensity_model, n_folds=self.n_folds, random_state=self.random_state
            )
        return cross_fit_propensities(
            part.context,
            part.categorical,
            part.actions,
            part.action,
            part.groups,
            eligible=part.eligible,
            n_folds=self.n_folds,
            random_state=self.random_state,
        )

    @cached_property
    def never_tried(self) -> NeverTried:
        """Where the evaluated decisions never show an action."""
        part = self.part
        return find_never_tried(
            part.context,
            ContextEncoder.fit(part.context, part.categorical),
            part.actions,
            part.action,
            part.groups,
            eligible=part.eligible,
            propensity=part.propensity,
            random_state=self.random_state,
        )

    @cached_property
    def _never_tried_cells(self) -> NDArray[np.bool_] | None:
        if not self.never_tried:
            return None
        part = self.part
        return self.never_tried.cells(ContextEncoder.fit(part.context, part.categorical).transform(part.context))

    @cached_property
    def _propensities(self) -> tuple[NDArray[np.float64], NDArray[np.bool_], PropensityEstimate | None]:
        """Logged propensities where there are any, cross-fitted ones elsewhere."""
        logged = self.part.propensity
        if logged is None:
            return self._estimate.logged, np.zeros(len(self.part), dtype=bool), self._estimate
        known = ~np.isnan(logged)
        if known.all():
            return logged, known, None
        return np.where(known, logged, self._estimate.logged), known, self._estimate

    def probabilities(self, policy: Any) -> NDArray[np.float64] | None:
        """Probabilities of a policy for the evaluated decisions; None for "logging"."""
        if isinstance(policy, str):
            if policy == "logging":
                return None
            return baseline_probabilities(policy, self.part, random_state=self.random_state)
        if isinstance(policy, ContactStrategy):
            return self._of_strategy(policy)
        allowed = check_eligible(self.part.eligible, len(self.part), self.part.actions)
        return _given_probabilities(policy, self.log, self.rows, allowed)

    def _n_refits(self, policy: Any) -> int:
        """Strategies that stand for this one: several where it is refitted by folds."""
        refitted = isinstance(policy, ContactStrategy) and _is_refitted(policy, self.log)
        return min(_REFIT_FOLDS, len(np.unique(self.log.groups))) if refitted else 1

    def _of_strategy(self, strategy: ContactStrategy) -> NDArray[np.float64]:
        """Probabilities of a strategy, which may take a refit by folds: the last two are kept."""
        for known, probabilities in self._asked:
            if known is strategy:
                return probabilities
        probabilities = _strategy_probabilities(strategy, self.log, self.rows, self.random_state)
        probabilities.flags.writeable = False
        self._asked = [*self._asked, (strategy, probabilities)][-_KEPT_STRATEGIES:]
        return probabilities

    def evaluate(
        self,
        target: Any,
        baseline: Any = "logging",
        estimators: Sequence[str] | None = None,
        confidence: float = 0.95,
        *,
        slices: Mapping[str, Any] | None = None,
        within: NDArray[np.bool_] | None = None,
        n_dependent_folds: int = 1,
    ) -> PolicyReport:
        """Evaluate one policy against another; see :func:`evaluate_policy`.

        ``within``, a mask over the decisions of the log, restricts the evaluation to a part, e.g. a time window;
        ``n_dependent_folds`` says how many strategies, learnt from each other's decisions, a given array is made of.
        """
        inside = np.ones(len(self.rows), dtype=bool) if within is None else np.asarray(within, dtype=bool)[self.rows]
        if not inside.any():
            raise InvalidInput("No evaluated decision lies within the given part.", column="within", mend="Widen it.")
        probabilities = self.probabilities(target)
        if probabilities is None:
            raise InvalidInput(
                "The logging policy is what happened: its value is the mean reward of the log.",
                column="target",
                mend="Give it as the baseline.",
            )
        base = self.probabilities(baseline)
        part = self.part
        propensity, logged, estimate = self._propensities
        marginalised = estimators is None or not _NEED_LOGGING_POLICY.isdisjoint(estimators)
        whole = self._estimate if estimate is None and marginalised else estimate

        def cut(values: NDArray[Any] | None) -> Any:
            return values if values is None or inside.all() else values[inside]

        evaluation = evaluate(
            reward=cut(part.reward),
            action=cut(part.action),
            propensity=cut(propensity),
            propensity_logged=cut(logged),
            expected_reward=cut(self.expected_reward),
            action_probabilities=cut(probabilities),
            baseline_probabilities=cut(base),
            factor_codes=part.actions.codes,
            cluster=cut(part.groups),
            time=cut(part.order),
            eligible=cut(part.eligible),
            slices={name: cut(self._of_every_decision(name, held)) for name, held in (slices or {}).items()},
            estimators=estimators,
            confidence=confidence,
            rng=np.random.default_rng(self.random_state),
            action_predictability=None if estimate is None else estimate.predictability,
            propensity_all=None if whole is None else cut(whole.all),
            n_dependent_folds=max(n_dependent_folds, self._n_refits(target), self._n_refits(baseline)),
            never_tried=cut(self._never_tried_cells),
            never_tried_in_words=[str(region) for region in self.never_tried.regions],
        )
        n_mature = int(self.log.mature.sum())
        left_out = {"n_immature": len(self.log) - n_mature, "n_sampled_out": n_mature - len(self.rows)}
        evaluation = replace(evaluation, diagnostics={**evaluation.diagnostics, **left_out})
        report = PolicyReport.of(evaluation)
        flattered = [told for policy in (target, baseline) if (told := seen_in_training(policy, self.log))]
        return _refused(report, flattered) if flattered else report

    def _of_every_decision(self, name: str, values: Any) -> NDArray[Any]:
        """Values of a slicing column for the evaluated decisions."""
        held = np.asarray(values)
        if held.shape != (len(self.log),):
            raise InvalidInput.in_column(
                f"slices[{name!r}]",
                f"must have one entry for each of the log's {len(self.log):,} decisions",
                values=[held.shape],
                mend="Pass a column of the log's own rows, immature ones included.",
            )
        return held[self.rows]

    def price_of_rules(
        self, target: Any, rules: Mapping[str, NDArray[np.bool_]], confidence: float = 0.95
    ) -> pd.DataFrame:
        """Value per decision that a policy loses when a rule masks it and it is renormalised, paired.

        Parameters
        ----------
        target : ContactStrategy, str or array-like
            As for :meth:`evaluate`.
        rules : mapping of str to ndarray of bool of shape (n_decisions, n_actions) or (n_actions,)
            What each rule allows.
        confidence : float, default=0.95

        Returns
        -------
        DataFrame
            As :func:`recommender.evaluation.prices.price_of_rules`, with ``rows_barred``: decisions to which the rule
            leaves no action at all. They are not priced; where a log knows ``NO_CONTACT``, that is what remains.
        """
        part = self.part
        policy = self.probabilities(target)
        if policy is None:
            raise InvalidInput(
                "The price of a rule needs a policy, not the log itself.", column="target", mend="Give a strategy."
            )
        propensity, logged, estimate = self._propensities
        eligible = check_eligible(part.eligible, len(part), part.actions)
        priced = []
        for name, given in rules.items():
            rule = np.asarray(given, dtype=bool)
            allowed = eligible & (rule if rule.ndim == 1 else rule[self.rows])
            fallback = part.actions.no_contact_index
            barred = ~allowed.any(axis=1) if fallback is None else np.zeros(len(part), dtype=bool)
            if barred.all():
                why = ("Refused: the rule leaves no action in any decision of this log, so nothing can be priced.",)
                line = {"rule": name, "rows_touched": len(part), "verdict": "refused", "reasons": why}
                priced.append(pd.DataFrame([line | {"rows_barred": len(part)}]))
                continue
            # Mostly no row is barred: then nothing is copied.
            at = np.flatnonzero(~barred) if barred.any() else slice(None)
            line = price_of_rules(
                policy[at],
                {name: allowed[at]},
                fallback=fallback,
                confidence=confidence,
                reward=part.reward[at],
                action=part.action[at],
                propensity=propensity[at],
                propensity_logged=logged[at],
                expected_reward=self.expected_reward[at],
                factor_codes=part.actions.codes,
                cluster=part.groups[at],
                time=None if part.order is None else part.order[at],
                eligible=None if part.eligible is None else part.eligible[at],
                rng=np.random.default_rng(self.random_state),
                action_predictability=None if estimate is None else estimate.predictability,
                propensity_all=None if estimate is None else estimate.all[at],
                never_tried=None if self._never_tried_cells is None else self._never_tried_cells[at],
                never_tried_in_words=[str(region) for region in self.never_tried.regions],
            )
            priced.append(line.assign(rows_barred=int(barred.sum())))
        return pd.concat(priced, ignore_index=True) if priced else pd.DataFrame(columns=["rule", "value_lost"])


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


def _given_probabilities(
    target: Any, log: LoggedFeedback, rows: NDArray[np.int64], allowed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    given = np.asarray(target, dtype=np.float64)
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


def _strategy_probabilities(
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


def _is_refitted(strategy: ContactStrategy, log: LoggedFeedback) -> bool:
    """Whether a strategy was trained on exactly this log, and the log can be cut into folds."""
    same = bool(strategy.trained_on_["digest"] == log.digest) and not strategy.trained_on_.get("weighted", False)
    return same and len(np.unique(log.groups)) > 1


def seen_in_training(policy: Any, log: LoggedFeedback) -> str | None:
    """Why an estimate would flatter a policy that was learnt from the decisions it is judged on; None if it would not.

    A strategy that was trained on exactly this log is not reported where it can be refitted by folds.
    """
    if not isinstance(policy, ContactStrategy):
        return None
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


def _refused(report: PolicyReport, reasons: list[str]) -> PolicyReport:
    """The same report with the verdict withdrawn; the table keeps its intervals and says what is wrong with them."""
    table = report.to_frame()
    table["warnings"] = [(*codes, "seen-in-training") for codes in table["warnings"]]
    return replace(report, table=table, verdict="refused", reasons=(*reasons, *report.reasons))
