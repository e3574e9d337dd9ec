"""``plan --objective --levers``: scarce contacts go where the chosen rung gains most, by the numbers of ``score``."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender import ContactStrategy
from recommender.deciding import Objective, decide
from recommender.errors import InvalidInput
from recommender.planning import check_plan_objective, verify_folder
from recommender.planning.plan_folder import file_digest
from recommender.store.decision_log import DecisionLog
from recommender.strategy import SeedStrategy
from tests.deciding.leaning_strategy import ACTIONS, NOW, leaning_accounts, leaning_strategy

QUOTA = 10
CAPACITY = f"""
timezone = "America/Bogota"
currency = "COP"
[[queue]]
name = "messages"
channels = ["sms", "email"]
quota = {QUOTA}
cost_per_contact = 7
"""
LEVERS = """
[[levers]]
factor = "channel"
level = "email"
weight = 0.5
[[levers]]
factor = "channel"
level = "sms"
floor = 1e9
"""


@pytest.fixture(scope="module")
def strategy(made_once):
    """SMS reach people; e-mails are paid."""
    return leaning_strategy(made_once)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Accounts, capacity and levers on disk."""
    path = tmp_path_factory.mktemp("objective")
    leaning_accounts().to_parquet(path / "accounts.parquet")
    (path / "strategy").mkdir()
    (path / "capacity.toml").write_text(CAPACITY)
    (path / "levers.toml").write_text(LEVERS)
    return path


@pytest.fixture(autouse=True)
def _loaded(monkeypatch, strategy):
    """A learner of one's own cannot be saved: the verb finds it all the same."""
    monkeypatch.setattr(ContactStrategy, "load", lambda _: strategy)


def planned(folder, name, *more, capacity="capacity.toml"):
    """Output and folder of a plan by an objective."""
    out = folder / f"plan-{name}-{len(more)}"
    words = [
        "plan", str(folder / "accounts.parquet"), "--no-contacts-yet", "--as-of", NOW.isoformat(), "--strategy",
        str(folder / "strategy"), "--capacity", str(folder / capacity), "--out", str(out), "--without", "HOUSE",
        "--without", "TRADE", "--objective", name, *more,
    ]  # fmt: skip
    return CliRunner().invoke(build_app(), words), out


def best_by_hand(strategy, name):
    """What each account gains most above leaving alone, from the numbers of `score`, best accounts first."""
    decided = decide(leaning_accounts(), strategy=strategy, as_of=NOW, packs=["CO"], contacts=[], top_k=5)
    values = decided.values[name]
    idle = values[decided.actions_ranked == ACTIONS.no_contact_index]
    values = np.where((decided.actions_ranked >= 0) & ~np.isnan(values), values, -np.inf)
    idle = np.nan_to_num(idle)  # nobody is reached who is left alone
    return np.sort((values - idle[:, None]).max(axis=1))[::-1]


@pytest.mark.parametrize(
    ("name", "channel", "unit", "scale"),
    [("p_reached", "sms", "p_reached", 1.0), ("p_paid", "email", "p_paid", 1.0), ("net_gain", "email", "COP", 0.01)],
)
def test_the_scarce_messages_go_where_the_rung_gains_most(folder, strategy, name, channel, unit, scale):
    """One limit in contacts: the best plan is the ten accounts that gain most, each by its best action."""
    answer, out = planned(folder, name)
    assert answer.exit_code == 0, answer.exception
    assert f"maximised: {name}" in answer.output
    contacts, about = pd.read_parquet(out / "plan.parquet"), json.loads((out / "about.json").read_text())
    assert set(contacts["channel"]) == {channel} and len(contacts) == QUOTA
    best = best_by_hand(strategy, name)[:QUOTA] * scale
    np.testing.assert_allclose(np.sort(contacts["value"])[::-1], best, rtol=1e-5)
    assert about["unit"] == unit and about["objective"]["name"] == name
    assert about["strategy"] == Objective(name=name).version_of(strategy.version_) != strategy.version_
    assert set(strategy.value_names_) <= set(contacts.columns)
    assert (contacts[f"{name}_lo"] <= contacts[name]).all()
    np.testing.assert_allclose(contacts["expected"], contacts["expected_amount"] / 100)
    assert verify_folder(out) == []


def test_what_waits_is_expected_to_bring_what_waiting_leaves(folder, strategy):
    """Tomorrow's contacts bring half of what the same would bring today, in money as in what is maximised."""
    (folder / "week.toml").write_text(CAPACITY + "[week]\nwait_share = 0.5\ncontacts_per_debtor = 1\n")
    answer, out = planned(folder, "expected_amount", "--days", "2", capacity="week.toml")
    assert answer.exit_code == 0, answer.exception
    contacts = pd.read_parquet(out / "plan.parquet")
    assert contacts.groupby("day").size().tolist() == [QUOTA] * 2
    waits = 0.5 ** (contacts["day"] - 1)
    for end in ("", "_low", "_high"):
        amount = contacts[f"expected_amount{end.replace('ow', 'o').replace('high', 'hi')}"]
        np.testing.assert_allclose(contacts[f"expected{end}"], waits * amount / 100)
    assert (contacts["value"] <= contacts["expected"] + 1e-4).all()


