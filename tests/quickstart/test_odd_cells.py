"""Cells that no table can count: lists, objects, bytes, durations of a Parquet file or a frame of one's own."""

from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.quickstart.roles import guess_roles
from recommender.quickstart.typed_cells import type_cells
from recommender.store.files import read_table

N = 6
ODD = {
    "lists": (pa.array([["a", "b"], ["a"], None] * 2), ["a;b", "a", None] * 2),
    "numbers": (pa.array([[1, 2], [3], []] * 2), ["1;2", "3", None] * 2),
    "bytes": (pa.array([b"x", b"\xff", None] * 2), ["x", None, None] * 2),
    "duration": (pa.array([dt.timedelta(seconds=s) for s in range(N)]), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
    "clock": (pa.array([dt.time(9, s) for s in range(N)]), [f"09:0{s}:00" for s in range(N)]),
    "money": (pa.array([decimal.Decimal(f"{s}.50") for s in range(N)]), [s + 0.5 for s in range(N)]),
    "nothing": (pa.nulls(N), [None] * N),
}


@pytest.mark.parametrize("road", ["parquet", "frame"])
@pytest.mark.parametrize("kind", sorted(ODD))
def test_a_cell_is_one_value(tmp_path, kind, road):
    """Each is the text or the number that it holds, whether it comes from a file or from a notebook."""
    column, meant = ODD[kind]
    table = pa.table({"channel": ["sms", "call"] * 3, "x": column, "paid": [0, 1, 1] * 2})
    if road == "parquet":
        pq.write_table(table, tmp_path / "log.parquet")
        frame = read_table(tmp_path / "log.parquet", table="file")
    else:
        frame = table.to_pandas()
    told = type_cells(frame).frame["x"]
    assert [None if pd.isna(one) else one for one in told] == meant


def test_sets_and_arrays_of_a_frame_are_texts():
    """What only Python holds."""
    frame = pd.DataFrame({"x": [{"b", "a"}, {"a"}], "y": [np.array([1, 2]), np.array([3])], "paid": [0, 1]})
    told = type_cells(frame).frame
    assert told["x"].tolist() == ["a;b", "a"]
    assert told["y"].tolist() == ["1;2", "3"]


def test_complex_numbers_are_refused_by_name():
    """They lost their imaginary part without a word."""
    with pytest.raises(InvalidInput, match="'z' holds complex numbers"):
        type_cells(pd.DataFrame({"z": [1j, 2j], "paid": [0, 1]}))


def test_rows_that_do_not_say_what_was_done_are_counted_aloud():
    """A missing channel is a level of its own, and somebody is told; in Spanish too."""
    n = 400
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "account_id": [f"a{row}" for row in range(n)],
            "channel": np.where(np.arange(n) < 40, None, rng.choice(["sms", "call"], n)),
            "paid": rng.integers(0, 2, n),
        }
    )
    roles = guess_roles(type_cells(frame))
    assert "40 of 400 contacts do not say their channel: they count as a level of its own, (?)" in roles.sentences


@pytest.mark.parametrize("orient", ["columns", "index", "split", "records"])
def test_a_json_document_as_pandas_writes_it_is_a_table(tmp_path, orient):
    """By columns, by rows or in parts: the same rows."""
    frame = pd.DataFrame({"channel": ["sms", "call", "sms"], "paid": ["0", "1", "1"]})
    frame.to_json(tmp_path / "log.json", orient=orient)
    told = read_table(tmp_path / "log.json", table="contacts")
    assert told[["channel", "paid"]].astype(str).to_numpy().tolist() == frame.to_numpy().tolist()


def test_an_empty_log_says_that_it_has_no_rows():
    with pytest.raises(InvalidInput, match="the log has no rows"):
        ActionSpace.from_frame(pd.DataFrame({"channel": []}), ["channel"])
    with pytest.raises(InvalidInput, match="holds no level in any row"):
        ActionSpace.from_frame(pd.DataFrame({"channel": [None, None]}), ["channel"])


@pytest.mark.parametrize("cells", [[1 + 2j, 3 + 0j], [[1], [2]], [{"a": 1}, {"a": 2}]])
def test_a_context_column_of_several_values_a_cell_is_refused(cells):
    log = pd.DataFrame({"channel": ["sms", "call"], "reward": [0, 1], "odd": pd.Series(cells, dtype=object)})
    actions = ActionSpace({"channel": ["sms", "call"]})
    with pytest.raises(InvalidInput, match="'odd' holds cells"):
        LoggedFeedback.from_frame(log, actions=actions, context=["odd"], reward="reward")


def test_an_object_is_one_level_whatever_order_its_names_come_in(tmp_path):
    rows = ['{"tags": {"a": 1, "b": 2}, "paid": 0}', '{"tags": {"b": 2, "a": 1}, "paid": 1}']
    (tmp_path / "log.jsonl").write_text("\n".join(rows), encoding="utf-8")
    assert len(set(read_table(tmp_path / "log.jsonl", table="contacts")["tags"])) == 1
