"""Offers in ``score``: the budget is shared out once, whatever the chunks; what was offered acts on the next run."""

from __future__ import annotations

import importlib
import json
from datetime import UTC, datetime

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.offers import PriceList
from recommender.planning import budget_in_log, verify_folder
from recommender.store.decision_log import BudgetSpent, DecisionLog, offers_made
from recommender.store.files import read_table
from tests.pipelines.offer_world import CAPACITY, OFFERS, offer_accounts, offer_strategy


@pytest.fixture(scope="module")
def work(tmp_path_factory, made_once):
    """A strategy that learnt offers, 60 accounts of 30 debtors, and a price list."""
    folder = tmp_path_factory.mktemp("offers")
    offer_strategy(made_once).save(folder / "strategy")
    offer_accounts().to_csv(folder / "accounts.csv", index=False)
    (folder / "offers.toml").write_text(OFFERS, encoding="utf-8")
    return folder


def score(work, out, day=24, *more):
    """Run the verb; the dispatched row of each account."""
    asked = ["score", str(work / "accounts.csv"), "--as-of", f"2026-11-{day}T08:00:00-05:00", "--out", str(out),
             "--strategy", str(work / "strategy"), "--no-contacts-yet", "--offers",
             str(work / "offers.toml"), *more]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    return pd.read_parquet(out).query("rank == 1").set_index("account")


def test_the_budget_is_shared_out_once_and_the_next_run_remembers(work, tmp_path):
    """In any chunks the same plan; all offers taken cost no more than the budget; nothing better follows, ever."""
    first = score(work, tmp_path / "a.parquet")
    small = score(work, tmp_path / "b.parquet", 24, "--chunk-rows", "7")
    pd.testing.assert_frame_equal(first, small)
    made = read_table(tmp_path / "a.parquet.offers.parquet", table="offered")
    assert 0 < len(made) < 30
    assert made["cost_minor"].sum() <= 400_000
    assert made["debtor_id"].is_unique
    kinds = first["offer"].map({"d20": "incentive", "six": "flexible-offer"}).dropna()
    assert (first.loc[kinds.index, "template_id"].str.split(".").str[1] == kinds).all()
    offered = ["--offered", str(tmp_path / "a.parquet.offers.parquet")]
    second = score(work, tmp_path / "c.parquet", 25, *offered)
    later = read_table(tmp_path / "c.parquet.offers.parquet", table="offered").set_index("debtor_id")
    before = made.set_index("debtor_id")
    both = later.index.intersection(before.index)
    assert len(both)
    assert (later.loc[both, "offer_id"] == before.loc[both, "offer_id"]).all()
    assert (later.loc[both, "account_id"] == before.loc[both, "account_id"]).all()
    new = later.drop(both)["cost_minor"].sum()
    assert made["cost_minor"].sum() + new <= 400_000
    logged = ["--decision-log", f"sqlite:///{tmp_path}/log.db"]
    pd.testing.assert_frame_equal(score(work, tmp_path / "d.parquet", 24, *logged)[["offer"]], first[["offer"]])
    by_log = score(work, tmp_path / "e.parquet", 25, *logged)
    gives = {"none": 0.0, "six": 5.0, "d20": 20.0}
    was = first["offer"].map(gives).groupby(first["debtor"]).max()
    now = by_log["offer"].map(gives).groupby(by_log["debtor"]).max()
    told = was[was > 0].index
    assert (now[told].fillna(0) <= was[told]).all()
    assert len(second) == len(by_log) == 60


def plan(work, name, accounts, log, *more, prices=None):
    """Run the plan verb; its answer and folder."""
    (work / "capacity.toml").write_text(CAPACITY)
    asked = ["plan", str(accounts), "--as-of", "2026-11-24T08:00:00-05:00", "--out", str(work / name), "--strategy",
             str(work / "strategy"), "--no-contacts-yet", "--offers", str(prices or work / "offers.toml"), "--capacity",
             str(work / "capacity.toml"), "--decision-log", log, *more]  # fmt: skip
    return CliRunner().invoke(build_app(), asked), work / name


@pytest.fixture
def halves(work, tmp_path):
    """The portfolio in two, by debtors."""
    accounts = pd.read_csv(work / "accounts.csv")
    paths = [tmp_path / "first.csv", tmp_path / "second.csv"]
    for path, part in zip(paths, (accounts.iloc[30:], accounts.iloc[:30]), strict=True):
        part.to_csv(path, index=False)
    return paths


def spent(url):
    """What the offers of a log may cost, one by one."""
    with DecisionLog(url) as log:
        return offers_made(log)


