"""Reward and propensity models of one's own: what they must offer, and scikit-learn's behind it."""

from recommender.learning.own.protocols import PropensityLearner, RewardLearner
from recommender.learning.own.served import OwnReward, OwnScored
from recommender.learning.own.sklearn_learners import (
    SklearnPropensity,
    SklearnReward,
    as_propensity_learner,
    as_reward_learner,
)

__all__ = [
    "OwnReward",
    "OwnScored",
    "PropensityLearner",
    "RewardLearner",
    "SklearnPropensity",
    "SklearnReward",
    "as_propensity_learner",
    "as_reward_learner",
]
