"""Filters of the pages: days with both their midnights, choices by their very word, and the numbers of pages."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from api.pages.filters import Filter, Filters, page_numbers

DAY = pd.Timestamp("2026-11-22", tz="UTC")
TICK = pd.Timedelta(microseconds=1)
MOMENTS = [
    DAY - TICK, DAY, DAY + TICK, DAY + pd.Timedelta(days=1) - TICK, DAY + pd.Timedelta(days=1),
    DAY + pd.Timedelta(days=2) - TICK, DAY + pd.Timedelta(days=2), None,
]  # fmt: skip


@pytest.mark.parametrize("since", ["", "2026-11-22", "2026-11-23"])
@pytest.mark.parametrize("until", ["", "2026-11-21", "2026-11-22", "2026-11-23"])
@pytest.mark.parametrize("stage", ["", "judicial", "nowhere"])
def test_rows_pass_as_a_person_reads_the_filters(since, until, stage):
    """From the first instant of one day to the last of another; what has no moment passes no day."""
    stages = ["judicial", "preventive", None, "judicial", "judicial", "preventive", "judicial", "judicial"]
    filters = Filters(
        [Filter("since", "", "since", chosen=since), Filter("until", "", "until", chosen=until),
         Filter("stage", "", chosen=stage)], ""
    )  # fmt: skip
    expected = [
        (not since or (at is not None and at >= pd.Timestamp(since, tz="UTC")))
        and (not until or (at is not None and at.date() <= pd.Timestamp(until).date()))
        and (not stage or word == stage)
        for at, word in zip(MOMENTS, stages, strict=True)
    ]
    moments = pa.array([None if at is None else at.value // 1_000 for at in MOMENTS], pa.timestamp("us", "UTC"))
    table = pa.table({"decided_at": moments, "stage": pa.array(stages).dictionary_encode()})
    assert filters.passing(table).tolist() == expected
    twice = pa.concat_tables([table, table])  # in several pieces, as it is appended to
    assert filters.passing(twice).tolist() == expected * 2
    frame = pd.DataFrame({"decided_at": pd.to_datetime(pd.Series(MOMENTS), utc=True), "stage": stages})
    assert filters.rows(frame).tolist() == expected


@pytest.mark.parametrize("last", range(1, 16))
def test_pages_are_linked_in_order_and_gaps_are_gaps(last):
    """First, last and those around, each once; what stands between two numbers is one gap where pages are left out."""
    for here in range(1, last + 1):
        shown = page_numbers(here, last)
        numbers = [one for one in shown if one is not None]
        assert numbers == sorted({*numbers}) and {1, here, last} <= {*numbers}
        assert {one for one in (here - 2, here - 1, here + 1, here + 2) if 1 <= one <= last} <= {*numbers}
        again = []
        for before, after in pairwise(numbers):
            again += [before] if after - before == 1 else [before, None]
        assert shown == [*again, numbers[-1]]
        assert len(numbers) <= 7 and shown[0] == 1 and shown[-1] == last


def test_no_filter_lets_everything_pass():
    """Also of a table without a row."""
    empty = pa.table({"decided_at": pa.array([], pa.timestamp("us", "UTC"))})
    assert Filters([], "").passing(empty).tolist() == []
    assert Filters([Filter("since", "", "since", chosen="2026-11-22")], "").passing(empty).dtype == np.bool_
