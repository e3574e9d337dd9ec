"""WHAT WE LEARN: the reward model, its calibration and its tuning (lightgbm and optuna live only here)."""

from recommender.learning.compiled import (
    Scored,
)
from recommender.learning.encoding import (
    ContextEncoder,
)
from recommender.learning.ensemble import (
    RewardEnsemble,
)
from recommender.learning.members import (
    OtherMember,
    RegressionMember,
    members_of,
)
from recommender.learning.nuisance import (
    PropensityEstimate,
    cross_fit_propensities,
    cross_fit_rewards,
)
from recommender.learning.regression.latent_profiles import (
    LatentProfiles,
)
from recommender.learning.regression.linear_design import (
    LinearDesign,
    LinearTerm,
)
from recommender.learning.reward import (
    RewardModel,
)
from recommender.learning.training_log import (
    mature_sample,
    training_set_of,
)
from recommender.learning.training_set import (
    TrainingSet,
)
from recommender.learning.trees.action_trees import (
    ActionTrees,
    TreeSettings,
    factor_levels,
)
from recommender.learning.trees.tree_search import (
    SEARCH_SPACE,
    tree_settings,
)
from recommender.learning.whole_log import (
    BoostTrees,
    WholeLog,
)

__all__ = [
    "SEARCH_SPACE",
    "ActionTrees",
    "BoostTrees",
    "ContextEncoder",
    "LatentProfiles",
    "LinearDesign",
    "LinearTerm",
    "OtherMember",
    "PropensityEstimate",
    "RegressionMember",
    "RewardEnsemble",
    "RewardModel",
    "Scored",
    "TrainingSet",
    "TreeSettings",
    "WholeLog",
    "cross_fit_propensities",
    "cross_fit_rewards",
    "factor_levels",
    "mature_sample",
    "members_of",
    "training_set_of",
    "tree_settings",
]
