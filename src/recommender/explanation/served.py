"""The model as it is served: the one place where explanations look inside a trained strategy."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.errors import InvalidInput
from recommender.learning import JointBelief, RewardEnsemble, RewardModel
from recommender.strategy import ContactStrategy, check_eligible

__all__ = ["ServedModel"]

Floats = NDArray[np.float64]

_FEW_ROWS = 64  # so few that BLAS stays on one thread by itself, and asking it to costs more than the product


class ServedModel:
    """Margins and rewards of a strategy's model, with its parts in view.

    A binary reward has one part, ``event`` (log-odds). An amount is a hurdle of ``event`` and ``amount`` (log of the
    amount, or the amount in its own unit), or ``amount`` alone.

    Parameters
    ----------
    strategy : ContactStrategy
        A trained one.
    """

    # the strategy's own inner steps are called on purpose: an explanation of anything but the served model is none

    def __init__(self, strategy: ContactStrategy) -> None:
        check_is_fitted(strategy, "reward_model_")
        if not isinstance(strategy.reward_model_, RewardModel):
            raise InvalidInput(
                "Explanations take the built-in reward model apart; this strategy was trained with one of your own.",
                column="reward_model",
                mend="Explain your model with its own tools, e.g. shap on strategy.reward_model_.learner.",
            )
        self.strategy = strategy
        self.actions = strategy.actions_
        self.model = strategy.reward_model_
        self.encoder = self.model.encoder
        self.parts: Mapping[str, RewardEnsemble] = self.model.parts
        self.usual: Floats = self.model.hurdle.usual

    @property
    def idle_without_data(self) -> int | None:
        """Index of NO_CONTACT where the log never shows it, so that its reward is 0 by definition."""
        idle = self.actions.no_contact_index
        return idle if idle is not None and self.strategy.action_counts_[idle] == 0 else None

    def context(self, accounts: pd.DataFrame, history: pd.DataFrame | None, as_of: Any | None) -> pd.DataFrame:
        """Context columns with the accounts' history as of a moment."""
        if not len(accounts):
            raise InvalidInput("accounts is empty: 0 rows.", column="accounts", mend="Pass at least one account.")
        return self.strategy.context_of(accounts.reset_index(drop=True), history, as_of)

    def log_context(self, log: Any) -> pd.DataFrame:
        """Context columns of logged decisions, each as it was known then."""
        return self.strategy.context_of_decisions(log).reset_index(drop=True)

    def encode(self, context: pd.DataFrame) -> Floats:
        """Encoded context, shape (n, n_columns)."""
        return self.encoder.transform(context)

    def margins(self, X: Floats) -> dict[str, Floats]:
        """Calibrated linear predictor of every action by part, each of shape (n, n_actions)."""
        with nullcontext() if len(X) <= _FEW_ROWS else threadpool_limits(limits=1, user_api="blas"):
            return {name: part.scores(X, n_jobs=1) for name, part in self.parts.items()}

    def rewards(self, margins: Mapping[str, Floats]) -> Floats:
        """Expected reward of every action, shape (n, n_actions)."""
        rewards = self.model.hurdle.reward_of(margins)
        if (idle := self.idle_without_data) is not None:
            rewards[:, idle] = 0.0
        return rewards

    def response(self, margins: Mapping[str, Floats]) -> Floats:
        """Reward above the usual one, for margins of any shape."""
        return self.model.hurdle.above_usual(margins)

    def slopes(self, margins: Mapping[str, Floats]) -> dict[str, Floats]:
        """Derivative of :meth:`response` by each margin."""
        return self.model.hurdle.slopes(margins)

    def interval(self, X_context: pd.DataFrame, action: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """95 % interval of the expected reward of given actions, each of shape (n, k)."""
        belief = self.strategy.belief_of(X_context, action)
        return belief.lo, belief.hi

    def joint_belief(self, X: Floats) -> JointBelief:
        """What is known of all actions of each account together; ``X`` is encoded context."""
        return self.model.joint_belief(X, idle=self.idle_without_data)

    def probabilities(self, rewards: Floats, eligible: Any | None, context: pd.DataFrame) -> Floats:
        """Probability of every action under the served policy."""
        allowed = check_eligible(eligible, len(rewards), self.actions)
        return self.strategy.served_probabilities(rewards, allowed, context)

    def training_means(self) -> dict[str, dict[str, Floats]]:
        """Mean of every design column over the training rows, by part and design.

        Known for the first part; columns of others are standardised, so that their mean is 0 but for indicators of
        categories. Bends are centred on their training mean.
        """
        known = self.model.evidence_table.mean_columns()
        means: dict[str, dict[str, Floats]] = {}
        first = next(iter(self.parts))
        for name, part in self.parts.items():
            linear = part.designs["linear"].terms
            means[name] = {}
            for key, design in part.designs.items():
                mean = np.zeros(len(design.terms))
                mean[0] = 1.0
                if name == first and design.terms[: len(linear)] == linear:
                    mean[: len(linear)] = known
                means[name][key] = mean
        return means

    def background_means(self, X: Floats) -> dict[str, dict[str, Floats]]:
        """Mean of every design column over given rows, by part and design."""
        return {
            name: {key: design.transform(X).mean(axis=0) for key, design in part.designs.items()}
            for name, part in self.parts.items()
        }
