"""WHAT WE LEARN: the reward model, its calibration and its tuning (lightgbm and optuna live only here)."""

from recommender.learning.belief import (
    DifferenceBelief,
    JointBelief,
    Standing,
)
from recommender.learning.calibration import (
    Calibration,
)
from recommender.learning.compiled import (
    Scored,
)
from recommender.learning.encoding import (
    ContextEncoder,
)
from recommender.learning.ensemble import (
    RewardEnsemble,
)
from recommender.learning.ladder import (
    LadderBelief,
    LadderModel,
    interval_of,
)
from recommender.learning.members import (
    OtherMember,
    RegressionMember,
    members_of,
)
from recommender.learning.nuisance import (
    LogNuisance,
    PropensityEstimate,
    cross_fit_own_propensities,
    cross_fit_own_rewards,
    cross_fit_propensities,
    cross_fit_rewards,
)
from recommender.learning.own import (
    OwnReward,
    OwnScored,
    PropensityLearner,
    RewardLearner,
    SklearnPropensity,
    SklearnReward,
    as_propensity_learner,
    as_reward_learner,
)
from recommender.learning.personal import learn_memory
from recommender.learning.regression import LatentProfiles, LinearDesign, LinearTerm
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
)
from recommender.learning.trees.tree_columns import (
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
    "Calibration",
    "ContextEncoder",
    "DifferenceBelief",
    "JointBelief",
    "LadderBelief",
    "LadderModel",
    "LatentProfiles",
    "LinearDesign",
    "LinearTerm",
    "LogNuisance",
    "OtherMember",
    "OwnReward",
    "OwnScored",
    "PropensityEstimate",
    "PropensityLearner",
    "RegressionMember",
    "RewardEnsemble",
    "RewardLearner",
    "RewardModel",
    "Scored",
    "SklearnPropensity",
    "SklearnReward",
    "Standing",
    "TrainingSet",
    "TreeSettings",
    "WholeLog",
    "as_propensity_learner",
    "as_reward_learner",
    "cross_fit_own_propensities",
    "cross_fit_own_rewards",
    "cross_fit_propensities",
    "cross_fit_rewards",
    "factor_levels",
    "interval_of",
    "learn_memory",
    "mature_sample",
    "members_of",
    "training_set_of",
    "tree_settings",
]
