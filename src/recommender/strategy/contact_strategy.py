"""ContactStrategy: the one object that is trained, saved, served and mapped over partitions."""

from __future__ import annotations

import logging
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

from recommender.artefact import digest_of, read_artefact, write_artefact
from recommender.columns import checked_count
from recommender.errors import ArtefactError, InvalidInput
from recommender.history import LoggedFeedback
from recommender.learning import (
    BoostTrees,
)
from recommender.strategy.files import LEARNT, learnt_in, parameters_in, strategy_to_files, without_threads
from recommender.strategy.fitting import checked_weights, progress_printed, undone_on_failure
from recommender.strategy.held_out import held_out_value
from recommender.strategy.inputs import (
    account_frame,
    checked_log,
    checked_path,
    in_kind_of,
    seed_of,
    threads_of,
)
from recommender.strategy.learning_run import Learning, Learnt, learn
from recommender.strategy.policy import check_eligible, exploration_cost, temperature_for_cost
from recommender.strategy.recommendation import Moment, recommendation_frame
from recommender.strategy.served_policy import PolicyKind, Unsupported, check_parameters
from recommender.strategy.serving import ServedStrategy, brought_columns, chunks
from recommender.strategy.updating import refit_due, updated

__all__ = ["ContactStrategy"]

_NOT_KEPT = frozenset(("reward_model", "verbose"))
_logger = logging.getLogger("recommender")
_TEMPERATURE_SAMPLE = 5_000  # accounts that settle how much to explore


class ContactStrategy(ServedStrategy, BaseEstimator):  # type: ignore[misc]
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

    def update(self, log: LoggedFeedback) -> Self:
        """Go on learning from new decisions, at a small part of what a fit costs; see docs/updating.md.

        Give each decision once, when its reward is known; decisions without a known reward are left for the night on
        which it is. :attr:`refit_due_` says when the whole log should be fitted again. This is no ``partial_fit``: a
        strategy has to be fitted first, and a fit on everything learns more.

        Parameters
        ----------
        log : LoggedFeedback
            Of the same actions, context columns and kind of reward.

        Raises
        ------
        IncompatibleLog
            When actions, columns or the kind of reward changed.
        InvalidInput
            When no reward is known, decisions were taught already, or the reward model is one's own.
        """
        check_is_fitted(self, "reward_model_")
        log = checked_log(log)
        with undone_on_failure(self), progress_printed(self.verbose):
            self.__dict__.update(updated(self, log))
            self.__dict__.pop("version_", None)
        return self

    @property
    def refit_due_(self) -> str | None:
        """Why the strategy should be fitted again on its whole log; None while updates do."""
        check_is_fitted(self, "reward_model_")
        return refit_due(self.trained_on_)

    def _learn(self, log: LoggedFeedback, weight: NDArray[np.float64] | None, boost: BoostTrees | None) -> None:
        seed = seed_of(self.random_state)
        how = Learning(self.reward_model, self.tree_settings, self.max_rows, threads_of(self.n_jobs), seed)
        learnt = learn(log, how, weight=weight, boost=boost)
        self.__dict__.update(learnt.attributes, _seed=seed)
        self.__dict__.pop("version_", None)
        _logger.info("settling how much to explore")
        self._settle_temperature(learnt)
        _logger.info("learnt")

    def _settle_temperature(self, learnt: Learnt) -> None:
        rows = np.random.default_rng(self._seed).permutation(len(learnt.context))[:_TEMPERATURE_SAMPLE]
        context = learnt.context.iloc[rows].reset_index(drop=True)
        rewards = self._rewards(context)
        allowed = check_eligible(None if learnt.eligible is None else learnt.eligible[rows], len(rows), self.actions_)
        self.temperature_ = self.temperature or temperature_for_cost(rewards, allowed)
        self.exploration_cost_ = exploration_cost(
            self.served_probabilities(rewards, allowed, context), rewards, allowed
        )

    # -- decide --------------------------------------------------------------------------------------------------
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
        for rows in chunks(len(frame)):
            part = frame.iloc[rows].reset_index(drop=True)
            context = self.context_of(part, history, as_of)
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

    def share_seen_in_training(self, log: LoggedFeedback) -> tuple[float, str]:
        """Share of a log's decisions that this strategy was trained on, and how that is known: "ids" or "contents"."""
        return self.own_rows_.share_in(log, brought_columns(self.reward_model_.encoder, self.feature_names_in_))

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
