"""``plan`` from raw tables and a learnt strategy to files on disk, read as those who work with them would."""

import json
import shutil
from datetime import timedelta

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.store.decision_log import DecisionLog
from tests.store.plan_portfolio import AS_OF, portfolio, small_strategy, write
from tests.store.test_plan_run import SEED

CAPACITY = """
timezone = "America/Bogota"
currency = "COP"
budget = 40_000
contacts_per_debtor = 2
[worth]
per_response = 12_000
[[queue]]
name = "agents"
channels = ["call"]
minutes_per_contact = 6
cost_per_contact = 600
agents = { 9 = 0.5, 12 = 0.5 }
[[queue]]
name = "messages"
channels = ["sms", "email"]
quota = 20
cost_per_contact = 60
[arms]
explore = 0.2
usual = 0.2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made_once):
    """Tables, a strategy, capacities, contact points."""
    folder_path = tmp_path_factory.mktemp("verb")
    accounts, contacts = portfolio(90, seed=4)
    write(folder_path, accounts, contacts)
    small_strategy(SEED.actions_, made_once).save(folder_path / "strategy")
    (folder_path / "capacity.toml").write_text(CAPACITY)
    (folder_path / "more.toml").write_text('[[queue]]\nname = "agents"\nagents = { 9 = 3, 12 = 3 }\n')
    (folder_path / "much.toml").write_text(
        CAPACITY + '[[minimum]]\nname = "contract"\nqueue = "agents"\ncontacts = 50\n'
    )
    points = accounts[["account_id"]].assign(phone="+573005550101", phone_code="57", email="a@b.co")
    points.to_csv(folder_path / "points.csv", index=False)
    return folder_path


def run(folder, *more, capacity="capacity.toml"):
    words = [
        "plan", str(folder / "accounts.parquet"), "--contacts", str(folder / "contacts.parquet"), "--other-accounts",
        "--as-of", AS_OF.isoformat(), "--strategy", str(folder / "strategy"), "--capacity", str(folder / capacity),
        "--out", str(folder / "tomorrow"), "--without", "HOUSE", "--without", "TRADE", *more,
    ]  # fmt: skip
    return CliRunner().invoke(build_app(), words)


@pytest.fixture(scope="module")
def output(folder):
    """What the verb says."""
    answer = run(
        folder, "--scenario", str(folder / "more.toml"), "--campaigns", str(folder / "campaigns"),
        "--contact-file", str(folder / "points.csv"), "--list-id", "7",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    return " ".join(answer.output.split())


def test_the_plan_carries_money_with_its_interval_and_what_is_scarce(folder, output):
    """Value less cost and expectation of every contact; all limits with use and price; rules with their law."""
    contacts = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    about = json.loads((folder / "tomorrow" / "about.json").read_text())
    assert len(contacts) > 10 and about["unit"] == "COP"
    assert (contacts["expected_low"] <= contacts["expected"]).all()
    assert (contacts["expected"] <= contacts["expected_high"]).all()
    assert f"worth {contacts['value'].sum():,.0f} COP" in output
    assert f"expected payments of those contacted: {contacts['expected'].sum():,.0f} COP" in output
    assert {row["name"] for row in about["capacities"]} >= {"agents 09h minutes", "messages quota", "budget"}
    assert all(row["used"] <= row["limit"] + 1e-6 for row in about["capacities"])
    assert set(about["rules_in_money"]) <= set(about["rule_details"])
    assert "scenario more" in output and "arm policy" in output


def test_every_contact_leaves_in_one_campaign_file(folder, output):
    """Each account once a contact, with the number of the agency's file, which the plan itself does not hold."""
    contacts = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    written = json.loads((folder / "campaigns" / "campaign-files.json").read_text())
    assert sum(written.values()) == len(contacts)
    lists = [pd.read_csv(folder / "campaigns" / name, dtype="str") for name in written if "vicidial" in name]
    dialled = pd.concat(lists)
    calls = contacts.loc[(contacts["channel"] == "call") & ~contacts["needs_human"]]
    assert written["people.csv"] == contacts["needs_human"].sum() > 0  # older than 90 days: a person looks first
    assert sorted(dialled["source_id"]) == sorted(calls["decision_id"])
    assert set(dialled["phone_number"]) == {"3005550101"} and set(dialled["list_id"]) == {"7"}
    assert not any(b"5550101" in path.read_bytes() for path in (folder / "tomorrow").iterdir())


