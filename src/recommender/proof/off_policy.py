"""What a policy would have earned on a log: the thin adapter between strategies and :mod:`recommender.evaluation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.evaluation import evaluate, price_of_rules
from recommender.history import LoggedFeedback
from recommender.proof.judged_log import JudgedLog
from recommender.proof.policies import (
    baseline_probabilities,
    given_probabilities,
    n_refits,
    refused,
    seen_in_training,
    strategy_probabilities,
)
from recommender.proof.policy_report import PolicyReport
from recommender.strategy import ContactStrategy, check_eligible

__all__ = ["OffPolicyEvaluator", "evaluate_policy"]

_KEPT_STRATEGIES = 2
_NEED_LOGGING_POLICY = frozenset({"mips", "factored_dr"})


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


class OffPolicyEvaluator(JudgedLog):
    """Evaluates several policies on one log; the nuisance models are fitted once.

    Parameters
    ----------
    log : LoggedFeedback
    n_folds : int, default=5
    random_state : int, default=0
    reward_model, propensity_model
        As for :func:`evaluate_policy`.
    """

    @cached_property
    def _asked(self) -> list[tuple[ContactStrategy, NDArray[np.float64]]]:
        return []

    def probabilities(self, policy: Any) -> NDArray[np.float64] | None:
        """Probabilities of a policy for the evaluated decisions; None for "logging"."""
        if isinstance(policy, str):
            if policy == "logging":
                return None
            return baseline_probabilities(policy, self.part, random_state=self.random_state)
        if isinstance(policy, ContactStrategy):
            return self._of_strategy(policy)
        allowed = check_eligible(self.part.eligible, len(self.part), self.part.actions)
        return given_probabilities(policy, self.log, self.rows, allowed)

    def _of_strategy(self, strategy: ContactStrategy) -> NDArray[np.float64]:
        """Probabilities of a strategy, which may take a refit by folds: the last two are kept."""
        for known, probabilities in self._asked:
            if known is strategy:
                return probabilities
        probabilities = strategy_probabilities(strategy, self.log, self.rows, self.random_state)
        probabilities.flags.writeable = False
        self._asked.append((strategy, probabilities))
        del self._asked[:-_KEPT_STRATEGIES]
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
        propensity, logged, estimate = self.nuisance.propensities
        never_tried, in_words = self.unshown
        marginalised = estimators is None or not _NEED_LOGGING_POLICY.isdisjoint(estimators)
        whole = self.nuisance.estimate if estimate is None and marginalised else estimate

        def cut(values: NDArray[Any] | None) -> Any:
            return values if values is None or inside.all() else values[inside]

        evaluation = evaluate(
            reward=cut(part.reward),
            action=cut(part.action),
            propensity=cut(propensity),
            propensity_logged=cut(logged),
            expected_reward=cut(self.nuisance.expected_reward),
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
            n_dependent_folds=max(n_dependent_folds, n_refits(target, self.log), n_refits(baseline, self.log)),
            never_tried=cut(never_tried),
            never_tried_in_words=in_words,
        )
        n_mature = int(self.log.mature.sum())
        left_out = {"n_immature": len(self.log) - n_mature, "n_sampled_out": n_mature - len(self.rows)}
        evaluation = replace(evaluation, diagnostics={**evaluation.diagnostics, **left_out})
        report = PolicyReport.of(evaluation)
        flattered = [reason for policy in (target, baseline) if (reason := seen_in_training(policy, self.log))]
        return refused(report, flattered) if flattered else report

    def _of_every_decision(self, name: str, values: Any) -> NDArray[Any]:
        """Values of a slicing column for the evaluated decisions."""
        array = np.asarray(values)
        if array.shape != (len(self.log),):
            raise InvalidInput.in_column(
                f"slices[{name!r}]",
                f"must have one entry for each of the log's {len(self.log):,} decisions",
                values=[array.shape],
                mend="Pass a column of the log's own rows, immature ones included.",
            )
        return array[self.rows]

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
        propensity, logged, estimate = self.nuisance.propensities
        eligible = check_eligible(part.eligible, len(part), part.actions)
        never_tried, in_words = self.unshown
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
                expected_reward=self.nuisance.expected_reward[at],
                factor_codes=part.actions.codes,
                cluster=part.groups[at],
                time=None if part.order is None else part.order[at],
                eligible=None if part.eligible is None else part.eligible[at],
                rng=np.random.default_rng(self.random_state),
                action_predictability=None if estimate is None else estimate.predictability,
                propensity_all=None if estimate is None else estimate.all[at],
                never_tried=None if never_tried is None else never_tried[at],
                never_tried_in_words=in_words,
            )
            priced.append(line.assign(rows_barred=int(barred.sum())))
        return pd.concat(priced, ignore_index=True) if priced else pd.DataFrame(columns=["rule", "value_lost"])
