"""Colours and words of the figures that managers count: in favour is what is better, not what is more."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from api.pages.result_figures import currency_of, kind_of_row, state_in_words, tone_of, value_of
from recommender.monitoring import FEWEST_ACCOUNTS
from recommender.monitoring.kpi import KPIS

PAGE = SimpleNamespace(
    text=lambda text, **words: text.format(**words),
    formats=SimpleNamespace(
        count=str, value=lambda kind, value, currency: SimpleNamespace(kind=kind, value=value, unit=currency or "-")
    ),
)


@pytest.mark.parametrize("kpi", KPIS, ids=lambda one: one.name)
def test_a_figure_is_in_favour_where_it_is_better(kpi):
    """More payments and fewer complaints; contacts are neither, nor is what is not known to differ."""
    row = SimpleNamespace(higher_is_better=kpi.higher_is_better)
    bad_when_high = {"cost_per_unit", "opt_out", "complaint"}
    for direction, other in (("above", "below"), ("below", "above")):
        expected = "unclear" if kpi.name == "contacts" else other if kpi.name in bad_when_high else direction
        assert tone_of(row, direction) == expected
    assert tone_of(row, "unclear") == tone_of(row, "unknown") == "unclear"
    assert tone_of(SimpleNamespace(higher_is_better=float("nan")), "above") == "unclear"  # as a table holds None


def test_a_price_is_told_of_a_hundred_and_money_in_its_currency():
    """Values stay as they are but for that; what is not known stays so."""
    rows = [
        SimpleNamespace(kpi="cost_per_unit", kind="price", currency="COP", policy=0.07),
        SimpleNamespace(kpi="recovery", kind="money", currency="COP", policy=1_200.0),
        SimpleNamespace(kpi="payment", kind="rate", currency=None, policy=0.2),
        SimpleNamespace(kpi="payment", kind="rate", currency=float("nan"), policy=float("nan")),
    ]
    shown = [value_of(PAGE, row, "policy") for row in rows]
    assert [one.value for one in shown] == [pytest.approx(7.0), 1_200.0, 0.2, None]
    assert [one.kind for one in shown] == ["number", "money", "rate", "rate"]
    assert [currency_of(row) for row in rows] == ["COP", "COP", None, None]
    assert {kind_of_row(SimpleNamespace(kind=kpi.kind))[1] for kpi in KPIS if kpi.kind != "price"} == {1.0}


@pytest.mark.parametrize(("policy", "holdout"), [(7, 5_000), (5_000, 7)])
def test_the_smaller_group_says_why_nothing_is_compared(policy, holdout):
    """It is the one that has too few accounts."""
    row = pd.Series({"state": "few accounts", "n_policy": policy, "n_holdout": holdout})
    assert state_in_words(PAGE, row) == f"Only 7 accounts in one group; {FEWEST_ACCOUNTS} are needed."
