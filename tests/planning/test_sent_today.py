"""The rest of a day: when a plan is under way, and which instants what was sent leaves open."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.planning import CapacityOrder, SentToday
from recommender.store.decision_log import LedgerContact, Standing

BEGAN = pd.Timestamp("2026-11-24T08:00:00-05:00")
TICK = pd.Timedelta(microseconds=1)


def sent(*rows, most=1, hours_between=2.0):
    """What was sent to debtors: (name, hours after the plan was made)."""
    kept = pd.DataFrame(
        {"debtor": [name for name, _ in rows], "queue": "m", "state": "sent",
         "contact_at": [BEGAN.tz_convert("UTC") + pd.Timedelta(hours=hours) for _, hours in rows]}
    )  # fmt: skip
    ends = (BEGAN + pd.Timedelta(days=1)).tz_convert("UTC")
    return SentToday(kept, kept.iloc[:0], ends, pd.DataFrame(), most, hours_between)


def instants(*after):
    """Instants so long after the plan was made, one row."""
    return np.array([(BEGAN.tz_convert(None) + one).to_datetime64().astype("datetime64[us]") for one in after])[None]


@pytest.mark.parametrize("told", [{}, {"ends": (BEGAN + pd.Timedelta(hours=9)).isoformat()}])
def test_a_plan_is_under_way_between_its_begin_and_its_end(told, tmp_path):
    """At neither of them; without an end it is of one day. A folder without a plan is none."""
    assert not SentToday.is_under_way(tmp_path, BEGAN)
    (tmp_path / "about.json").write_text(json.dumps({"as_of": BEGAN.isoformat()} | told), encoding="utf-8")
    ends = pd.Timestamp(told["ends"]) if told else BEGAN + pd.Timedelta(days=1)
    moments = [BEGAN - TICK, BEGAN, BEGAN + TICK, ends - TICK, ends, ends + TICK]
    assert [SentToday.is_under_way(tmp_path, one) for one in moments] == [False, False, True, True, False, False]


def test_who_has_had_as_many_contacts_as_a_day_allows_gets_no_more():
    """One short of it the next keeps its distance in hours from the last, to the microsecond."""
    later = [pd.Timedelta(hours=5) - TICK, pd.Timedelta(hours=5), pd.Timedelta(hours=9)]
    names, twice = pd.Series(["debtor D"]), (("debtor D", 1), ("debtor D", 3))
    for most, right in ((1, [False] * 3), (2, [False] * 3), (3, [False, True, True])):
        assert sent(*twice, most=most).open_at(names, instants(*later))[0].tolist() == right
    assert sent(*twice, most=2).open_at(pd.Series(["debtor E"]), instants(*later)).all()


def test_the_rest_of_the_day_ends_with_it():
    """What has no instant is not open."""
    day = pd.Timedelta(days=1)
    at = np.concatenate([instants(day, day + TICK), np.array([[np.datetime64("NaT", "us")]])], axis=1)
    assert sent().open_at(pd.Series(["debtor D"]), at)[0].tolist() == [True, False, False]


def test_arms_may_share_out_all_debtors_and_no_more():
    """A half and a half leave nobody for the plan itself."""
    told = {"timezone": "America/Bogota", "queue": [{"name": "m", "channels": ["sms"], "quota": 5}]}
    held = CapacityOrder.model_validate(told | {"arms": {"explore": 0.5, "usual": 0.25, "none": 0.25}})
    assert held.arms.none == 0.25
    with pytest.raises(ValueError, match="more than all debtors"):
        CapacityOrder.model_validate(told | {"arms": {"explore": 0.5, "usual": 0.25, "none": 0.26}})


class Log:
    """A decision log that knows of some contacts of the plan when they were sent."""

    def __init__(self, when):
        self._when = when

    def standing(self, debtors, since, accounts):  # noqa: ARG002
        contacts = {
            account: [LedgerContact(f"d-{account}", account, owner, "sms", self._when[account], "dispatched")]
            for account, owner in accounts.items()
            if account in self._when and owner in debtors
        }
        return Standing(contacts=contacts)


HOUR = pd.Timedelta(hours=1)
NOW = BEGAN + pd.Timedelta(hours=6)
PLANNED = {
    "long ago": NOW - 5 * HOUR, "an hour ago": NOW - HOUR, "within it": NOW - HOUR + TICK, "now": NOW,
    "next": NOW + TICK, "later": NOW + 3 * HOUR,
}  # fmt: skip


def read(folder, *, log=None, history=None):
    """A plan of one contact an account, as it stands at ``NOW``; the history is a list of (account, moment)."""
    (folder / "about.json").write_text(json.dumps({"as_of": BEGAN.isoformat()}), encoding="utf-8")
    pd.DataFrame(
        {"account_id": list(PLANNED), "debtor": [f"debtor {one}" for one in PLANNED], "queue": "m", "channel": "sms",
         "day": 1, "contact_at": [at.tz_convert("UTC") for at in PLANNED.values()],
         "decision_id": [f"d-{one}" for one in PLANNED]}
    ).to_parquet(folder / "plan.parquet")  # fmt: skip
    told = None
    if history is not None:
        told = pd.DataFrame(history, columns=["account_id", "sent_at"]).assign(channel="sms")
    inputs = SimpleNamespace(chunks=[0], read=lambda _: SimpleNamespace(contacts=told))
    capacity = CapacityOrder.model_validate(
        {"timezone": "America/Bogota", "queue": [{"name": "m", "channels": ["sms"], "quota": 9}]}
    )
    now = SentToday.read(folder, inputs, NOW.to_pydatetime(), capacity, log)
    return {**dict(zip(now.kept["account_id"], now.kept["state"], strict=True)),
            **dict.fromkeys(now.released["account_id"], "released")}  # fmt: skip


@pytest.mark.parametrize("history", [None, [], [("long ago", BEGAN)], [("long ago", NOW + TICK)]])
def test_where_nobody_tells_what_was_sent_all_that_was_due_counts_as_made(history, tmp_path):
    """Without a log, and with a history that says nothing of the day: what is not known denies."""
    state = read(tmp_path, history=history)
    due = [name for name, at in PLANNED.items() if at <= NOW]
    assert state == {name: "under way" if name in due else "released" for name in PLANNED}


@pytest.mark.parametrize("told", [[], ["long ago"], ["an hour ago", "later"]])
@pytest.mark.parametrize("by", ["log", "history"])
def test_what_somebody_would_know_of_was_not_made_but_in_the_hour_that_runs(told, by, tmp_path):
    """Sent is what is told as sent; of the rest only what fell due within the hour may be on its way."""
    sent_at = dict.fromkeys(told, BEGAN + 2 * HOUR + TICK)
    given = {"log": Log(sent_at)} if by == "log" else {"history": [*sent_at.items(), ("somebody else", NOW - HOUR)]}
    state = read(tmp_path, **given)
    running = ["within it", "now"]
    expected = {name: "sent" if name in told else "under way" if name in running else "released" for name in PLANNED}
    assert state == expected
