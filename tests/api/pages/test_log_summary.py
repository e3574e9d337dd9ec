"""One pass over the log in pieces says what a reader of everything at once would say."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from api.pages import log_facts
from api.pages.account_facts import account_facts, sampled_accounts, write_accounts_of
from api.pages.aggregates import KeptTables
from api.pages.arm_comparison import WINDOW_DAYS, compared
from api.pages.filters import Filter, Filters
from api.pages.log_pieces import newest_first
from api.pages.log_summary import FACTS, summarised
from recommender.deciding import default_segments
from recommender.monitoring import account_units, compare_arms, weekly_trend
from recommender.store.decision_log import ContactEvent, DecisionLog, OutcomeRecord
from tests.store.conftest import NOON, decide, provenance, space  # noqa: F401

N = 400
COSTS = {"COP": {"sms": 10.0, "call": 70.0}}
WORDS = ("delivered", "right_party_contact", "promise_to_pay", "paid", "opt_out", "complaint")


def is_control(debtors):
    """Debtors with an even number."""
    return np.array([one is not None and int(str(one)[1:]) % 2 == 0 for one in debtors], dtype=bool)


@pytest.fixture
def told(decide):  # noqa: F811
    """Decisions of five weeks, many of one instant, with what happened after them."""
    rng = np.random.default_rng(4)
    records, happened, events = [], [], []
    for number in range(N):
        at = NOON + timedelta(days=int(rng.integers(0, 5)) * 7, hours=int(rng.integers(0, 2)))
        account = int(rng.integers(0, 260))
        context = {"stage": ["preventive", "judicial"][account % 2], "balance_minor": 1e5 + account,
                   "days_past_due": 3 * account, "currency": "COP"}  # fmt: skip
        ranking = [{"action": number % 10, "expected_reward": 0.2, "needs_human": account % 9 == 0},
                   {"action": (number + 1) % 10, "expected_reward": rng.random()}]  # fmt: skip
        records.append(
            decide(number, account_id=f"a{account:03d}", debtor_id=f"p{account // 2}", decided_at=at, contact_at=at,
                   context=context, ranking=ranking)
        )  # fmt: skip
        for word in rng.choice(WORDS, rng.integers(0, 3), replace=False):
            amount = {"amount_minor": int(rng.integers(1, 900)), "currency": "COP"} if word == "paid" else {}
            later = at + timedelta(days=int(rng.integers(0, 30)))
            happened.append(OutcomeRecord(decision_id=f"d{number:05d}", occurred_at=later, outcome=str(word), **amount))
        if number % 23 == 0:
            events.append(
                ContactEvent(decision_id=f"d{number:05d}", debtor_id=f"p{account // 2}", kind="cancelled", at=at)
            )
    return records, happened, events


@pytest.fixture
def log(tmp_path, told, monkeypatch):
    """A log that is read 23 decisions at a time."""
    monkeypatch.setattr(log_facts, "_ROWS", 23)
    with DecisionLog.create(f"sqlite:///{tmp_path}/log.db") as opened:
        opened.record(told[0])
        opened.record_outcomes(told[1])
        opened.record_events(told[2])
        yield opened


@pytest.fixture
def accounts(tmp_path):
    """A file of accounts, one of them twice, that knows countries and flags; some were never decided about."""
    ids = [f"a{number:03d}" for number in range(250)] + ["z1", "a001"]
    frame = pd.DataFrame(
        {"account_id": ids, "debtor_id": "p0", "country": ["CO", "MX"] * 126, "balance_minor": 5.0, "currency": "COP",
         "flags": ["disputed;minor" if number % 50 == 0 else "" for number in range(252)]}
    )  # fmt: skip
    frame.to_parquet(tmp_path / "accounts.parquet", index=False)
    return tmp_path / "accounts.parquet"


def summary_of(log, accounts=None, folder=None):
    known = None if accounts is None else account_facts(accounts, default_segments(), FACTS)
    return summarised(newest_first(log, folder, known), known, is_control, COSTS, 0.5)


def channel_of(record):
    return json.loads(record.provenance.factors_text(record.action)).get("channel")


def whole_log(told, wanted=None):
    """Everything at once, as a frame from the records."""
    cancelled = {event.decision_id for event in told[2]}
    frame = pd.DataFrame(
        {"decision_id": one.decision_id, "account_id": one.account_id, "debtor_id": one.debtor_id,
         "decided_at": pd.Timestamp(one.decided_at),
         "channel": None if one.decision_id in cancelled else channel_of(one),
         **one.context}
        for one in sorted(told[0], key=lambda one: (one.decided_at, one.decision_id))
        if wanted is None or one.decision_id in wanted
    )  # fmt: skip
    outcomes = pd.DataFrame(
        {"decision_id": one.decision_id, "occurred_at": pd.Timestamp(one.occurred_at), "outcome": one.outcome,
         "amount_minor": one.amount_minor, "currency": one.currency}
        for one in told[1]
    )  # fmt: skip
    return frame, outcomes.loc[outcomes["decision_id"].isin(frame["decision_id"])]


def same(found, expected):
    keys = [name for name in ("week", "kpi", "currency") if name in expected]
    left, right = (one.sort_values(keys, ignore_index=True)[[*expected.columns]] for one in (found, expected))
    pd.testing.assert_frame_equal(left, right, check_dtype=False, check_categorical=False)


def test_the_comparison_is_that_of_the_whole_log(log, told):
    """Over everything, over a stage and over days: every figure of every arm and week, as from one frame."""
    summary = summary_of(log)
    frame, outcomes = whole_log(told)
    arm = np.where(is_control(frame["debtor_id"]), "holdout", "policy")
    same(summary["whole_table"], compare_arms(account_units(frame, outcomes, arm, COSTS)))
    same(summary["whole_trend"], weekly_trend(frame, outcomes, arm, COSTS, window_days=WINDOW_DAYS))
    assert sum(summary["whole"]["n_accounts"].values()) == frame["account_id"].nunique()

    day = (NOON + timedelta(days=7)).date()
    filters = Filters(
        [Filter("stage", "", choices=[("judicial", "")], chosen="judicial"),
         Filter("since", "", "since", chosen=str(day)),
         Filter("until", "", "until", chosen=str(day + timedelta(days=7)))], ""
    )  # fmt: skip
    table = summary["decisions"]
    found = compared(table, filters.passing(table), 0.5, summary["last"])
    passes = [
        one.context["stage"] == "judicial" and day <= one.decided_at.date() <= day + timedelta(days=7)
        for one in told[0]
    ]
    kept = {one.decision_id for one, there in zip(told[0], passes, strict=True) if there}
    part, outcomes = whole_log(told, kept)
    assert 20 < len(part) < N
    same(found["table"], compare_arms(
        account_units(part, outcomes, np.where(is_control(part["debtor_id"]), "holdout", "policy"), COSTS)
    ))  # fmt: skip
    assert compared(table, np.zeros(N, dtype=bool), 0.5, summary["last"]) is None


def test_a_payment_that_was_taken_back_in_another_piece_does_not_count(log, told):
    """The reversal is of a later decision of the account, a piece away; a corrected outcome does not count either."""
    frame, outcomes = whole_log(told)
    paid = outcomes.loc[outcomes["outcome"] == "paid"].merge(frame[["decision_id", "account_id"]])
    own = frame.groupby("account_id")["decision_id"].last()
    first = next(row for row in paid.itertuples() if own[row.account_id] != row.decision_id
                 and (paid["account_id"] == row.account_id).sum() == 1)  # fmt: skip
    before = pa.compute.sum(summary_of(log)["decisions"]["paid_minor"]).as_py()
    late = max(outcomes["occurred_at"]).to_pydatetime() + timedelta(days=1)
    log.record_outcomes(
        [OutcomeRecord(decision_id=own[first.account_id], occurred_at=late, outcome="payment_reversed")]
    )
    assert pa.compute.sum(summary_of(log)["decisions"]["paid_minor"]).as_py() == before - first.amount_minor


def test_the_newest_decision_of_every_account_stands_once(log, told, accounts):
    """Of one instant the later id; accounts of the file come first, those of the log alone follow."""
    table = summary_of(log, accounts)["accounts"].to_pandas().set_index("account_id")
    newest = {}
    for one in sorted(told[0], key=lambda one: (one.decided_at, one.decision_id)):
        newest[one.account_id] = one
    file = pd.read_parquet(accounts).drop_duplicates("account_id").set_index("account_id")
    assert sorted(table.index) == sorted({*newest, *file.index})
    assert table.index.is_monotonic_increasing
    for name, row in table.iterrows():
        expected = newest.get(name)
        assert (row["decision_id"] if isinstance(row["decision_id"], str) else None) == (
            None if expected is None else expected.decision_id
        )
        balance = file.loc[name, "balance_minor"] if name in file.index else expected.context["balance_minor"]
        assert row["balance_minor"] == balance
        debtor = file.loc[name, "debtor_id"] if name in file.index else expected.debtor_id
        assert row["is_control"] == is_control([debtor])[0]


def test_who_waits_for_a_person_and_what_was_explored(log, told, accounts):
    """Flags of the account or of the decision, newest first; levels hold what the log and the file say."""
    summary = summary_of(log, accounts)
    table = summary["for_people"].to_pandas()
    file = pd.read_parquet(accounts).drop_duplicates("account_id").set_index("account_id")
    flagged = set(file.index[file["flags"] != ""])
    waiting = [one for one in told[0] if one.ranking[0]["needs_human"] or one.account_id in flagged]
    order = sorted(waiting, key=lambda one: (one.decided_at, one.decision_id), reverse=True)
    assert table["decision_id"].tolist() == [one.decision_id for one in order]
    assert set(table.loc[table["account_id"].isin(flagged), "why"]) == {"disputed"}
    assert set(table.loc[~table["account_id"].isin(flagged), "reason"]) == {"late_stage"}
    assert summary["levels"]["country"] == ["CO", "MX"]
    assert summary["levels"]["stage"] == ["judicial", "preventive"]
    own = [one for one in told[0] if not is_control([one.debtor_id])[0]]
    up = sum(one.ranking[1]["expected_reward"] > 0.2 for one in own)
    assert summary["explored"] == {"7": [len(own), up]}


def test_an_empty_log_and_one_without_a_file(tmp_path, accounts):
    """No decision: accounts of the file alone, and no comparison."""
    with DecisionLog.create(f"sqlite:///{tmp_path}/empty.db") as log:
        summary = summary_of(log, accounts)
        assert summary["whole"] is None and summary["last"] is None
        assert len(summary["accounts"]) == 251 and not len(summary["decisions"])
        assert not len(summary_of(log)["accounts"])


def test_tables_are_found_again_without_being_read(log, accounts, tmp_path):
    """What is kept on disk equals what was made; its tables are mapped and not copied into memory."""
    made = summary_of(log, accounts, tmp_path / "facts") | {"many": pa.table({"n": np.arange(1_000_000.0)})}
    kept = KeptTables(tmp_path / "tables")
    kept.put("log", {}, made)
    before = pa.total_allocated_bytes()
    found = kept.get("log")[1]
    assert pa.total_allocated_bytes() - before < found["many"].nbytes / 20
    for name in ("decisions", "accounts", "for_people", "many"):
        pd.testing.assert_frame_equal(found[name].to_pandas(), made[name].to_pandas())
        assert found[name].schema == made[name].schema
    assert found["levels"] == made["levels"] and found["explored"] == made["explored"]


def test_accounts_are_drawn_and_split_without_reading_them_all(accounts, tmp_path, monkeypatch):
    """The same sample each time, whatever the size of a piece; the accounts of a country and no others."""
    drawn = sampled_accounts(accounts, 40)
    monkeypatch.setattr("api.pages.account_facts._AT_ONCE", 17)
    pd.testing.assert_frame_equal(sampled_accounts(accounts, 40), drawn)
    assert len(sampled_accounts(accounts, 9_999)) == 252
    write_accounts_of(accounts, "MX", tmp_path / "mx.parquet")
    own = pd.read_parquet(accounts)
    expected = own.loc[own["country"] == "MX"].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "mx.parquet"), expected)


def test_an_account_is_of_the_stage_that_it_had_first():
    """Of whatever became of it: what a policy does may move it on, so later stages are no fair groups."""
    rng = np.random.default_rng(8)
    n, names = 900, ("preventive", "administrative", "judicial")
    account, stage = rng.integers(0, 300, n), rng.choice(names, n)
    table = pa.table(
        {
            "account": account, "debtor": account // 2, "is_control": (account // 2) % 2 == 0,
            "decided_at": pa.array(np.sort(rng.integers(0, 40 * 86_400, n)) * 1_000_000, pa.timestamp("us")),
            "currency": pa.array(["COP"] * n).dictionary_encode(), "country": pa.array(["CO"] * n).dictionary_encode(),
            "stage": pa.array(stage).dictionary_encode(), "events": rng.integers(0, 128, n).astype(np.uint8),
            "events_soon": np.zeros(n, dtype=np.uint8),
            **{name: rng.random(n)
               for name in ("balance_minor", "contacts", "cost_minor", "paid_minor", "paid_soon_minor")},
        }
    )  # fmt: skip
    for passing in (None, rng.random(n) < 0.6):
        rows = np.arange(n) if passing is None else np.flatnonzero(passing)
        first = {}
        for row in rows.tolist():
            first.setdefault(account[row], stage[row])
        segments = compared(table, passing, 0.5, int(40 * 86_400e6))["segments"]
        told = dict(zip(segments["stage"], segments["accounts"], strict=True))
        assert told == {one: list(first.values()).count(one) for one in names}
