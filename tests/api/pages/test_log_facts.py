"""Columns of the log kept beside the portfolio: always what the log says, however it grew or shrank."""

import numpy as np
import pandas as pd
import pytest

from api.pages.log_facts import LogFacts
from recommender.store.decision_log import DecisionLog
from tests.store.conftest import NOON, decide, provenance, space  # noqa: F401


@pytest.fixture
def log(tmp_path):
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as opened:
        yield opened


def read(log, folder):
    with LogFacts(log, folder).parts() as parts:
        pieces = [LogFacts.read(part) for part in parts]
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame({"account_id": []})


def same(log, folder, tmp_path_factory):
    """What is kept equals what is read afresh."""
    kept, fresh = read(log, folder), read(log, tmp_path_factory.mktemp("afresh"))
    pd.testing.assert_frame_equal(kept, fresh, check_dtype=False, check_like=True)
    return kept


def test_later_decisions_are_added_and_earlier_ones_noticed(log, tmp_path, tmp_path_factory, decide, monkeypatch):  # noqa: F811
    """Appending reads only what is new; a decision of an earlier moment or an erased one makes all anew."""
    monkeypatch.setattr("api.pages.log_facts._ROWS", 7)
    folder = tmp_path / "facts"
    assert same(log, folder, tmp_path_factory).empty
    log.record([decide(number) for number in range(10, 30)])
    assert len(same(log, folder, tmp_path_factory)) == 20
    parts = {place: place.stat().st_mtime_ns for place in folder.glob("*.parquet")}
    log.record([decide(number) for number in range(30, 40)])
    assert len(same(log, folder, tmp_path_factory)) == 30
    assert all(place.stat().st_mtime_ns == at for place, at in parts.items()), "what was kept is left alone"
    log.record([decide(1)])
    assert same(log, folder, tmp_path_factory)["decision_id"].iloc[0] == "d00001"
    log.erase(requested_by="ana", at=NOON, account_id="a3")
    assert "a3" not in set(same(log, folder, tmp_path_factory)["account_id"])


def test_what_was_expected_of_the_first_action_is_kept(log, tmp_path, tmp_path_factory, decide):  # noqa: F811
    """Lead over the next, and whether chance took another than the best."""
    ranking = [
        {"action": 0, "expected_reward": 0.2, "lo": 0.1, "hi": 0.3, "needs_human": True},
        {"action": 1, "expected_reward": 0.5},
    ]
    log.record([decide(0, action=0, ranking=ranking), decide(1, action=0, ranking=ranking[:1])])
    frame = same(log, tmp_path / "facts", tmp_path_factory)
    assert frame["margin"].iloc[0] == pytest.approx(-0.3)
    assert frame["explored"].iloc[0] == 1.0 and np.isnan(frame["explored"].iloc[1])
    assert frame["needs_human"].tolist() == [True, True]


@pytest.fixture
def kept(log, tmp_path, tmp_path_factory, decide, monkeypatch):  # noqa: F811
    """Thirty decisions in parts of seven, and a reader that compares with what is read afresh."""
    monkeypatch.setattr("api.pages.log_facts._ROWS", 7)
    log.record([decide(number) for number in range(10, 40)])
    folder = tmp_path / "facts"

    def again(of=log):
        return same(of, folder, tmp_path_factory)

    again()
    return folder, again


def test_whoever_is_erased_goes_though_as_many_came_in_before(log, kept, decide):  # noqa: F811
    """The number of decisions is the same; neither the parts nor a half-written one hold the account any more."""
    folder, again = kept
    gone = again()["account_id"].iloc[0]
    (folder / "part-000099.new").write_bytes((folder / "part-000000.parquet").read_bytes())
    removed = log.erase(requested_by="ana", at=NOON, account_id=gone).decisions
    log.record([decide(number, account_id="another") for number in range(removed)])
    assert gone not in set(again()["account_id"])
    assert not [place for place in folder.iterdir() if gone.encode() in place.read_bytes()]


def test_another_log_under_the_same_address_is_noticed(log, kept, decide, tmp_path):  # noqa: F811
    """As many decisions of the same ids and instants, of other accounts: a restored or a replaced database."""
    _, again = kept
    with DecisionLog.create(f"sqlite:///{tmp_path}/other.db") as other:
        other.record([decide(number, account_id=f"z{number}") for number in range(10, 40)])
    log.close()
    (tmp_path / "other.db").replace(tmp_path / "log.db")
    with DecisionLog(f"sqlite:///{tmp_path}/log.db") as opened:
        assert again(opened)["account_id"].str.startswith("z").all()


@pytest.mark.parametrize("damage", ["cut", "gone", "half a state", "another version"])
def test_damaged_parts_are_made_anew(kept, damage):
    """A full disk, a copy that broke off, a file that somebody deleted."""
    folder, again = kept
    part, state = folder / "part-000001.parquet", folder / "state.json"
    if damage == "cut":
        part.write_bytes(part.read_bytes()[:100])
    elif damage == "gone":
        part.unlink()
    else:
        state.write_text('{"format": 1' if damage == "half a state" else '{"format": 2}')
    assert len(again()) == 30
