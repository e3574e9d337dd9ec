"""A log in pieces is the log in one piece; tables are let go of as they are read."""

from __future__ import annotations

from functools import partial

import pandas as pd
import pytest

from recommender.history import LoggedFeedback, build_feedback
from recommender.history.eligible_sets import EligibleSets
from recommender.history.prepared_log import prepare_log
from recommender.simulation import plant_faults, simulate_tables

NAMES = ("accounts", "decisions", "contacts", "outcomes", "payments")


@pytest.fixture(scope="module")
def simulated():
    return simulate_tables(600, days=40, seed=11, n_accounts=90)


@pytest.fixture(scope="module")
def tables(simulated):
    """Tables with faults, late account rows (some decisions know no state), and a flag."""
    held = plant_faults(simulated, share=0.05, seed=2).tables
    accounts = held["accounts"]
    late = accounts["account_id"].isin(accounts["account_id"].unique()[::4])
    moved = pd.to_datetime(accounts["valid_from"], errors="coerce", utc=True, format="ISO8601") + pd.Timedelta(days=9)
    accounts["valid_from"] = accounts["valid_from"].mask(late, moved.dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    accounts["is_vip"] = True
    accounts["calls_made"] = 3
    return held


def prepared(given, simulated, **options):
    told = {"actions": simulated.actions, "as_of": simulated.as_of, "reward": "response", "window_days": 14}
    told |= {"attribution": "account", "naive_timezone": None, "default_timezone": "UTC", "currency": None}
    told |= {"rates": None, "snapshot": "leave_out", "static": (), "keep": ()}
    return prepare_log(given, **(told | options))


@pytest.mark.parametrize("rows", [23, 100])
def test_pieces_add_up_to_the_whole(simulated, tables, rows):
    """Whatever the size of a piece, dtypes are the same in each and together they are the log of build_feedback."""
    built = build_feedback(
        *(tables[name] for name in NAMES), actions=simulated.actions, as_of=simulated.as_of, reward="response"
    )
    log = prepared({name: tables[name].iloc[:] for name in NAMES}, simulated, chunk_rows=rows)
    frames, sets = zip(*log.parts(), strict=True)
    assert all((frame.dtypes == frames[0].dtypes).all() for frame in frames)
    whole = pd.concat(frames, ignore_index=True)
    pd.testing.assert_frame_equal(whole, built.frame)
    assert log.roles == built.roles
    eligible = EligibleSets.of_blocks([part.array() for part in sets], len(simulated.actions))
    assert (eligible.array() == built.feedback.eligible).all()
    assert repr(log) == repr(built.feedback)


def test_tables_that_are_read_when_needed_give_the_same_log_and_are_let_go(simulated, tables):
    """A table given as a function is emptied column by column; the log is the same."""
    lent = {name: tables[name].copy() for name in NAMES}
    kept = LoggedFeedback.from_prepared(prepared(tables, simulated))
    streamed = LoggedFeedback.from_prepared(prepared({name: partial(lent.get, name) for name in NAMES}, simulated))
    assert streamed.digest == kept.digest
    assert all(not len(frame.columns) for frame in lent.values())
    assert all(len(tables[name].columns) for name in NAMES)
