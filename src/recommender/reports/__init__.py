"""What people are handed: charts and documents of results that other rooms hold as data."""

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

__all__ = [
    "GENERATED_FROM_HERE",
    "StepBar",
    "StepBars",
    "describe_pack",
    "describe_packs",
    "draw_step_bars",
]
