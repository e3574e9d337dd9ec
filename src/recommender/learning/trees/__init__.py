"""Boosted trees over context and action columns, what they read besides, and what tuning may change of them."""

from recommender.learning.trees.action_trees import ActionTrees, TreeSettings
from recommender.learning.trees.derived_columns import Clock, DerivedColumns, PairColumn
from recommender.learning.trees.tree_columns import factor_levels
from recommender.learning.trees.tree_search import SEARCH_SPACE, tree_settings

__all__ = [
    "SEARCH_SPACE",
    "ActionTrees",
    "Clock",
    "DerivedColumns",
    "PairColumn",
    "TreeSettings",
    "factor_levels",
    "tree_settings",
]
