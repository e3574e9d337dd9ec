"""Answers about why a decision came out as it did."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.service.fields import Scalar

__all__ = ["ContrastAnswer", "ExplainedAction", "ExplanationAnswer", "ReplayAnswer", "ReplayDifference", "Step"]


class Step(BaseModel):
    """One step from all actions to those that were open."""

    step: str
    left: int
    removed: int


class ExplainedAction(BaseModel):
    """What the model made of one action; ``baseline`` and the concepts sum to ``expected_reward``."""

    rank: int
    factors: dict[str, Scalar]
    expected_reward: float
    baseline: float = Field(description="Of the mean account.")
    concepts: dict[str, float] = Field(description="Contribution of each concept in units of reward, largest first.")


class ExplanationAnswer(BaseModel):
    """Why this action."""

    decision_id: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    factors: dict[str, Scalar] = Field(description="Of the dispatched action.")
    propensity: float
    explored: bool = Field(description="Whether chance dispatched another action than the best one.")
    exploration_probability: float | None
    steps: list[Step]
    reasons: list[str] = Field(description="Why it and not the best other one; empty under the seed rules.")
    actions: list[ExplainedAction] = Field(description="Best eligible actions; empty under the seed rules.")


class ContrastAnswer(BaseModel):
    """Why one action and not another; positive speaks for ``action``."""

    decision_id: str
    policy_version: str
    action: dict[str, Scalar]
    against: dict[str, Scalar]
    eligible: list[bool] = Field(description="Whether each of the two was legal and open.")
    reward_difference: float
    lo: float
    hi: float
    concepts: dict[str, float] = Field(description="The difference by concept, largest first.")
    by_factor: dict[str, float] = Field(description="The difference by factor of the action.")
    reasons: list[str]


class ReplayDifference(BaseModel):
    """Something that came out otherwise."""

    what: str
    rank: int | None
    logged: Any
    again: Any


class ReplayAnswer(BaseModel):
    """What became of deciding again from what the log holds."""

    decision_id: str
    result: Literal["same", "same within rounding", "differs", "not replayed"] = Field(
        description="same = equal to the bit; not replayed = another policy serves than the one that decided."
    )
    differences: list[ReplayDifference]
    policy_version: str = Field(description="Of what serves now.")
