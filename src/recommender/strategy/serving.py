"""What a fitted strategy answers of the rows it is given: contexts, rewards, probabilities, beliefs, logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from recommender.actions import ActionSpace
from recommender.errors import IncompatibleLog, InvalidInput
from recommender.features import AccountHistory
from recommender.history import LoggedFeedback, accounts_context, log_context
from recommender.learning import (
    ContextEncoder,
    JointBelief,
    LadderModel,
    OwnReward,
    OwnScored,
    RewardModel,
    Scored,
)
from recommender.strategy.inputs import account_frame, checked_log, seed_of
from recommender.strategy.own_rows import OwnRows
from recommender.strategy.policy import check_eligible
from recommender.strategy.ranked_belief import ranked_belief
from recommender.strategy.recommendation import Belief
from recommender.strategy.served_policy import PolicyKind, ServedPolicy, Unsupported, tried_of
from recommender.strategy.values import Money, value_names
from recommender.support import NeverTried

__all__ = ["ServedStrategy", "brought_columns", "chunks"]

_CHUNK = 8_192


class ServedStrategy:
    """Answers of a fitted strategy; what its constructor was given and its fit has learnt are attributes."""

    policy: PolicyKind
    epsilon: float
    unsupported: Unsupported
    actions_: ActionSpace
    feature_names_in_: NDArray[Any]
    categorical_: tuple[str, ...]
    names_: dict[str, str | None]
    reward_kind_: str
    reward_model_: RewardModel | OwnReward
    action_counts_: NDArray[np.int64]
    never_tried_: NeverTried
    history_: AccountHistory | None
    ladder_: LadderModel | None
    money_: Money
    own_rows_: OwnRows
    trained_on_: dict[str, Any]
    temperature_: float
    exploration_cost_: float
    random_state: Any

    @cached_property
    def _seed(self) -> int:
        return seed_of(self.random_state)

    @property
    def value_names_(self) -> tuple[str, ...]:
        """Columns of the value ladder that every answer of this strategy has."""
        return value_names(self.ladder_, with_idle=self.actions_.no_contact_index is not None)

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
        rewards = self._rewards(self.context_of(accounts, history, as_of))
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
        context = self.context_of(accounts, history, as_of)
        return self.served_probabilities(self._rewards(context), allowed, context)

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
        context = self.context_of(account_frame(accounts), history, as_of)
        return self.reward_model_.joint_belief(context, idle=idle if never else None)

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
        context = self.context_of_decisions(log)
        allowed = check_eligible(log.eligible, len(log), self.actions_)
        answer = np.empty((len(log), len(self.actions_)))
        for rows in chunks(len(log)):
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
            allowed, self.never_tried_.cells(self.reward_model_.encoder.transform(self.context_of_decisions(log)))
        )

    def log_expected_reward(self, log: LoggedFeedback) -> NDArray[np.float64]:
        """Expected rewards for the decisions of a log, each with what was known of its account at that moment."""
        check_is_fitted(self, "reward_model_")
        context = self.context_of_decisions(log)
        parts = [self._rewards(context.iloc[rows].reset_index(drop=True)) for rows in chunks(len(log))]
        return np.concatenate(parts) if parts else np.empty((0, len(self.actions_)))

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

    @property
    def _idle_is_nothing(self) -> bool:
        """Whether leaving an account alone is an action that the log never shows: no response to nothing."""
        idle = self.actions_.no_contact_index
        return idle is not None and bool(self.action_counts_[idle] == 0)

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

    def belief_of(self, context: pd.DataFrame, ranked: NDArray[np.int64]) -> Belief:
        """As :meth:`belief`, of context rows, which are scored for it."""
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

    def context_of(self, accounts: pd.DataFrame, history: pd.DataFrame | None, as_of: Any | None) -> pd.DataFrame:
        """Context of accounts, their history as of a moment included; see :meth:`expected_reward`."""
        return accounts_context(
            account_frame(accounts),
            [str(name) for name in self.feature_names_in_],
            self.history_,
            self.names_,
            history,
            as_of,
        )

    def context_of_decisions(self, log: LoggedFeedback) -> pd.DataFrame:
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
        return log_context(log, [str(name) for name in self.feature_names_in_], history)


def brought_columns(encoder: ContextEncoder, names: NDArray[Any]) -> ContextEncoder:
    """Encoder of the columns that a log brings, without those made of an account's history."""
    brought = {str(name) for name in names}
    return ContextEncoder(tuple(one for one in encoder.columns if one.name in brought))


def chunks(n: int) -> Iterator[NDArray[np.int64]]:
    """Rows that are scored together, so that memory does not grow with the number of accounts."""
    for start in range(0, n, _CHUNK):
        yield np.arange(start, min(start + _CHUNK, n))
