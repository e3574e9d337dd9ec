"""Conditions of segments at their very ends."""

from recommender.columns import Columns
from recommender.deciding import Segments

RULES = """
schema = 1
[[segments]]
id = "middle"
family = "situation"
title = "From 10 to below 20"
when = [{ column = "days_past_due", at_least = 10 }, { column = "days_past_due", below = 20 }]
"""


def test_a_range_holds_its_first_number_and_not_its_last():
    """``at_least`` is in, ``below`` is out; what has no value is in no range."""
    accounts = Columns.of([{"days_past_due": days} for days in (9, 10, 19, 20, None)])
    assert Segments.from_toml(RULES).of(accounts) == ["other", "middle", "middle", "other", "other"]
