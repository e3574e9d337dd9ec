"""Aggregates of the log: kept on disk, made anew beside the requests where that takes long, never of another log."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

from api.pages import aggregates
from api.pages.aggregates import Aggregates, BeingMade, KeptTables
from api.pages.portfolio_files import PortfolioFiles
from recommender.settings import Settings

SMALL, GROWN, SHRUNK = (json.dumps(sizes) for sizes in ((3, 1, 0), (4, 1, 0), (2, 1, 0)))


class Maker:
    """Counts how often it was asked, and can be made to wait."""

    def __init__(self):
        self.n, self.go = 0, threading.Event()
        self.go.set()

    def __call__(self):
        self.go.wait(timeout=20)
        self.n += 1
        return {"n": self.n, "frame": pd.DataFrame({"a": [1.0, self.n]})}


@pytest.fixture
def slow(monkeypatch):
    """Everything counts as slow to make, and may be made anew at once."""
    monkeypatch.setattr(aggregates, "_PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(aggregates, "_REST", 0.0)


def test_what_is_kept_is_found_again_after_a_restart(tmp_path):
    """Frames and plain values; another key or another log is another aggregate."""
    make = Maker()
    assert Aggregates(tmp_path).of("results", "k1", SMALL, make)["n"] == 1
    again = Aggregates(tmp_path)
    assert again.of("results", "k1", SMALL, make)["n"] == 1
    pd.testing.assert_frame_equal(again.of("results", "k1", SMALL, make)["frame"], pd.DataFrame({"a": [1.0, 1.0]}))
    assert again.of("results", "k2", SMALL, make)["n"] == 2
    assert again.of("results", "k2", GROWN, make)["n"] == 3, "what is quick to make is never behind"
    assert again.behind_since() is None


def test_a_damaged_one_is_made_anew(tmp_path):
    """Half a document, or one of another version."""
    make = Maker()
    for damage in ("{", json.dumps({"key": "k1"}), json.dumps({"made_from": {"a": 1}, "plain": {}, "frames": []})):
        Aggregates(tmp_path).of("results", "k1", SMALL, make)
        (tmp_path / "results" / "about.json").write_text(damage)
        before = make.n
        assert Aggregates(tmp_path).of("results", "k1", SMALL, make)["n"] == before + 1
    assert KeptTables(None).get("results") is None


@pytest.mark.usefixtures("slow")
def test_while_the_log_grows_the_one_of_before_is_given_at_once(tmp_path):
    """The page does not wait, says since when its figures are, and shows the newer ones as soon as they are made."""
    make, kept = Maker(), Aggregates(tmp_path)
    assert kept.of("results", "k1", SMALL, make)["n"] == 1
    make.go.clear()
    assert kept.of("results", "k1", GROWN, make)["n"] == 1
    assert kept.behind_since() is not None
    make.go.set()
    kept.close()
    assert kept.of("results", "k1", GROWN, make)["n"] == 2
    assert kept.behind_since() is None
    assert make.n == 2, "made once, however often it was asked for"
    assert Aggregates(tmp_path).of("results", "k1", GROWN, make)["n"] == 2, "other workers find it"


@pytest.mark.usefixtures("slow")
def test_nothing_of_an_erased_account_is_given_any_more(tmp_path):
    """A log that became smaller, or another key, is never answered from before."""
    make, kept = Maker(), Aggregates(tmp_path)
    kept.of("results", "k1", SMALL, make)
    assert kept.of("results", "k1", SHRUNK, make)["n"] == 2
    assert kept.of("results", "k2", SHRUNK, make)["n"] == 3
    assert kept.behind_since() is None


@pytest.mark.usefixtures("slow")
def test_one_that_cannot_be_made_leaves_the_last(tmp_path):
    """An error beside the requests is told to the log; the page goes on."""

    def fails():
        raise ValueError("no")

    kept = Aggregates(tmp_path)
    kept.of("results", "k1", SMALL, Maker())
    assert kept.of("results", "k1", GROWN, fails)["n"] == 1
    kept.close()
    assert kept.of("results", "k1", GROWN, fails)["n"] == 1
    kept.close()


def test_nobody_waits_for_a_long_log_that_grew(tmp_path):
    """What was quick to make while its rows were at hand is made beside the requests all the same."""
    many, more = (json.dumps((n, 1, 0)) for n in (60_000, 60_001))
    make, kept = Maker(), Aggregates(tmp_path)
    assert kept.of("results", "k1", many, make)["n"] == 1
    assert kept.of("results", "k1", more, make)["n"] == 1
    kept.close()


@pytest.mark.usefixtures("slow")
def test_after_an_erasure_nobody_sees_what_was_before(tmp_path):
    """More decisions came in than went: the fourth number, of removals, says that somebody is gone."""
    before, after = json.dumps((10, 1, 0, 2)), json.dumps((90, 1, 0, 3))
    make, kept = Maker(), Aggregates(tmp_path)
    kept.of("log", "k1", before, make)
    assert kept.of("log", "k1", after, make)["n"] == 2 and kept.behind_since() is None


def test_what_cannot_be_kept_is_shown_all_the_same(tmp_path, monkeypatch):
    """A full disk, or a folder that another user made, costs time and no page."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptTables, "put", full)
    assert Aggregates(tmp_path).of("log", "k1", SMALL, Maker())["n"] == 1


