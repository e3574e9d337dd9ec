"""Boosted trees over context and action columns, and what tuning may change of them."""

from recommender.learning.trees.action_trees import ActionTrees, TreeSettings, factor_levels
from recommender.learning.trees.tree_search import SEARCH_SPACE, tree_settings

__all__ = ["SEARCH_SPACE", "ActionTrees", "TreeSettings", "factor_levels", "tree_settings"]
