"""Exact scores of all actions of an account, compiled from a gradient-boosted reward model."""

from recommender.scoring.additive import combine_tables
from recommender.scoring.scorer import ActionScorer
from recommender.scoring.verification import InexactScorer

__all__ = ["ActionScorer", "InexactScorer", "combine_tables"]