def test_levers_lean_stand_in_the_plan_and_in_the_log(folder, strategy):
    """A weight halves what an e-mail gains; a floor closes what stays below it, by name; decisions say by what."""
    url = f"sqlite:///{folder}/log.db"
    answer, out = planned(folder, "p_paid", "--levers", str(folder / "levers.toml"), "--decision-log", url)
    assert answer.exit_code == 0, answer.exception
    assert '"weight":0.5' in answer.output
    contacts, about = pd.read_parquet(out / "plan.parquet"), json.loads((out / "about.json").read_text())
    assert [lever["level"] for lever in about["objective"]["levers"]] == ["email", "sms"]
    assert set(contacts["channel"]) == {"email"} and "lever-floor" in about["rule_details"]
    np.testing.assert_allclose(
        np.sort(contacts["value"])[::-1], best_by_hand(strategy, "p_paid")[:QUOTA] / 2, rtol=1e-5
    )
    objective = Objective.model_validate(about["objective"])
    with DecisionLog(url) as log:
        record = log.get(str(contacts["decision_id"].iloc[0])).decision
    assert record.provenance.policy_version == objective.version_of(strategy.version_)
    assert record.ranking[0]["objective_digest"] == objective.digest
    assert about["switched_off"] == ["HOUSE", "TRADE"] and record.ranking[0]["switched_off"] == "HOUSE;TRADE"
    assert "switched off by name: HOUSE, TRADE" in answer.output
    closed = ACTIONS.describe(np.arange(ACTIONS.n_contact_actions))["channel"].eq("sms").to_numpy()
    assert not record.eligible[: ACTIONS.n_contact_actions][closed].any()


def test_neutral_levers_change_no_contact(folder):
    """The reward in money, costs taken off, is that of a plan without levers."""
    (folder / "worth.toml").write_text(CAPACITY + "[worth]\nper_response = 100\n")
    (folder / "neutral.toml").write_text('[[levers]]\nfactor = "channel"\nlevel = "sms"\n')
    contacts = []
    for more in ((), ("--levers", str(folder / "neutral.toml"))):
        answer, out = planned(folder, "reward", *more, capacity="worth.toml")
        assert answer.exit_code == 0, answer.exception
        contacts.append(pd.read_parquet(out / "plan.parquet").drop(columns=["decision_id"]))
    pd.testing.assert_frame_equal(*contacts)


def test_an_objective_that_is_not_the_versions_is_found(folder, tmp_path):
    """Whoever takes the levers out of about.json, behind a forged manifest."""
    _, made = planned(folder, "p_reached")
    out = tmp_path / "forged"
    shutil.copytree(made, out)
    about = json.loads((out / "about.json").read_text())
    about["objective"]["levers"] = [{"factor": "channel", "level": "sms", "weight": 2.0}]
    (out / "about.json").write_text(json.dumps(about))
    digests = json.loads((out / "manifest.json").read_text()) | {"about.json": file_digest(out / "about.json")}
    (out / "manifest.json").write_text(json.dumps(digests))
    assert [one.partition(":")[0] for one in verify_folder(out)] == ["objective"]


def test_what_cannot_be_planned_for_is_refused_with_the_mend(folder, strategy):
    """A name that nobody knows, and one that the seed rules do not know."""
    answer, out = planned(folder, "fame")
    assert isinstance(answer.exception, InvalidInput) and "net_gain" in str(answer.exception)
    assert not out.exists()
    with pytest.raises(InvalidInput, match="is nothing that this strategy learnt"):
        check_plan_objective(Objective(name="net_gain"), SeedStrategy(ACTIONS))


def test_a_minimum_share_of_a_lever_is_a_minimum_with_a_price(folder, tmp_path):
    """E-mails reach nobody: without the lever there is none, with it the share of those who may be e-mailed."""
    (folder / "share.toml").write_text('[[levers]]\nfactor = "channel"\nlevel = "email"\nminimum_share = 0.05\n')
    answer, out = planned(folder, "p_reached", "--levers", str(folder / "share.toml"))
    assert answer.exit_code == 0, answer.exception
    contacts, about = pd.read_parquet(out / "plan.parquet"), json.loads((out / "about.json").read_text())
    limit = {one["name"]: one for one in about["capacities"]}["minimum lever channel email"]
    assert len(contacts) == QUOTA
    assert contacts["channel"].value_counts()["email"] == -limit["limit"] == np.ceil(0.05 * len(leaning_accounts()))
    assert limit["price"] > 0
    assert verify_folder(out) == []
    forged = tmp_path / "forged"
    shutil.copytree(out, forged)
    about["capacity"]["minimum"][0]["share"] = 0.01
    (forged / "about.json").write_text(json.dumps(about))
    digests = json.loads((forged / "manifest.json").read_text()) | {"about.json": file_digest(forged / "about.json")}
    (forged / "manifest.json").write_text(json.dumps(digests))
    assert any("minimum shares of the levers" in finding for finding in verify_folder(forged))
