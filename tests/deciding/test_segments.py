"""Conditions of segments at their very ends."""

import numpy as np
import pandas as pd
import pytest

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


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ('has = ["vip"]', [True, False, False, False, True]),
        ('in = ["vip"]', [True, False, False, False, False]),
        ("known = true", [True, False, False, True, True]),
    ],
)
@pytest.mark.parametrize("many", [1, 5])
def test_cells_of_any_table_are_read_alike(condition, wanted, many):
    """Lists of JSON, arrays of Parquet, texts and nulls of nullable columns: none of them stops a condition."""
    rules = RULES.split("when")[0] + f"when = [{{ column = 'flags', {condition} }}]"
    lists = [["vip"], None, pd.NA, ["other"], ["x", "vip"]]
    arrays = [np.array(one) if isinstance(one, list) else one for one in lists]
    texts = pd.Series([";".join(one) if isinstance(one, list) else one for one in lists], dtype="string")
    for cells in (pd.Series(lists, dtype=object), pd.Series(arrays, dtype=object), texts, texts.astype("str")):
        accounts = Columns.of(pd.DataFrame({"flags": pd.concat([cells] * many)}))
        assert [one == "middle" for one in Segments.from_toml(rules).of(accounts)] == wanted * many
        alone = [Segments.from_toml(rules).of(accounts.take(np.array([row])))[0] == "middle" for row in range(5)]
        assert alone == wanted
