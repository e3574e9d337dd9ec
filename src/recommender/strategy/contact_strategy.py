"""ContactStrategy: the one object that is trained, saved, served and mapped over partitions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from recommender.actions import ActionSpace
from recommender.artefact import digest_of, read_artefact, write_artefact
from recommender.columns import checked_count
from recommender.errors import ArtefactError, IncompatibleLog, InvalidInput
from recommender.features import AccountHistory
from recommender.history import LoggedFeedback, accounts_context, log_context
from recommender.learning import (
    BoostTrees,
    ContextEncoder,
    JointBelief,
    LadderModel,
    OwnReward,
    OwnScored,
    RewardModel,
    Scored,
    TrainingSet,
    WholeLog,
    as_reward_learner,
    learn_memory,
    mature_sample,
    training_set_of,
    tree_settings,
)
from recommender.strategy.files import LEARNT, learnt_in, parameters_in, strategy_to_files, without_threads
from recommender.strategy.fitting import checked_weights, drawn_by_weight, progress_printed, undone_on_failure
from recommender.strategy.held_out import held_out_value
from recommender.strategy.inputs import (
    account_frame,
    checked_log,
    checked_path,
    in_kind_of,
    seed_of,
    threads_of,
    without_autologging,
)
from recommender.strategy.own_rows import OwnRows
from recommender.strategy.policy import check_eligible, exploration_cost, temperature_for_cost
from recommender.strategy.ranked_belief import ranked_belief
from recommender.strategy.recommendation import Belief, Moment, recommendation_frame
from recommender.strategy.served_policy import PolicyKind, ServedPolicy, Unsupported, check_parameters, tried_of
from recommender.strategy.trained_on import check_learnable, describe_log
from recommender.strategy.values import Money, money_of, value_names
from recommender.support import NeverTried, find_never_tried

__all__ = ["ContactStrategy"]

_NOT_KEPT = frozenset(("reward_model", "verbose"))
_logger = logging.getLogger("recommender")
_CHUNK = 8_192
_TEMPERATURE_SAMPLE = 5_000


class ContactStrategy(BaseEstimator):  # type: ignore[misc]
    """Learns which action works for which account and ranks the next-best ones.

    Parameters
    ----------
    policy : {"softmax", "epsilon", "thompson", "greedy"}, default="softmax"
        How expected rewards become probabilities. All but ``greedy`` keep a floor under every eligible action, without
        which nothing could be evaluated or learnt from the decisions later.
    epsilon : float, default=0.05
        Share of the decisions spread evenly over the eligible actions (the floor).
    temperature : float or None, default=None
        Of the softmax, in units of reward. None = the largest one that gives up at most 5 % of the modelled gain.
    n_jobs : int or None, default=2
        Threads as joblib counts them; results do not depend on it.
    random_state : int, generator or None, default=0
        None draws a seed at every fit.
    max_rows : int or None, default=200_000
        The reward model learns from at most so many decisions, whole clusters drawn at random from a longer log; every
        decision still counts in the accounts' histories. None = all.
    tree_settings : dict of str to float or None, default=None
        Settings of the boosted member found by tuning (see :func:`recommender.proof.tuning.tune`); None = the
        defaults, which adapt to the log.
    unsupported : {"abstain", "explore", "allow"}, default="abstain"
        What becomes of actions that the log never tried in an account's region (a business rule, mostly): never
        chosen where anything else is eligible, chosen by the exploring share ``epsilon`` only, or chosen on the word of
        a model that extrapolates.
    reward_model : RewardLearner, scikit-learn classifier or regressor, or None, default=None
        A reward model of one's own, see :class:`recommender.learning.RewardLearner`; a copy of it is fitted. None = the
        built-in stack.
    verbose : bool, default=False
        Print what a fit is at, with the time; the same lines are records of the logger ``recommender`` (INFO) anyway.

    Attributes
    ----------
    actions_ : ActionSpace
    feature_names_in_ : ndarray of str
        Context columns that accounts must bring.
    reward_model_ : RewardModel or OwnReward
    never_tried_ : NeverTried
        Regions of the context in which the log never made a choice.
    history_ : AccountHistory or None
        The log's own contacts per account, where account and time were given.
    temperature_ : float
    exploration_cost_ : float
        Modelled share of the greedy policy's gain that the served policy gives up for exploring.
    ladder_ : LadderModel or None
        The value ladder, where the log tells how far its decisions climbed.
    trained_on_ : dict
        Digest, size, period and base rate of the log.
    version_ : str
        Digest of everything learnt; the policy version of each decision.

    Examples
    --------
    >>> strategy = ContactStrategy(random_state=0).fit(log)  # doctest: +SKIP
    >>> ranked = strategy.recommend(accounts, top_k=3)
    >>> len(ranked), bool((ranked["lo"] <= ranked["hi"]).all())
    (6, True)
    """

    def __init__(
        self,
        policy: PolicyKind = "softmax",
        epsilon: float = 0.05,
        temperature: float | None = None,
        n_jobs: int | None = 2,
        random_state: Any = 0,
        max_rows: int | None = 200_000,
        tree_settings: dict[str, float] | None = None,
        unsupported: Unsupported = "abstain",
        reward_model: Any | None = None,
        verbose: bool = False,
    ) -> None:
        self.policy = policy
        self.epsilon = epsilon
        self.temperature = temperature
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.max_rows = max_rows
        self.tree_settings = tree_settings
        self.unsupported = unsupported
        self.reward_model = reward_model
        self.verbose = verbose

    # -- learn ---------------------------------------------------------------------------------------------------
    def fit(
        self,
        log: LoggedFeedback,
        y: None = None,  # noqa: ARG002 - scikit-learn signature
        *,
        sample_weight: Any | None = None,
        boost: BoostTrees | None = None,
    ) -> Self:
        """Learn from a log; immature rows count as contacts, not as failures.

        A fit that fails or is stopped (Ctrl-C) leaves the strategy as it was before.

        Parameters
        ----------
        log : LoggedFeedback
        y : None
            Ignored.
        sample_weight : array-like of shape (n_decisions,), optional
            How much each decision teaches, relative to the others; 0 = not at all. Every decision still counts in the
            accounts' histories and in what the log has tried.
        boost : BoostTrees, optional
            Grows the boosted members on every decision, beyond ``max_rows`` too, e.g. on a cluster.

        Raises
        ------
        InvalidInput
            When the log holds one action only, a constant reward, or a parameter is out of range.
        """
        check_parameters(self.policy, self.epsilon, self.temperature, self.unsupported)
        log = checked_log(log)
        weight = checked_weights(sample_weight, len(log))
        if weight is not None and boost is not None:
            raise InvalidInput(
                "sample_weight and boost cannot be given together: boost grows on every decision alike.",
                column="sample_weight",
                mend="Leave one of them out.",
            )
        with undone_on_failure(self), progress_printed(self.verbose):
            self._learn(log, weight, boost)
        return self

    def _learn(self, log: LoggedFeedback, weight: NDArray[np.float64] | None, boost: BoostTrees | None) -> None:
        self.__dict__["_seed"] = seed_of(self.random_state)
        rows = log.sample_rows(np.flatnonzero(log.mature), self.max_rows, self._seed)
        mature = log.take(rows)
        taught = mature if weight is None else log.take(drawn_by_weight(rows, weight, self._seed))
        check_learnable(taught)
        self.actions_: ActionSpace = log.actions
        self.feature_names_in_ = np.array(log.context.columns, dtype=object)
        self.categorical_ = log.categorical
        self.names_ = dict(log.names)
        self.reward_kind_ = log.reward_kind
        self.history_ = AccountHistory.from_log(log) if log.has_account_history else None
        if self.history_ is not None and self._is_built_in:
            self.history_ = self.history_.remembering(learn_memory(self.history_, random_state=self._seed))
        training = training_set_of(taught, self.history_)
        self.action_counts_ = np.bincount(log.action[log.mature], minlength=len(self.actions_)).astype(np.int64)
        whole = None
        if boost is not None:
            every = mature_sample(log, None, self._seed)
            whole = WholeLog(training_set_of(every, self.history_), boost)
        _logger.info("learning expected rewards of %d actions from %d decisions", len(self.actions_), len(training))
        with without_autologging():
            self.reward_model_ = self._fitted_rewards(training, whole)
        _logger.info("looking for what the log never tried")
        context = training.context if weight is None else training_set_of(mature, self.history_).context
        self.never_tried_: NeverTried = find_never_tried(
            context,
            self.reward_model_.encoder,
            self.actions_,
            mature.action,
            mature.groups,
            eligible=mature.eligible,
            propensity=mature.propensity,
            random_state=self._seed,
        )
        _logger.info("settling how much to explore")
        self._settle_temperature(training.context, taught.eligible)
        self.ladder_ = self._fitted_ladder(training, taught)
        self.money_: Money = money_of(taught)
        self.trained_on_ = describe_log(log, mature) | ({} if whole is None else {"n_boosted": len(whole.training)})
        if weight is not None:
            self.trained_on_["weighted"] = True
        self.own_rows_ = OwnRows.of(log, self._context_encoder)
        self.__dict__.pop("version_", None)
        _logger.info("learnt")

    def _fitted_rewards(self, training: TrainingSet, whole: WholeLog | None) -> RewardModel | OwnReward:
        if not self._is_built_in:
            learner = as_reward_learner(self.reward_model)
            return OwnReward(learner).fit(training, random_state=self._seed)
        trees = None if self.tree_settings is None else tree_settings(self.tree_settings, len(training))
        return RewardModel().fit(
            training, n_jobs=threads_of(self.n_jobs), random_state=self._seed, tree_settings=trees, whole=whole
        )

    def _fitted_ladder(self, training: TrainingSet, mature: LoggedFeedback) -> LadderModel | None:
        """The value ladder, where the log tells how far its decisions climbed."""
        if mature.climbed is None:
            return None
        encoder = self.reward_model_.encoder
        return LadderModel.fit(
            encoder.transform(training.context),
            [at for at, column in enumerate(encoder.columns) if column.kind == "category"],
            self.actions_,
            mature.action,
            mature.climbed,
            mature.groups,
            n_jobs=threads_of(self.n_jobs),
            random_state=self._seed,
        )

    @property
    def value_names_(self) -> tuple[str, ...]:
        """Columns of the value ladder that every answer of this strategy has."""
        return value_names(self.ladder_, with_idle=self.actions_.no_contact_index is not None)

    @cached_property
    def _seed(self) -> int:
        return seed_of(self.random_state)

    @property
    def _is_built_in(self) -> bool:
        return self.reward_model is None or isinstance(self.reward_model, RewardModel)

    def _settle_temperature(self, context: pd.DataFrame, eligible: NDArray[np.bool_] | None) -> None:
        rows = np.random.default_rng(self._seed).permutation(len(context))[:_TEMPERATURE_SAMPLE]
        rewards = self._rewards(context.iloc[rows].reset_index(drop=True))
        allowed = check_eligible(None if eligible is None else eligible[rows], len(rows), self.actions_)
        self.temperature_ = self.temperature or temperature_for_cost(rewards, allowed)
        served = self.served_probabilities(rewards, allowed, context.iloc[rows].reset_index(drop=True))
        self.exploration_cost_ = exploration_cost(served, rewards, allowed)

    # -- what it believes ----------------------------------------------------------------------------------------
    def expected_reward(
        self,
        accounts: pd.DataFrame,
        history: pd.DataFrame | None = None,
        *,
        as_of: Any | None = None,
        incremental: bool = False,
    ) -> NDArray[np.float64]:
        """Calibrated expected reward of every action.

        Parameters
        ----------
        accounts : DataFrame
            Any frame with the context columns; unseen ids, unseen categories and missing values are normal.
        history : DataFrame or None
            Contacts later than the log's: account, time, factor and (where known) reward columns, named as in the log.
        as_of : instant or None
            None = now, everything known included.
        incremental : bool, default=False
            Give the difference to ``NO_CONTACT`` instead of the absolute value.

        Returns
        -------
        ndarray of shape (n_accounts, n_actions)
        """
        check_is_fitted(self, "reward_model_")
        rewards = self._rewards(self._context_of(accounts, history, as_of))
        if incremental:
            idle = self.actions_.no_contact_index
            if idle is None:
                raise InvalidInput(
                    "Incremental rewards need NO_CONTACT in the action space.",
                    column="incremental",
                    mend="Log the decisions not to contact and build ActionSpace(..., no_contact=True).",
                )
            rewards = rewards - rewards[:, [idle]]
        return rewards

    def joint_belief(
        self, accounts: Any, history: pd.DataFrame | None = None, *, as_of: Any | None = None
    ) -> JointBelief:
        """What is known of all actions of each account together.

        Parameters
        ----------
        accounts, history, as_of
            See :meth:`expected_reward`; some hundreds of accounts at a time, each takes some 30 numbers an action.

        Returns
        -------
        JointBelief
            ``difference(a, b)`` of one pair of action indices an account: interval, P(a earns more than b) and what may
            be said; ``p_best(eligible)`` of every action.

        Raises
        ------
        InvalidInput
            With a reward model of one's own.
        """
        check_is_fitted(self, "reward_model_")
        if not isinstance(self.reward_model_, RewardModel):
            raise InvalidInput(
                "Joint beliefs need the built-in reward model; this strategy was trained with one of your own.",
                column="reward_model",
                mend="Ask your model for the difference of two actions.",
            )
        idle = self.actions_.no_contact_index
        never = idle is not None and self.action_counts_[idle] == 0
        context = self._context_of(account_frame(accounts), history, as_of)
        return self.reward_model_.joint_belief(context, idle=idle if never else None)

    def action_probabilities(
        self,
        accounts: pd.DataFrame,
        eligible: Any | None = None,
        history: pd.DataFrame | None = None,
        *,
        as_of: Any | None = None,
    ) -> NDArray[np.float64]:
        """Probability of every action under the served policy; ineligible actions hold exactly 0.

        Returns
        -------
        ndarray of shape (n_accounts, n_actions)
            Rows sum to 1.
        """
        check_is_fitted(self, "reward_model_")
        accounts = account_frame(accounts)
        allowed = check_eligible(eligible, len(accounts), self.actions_)
        context = self._context_of(accounts, history, as_of)
        return self.served_probabilities(self._rewards(context), allowed, context)

    def log_probabilities(self, log: LoggedFeedback) -> NDArray[np.float64]:
        """Probabilities for the decisions of a log, each with what was known of its account at that moment.

        Parameters
        ----------
        log : LoggedFeedback
            Of the same action space and with the same context columns.

        Returns
        -------
        ndarray of shape (n_decisions, n_actions)
        """
        check_is_fitted(self, "reward_model_")
        context = self._context_of_decisions(log)
        allowed = check_eligible(log.eligible, len(log), self.actions_)
        answer = np.empty((len(log), len(self.actions_)))
        for rows in _chunks(len(log)):
            part = context.iloc[rows].reset_index(drop=True)
            answer[rows] = self.served_probabilities(self._rewards(part), allowed[rows], part)
        return answer

    def log_tried(self, log: LoggedFeedback) -> NDArray[np.bool_]:
        """Eligible actions of a log's decisions that the training log has tried on accounts like these.

        All eligible ones where it has tried none of them; whatever ``unsupported`` says.
        """
        allowed = check_eligible(log.eligible, len(log), self.actions_)
        if not self.never_tried_:
            return allowed
        return tried_of(
            allowed, self.never_tried_.cells(self.reward_model_.encoder.transform(self._context_of_decisions(log)))
        )

    def log_expected_reward(self, log: LoggedFeedback) -> NDArray[np.float64]:
        """Expected rewards for the decisions of a log, each with what was known of its account at that moment."""
        check_is_fitted(self, "reward_model_")
        context = self._context_of_decisions(log)
        parts = [self._rewards(context.iloc[rows].reset_index(drop=True)) for rows in _chunks(len(log))]
        return np.concatenate(parts) if parts else np.empty((0, len(self.actions_)))

    def recommend(
        self,
        accounts: Any,
        top_k: int = 3,
        eligible: Any | None = None,
        history: pd.DataFrame | None = None,
        as_of: datetime | str | None = None,
        explore: bool = True,
        seed: int = 0,
    ) -> Any:
        """Rank the next-best actions of each account.

        Rank 1 is the dispatched action: drawn once from :meth:`action_probabilities` with a number that depends only on
        (account, as_of, policy version, seed), or the most probable one with ``explore=False``.

        Parameters
        ----------
        accounts : DataFrame, mapping, list of mappings, or a Polars, Arrow or DuckDB frame
            Context columns; the account column of the log and ``timezone`` (IANA) where known. A mapping is one
            account.
        top_k : int, default=3
        eligible : array-like of bool of shape (n_accounts, n_actions) or None
            From the guardrails; applied before the probabilities are normalised.
        history : DataFrame or None
            See :meth:`expected_reward`.
        as_of : instant or None
            Moment of the decision; None = the last instant of the log.
        explore : bool, default=True
        seed : int, default=0

        Returns
        -------
        DataFrame, or the Arrow, Polars or DuckDB frame that was given
            One row an account and rank: ``row``, ``account``, ``rank``, the factors, ``expected_reward``, ``lo``,
            ``hi``, ``propensity``, ``evidence``, ``support``, ``contact_at``, ``deterministic``, then the columns of
            :attr:`value_names_`. Ranks beyond the eligible actions are left out.
        """
        check_is_fitted(self, "reward_model_")
        top_k = checked_count(top_k, "top_k")
        frame = account_frame(accounts)
        allowed = check_eligible(eligible, len(frame), self.actions_)
        moment = Moment.of(as_of, self.history_, self.trained_on_)
        parts = []
        for rows in _chunks(len(frame)):
            part = frame.iloc[rows].reset_index(drop=True)
            context = self._context_of(part, history, as_of)
            X = self.reward_model_.encoder.transform(context)
            scored = self.reward_model_.compiled.score(X)
            rewards = self.served_rewards(scored)
            parts.append(
                recommendation_frame(
                    self,
                    part,
                    rewards,
                    self.served_probabilities(rewards, allowed[rows], context),
                    allowed[rows],
                    first_row=int(rows[0]),
                    top_k=top_k,
                    moment=moment,
                    explore=explore,
                    seed=seed,
                    believe=partial(self.belief, scored, X=X),
                )
            )
        if not parts:
            raise InvalidInput("accounts is empty: 0 rows.", column="accounts", mend="Pass at least one account.")
        return in_kind_of(accounts, pd.concat(parts, ignore_index=True))

    def score(
        self,
        log: LoggedFeedback,
        y: None = None,  # noqa: ARG002 - scikit-learn signature
        *,
        sample_weight: Any | None = None,
    ) -> float:
        """Doubly robust estimate of the mean reward a decision on a log that was not trained on.

        What :func:`~sklearn.model_selection.cross_val_score` and ``GridSearchCV`` maximise over ``log``; a verdict with
        an interval is :func:`recommender.evaluate_policy`'s.

        Parameters
        ----------
        log : LoggedFeedback
        y : None
            Ignored.
        sample_weight : array-like of shape (n_decisions,), optional
            How much each decision counts in the mean.
        """
        check_is_fitted(self, "reward_model_")
        weight = checked_weights(sample_weight, len(checked_log(log)))
        return held_out_value(self, log, sample_weight=weight, random_state=self._seed)

    # -- the pieces ----------------------------------------------------------------------------------------------
    def _rewards(self, context: pd.DataFrame) -> NDArray[np.float64]:
        """Expected rewards of context rows."""
        return self._without_logged_idleness(self.reward_model_.expected_reward(context))

    def served_rewards(self, scored: Scored | OwnScored) -> NDArray[np.float64]:
        """Expected rewards of scored accounts."""
        return self._without_logged_idleness(scored.expected_reward)

    def _without_logged_idleness(self, rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Leaving an account alone earns 0 where the log never shows it."""
        if self._idle_is_nothing:
            rewards[:, self.actions_.no_contact_index] = 0.0
        return rewards

    def served_probabilities(
        self,
        rewards: NDArray[np.float64],
        eligible: NDArray[np.bool_],
        context: pd.DataFrame | NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Probabilities of the served policy from expected rewards, the mask and the context (encoded or not)."""
        return self._served_policy.probabilities(rewards, eligible, context, self.reward_model_)

    def objective_probabilities(
        self, values: NDArray[np.float64], eligible: NDArray[np.bool_], X: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Probabilities of the policy on other values than the reward: their best action, and the exploring share.

        The temperature of a softmax is in units of the reward, and Thompson draws rewards: neither speaks of these.
        """
        kind: PolicyKind = "greedy" if self.policy == "greedy" else "epsilon"
        return replace(self._served_policy, kind=kind).probabilities(values, eligible, X, self.reward_model_)

    @property
    def _served_policy(self) -> ServedPolicy:
        """What the parameters and the fit have settled on; parameters set after the fit count."""
        return ServedPolicy(
            self.policy, self.epsilon, self.temperature_, self.unsupported, self.never_tried_, self._seed
        )

    @property
    def _context_encoder(self) -> ContextEncoder:
        """Encoder of the columns that a log brings, without those made of an account's history."""
        brought = {str(name) for name in self.feature_names_in_}
        return ContextEncoder(tuple(one for one in self.reward_model_.encoder.columns if one.name in brought))

    def share_seen_in_training(self, log: LoggedFeedback) -> tuple[float, str]:
        """Share of a log's decisions that this strategy was trained on, and how that is known: "ids" or "contents"."""
        return self.own_rows_.share_in(log, self._context_encoder)

    def _belief(self, context: pd.DataFrame, ranked: NDArray[np.int64]) -> Belief:
        """As :meth:`belief`, of context rows that are scored for it."""
        X = self.reward_model_.encoder.transform(context)
        return self.belief(self.reward_model_.compiled.score(X), ranked, X)

    def belief(self, scored: Scored | OwnScored, ranked: NDArray[np.int64], X: NDArray[np.float64]) -> Belief:
        """Interval, evidence and value ladder of the ranked actions; see :func:`ranked_belief`."""
        return ranked_belief(
            scored,
            ranked,
            X,
            rewards=self.served_rewards(scored),
            idle=self.actions_.no_contact_index,
            idle_is_nothing=self._idle_is_nothing,
            never_tried=self.never_tried_,
            ladder=self.ladder_,
            money=self.money_,
        )

    @property
    def _idle_is_nothing(self) -> bool:
        """Whether leaving an account alone is an action that the log never shows: no response to nothing."""
        idle = self.actions_.no_contact_index
        return idle is not None and bool(self.action_counts_[idle] == 0)

    def _context_of(self, accounts: pd.DataFrame, history: pd.DataFrame | None, as_of: Any | None) -> pd.DataFrame:
        return accounts_context(
            account_frame(accounts),
            [str(name) for name in self.feature_names_in_],
            self.history_,
            self.names_,
            history,
            as_of,
        )

    def _context_of_decisions(self, log: LoggedFeedback) -> pd.DataFrame:
        """Context of a log's decisions, the account's contacts in the training log and in this one included."""
        if checked_log(log).actions != self.actions_:
            raise IncompatibleLog(
                f"The log has {log.actions!r}, the strategy was trained on {self.actions_!r}.",
                column="actions",
                mend="Build both with the same ActionSpace.",
            )
        history = self.history_
        if history is not None and log.has_account_history:
            own = AccountHistory.from_log(log).remembering(history.memory)
            history = own if log.digest == self.trained_on_["digest"] else history.merged(own)
        return self._context_of_log(log, history)

    def _context_of_log(self, log: LoggedFeedback, history: AccountHistory | None) -> pd.DataFrame:
        return log_context(log, [str(name) for name in self.feature_names_in_], history)

    # -- save and load -------------------------------------------------------------------------------------------
    @cached_property
    def version_(self) -> str:
        """First 16 digits of the digest of everything learnt; how many threads learnt it does not count."""
        return digest_of(without_threads(self._files(self.reward_model_.identity_files())))[:16]

    def to_files(self) -> dict[str, bytes]:
        """Everything learnt as plain files (JSON, LightGBM text, npz).

        Raises
        ------
        ArtefactError
            When a reward model of one's own cannot write itself as plain files.
        """
        check_is_fitted(self, "reward_model_")
        return self._files(self.reward_model_.to_files())

    def _files(self, reward_files: dict[str, bytes]) -> dict[str, bytes]:
        parameters = {name: value for name, value in self.get_params(deep=False).items() if name not in _NOT_KEPT}
        parameters["random_state"] = self._seed
        return strategy_to_files(parameters, {name: getattr(self, name) for name in LEARNT}, reward_files)

    @classmethod
    def from_files(cls, files: dict[str, bytes], reward_model: Any | None = None) -> Self:
        """Inverse of :meth:`to_files`; ``reward_model`` as for :meth:`load`."""
        strategy = cls(**parameters_in(files), reward_model=reward_model)
        for name, value in learnt_in(files, reward_model).items():
            setattr(strategy, name, value)
        return strategy

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the strategy to a directory; nothing in it is executed when it is loaded."""
        check_is_fitted(self)
        path = checked_path(path)
        try:
            written_by = version("recommender")
        except PackageNotFoundError:  # run from a checkout that was not installed
            written_by = "unknown"
        about = {"kind": "ContactStrategy", "version": self.version_, "written_by": written_by}
        return write_artefact(path, self.to_files(), about)

    @classmethod
    def load(cls, path: str | PathLike[str], reward_model: Any | None = None) -> Self:
        """Read a directory written by :meth:`save`.

        Parameters
        ----------
        path : path
        reward_model : RewardLearner, optional
            Of a strategy with a reward model of one's own: an object whose ``from_files`` reads its part. No class is
            looked up by the name in a file.

        Raises
        ------
        ArtefactError
            When it is incomplete, altered or of an unknown format.
        """
        about, files = read_artefact(checked_path(path))
        if about.get("kind") != "ContactStrategy":
            raise ArtefactError(f"{path} holds a {about.get('kind')!r}, not a ContactStrategy.")
        strategy = cls.from_files(files, reward_model)
        strategy.__dict__["version_"] = about["version"]
        return strategy

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether :meth:`fit` has run."""
        return "reward_model_" in self.__dict__


def _chunks(n: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, n, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, n))
