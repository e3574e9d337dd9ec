"""Ids of several tables as whole numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.history.id_codes import code_ids

TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=4)), max_size=20)
NUMBERS = st.lists(st.one_of(st.none(), st.integers(-(2**53), 2**53)), max_size=20)


@pytest.mark.parametrize(("kind", "values"), [("str", TEXTS), ("Int64", NUMBERS)])
def test_codes_are_ranks_of_the_sorted_ids(kind, values):
    """Equal ids share a code in every column, codes sort as the ids do, and the ids come back."""

    @given(values, values)
    @settings(deadline=None, max_examples=60)
    def check(first, second):
        columns = [pd.Series(first, dtype=kind), pd.Series(second, dtype=kind)]
        ids, codes = code_ids(columns)
        known = sorted({value for value in (*first, *second) if value is not None})
        assert ids.ids.tolist() == known
        for column, code in zip((first, second), codes, strict=True):
            assert code.tolist() == [-1 if value is None else known.index(value) for value in column]
            back = ids.original(code)
            assert [None if pd.isna(value) else value for value in back] == column

    check()


def test_ids_are_found_again_and_unknown_ones_are_minus_one():
    """Looking up ids later uses the same codes."""
    ids, _ = code_ids([pd.Series(["b", "a"], dtype="str")])
    assert ids.find(pd.Series(["a", "z", None], dtype="str")).tolist() == [0, -1, -1]
    numbers, _ = code_ids([pd.Series([5, 3])])
    assert numbers.find(pd.Series([3, 4])).tolist() == [0, -1]


def test_whole_ids_that_were_coded_as_text_come_back_as_integers():
    """Accounts numbered in one system stay numbers although another id of the group is text."""
    ids, codes = code_ids([pd.Series(["7", "12", "x"], dtype="str")])
    back = ids.original(codes[0][:2], whole=True)
    assert back.tolist() == [7, 12]
    assert back.dtype == np.int64


def test_ids_are_found_whatever_type_asks():
    """A whole number written as text or as 3.0 finds the id 3; 3.5 and words find nothing."""
    numbers, _ = code_ids([pd.Series([5, 3])])
    assert numbers.find(pd.Series(["3", "x", "3.5", None], dtype=object)).tolist() == [0, -1, -1, -1]
    assert numbers.find(pd.Series([3.0, 3.5, np.nan])).tolist() == [0, -1, -1]
    texts, _ = code_ids([pd.Series(["12", "7"], dtype="str")])
    assert texts.find(pd.Series([7, 8])).tolist() == [1, -1]


def test_ids_that_differ_in_their_zeros_are_one_written_with_the_most():
    """Tables write an id with more or fewer zeros: one id, with the zeros that any of them has, in each of them."""
    numbers = st.lists(st.integers(1, 999), min_size=1, max_size=12, unique=True)
    zeros = st.lists(st.integers(0, 3), min_size=12, max_size=12)

    @given(numbers, zeros, zeros)
    @settings(deadline=None, max_examples=60)
    def check(numbers, first, second):
        tables = [[zero * "0" + str(one) for one, zero in zip(numbers, own, strict=False)] for own in (first, second)]
        longest = [max(pair, key=len) for pair in zip(*tables, strict=True)]
        ids, codes = code_ids([pd.Series([*table, "x"], dtype="str") for table in tables])
        for code in codes:
            assert ids.original(code).tolist() == [*longest, "x"]
        assert ids.ids.tolist() == sorted([*longest, "x"])

    check()


def test_a_table_that_tells_zeros_apart_keeps_every_id_as_it_is():
    """Where one table has both 7 and 007, they are two."""
    first, second = ["7", "007", "12"], ["0012", "7"]
    ids, codes = code_ids([pd.Series(one, dtype="str") for one in (first, second)])
    assert [ids.original(code).tolist() for code in codes] == [first, second]
