"""What people are handed: charts, documents and self-contained HTML pages, drawn from plain data."""

from recommender.reports.backtest_page import (
    backtest_figure,
    backtest_page,
)
from recommender.reports.first_look_lines import (
    AccountLine,
    FirstPage,
    PolicyLine,
    ValueMap,
    map_in_text,
    policies_in_text,
    shown_value,
)
from recommender.reports.first_page import (
    first_page,
)
from recommender.reports.policy_charts import (
    policy_figure,
)
from recommender.reports.policy_page import (
    policy_page,
)
from recommender.reports.rule_packs import (
    GENERATED_FROM_HERE,
    describe_pack,
    describe_packs,
)
from recommender.reports.step_bars import (
    StepBar,
    StepBars,
    draw_step_bars,
)
from recommender.reports.words import (
    LANGUAGES,
    Words,
    language_of,
)

__all__ = [
    "GENERATED_FROM_HERE",
    "LANGUAGES",
    "AccountLine",
    "FirstPage",
    "PolicyLine",
    "StepBar",
    "StepBars",
    "ValueMap",
    "Words",
    "backtest_figure",
    "backtest_page",
    "describe_pack",
    "describe_packs",
    "draw_step_bars",
    "first_page",
    "language_of",
    "map_in_text",
    "policies_in_text",
    "policy_figure",
    "policy_page",
    "shown_value",
]
