"""A large file in the order of a column: the same rows, made some at a time, whatever the order and the type."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.pages import ordered_file
from api.pages.ordered_file import write_ordered

IDS = st.one_of(st.none(), st.text("aé客Z0-\N{NO-BREAK SPACE}\N{GRINNING FACE}", min_size=0, max_size=3))


def in_order(rows):
    return sorted(rows, key=lambda row: (row[0], row[1]))


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(IDS, min_size=0, max_size=40), together=st.integers(1, 15))
def test_every_row_that_has_the_value_is_there_once_and_in_order(tmp_path_factory, ids, together):
    """Ids of any script, repeated and missing ones, in spans of any size."""
    folder = tmp_path_factory.mktemp("ordered")
    table = pa.table({"debtor_id": pa.array(ids, pa.string()), "n": pa.array(range(len(ids)), pa.int64())})
    pq.write_table(table, folder / "contacts.parquet", row_group_size=7)
    write_ordered(folder / "contacts.parquet", "debtor_id", folder / "kept" / "made", rows_sorted=together)
    made = pq.read_table(folder / "kept" / "made")
    found = list(zip(made["debtor_id"].to_pylist(), made["n"].to_pylist(), strict=True))
    assert [one for one, _ in found] == sorted(one for one in ids if one is not None)
    assert in_order(found) == in_order((one, n) for n, one in enumerate(ids) if one is not None)
    assert [one.name for one in (folder / "kept").iterdir()] == ["made"]


@pytest.mark.parametrize("kind", ["int64", "category", "string"])
def test_numbers_and_codes_are_ordered_too_and_one_row_group_holds_an_account(tmp_path, monkeypatch, kind):
    """Of many parts, those that may hold one account are few; its rows are those of the file."""
    monkeypatch.setattr(ordered_file, "_ROWS_TOGETHER", 50)
    monkeypatch.setattr(ordered_file, "_ROWS_READ", 128)
    ids = np.random.default_rng(3).integers(0, 400, 3_000)
    frame = pd.DataFrame({"account_id": ids, "sent_at": pd.Timestamp("2026-11-02", tz="UTC")})
    frame["account_id"] = frame["account_id"].astype("string" if kind == "category" else kind).astype(kind)
    frame.to_parquet(tmp_path / "contacts.parquet", index=False)
    write_ordered(tmp_path / "contacts.parquet", "account_id", tmp_path / "made.parquet", rows_sorted=300)
    made, one = pq.ParquetFile(tmp_path / "made.parquet"), frame["account_id"].iloc[0]
    groups = [made.metadata.row_group(number).column(0).statistics for number in range(made.metadata.num_row_groups)]
    assert len(groups) >= 3_000 / 50
    assert sum(stats.min <= one <= stats.max for stats in groups) <= 2
    own = pd.read_parquet(tmp_path / "made.parquet", filters=[("account_id", "==", one)])
    assert len(own) == int((frame["account_id"] == one).sum())


def test_what_an_ended_process_left_behind_is_removed_after_a_while(tmp_path):
    """Rows of people do not lie about; what another process is at is left alone."""
    pd.DataFrame({"account_id": ["a"]}).to_parquet(tmp_path / "contacts.parquet")
    left, busy = tmp_path / "kept" / ".contacts-old", tmp_path / "kept" / ".contacts-new"
    left.mkdir(parents=True)
    busy.mkdir()
    os.utime(left, (1.0, 1.0))
    write_ordered(tmp_path / "contacts.parquet", "account_id", tmp_path / "kept" / "made")
    assert sorted(one.name for one in (tmp_path / "kept").iterdir()) == [".contacts-new", "made"]


def test_what_cannot_be_read_leaves_nothing_behind(tmp_path):
    """A damaged file: the error, and neither a copy nor a part of one."""
    (tmp_path / "contacts.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(pa.ArrowInvalid):
        write_ordered(tmp_path / "contacts.parquet", "account_id", tmp_path / "kept" / "made")
    assert list((tmp_path / "kept").iterdir()) == []
