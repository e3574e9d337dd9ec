"""Off-policy evaluation: what a policy would have earned, from another policy's log. Arrays in, numbers out."""

from recommender.evaluation.estimators import sndr
from recommender.evaluation.evaluate import (
    DEFAULT_ESTIMATOR,
    evaluate,
)
from recommender.evaluation.experiment import (
    assign,
)
from recommender.evaluation.gate import (
    GateDecision,
    GateRules,
    decide,
)
from recommender.evaluation.intervals import (
    Interval,
    time_blocks,
)
from recommender.evaluation.prices import (
    price_of_rules,
    refusals,
)
from recommender.evaluation.report import (
    PolicyEvaluation,
)
from recommender.evaluation.warnings import (
    WARNINGS,
)

__all__ = [
    "DEFAULT_ESTIMATOR",
    "WARNINGS",
    "GateDecision",
    "GateRules",
    "Interval",
    "PolicyEvaluation",
    "assign",
    "decide",
    "evaluate",
    "price_of_rules",
    "refusals",
    "sndr",
    "time_blocks",
]
