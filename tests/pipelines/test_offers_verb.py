"""Offers in ``score``: the budget is shared out once, whatever the chunks; what was offered acts on the next run."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.store.files import read_table

ACTIONS = ActionSpace(
    {"channel": ["sms", "whatsapp"], "hour": [10, 16], "tone": ["friendly"], "offer": ["none", "d20", "six"]},
    no_contact=True,
)
OFFERS = """
schema = 1
currency = "COP"
budget_minor = 400_000
capital_percent_month = 2.0
[[offers]]
id = "d20"
kind = "discount"
percent = 20
stages = ["extrajudicial", "judicial"]
[[offers]]
id = "six"
kind = "instalments"
instalments = 6
stages = ["administrative", "extrajudicial", "judicial"]
"""
FACTS = {
    "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "currency": "COP",
    "consented_channels": "sms;whatsapp", "flags": "none", "due_date": "2026-10-10",
}  # fmt: skip


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A strategy that learnt offers, 60 accounts of 30 debtors, and a price list."""
    folder, rng, n = tmp_path_factory.mktemp("offers"), np.random.default_rng(0), 1_200
    action = rng.integers(0, len(ACTIONS), n)
    told = ACTIONS.describe(action)
    balance = rng.integers(100_000, 900_000, n).astype(float)
    chance = told["offer"].map({"none": 0.15, "d20": 0.4, "six": 0.3}).fillna(0.05).to_numpy(dtype=float)
    money = (rng.random(n) < chance) * balance * np.where(told["offer"] == "d20", 0.8, 1.0)
    frame = pd.DataFrame({"account_id": [f"L{at}" for at in range(n)], "balance_minor": balance, "reward": money})
    log = LoggedFeedback.from_frame(
        pd.concat([frame, told], axis=1), actions=ACTIONS, context=["balance_minor"], account="account_id"
    )
    ContactStrategy(random_state=0, n_jobs=1).fit(log).save(folder / "strategy")
    rows = [FACTS | {"account_id": f"A{at}", "debtor_id": f"D{at // 2}", "balance_minor": 100_000 + 9_000 * at}
            for at in range(60)]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "accounts.csv", index=False)
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


def test_a_list_for_a_strategy_that_knows_no_offers_is_refused(work, tmp_path):
    """Nothing is silently left out: the seed rules have no factor 'offer'."""
    asked = ["score", str(work / "accounts.csv"), "--as-of", "2026-11-24T08:00:00-05:00", "--out",
             str(tmp_path / "x.parquet"), "--strategy", str(tmp_path / "none"), "--no-contacts-yet", "--offers",
             str(work / "offers.toml")]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code != 0
    assert "knows no offers" in str(result.exception)
    assert not (tmp_path / "x.parquet").exists()
