"""A large file in the order of a column: the same rows, made some at a time, whatever the order and the type."""

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.pages import ordered_file, portfolio_files
from api.pages.ordered_file import write_ordered
from recommender.settings import Settings

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


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A folder of a portfolio whose every file counts as large, and its files."""
    monkeypatch.setattr(portfolio_files, "_LARGE_FILE", 0)
    payments = pd.DataFrame({"account_id": ["00107", "A2"], "paid_at": "2026-11-02T10:00:00Z", "amount_minor": [5, 7]})
    payments.to_parquet(tmp_path / "payments.parquet", index=False)
    return tmp_path, portfolio_files.PortfolioFiles(Settings(model_path=None, portfolio_path=tmp_path))


@pytest.mark.parametrize("typed", [str, int])
def test_payments_are_found_however_the_account_is_spelt(large, monkeypatch, typed):
    """As every table of a plan is joined: zeros were padded, or lost; in a large file and in a small one."""
    folder, files = large
    payments = pd.DataFrame(
        {"account_id": [typed("107"), typed("0108")], "paid_at": "2026-11-02", "amount_minor": [5, 7]}
    )
    payments.to_parquet(folder / "payments.parquet", index=False)
    for size in (0, 2**30):
        monkeypatch.setattr(portfolio_files, "_LARGE_FILE", size)
        assert files.payments_of("00107")["amount_minor"].tolist() == [5]
        assert files.payments_of("108")["amount_minor"].tolist() == [7]
        assert files.payments_of("A1")["amount_minor"].tolist() == []


def test_a_full_disk_keeps_no_page_from_its_rows(large, monkeypatch):
    """The file itself is read; the copy is not begun again at every page."""
    begun = []

    def full(*_):
        begun.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(portfolio_files, "write_ordered", full)
    for _ in range(3):
        assert large[1].payments_of("A2")["amount_minor"].tolist() == [7]
    assert len(begun) == 1


def test_a_copy_that_another_worker_took_away_is_not_missed(large, monkeypatch):
    """Between the moment that it was found and that in which it is read."""
    monkeypatch.setattr(large[1], "_ordered", lambda path, _: path.parent / "kept" / "ordered" / "gone.parquet")
    assert large[1].payments_of("A2")["amount_minor"].tolist() == [7]


def test_no_copy_is_kept_of_a_file_that_became_small(large, monkeypatch):
    """Whoever was taken out of it is in no copy either."""
    folder, files = large
    assert len(files.payments_of("A2")) == 1
    assert len(list((folder / "kept" / "ordered").iterdir())) == 1
    monkeypatch.setattr(portfolio_files, "_LARGE_FILE", 2**30)
    pd.DataFrame({"account_id": ["107"], "paid_at": "2026-11-02", "amount_minor": [5]}).to_parquet(
        folder / "payments.parquet", index=False
    )
    assert len(files.payments_of("A2")) == 0
    assert list((folder / "kept" / "ordered").iterdir()) == []


def test_a_damaged_copy_is_not_believed_and_made_anew(large):
    """Cut off with the power: the file itself answers."""
    folder, files = large
    assert len(files.payments_of("A2")) == 1
    (copy,) = (folder / "kept" / "ordered").iterdir()
    whole = copy.read_bytes()
    copy.write_bytes(whole[:20])
    assert files.payments_of("A2")["amount_minor"].tolist() == [7]
    assert not copy.exists()
    assert files.payments_of("A2")["amount_minor"].tolist() == [7]
    assert copy.read_bytes() == whole
