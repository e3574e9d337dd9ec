"""The difference between two actions of one account, exact by factor, by feature and by concept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from recommender.explanation.attribution import attribute
from recommender.explanation.explained_accounts import ExplainedAccounts
from recommender.explanation.factors import factor_contrast, factor_effects
from recommender.explanation.reward_units import reward_slopes
from recommender.learning import DifferenceBelief, Standing

__all__ = ["CONTACT_OR_NOT", "ActionDifference"]

CONTACT_OR_NOT = "contact or not"


@dataclass(frozen=True, eq=False)
class ActionDifference:
    """The difference between two actions of one account; positive speaks for ``a``.

    Attributes
    ----------
    explanation : ExplainedAccounts
    account_index : int
        Position of the account among the explained ones.
    a, b : int
        Action indices.
    margin_difference : dict of str to float
        Served margin of ``a`` minus that of ``b``, by part.
    reward_difference : float
        The same in units of reward.
    by_feature : DataFrame
        ``part``, ``group``, ``feature``, ``value``, ``contribution`` (margin), ``contribution_reward``.
    """

    explanation: ExplainedAccounts
    account_index: int
    a: int
    b: int
    margin_difference: Mapping[str, float]
    reward_difference: float
    by_feature: pd.DataFrame

    @property
    def row(self) -> int:
        """Position of the account in the frame that was given."""
        return int(self.explanation.rows[self.account_index])

    @cached_property
    def by_factor(self) -> pd.DataFrame:
        """Difference split over the factors of the action, from the scores at hand.

        Returns
        -------
        DataFrame
            ``factor``, ``level_a``, ``level_b``, ``contribution`` by part as ``contribution_<part>``, and
            ``contribution_reward``; the sums are the differences.
        """
        actions = self.explanation.actions
        described = actions.describe([self.a, self.b]).astype(object)
        names = [*actions.factor_names, CONTACT_OR_NOT]
        frame = pd.DataFrame(
            {
                "factor": names,
                "level_a": [*described.iloc[0].tolist(), None],
                "level_b": [*described.iloc[1].tolist(), None],
            }
        )
        for name, margin in self.explanation.margins.items():
            frame[f"contribution_{name}"] = factor_contrast(margin[self.account_index], actions, self.a, self.b)
        frame["contribution_reward"] = factor_contrast(
            self.explanation.rewards[self.account_index], actions, self.a, self.b
        )
        return frame

    @cached_property
    def by_group(self) -> pd.DataFrame:
        """Difference by concept: ``group``, ``contribution_<part>``, ``contribution_reward``; largest first."""
        groups = list(dict.fromkeys(self.explanation.feature_groups))
        columns: dict[str, Any] = {"group": groups}
        reward = np.zeros(len(groups))
        for name in self.explanation.parts:
            rows = self.by_feature[self.by_feature["part"] == name]
            group_of_row = np.array([groups.index(group) for group in rows["group"]])
            columns[f"contribution_{name}"] = np.bincount(group_of_row, rows["contribution"], minlength=len(groups))
            reward += np.bincount(group_of_row, rows["contribution_reward"], minlength=len(groups))
        order = np.argsort(-np.abs(reward), kind="stable")
        return pd.DataFrame({**columns, "contribution_reward": reward}).iloc[order].reset_index(drop=True)

    @cached_property
    def belief(self) -> DifferenceBelief:
        """What is known of the difference, from the joint posterior of both actions; arrays of one value."""
        pair = (np.array([self.a]), np.array([self.b]))
        return self.explanation.served.joint_belief(self.explanation.X[[self.account_index]]).difference(*pair)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference of rewards; what both actions share is not held against it."""
        return float(self.belief.lo[0]), float(self.belief.hi[0])

    @property
    def p_better(self) -> float:
        """P(``a`` earns more than ``b``)."""
        return float(self.belief.p_better[0])

    @property
    def standing(self) -> Standing:
        """``better``, ``worse``, ``as good as`` (less than a tenth apart, with 95 %) or ``not known``."""
        return self.belief.standing[0]

    @property
    def sign_is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.standing in {"better", "worse"}

    @classmethod
    def between(cls, explanation: ExplainedAccounts, account_index: int, a: int, b: int) -> Self:
        """Compare two actions of the explained account at ``account_index``."""
        served = explanation.served
        actions = served.actions
        undefined = served.idle_without_data
        pair = np.array([[a, b]])
        _, usual_effects, usual_contact = factor_effects(served.usual, actions)
        at = {name: margin[account_index] for name, margin in explanation.margins.items()}
        slopes = reward_slopes(
            served,
            {name: np.asarray(margin[b]) for name, margin in at.items()},
            {name: np.asarray(margin[a]) for name, margin in at.items()},
        )
        values: list[Any] = [*explanation.context[list(served.encoder.names)].iloc[account_index].tolist()]
        values += [None] * (len(explanation.features) - len(values))
        n_factors = len(actions.factors)
        difference = float(explanation.rewards[account_index, a] - explanation.rewards[account_index, b])
        pieces = []
        for position, (name, ensemble) in enumerate(served.parts.items()):
            split = attribute(
                ensemble,
                actions,
                explanation.X[[account_index]],
                pair,
                explanation.means[name],
                explanation.margins[name][[account_index]],
                with_level=False,
            ).contributions[0]
            margin = split[0] - split[1]
            reward = margin * float(slopes[name])
            if position == 0:
                reward[-2 - n_factors : -2] += usual_effects[a] - usual_effects[b]
                reward[-2] += usual_contact[a] - usual_contact[b]
            if undefined in (a, b) and a != b:  # NO_CONTACT earns 0 by definition: no feature did that
                reward[:] = 0.0
                reward[-2] = difference if position == 0 else 0.0
            pieces.append(
                pd.DataFrame(
                    {
                        "part": name,
                        "group": explanation.feature_groups,
                        "feature": explanation.features,
                        "value": pd.Series(values, dtype=object),
                        "contribution": margin,
                        "contribution_reward": reward,
                    }
                )
            )
        return cls(
            explanation,
            account_index,
            a,
            b,
            {name: float(margin[a] - margin[b]) for name, margin in at.items()},
            difference,
            pd.concat(pieces, ignore_index=True),
        )
