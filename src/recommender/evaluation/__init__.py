"""Off-policy evaluation: what a policy would have earned, from another policy's log. Arrays in, numbers out."""

from recommender.evaluation.backtest_report import (
    BacktestReport,
    BacktestWindow,
)
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
)
from recommender.evaluation.prices import (
    price_of_rules,
    refusals,
)
from recommender.evaluation.report import (
    PolicyReport,
)

__all__ = [
    "DEFAULT_ESTIMATOR",
    "BacktestReport",
    "BacktestWindow",
    "GateDecision",
    "GateRules",
    "Interval",
    "PolicyReport",
    "assign",
    "decide",
    "evaluate",
    "price_of_rules",
    "refusals",
]
