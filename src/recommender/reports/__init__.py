"""Charts and self-contained HTML pages, drawn from plain data."""

from recommender.reports.backtest_page import (
    backtest_figure,
    backtest_page,
)
from recommender.reports.policy_charts import (
    policy_figure,
)
from recommender.reports.policy_page import (
    policy_page,
)

__all__ = [
    "backtest_figure",
    "backtest_page",
    "policy_figure",
    "policy_page",
]
