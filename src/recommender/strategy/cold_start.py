"""The answer before anything is learnt: the seed rules, served like a strategy and said to be what they are."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.strategy.inputs import account_frame, in_kind_of
from recommender.strategy.policy import check_eligible, epsilon_greedy
from recommender.strategy.recommendation import Moment, recommendation_frame
from recommender.strategy.seed_rules import seed_rule_scores

__all__ = ["SeedStrategy"]


class SeedStrategy:
    """Recommends by the written advice of the trade, with a floor under every eligible action.

    The floor is what makes the first months of decisions worth learning from.

    Parameters
    ----------
    actions : ActionSpace
    epsilon : float, default=0.1
        Share of the decisions spread evenly over the eligible actions.
    account : str, default="account_id"
        Column of account ids.
    """

    policy = "seed_rules"

    def __init__(self, actions: ActionSpace, *, epsilon: float = 0.1, account: str = "account_id") -> None:
        self.actions_ = actions
        self.epsilon = epsilon
        self.names_: dict[str, str | None] = {"account": account}
        described = json.dumps(actions.to_dict(), sort_keys=True) + f"|{epsilon}"
        self.version_ = "seed-rules-" + hashlib.sha256(described.encode()).hexdigest()[:8]

    def action_probabilities(
        self, accounts: Any, eligible: Any | None = None, *, as_of: Any | None = None
    ) -> NDArray[np.float64]:
        """Probability of every action, of shape (n_accounts, n_actions)."""
        frame = account_frame(accounts)
        allowed = check_eligible(eligible, len(frame), self.actions_)
        return epsilon_greedy(seed_rule_scores(frame, self.actions_, as_of=as_of), allowed, self.epsilon)

    def recommend(
        self,
        accounts: Any,
        top_k: int = 3,
        eligible: Any | None = None,
        history: pd.DataFrame | None = None,  # noqa: ARG002 - the same call as ContactStrategy.recommend
        as_of: datetime | str | None = None,
        explore: bool = True,
        seed: int = 0,
    ) -> Any:
        """Rank actions by the seed rules; expected rewards and intervals are null, for nothing was learnt."""
        frame = account_frame(accounts)
        allowed = check_eligible(eligible, len(frame), self.actions_)
        scores = seed_rule_scores(frame, self.actions_, as_of=as_of)
        ranked = recommendation_frame(
            self,
            frame,
            scores,
            epsilon_greedy(scores, allowed, self.epsilon),
            allowed,
            first_row=0,
            top_k=top_k,
            moment=Moment.of(as_of, None, {}),
            explore=explore,
            seed=seed,
        )
        ranked[["expected_reward", "lo", "hi"]] = np.nan
        return in_kind_of(accounts, ranked)
