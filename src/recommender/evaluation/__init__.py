"""Off-policy evaluation: what a policy would have earned, from another policy's log. Arrays in, numbers out."""

from recommender.evaluation.evaluate import DEFAULT_ESTIMATOR, evaluate
from recommender.evaluation.intervals import Interval
from recommender.evaluation.report import PolicyReport

__all__ = ["DEFAULT_ESTIMATOR", "Interval", "PolicyReport", "evaluate"]