def test_a_plan_tells_terms_keeps_them_in_the_log_and_the_next_one_reads_them(work, halves, tmp_path):
    """Cost, currency and end of each offer in the rows, in the table of offers and in the log: a budget goes on."""
    url = f"sqlite:///{tmp_path}/log.db"
    answer, folder = plan(work, "terms", halves[0], url)
    assert answer.exit_code == 0, answer.exception
    contacts = pd.read_parquet(folder / "plan.parquet")
    made = contacts.loc[contacts["offer"].ne("none")]
    assert len(made) and (made["offer_currency"] == "COP").all() and (made["offer_cost"] > 0).all()
    assert ((made["offer_until"] - made["contact_at"]) == pd.Timedelta(days=10)).all()
    assert contacts.loc[contacts["offer"].eq("none"), ["offer_currency", "offer_until"]].isna().all(axis=None)
    told = pd.read_parquet(folder / "offers.parquet").set_index("account_id")
    logged = spent(url).set_index("account_id")
    assert sorted(told.index) == sorted(logged.index) == sorted(made["account_id"])
    assert (logged["cost_minor"] - told.loc[logged.index, "cost_minor"]).abs().max() < 1e-6
    assert (logged["valid_until"] == told.loc[logged.index, "valid_until"]).all()
    assert verify_folder(folder) == []
    with DecisionLog(url) as log:
        first = log.get(str(made["decision_id"].iloc[0])).decision.ranking[0]
    assert json.loads(first["offer"])["currency"] == "COP" and first["values"]["offer_cost"] > 0
    # the rest of the budget is there for others, and no more than that
    answer, other = plan(work, "rest", halves[1], url)
    assert answer.exit_code == 0, answer.exception
    assert len(spent(url)) > len(logged) and spent(url)["cost_minor"].sum() <= 400_000 + 1e-6
    by_score = score(work, tmp_path / "s.parquet", 24, "--decision-log", url)
    assert by_score["offer_currency"].dropna().eq("COP").all()
    assert (by_score["offer_until"].notna() == by_score["offer"].isin(["d20", "six"])).all()
    assert other.is_dir()


@pytest.mark.parametrize(("first", "second"), [("plan", "plan"), ("plan", "score"), ("score", "plan")])
def test_two_runs_at_once_never_spend_the_budget_twice(work, halves, tmp_path, empty_url, monkeypatch, first, second):
    """Both read a free budget; whoever writes last is refused, writes nothing, and plans again with what is left."""
    prices = tmp_path / "offers.toml"  # one offer, so that what is granted is what is spent
    whole = OFFERS.replace("400_000", "100_000")
    prices.write_text(whole[: whole.index("[[offers]]")] + whole[whole.rindex("[[offers]]") :])

    def run(verb, accounts, name):
        if verb == "plan":
            return plan(work, f"{tmp_path.name}-{name}", accounts, empty_url, prices=prices)
        asked = ["score", str(accounts), "--as-of", "2026-11-24T08:00:00-05:00", "--out", str(tmp_path / name),
                 "--strategy", str(work / "strategy"), "--no-contacts-yet", "--offers", str(prices),
                 "--decision-log", empty_url]  # fmt: skip
        return CliRunner().invoke(build_app(), asked), tmp_path / name

    module, name = (
        ("pipelines.plan", "log_tomorrow") if first == "plan" else ("recommender.planning.plan_run", "log_plan")
    )
    original, others = getattr(importlib.import_module(module), name), []

    def late(*arguments, **named):
        monkeypatch.setattr(f"{module}.{name}", original)
        others.append(run(second, halves[1], f"other-{first}-{second}")[0])
        return original(*arguments, **named)

    monkeypatch.setattr(f"{module}.{name}", late)
    answer, place = run(first, halves[0], f"mine-{first}-{second}")
    assert others[0].exit_code == 0, others[0].exception
    assert isinstance(answer.exception, BudgetSpent), answer.output
    assert not place.exists()
    before = spent(empty_url)
    assert set(before["account_id"]) <= {f"A{at}" for at in range(30)}
    with DecisionLog(empty_url) as log:  # and not a word about the others
        mine = [f"D{at}" for at in range(15, 30)]
        assert not any(log.standing(mine, datetime(2026, 11, 1, tzinfo=UTC), {}).seen.debtors.values())
    again, _ = run(first, halves[0], f"mine-{first}-{second}")
    assert again.exit_code == 0, again.exception
    assert 0 < before["cost_minor"].sum() <= spent(empty_url)["cost_minor"].sum() <= 100_000 + 1e-6


def test_offers_told_in_a_file_count_beside_those_of_the_log(work, halves, tmp_path):
    """One that the log knows too counts once; one that it does not know is taken off what the log may hold."""
    prices = PriceList.from_toml(OFFERS)
    at = pd.Timestamp("2026-11-20T15:00Z")
    table = pd.DataFrame(
        {"account_id": ["A1", "A2"], "offer_id": "six", "offered_at": at, "cost_minor": [1_000, 2_000]}
    )
    moment = datetime(2026, 11, 24, tzinfo=UTC)
    assert budget_in_log(prices, [table], [table.iloc[:1]], moment).minor == 398_000
    assert budget_in_log(prices, [table, table], [table], moment).minor == 400_000
    assert budget_in_log(prices, [table], [], datetime(2026, 12, 1, tzinfo=UTC)).minor == 400_000  # run out
    assert budget_in_log(None, [], [], moment) is None


def test_a_list_for_a_strategy_that_knows_no_offers_is_refused(work, tmp_path):
    """Nothing is silently left out: the seed rules have no factor 'offer'."""
    asked = ["score", str(work / "accounts.csv"), "--as-of", "2026-11-24T08:00:00-05:00", "--out",
             str(tmp_path / "x.parquet"), "--strategy", str(tmp_path / "none"), "--no-contacts-yet", "--offers",
             str(work / "offers.toml")]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code != 0
    assert "knows no offers" in str(result.exception)
    assert not (tmp_path / "x.parquet").exists()
