"""``plan`` on files: a legal day under capacity, its check, its campaign files, and what is refused."""

import datetime as dt
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender import ContactStrategy, LoggedFeedback
from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.planning import InfeasiblePlan, verify_folder
from recommender.simulation import simulate_portfolio

AS_OF = "2026-11-23T06:00:00-05:00"
CAPACITY = """
timezone = "America/Bogota"
currency = "COP"
budget = 40000
[worth]
per_response = 12000
[[queue]]
name = "agents"
channels = ["call"]
minutes_per_contact = 5
cost_per_contact = 300
agents = {8 = 0.2, 9 = 0.5, 10 = 0.5, 15 = 0.5, 16 = 0.2}
[[queue]]
name = "messages"
channels = ["sms", "whatsapp"]
cost_per_contact = 60
quota_by_hour = 5
quota = 45
[[queue]]
name = "mail"
channels = ["email"]
cost_per_contact = 5
quota = 30
[[minimum]]
name = "calls"
queue = "agents"
contacts = 6
[arms]
explore = 0.1
usual = 0.15
none = 0.05
"""
runner = CliRunner()


def small_strategy(actions):
    """A learnt strategy over two columns of the simulated portfolio; training takes seconds."""
    rng = np.random.default_rng(5)
    n = 1_200
    action = rng.integers(0, actions.n_contact_actions, n)
    log = pd.DataFrame({"capacity_to_pay": rng.gamma(2, 0.5, n), "months_on_book": rng.integers(0, 120, n)})
    log = pd.concat([log, actions.describe(action)], axis=1)
    chance = 0.05 + 0.2 * np.minimum(log["capacity_to_pay"], 2) + 0.1 * (log["channel"] == "call")
    log["reward"] = (rng.random(n) < chance).astype(float)
    log["propensity"] = 1 / actions.n_contact_actions
    columns = ["capacity_to_pay", "months_on_book"]
    feedback = LoggedFeedback.from_frame(log, actions=actions, context=columns, propensity="propensity")
    return ContactStrategy(n_jobs=1).fit(feedback)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    saved_strategy = folder / "strategy"
    small_strategy(default_actions(range(8, 18))).save(saved_strategy)
    as_of = dt.datetime.fromisoformat(AS_OF)
    accounts = simulate_portfolio(400, seed=1, as_of=as_of)
    accounts.to_parquet(folder / "accounts.parquet")
    (folder / "capacity.toml").write_text(CAPACITY)
    pd.DataFrame(
        {
            "account_id": accounts["account_id"],
            "phone": [f"+57 300 {n:07d}" for n in range(len(accounts))],
            "phone_code": "57",
            "email": [f"a{n}@example.org" if n % 2 else "" for n in range(len(accounts))],
            "first_name": "=HYPERLINK(1)",
        }
    ).to_csv(folder / "points.csv", index=False)
    due = accounts["account_id"].iloc[[0, 1, 2, 3, 4, 5]]
    pd.DataFrame(
        {"account_id": [*due, "nobody"], "at": "2026-11-23T09:30:00-05:00", "channel": "call", "kind": "callback"}
    ).to_csv(folder / "due.csv", index=False)
    return folder, saved_strategy


def planned(files, *more, capacity=None, out="tomorrow"):
    folder, strategy = files
    words = [
        "plan",
        str(folder / "accounts.parquet"),
        "--as-of",
        AS_OF,
        "--strategy",
        str(strategy),
        "--no-contacts-yet",
        *("--without", "HOUSE", "--without", "TRADE"),
    ]
    words += ["--capacity", str(capacity or folder / "capacity.toml"), "--out", str(folder / out), *map(str, more)]
    return runner.invoke(build_app(), words)


@pytest.fixture(scope="module")
def plan(files):
    folder = files[0]
    (folder / "more.toml").write_text("budget = 80000\n[[queue]]\nname = 'agents'\nagents = 2\n")
    result = planned(
        files,
        *("--appointments", folder / "due.csv", "--contact-file", folder / "points.csv"),
        *("--campaigns", folder / "campaigns", "--scenario", folder / "more.toml", "--list-id", "301"),
    )
    assert result.exit_code == 0, (result.output, result.exception)
    return folder, result.output


def test_a_day_keeps_every_limit_and_passes_its_check(plan):
    """Counted again from the table alone: minutes an hour, quotas, budget, one contact a debtor, all arms together."""
    folder = plan[0]
    contacts = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    local = contacts["contact_at"].dt.tz_convert("America/Bogota").dt.hour
    minutes = contacts.loc[contacts["queue"] == "agents"].groupby(local).size() * 5
    agents = {8: 0.2, 9: 0.5, 10: 0.5, 15: 0.5, 16: 0.2}
    assert all(used <= 60 * agents.get(hour, 0) + 1e-9 for hour, used in minutes.items())
    counts = contacts["queue"].value_counts()
    assert counts["messages"] <= 45 and counts["mail"] <= 30 and counts["agents"] >= 6
    cost = contacts["queue"].map({"agents": 300, "messages": 60, "mail": 5}).sum()
    assert cost <= 40_000
    assert contacts["debtor"].is_unique
    assert (contacts["arm"] != "none").sum() >= len(contacts) - contacts["reason"].eq("callback").sum()
    assert contacts["priority"].groupby([contacts["queue"], contacts["contact_at"]]).min().eq(1).all()
    assert contacts["template_id"].notna().all()
    assert verify_folder(folder / "tomorrow") == []
    result = runner.invoke(build_app(), ["plan", "--verify", str(folder / "tomorrow")])
    assert result.exit_code == 0, result.output


