"""Conditions of segments at their very ends."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.columns import Columns
from recommender.deciding import Segments
from recommender.errors import InvalidInput

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


ASKED = {
    "at_least = 1": [False, True, True, False], "below = 2": [True, True, False, False],
    "at_least = 1, below = 2": [False, True, False, False], "known = true": [True, True, True, False],
    "known = false": [False, False, False, True], 'in = ["1", "2"]': [False, True, True, False],
    'has = ["1"]': [False, True, False, False],
}  # fmt: skip


def when(*conditions):
    """Segments of one rule."""
    return RULES.split("when")[0] + f"when = [{', '.join(conditions)}]"


@pytest.mark.parametrize("condition", ASKED)
def test_a_column_that_is_not_there_is_a_value_that_nobody_knows(condition):
    """Of all conditions only ``known = false`` holds of it, as of an empty cell."""
    rules = Segments.from_toml(when(f"{{ column = 'x', {condition} }}"))
    cells = [0, 1, 2, None]
    assert [one == "middle" for one in rules.of(Columns.of([{"x": cell} for cell in cells]))] == ASKED[condition]
    assert (rules.of(Columns.of([{"y": 1}])) == ["middle"]) == ASKED[condition][-1]


@pytest.mark.parametrize(("one", "other"), [(a, b) for a in ASKED for b in ASKED if a.split()[0] < b.split()[0]])
def test_a_condition_asks_one_thing(one, other):
    """Two ways to ask at once are refused, but for both ends of a range; nothing at all is refused as well."""
    both = when(f"{{ column = 'x', {one}, {other} }}")
    if {one, other} == {"at_least = 1", "below = 2"}:
        assert Segments.from_toml(both).segments[0].when[0].below == 2.0
        return
    with pytest.raises(InvalidInput):
        Segments.from_toml(both)
    with pytest.raises(InvalidInput, match="needs at_least or below"):
        Segments.from_toml(when("{ column = 'x' }"))


@given(st.lists(st.tuples(*[st.one_of(st.none(), st.integers(0, 3))] * 2), min_size=1, max_size=12), st.randoms())
def test_an_account_is_of_the_first_segment_whose_conditions_all_hold(rows, random):
    """In any order of the rules, as a loop over accounts and rules in plain Python finds it; else it is of none."""
    rules = [(name, low, high) for name, low, high in zip("abcd", (0, 1, 2, 0), (2, 3, 3, 1), strict=True)]
    random.shuffle(rules)
    text = "schema = 1\n" + "".join(
        f"[[segments]]\nid = '{name}'\nfamily = 'cause'\ntitle = 't'\n"
        f"when = [{{ column = 'x', at_least = {low} }}, {{ column = 'y', below = {high} }}]\n"
        for name, low, high in rules
    )
    found = Segments.from_toml(text).of(Columns.of([{"x": x, "y": y} for x, y in rows]))
    for (x, y), name in zip(rows, found, strict=True):
        held = [one for one, low, high in rules if x is not None and y is not None and x >= low and y < high]
        assert name == (held[0] if held else "other")