def test_a_folder_of_another_owner_is_left_alone(tmp_path, monkeypatch):
    """Whoever may write into the portfolio and not into what lies in it keeps nothing."""
    (tmp_path / "kept" / "facts").mkdir(parents=True)
    files = PortfolioFiles(Settings(model_path=None, portfolio_path=tmp_path))
    assert files.kept_in("facts") == tmp_path / "kept" / "facts"
    monkeypatch.setattr("os.access", lambda path, _: path == tmp_path)
    assert files.kept_in("facts") is None and files.kept_in("tables") is None


LONG, LONGER = (json.dumps((n, 1, 0, 0)) for n in (60_000, 60_001))


def test_a_reader_is_not_kept_waiting_for_a_long_log_that_was_never_read(tmp_path):
    """Told to come back; what was begun goes on, is made once, and is there afterwards, in other workers too."""
    make, kept = Maker(), Aggregates(tmp_path, patience=0.01)
    make.go.clear()
    for _ in range(3):
        with pytest.raises(BeingMade):
            kept.of("log", "k1", LONG, make)
    make.go.set()
    kept.close()
    assert kept.of("log", "k1", LONGER, make)["n"] == 1, "of a moment ago, and told so"
    assert kept.behind_since() is not None
    kept.close()
    assert Aggregates(tmp_path, patience=0.01).of("log", "k1", LONG, make)["n"] >= 1


def test_what_is_short_or_has_time_is_waited_for(tmp_path):
    """A report is made of the whole log; a short log takes no time."""
    assert Aggregates(tmp_path / "a", patience=0.0).of("log", "k1", SMALL, Maker())["n"] == 1
    assert Aggregates(tmp_path / "b").of("log", "k1", LONG, Maker())["n"] == 1


def test_what_could_not_be_made_is_told_and_tried_again(tmp_path):
    """The error reaches who asks; the next one begins anew."""

    def fails():
        raise ValueError("no")

    kept = Aggregates(tmp_path, patience=20.0)
    with pytest.raises(ValueError, match="no"):
        kept.of("log", "k1", LONG, fails)
    assert kept.of("log", "k1", LONG, Maker())["n"] == 1


@pytest.mark.usefixtures("slow")
def test_a_newer_file_of_accounts_keeps_nobody_waiting(tmp_path):
    """One of before is shown where only the file changed; other rules, or an erasure, make it anew at once."""
    make, kept = Maker(), Aggregates(tmp_path)

    def of_file(old, new):
        return old[0] == new[0]

    assert kept.of("log", "a1", LONG, make, of_file)["n"] == 1
    make.go.clear()
    assert kept.of("log", "a2", LONGER, make, of_file)["n"] == 1
    make.go.set()
    kept.close()
    assert kept.of("log", "a2", LONGER, make, of_file)["n"] == 2
    assert kept.of("log", "b2", LONGER, make, of_file)["n"] == 3
    erased = json.dumps((60_002, 1, 0, 1))
    assert kept.of("log", "b3", erased, make, of_file)["n"] == 4


def test_workers_that_keep_the_same_at_once_keep_it_whole(tmp_path):
    """What is found is one of them, never parts of several, and nothing is left beside it."""
    frames = [pd.DataFrame({"a": [float(n)] * 2_000}) for n in range(8)]

    def keep(n):
        for _ in range(5):
            with contextlib.suppress(OSError):
                KeptTables(tmp_path).put("sample", {"n": n}, {"first": frames[n], "second": frames[n]})
            found = KeptTables(tmp_path).get("sample")
            told = set() if found is None else {found[1][one]["a"].iloc[0] for one in ("first", "second")}
            assert found is None or told == {float(found[0]["n"])}
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(keep, range(8)))
    made_from, values = KeptTables(tmp_path).get("sample")
    assert {float(made_from["n"])} == set(values["first"]["a"]) == set(values["second"]["a"])
    assert [one.name for one in tmp_path.iterdir()] == ["sample"]


def test_a_log_that_grew_while_it_was_read_for_the_first_time_is_told_so(tmp_path):
    """The figures are those of when it was begun."""
    make, kept = Maker(), Aggregates(tmp_path, patience=0.01)
    make.go.clear()
    with pytest.raises(BeingMade):
        kept.of("log", "k1", LONG, make)
    make.go.set()
    kept.close()
    grown = Aggregates(None, patience=20.0)
    grown._first = kept._first
    assert grown.of("log", "k1", LONGER, make)["n"] == 1
    assert grown.behind_since() is not None