def test_the_plan_verifies_and_a_changed_one_does_not(folder, output):
    checked = CliRunner().invoke(build_app(), ["plan", "--verify", str(folder / "tomorrow")])
    assert checked.exit_code == 0 and "every limit is kept" in checked.output
    path = folder / "tomorrow" / "plan.parquet"
    kept = path.read_bytes()
    pd.read_parquet(path).assign(round=2).to_parquet(path, index=False)
    changed = CliRunner().invoke(build_app(), ["plan", "--verify", str(folder / "tomorrow")])
    path.write_bytes(kept)
    assert changed.exit_code != 0


def test_a_contradiction_is_named_and_the_last_plan_stays(folder, output):
    """Fifty calls cannot be made in the minutes there are; nothing of the last plan is touched."""
    before = (folder / "tomorrow" / "manifest.json").read_bytes()
    answer = run(folder, capacity="much.toml")
    assert answer.exit_code != 0
    assert "minimum contract >= " in str(answer.exception)
    assert "Of what callbacks and the other arms leave" in str(answer.exception)
    assert (folder / "tomorrow" / "manifest.json").read_bytes() == before
    assert not list(folder.glob(".tomorrow.*"))


def test_ingest_keeps_the_arm_that_chance_decided(folder, output):
    """Every kept decision has the plan's own propensity; contacts of other arms stay history; a wrong arm is named."""
    decisions = pd.read_parquet(folder / "tomorrow" / "decisions.parquet")
    wanted = [
        "ingest", "--accounts", str(folder / "accounts.parquet"), "--contacts", str(folder / "contacts.parquet"),
        "--decisions", str(folder / "tomorrow" / "decisions.parquet"), "--as-of", "2026-12-20T00:00:00Z",
        "--actions", str(folder / "actions.json"), "--reward", "amount",
        "--payments", str(folder / "payments.csv"), "--out", str(folder / "log.parquet"),
    ]  # fmt: skip
    about = json.loads((folder / "tomorrow" / "about.json").read_text())
    (folder / "actions.json").write_text(json.dumps({"actions": about["actions"]}))
    paid = {"account_id": decisions["account_id"].iloc[0], "paid_at": "2026-11-25T15:00:00Z", "amount_minor": 5_000}
    pd.DataFrame([paid | {"currency": "COP"}]).to_csv(folder / "payments.csv", index=False)
    answer = CliRunner().invoke(build_app(), [*wanted, "--arm", "explore"])
    assert answer.exit_code == 0, answer.exception
    log = pd.read_parquet(folder / "log.parquet")
    chance = decisions.loc[decisions["arm"] == "explore", "propensity"]
    assert sorted(log["propensity"].round(9)) == sorted(chance.round(9))
    wrong = CliRunner().invoke(build_app(), [*wanted, "--arm", "explored"])
    assert "explored" in str(wrong.exception)


def test_a_plan_in_force_is_planned_again_and_a_week_told_by_day(folder, output):
    """Days are told with what each is worth; the rest of the day with what became of the old contacts."""
    answer = run(folder, "--replaces", str(folder / "tomorrow"), "--out", str(folder / "later"),
                 "--as-of", "2026-11-23T10:30:00-05:00")  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "of the plan in force: sent 0, under way" in " ".join(answer.output.split())
    assert json.loads((folder / "later" / "about.json").read_text())["ends"].startswith("2026-11-24T13:00")
    answer = run(folder, "--days", "2", "--out", str(folder / "week"), "--campaigns", str(folder / "weekly"))
    assert answer.exit_code == 0, answer.output
    assert "days 1 to 2" in answer.output
    week = pd.read_parquet(folder / "week" / "plan.parquet")
    written = json.loads((folder / "weekly" / "campaign-files.json").read_text())
    assert set(week["day"]) == {1, 2} and sum(written.values()) == (week["day"] == 1).sum()
    checked = CliRunner().invoke(build_app(), ["plan", "--verify", str(folder / "week")])
    assert checked.exit_code == 0, checked.output


