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
