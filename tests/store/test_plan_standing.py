"""What the decision log knows acts on the next plan, whichever process wrote it."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from recommender.deciding import default_actions
from recommender.intake import account_states
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.planning.plan_standing import ChunkStanding
from recommender.store.decision_log import ContactEvent, DecisionLog, OutcomeRecord, StaleStanding
from recommender.strategy import SeedStrategy

TODAY = datetime.fromisoformat("2026-11-24T07:30:00-05:00")
TOMORROW = TODAY + timedelta(days=1)
SEED = SeedStrategy(default_actions(range(8, 18)))


@pytest.fixture
def files(tmp_path):
    """Three accounts; the first two are one debtor's."""
    accounts = pd.DataFrame(
        {
            "account_id": ["A1", "A2", "B1"], "debtor_id": ["D1", "D1", "D2"], "country": "CO",
            "timezone": "America/Bogota", "balance_minor": 100_000, "currency": "COP", "due_date": "2026-10-20",
            "party": "debtor", "flags": "none", "consented_channels": "sms;whatsapp",
        }
    )  # fmt: skip
    accounts.to_csv(tmp_path / "accounts.csv", index=False)
    return PlanFiles(tmp_path / "accounts.csv")


def plan(files, folder, log, as_of=TODAY):
    """First rows of a plan, by account."""
    out = folder / "plan.parquet"
    make_plan(files, out, SEED, PlanOrder(as_of, no_contacts_yet=True, record=True), log=log)
    made = pd.read_parquet(out)
    return made.loc[made["rank"] == 1].set_index("account")


def test_the_same_plan_again_is_the_same(files, tmp_path):
    """Its own decisions do not stand in its way, and nothing is written twice."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as log:
        first = plan(files, tmp_path, log)
        again = plan(files, tmp_path, log)
        assert log.count()[0] == 3
    pd.testing.assert_frame_equal(first, again)
    assert first["channel"].notna().any()


def test_what_was_planned_counts_for_the_next_plan(files, tmp_path):
    """A plan of an hour later contacts no debtor a second time that day."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as log:
        first = plan(files, tmp_path, log)
        later = plan(files, tmp_path, log, TODAY + timedelta(hours=1))
    days = first["contact_at"].dt.tz_convert("America/Bogota").dt.date
    contacted = first.loc[first["channel"].notna(), "debtor"].tolist()
    assert set(days.dropna()) == {TODAY.date()}
    assert contacted
    mine = later.loc[later["debtor"].isin(contacted), "contact_at"].dropna()
    assert (mine.dt.tz_convert("America/Bogota").dt.date > TODAY.date()).all()


@pytest.mark.parametrize(
    ("heard", "closed"),
    [("opt_out", ["A1", "A2"]), ("promise_to_pay", ["A1"]), ("opt_out_all", ["A1", "A2"]), ("paid_in_full", ["A1"])],
)
def test_what_was_heard_acts_on_the_next_plan(files, tmp_path, heard, closed):
    """An opt-out from the debtor on that channel, a promise or a payment on that debt."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as log:
        first = plan(files, tmp_path, log)
        entries = first.loc["A1"] if pd.notna(first.loc["A1", "channel"]) else first.loc["A2"]
        account = entries.name
        outcome = {"decision_id": entries["decision_id"], "occurred_at": TODAY + timedelta(hours=5), "outcome": heard}
        log.record_outcomes([OutcomeRecord(**outcome)])
        after = plan(files, tmp_path, log, TODAY + timedelta(days=30))
    closed = [name if account == "A1" else {"A1": "A2", "A2": "A1"}[name] for name in closed]
    if heard == "opt_out":
        assert (after.loc[closed, "channel"] != entries["channel"]).all()
    else:
        over = heard == "promise_to_pay"  # it was made thirty days ago, not at this moment: its days are over
        assert after.loc[closed, "channel"].isna().all() != over
    if heard == "promise_to_pay":
        with DecisionLog(f"sqlite:///{tmp_path}/log.db") as log:
            soon = plan(files, tmp_path, log, TODAY + timedelta(days=2))
        assert soon.loc[closed, "channel"].isna().all()


def test_what_was_taken_back_does_not_count(files, tmp_path):
    """A contact that was cancelled is open again."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as log:
        first = plan(files, tmp_path, log)
        gone = first.loc[first["channel"].notna()]
        entries = [
            ContactEvent(decision_id=row["decision_id"], debtor_id=row["debtor"], kind="cancelled", at=TODAY)
            for _, row in gone.iterrows()
        ]
        log.record_events(entries)
        later = plan(files, tmp_path, log, TODAY + timedelta(minutes=5))
    assert (later["contact_at"].dropna().dt.tz_convert("America/Bogota").dt.date == TODAY.date()).any()


def test_a_decision_of_another_process_meanwhile_stops_the_plan(files, tmp_path, monkeypatch):
    """What was planned on an older standing is not written."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as log, monkeypatch.context() as patched:
        from recommender.planning import plan_run

        kept = plan_run.log_plan

        def late(*args, **kwargs):
            patched.setattr(plan_run, "log_plan", kept)
            with DecisionLog(f"sqlite:///{tmp_path}/log.db") as other:
                plan(files, tmp_path / "other", other, TODAY + timedelta(minutes=1))
            return kept(*args, **kwargs)

        (tmp_path / "other").mkdir()
        patched.setattr(plan_run, "log_plan", late)
        with pytest.raises(StaleStanding):
            plan(files, tmp_path, log)
        assert log.count()[0] == 3


@pytest.mark.parametrize("apart", [False, True])
def test_failures_that_the_tables_tell_too_are_counted_once(apart):
    """Two of them rest no channel, whether the history tells them or a table of outcomes; three do."""
    events = [
        {"account_id": "A", "debtor_id": "A", "channel": "sms", "sent_at": TODAY - timedelta(days=days),
         "outcome": "bounced", "initiated_by": "creditor", "promise_date": None, "callback_at": None}
        for days in (5, 4, 3)
    ]  # fmt: skip
    told = pd.DataFrame(events[:2])[["account_id", "channel", "sent_at", "outcome"]].assign(contact_id=["K1", "K2"])
    told["sent_at"] = pd.to_datetime(told["sent_at"], utc=True).dt.as_unit("us")
    contacts = told.drop(columns="outcome") if apart else told
    outcomes = told[["contact_id", "outcome"]].assign(occurred_at=told["sent_at"]) if apart else None
    accounts = pd.DataFrame({"account_id": ["A"], "consented_channels": "sms"})
    for n_heard, names in ((2, []), (3, ["failed:sms"])):
        both = ChunkStanding(heard=events[:n_heard]).with_heard(contacts, outcomes)
        (state,) = account_states(accounts, contacts=both, outcomes=outcomes, as_of=TODAY)
        assert state.names == names
