"""What a strategy would earn: off-policy evaluation of logs and strategies, backtests, tuning on policy value."""

from recommender.proof.backtest import (
    backtest,
)
from recommender.proof.backtest_report import (
    BacktestReport,
    BacktestWindow,
)
from recommender.proof.off_policy import (
    OffPolicyEvaluator,
    evaluate_policy,
)
from recommender.proof.policy_report import (
    PolicyReport,
)
from recommender.proof.tuning import (
    TuningResult,
    tune,
)
from recommender.proof.whole_path import (
    BASELINES,
    ExperimentReport,
    experiment,
)

__all__ = [
    "BASELINES",
    "BacktestReport",
    "BacktestWindow",
    "ExperimentReport",
    "OffPolicyEvaluator",
    "PolicyReport",
    "TuningResult",
    "backtest",
    "evaluate_policy",
    "experiment",
    "tune",
]