def test_a_second_plan_of_the_day_knows_the_first(folder, output):
    """Into the same folder, without --replaces, a log or a newer history: whoever was due is not contacted again."""
    first = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    out = folder / "again"
    shutil.copytree(folder / "tomorrow", out)
    now = pd.Timestamp("2026-11-23T12:30:00-05:00")
    answer = run(folder, "--out", str(out), "--as-of", now.isoformat())
    assert answer.exit_code == 0, answer.output
    assert "that has begun" in " ".join(answer.output.split())
    due = first.loc[first["contact_at"] <= now]
    second = pd.read_parquet(out / "plan.parquet")
    most = first.groupby("debtor").size().max()
    count = pd.concat([due, second]).groupby("debtor").size()
    assert len(due) and count.max() <= most
    minutes = 6 * pd.concat([due, second]).query("queue == 'agents'").groupby("contact_at").size()
    assert minutes.max() <= 30  # half an agent in each of two hours
    assert 60 * (len(due.query("queue == 'messages'")) + len(second.query("queue == 'messages'"))) <= 60 * 20


def test_the_decision_log_holds_the_plan_and_acts_on_the_next(folder, tmp_path):
    """Every decision with its eligible set; the same plan again writes nothing; a later plan repeats no contact."""
    accounts = pd.read_parquet(folder / "accounts.parquet").assign(country="CO")
    for name in ("strategy", "contacts.parquet", "capacity.toml"):
        (tmp_path / name).symlink_to(folder / name)
    accounts.to_parquet(tmp_path / "accounts.parquet")
    folder = tmp_path
    url = f"sqlite:///{folder}/decisions.db"
    answer = run(folder, "--decision-log", url, "--out", str(folder / "logged"))
    assert answer.exit_code == 0, answer.output
    contacts = pd.read_parquet(folder / "logged" / "plan.parquet")
    arms = pd.read_parquet(folder / "logged" / "arms.parquet")
    with DecisionLog(url) as log:
        stored = {one["decision_id"]: log.get(one["decision_id"]).decision for one in contacts.to_dict("records")}
        # two contacts of one debtor are two decisions; who is left alone is one
        assert log.count()[0] == len(contacts) + len(arms) - contacts["account_id"].nunique()
    for row in contacts.itertuples():
        record = stored[row.decision_id]
        assert record.eligible[record.action]
        assert (record.contact_at, record.account_id) == (row.contact_at, row.account_id)
        assert record.propensity == (row.propensity if row.reason == "explore" else 1.0)
        assert record.provenance.rule_packs
        assert record.context
    again = run(folder, "--decision-log", url, "--out", str(folder / "logged"))
    assert "decision log: 0 new decisions" in " ".join(again.output.split()), again.output
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "logged" / "plan.parquet"), contacts)
    later = AS_OF + timedelta(minutes=1)
    next_ = run(folder, "--decision-log", url, "--out", str(folder / "later"), "--as-of", later.isoformat())
    assert next_.exit_code == 0, next_.output
    day = pd.read_parquet(folder / "later" / "plan.parquet")
    both = day.merge(contacts, on="debtor", suffixes=("", "_before"))
    same_day = both["contact_at"].dt.tz_convert("America/Bogota").dt.date == both["contact_at_before"].dt.tz_convert(
        "America/Bogota"
    ).dt.date  # fmt: skip
    assert not same_day.any()


def test_one_unknown_fact_that_leaves_most_alone_is_no_plan(folder, tmp_path):
    """With the reason and the mend of `score`, and exit code 2."""
    accounts = pd.read_parquet(folder / "accounts.parquet")
    for name in ("contacts.parquet", "capacity.toml"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    accounts.drop(columns="flags").to_parquet(tmp_path / "accounts.parquet")
    for verb in ("plan", "score"):
        asked = [
            verb, str(tmp_path / "accounts.parquet"), "--contacts", str(tmp_path / "contacts.parquet"), "--as-of",
            AS_OF.isoformat(), "--strategy", str(folder / "strategy"), "--other-accounts", "--out",
            str(tmp_path / f"{verb}.parquet"),
            *(["--capacity", str(tmp_path / "capacity.toml")] if verb == "plan" else []),
        ]  # fmt: skip
        answer = CliRunner().invoke(build_app(), asked)
        assert isinstance(answer.exception, InvalidInput), answer.output
        assert answer.exception.column == "unknown-flags"
        assert answer.exception.mend
        assert not (tmp_path / f"{verb}.parquet").exists()
