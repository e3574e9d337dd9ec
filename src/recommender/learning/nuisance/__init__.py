"""Cheap, cross-fitted nuisance models for off-policy evaluation: expected rewards and propensities.

They serve logs from a hundred rows to a million and any factor structure. What they predict for a row never saw that
row or its group; the evaluated strategy's own reward model is not used, so a policy cannot grade itself.
"""

from recommender.learning.nuisance.context import assign_folds
from recommender.learning.nuisance.of_log import LogNuisance
from recommender.learning.nuisance.own import cross_fit_own_propensities, cross_fit_own_rewards
from recommender.learning.nuisance.propensities import PropensityEstimate, cross_fit_propensities
from recommender.learning.nuisance.rewards import cross_fit_rewards

__all__ = [
    "LogNuisance",
    "PropensityEstimate",
    "assign_folds",
    "cross_fit_own_propensities",
    "cross_fit_own_rewards",
    "cross_fit_propensities",
    "cross_fit_rewards",
]