def test_appointments_come_first_or_say_why_not(plan):
    folder = plan[0]
    contacts = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    kept = contacts.loc[contacts["reason"] == "callback"]
    unplaced = json.loads((folder / "tomorrow" / "about.json").read_text())["unplaced"]
    assert len(kept) + len(unplaced) == 7
    assert {"nobody"} <= {lost["account_id"] for lost in unplaced}
    assert all(lost["why"] for lost in unplaced)
    for _, one in kept.groupby("contact_at"):
        assert sorted(one["priority"]) == list(range(1, len(one) + 1))


def test_the_random_arm_logs_its_propensities(plan):
    folder = plan[0]
    contacts = pd.read_parquet(folder / "tomorrow" / "plan.parquet")
    drawn = contacts["reason"] == "explore"
    assert (contacts.loc[drawn, "propensity"] < 1).all() and (contacts.loc[~drawn, "propensity"] == 1).all()
    assert (contacts["deterministic"] == ~drawn).all()
    arms = pd.read_parquet(folder / "tomorrow" / "arms.parquet")
    assert len(arms) == 400 and set(arms["arm"]) == {"policy", "explore", "usual", "none"}
    assert arms.loc[arms["arm"] != "explore", "propensity"].isna().all()


def test_campaign_files_hold_contact_points_and_the_plan_none(plan):
    """VICIdial's columns in its loader's order; digits only; no formula; readable by their owner only."""
    folder = plan[0]
    names = [path.name for path in (folder / "campaigns").iterdir()]
    calls = [folder / "campaigns" / name for name in names if name.endswith("vicidial.csv")]
    assert calls
    text = """vendor_lead_code source_id list_id phone_code phone_number title first_name middle_initial last_name
        address1 address2 address3 city state province postal_code country_code gender date_of_birth alt_phone email
        security_phrase comments rank owner"""
    standard = text.split()
    for path in calls:
        lead = pd.read_csv(path, dtype=str, keep_default_na=False)
        assert list(lead.columns) == standard
        assert lead["phone_number"].str.fullmatch(r"300\d{7}").all() and lead["phone_code"].eq("57").all()
        assert lead["vendor_lead_code"].str.len().le(20).all() and lead["source_id"].str.len().eq(32).all()
        assert lead["list_id"].eq("301").all()
        assert lead["first_name"].eq("'=HYPERLINK(1)").all()
        assert lead["rank"].astype(int).between(0, 99).all()
        assert path.stat().st_mode & 0o077 == 0
    for name in names:
        if name.endswith("whatsapp.jsonl"):
            body = [json.loads(line)["body"] for line in (folder / "campaigns" / name).read_text().splitlines()]
            assert all(one["messaging_product"] == "whatsapp" and one["to"].isdigit() for one in body)
            assert all(one["template"]["name"] and one["template"]["language"]["code"] for one in body)
    for path in (folder / "tomorrow").iterdir():
        assert b"example.org" not in path.read_bytes()


def test_more_agents_are_worth_more_and_the_output_says_so(plan):
    result = " ".join(plan[1].split())
    assert "scenario more: value +" in result
    assert "one more agent hour of agents at" in result


@pytest.mark.parametrize("column", ["value", "action", "propensity", "arm", "account_id"])
def test_a_tampered_plan_is_refused(plan, tmp_path, column):
    """A change of any column is found, and by more than the digest of the file."""
    folder = tmp_path / "copy"
    shutil.copytree(plan[0] / "tomorrow", folder)
    contacts = pd.read_parquet(folder / "plan.parquet")
    other = {"value": 9e9, "action": 0, "propensity": 0.123, "arm": "none", "account_id": "PA1x"}[column]
    contacts.loc[len(contacts) // 2, column] = other
    contacts.to_parquet(folder / "plan.parquet", index=False)
    assert [finding for finding in verify_folder(folder) if not finding.startswith("file:")]


def test_a_conflict_leaves_the_last_plan_and_names_the_rows(files, plan):
    folder = files[0]
    (folder / "bad.toml").write_text(CAPACITY.replace("contacts = 6", "contacts = 60"))
    before = (folder / "tomorrow" / "manifest.json").read_bytes()
    result = planned(files, capacity=folder / "bad.toml")
    assert isinstance(result.exception, InfeasiblePlan)
    assert "minimum calls" in str(result.exception) and "minutes" in str(result.exception)
    assert (folder / "tomorrow" / "manifest.json").read_bytes() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".tomorrow")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("minutes_per_contact = 5\n", "agents and minutes_per_contact"),
        ('queue = "agents"\n', "queue"),
        ("per_response = 12000", "worth"),
        ('timezone = "America/Bogota"', "timezone"),
    ],
)
def test_a_wrong_capacity_file_is_named(files, change, named):
    folder = files[0]
    (folder / "wrong.toml").write_text(CAPACITY.replace(change, "", 1))
    result = planned(files, capacity=folder / "wrong.toml", out="other")
    assert isinstance(result.exception, InvalidInput) and named in str(result.exception)


def test_the_same_inputs_give_the_same_plan(files):
    folder = files[0]
    for out in ("one", "two"):
        result = planned(files, out=out)
        assert result.exit_code == 0, result.exception
    one, two = (pd.read_parquet(folder / out / "plan.parquet") for out in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    assert np.isfinite(one["value"]).all()
