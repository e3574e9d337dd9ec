"""Intervals hold in worlds unlike those of the coverage table: quickly in three, in all under ``proof``."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from tests.statistics.other_worlds import SETTINGS, summary

RARE, FEW_DEBTORS, MASKED = SETTINGS[0], SETTINGS[11], SETTINGS[8]


@pytest.mark.parametrize("setting", [RARE, FEW_DEBTORS, MASKED], ids=lambda setting: setting.name)
def test_interval_covers_in_a_hundred_logs(setting):
    """Rare rewards, sixty unequal debtors, masked actions: no oftener missed than 93 % coverage allows at 99.9 %."""
    told = summary(setting, 100)
    assert told["judged"] >= 90
    assert round(told["coverage"] * told["judged"]) >= binom.ppf(0.001, told["judged"], 0.93)


@pytest.mark.proof
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_coverage_at_full_length(setting):
    """400 logs a world: not proven below 93 % (90 % estimated), both sides alike, no lean of the point."""
    told = summary(setting, 400)
    assert told["wilson"][1] >= (0.93 if setting.known else 0.90), told
    if setting.known:
        assert max(told["below"], told["above"]) * told["judged"] <= binom.ppf(0.99, told["judged"], 0.035), told
        assert abs(told["unshrunk_bias"]) < 0.2, told
        assert abs(told["bias"]) < 0.5, told
