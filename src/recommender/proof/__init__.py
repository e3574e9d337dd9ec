"""What a strategy would earn: off-policy evaluation of logs and strategies, backtests, tuning on policy value."""

from recommender.proof.backtest import (
    backtest,
)
from recommender.proof.off_policy import (
    OffPolicyEvaluator,
    evaluate_policy,
)
from recommender.proof.tuning import (
    TuningResult,
    tune,
)

__all__ = [
    "OffPolicyEvaluator",
    "TuningResult",
    "backtest",
    "evaluate_policy",
    "tune",
]
