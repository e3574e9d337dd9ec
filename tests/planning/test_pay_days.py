"""A week's plan that knows pay days: scarce contacts wait for them, and every road values a moment alike."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from recommender.deciding import decide
from recommender.planning import Appointments, CapacityOrder, PlanFiles, PlanInputs, PlanOrder, make_plan, plan_day
from tests.deciding.payday_strategy import ACCOUNT, payday_strategy

AS_OF = datetime(2026, 11, 23, 13, tzinfo=UTC)  # Monday, eight in the morning in Bogota
TOLD = {
    "timezone": "America/Bogota",
    "worth": {"per_response": 1000},
    "queue": [{"name": "m", "channels": ["sms"], "quota": 6, "on": {"sunday": 0}}],
    "week": {"contacts_per_debtor": 1},
}
ORDER = PlanOrder(AS_OF, packs=("CO",), no_contacts_yet=True)


@pytest.fixture(scope="module")
def strategy(made_once):
    return payday_strategy(made_once)


def portfolio(paydays):
    rows = [ACCOUNT | {"account_id": f"A{at:02}", "debtor_id": f"D{at:02}"} for at in range(len(paydays))]
    return pd.DataFrame(rows).assign(payday=pd.array(paydays, dtype="str"))


def planned(folder, accounts, strategy, days):
    folder.mkdir()
    accounts.to_parquet(folder / "accounts.parquet")
    inputs = PlanInputs.prepare(
        folder / "inputs", accounts=folder / "accounts.parquet", contacts=None, outcomes=None, payments=None,
        as_of=AS_OF, chunk_rows=5, other_accounts=True,
    )  # fmt: skip
    (folder / "plan").mkdir()
    capacity = CapacityOrder.model_validate(TOLD)
    made, _ = plan_day(inputs, strategy, ORDER, capacity, folder / "plan", Appointments.none(), days=days)
    return made.contacts.set_index("account_id").sort_index()


def test_a_week_holds_a_contact_back_until_pay_day_and_a_day_cannot(strategy, tmp_path):
    """One contact a week: paid on Thursday waits for it, paid today is written to now, unknown waits for nothing."""
    paydays = ["26"] * 6 + ["10;23"] * 4 + [None] * 2
    week = planned(tmp_path / "week", portfolio(paydays), strategy, 7)
    assert week.index.is_unique and len(week) == 12
    assert week["day"].iloc[:6].between(4, 6).all(), week["day"].tolist()
    assert week["day"].iloc[6:10].between(1, 3).all(), week["day"].tolist()
    assert (week["day"].iloc[10:] <= 2).all(), week["day"].tolist()
    day = planned(tmp_path / "day", portfolio(paydays), strategy, 1)
    assert {*day.index} >= {"A06", "A07", "A08", "A09"} and len(day) == 6
    blind = planned(tmp_path / "blind", portfolio(paydays).drop(columns="payday"), strategy, 7)
    assert blind["day"].max() <= 2, "whose pay day nobody knows does not wait"


def test_a_plan_a_batch_and_a_decision_value_a_moment_alike(strategy, tmp_path):
    """What a contact of Thursday is expected to bring is what a decision of Thursday says, from the pay day alone."""
    accounts = portfolio(["26", "15;30", None, "31", "1", "22"])
    week = planned(tmp_path / "week", accounts, strategy, 7)
    for row in accounts.to_dict("records"):
        mine = week.loc[row["account_id"]]
        at = AS_OF + timedelta(days=int(mine["day"]) - 1)
        made = decide([row], strategy=strategy, as_of=at, packs=["CO"], contacts=[], top_k=22, explore=False)
        ranked = made.ranked
        same = ranked[(ranked["channel"] == mine["channel"]) & (ranked["contact_at"] == mine["contact_at"])]
        waited = 0.8 ** (mine["day"] - 1)  # wait_share, which no decision knows
        assert mine["expected"] == pytest.approx(1000 * waited * same["expected_reward"].item(), rel=1e-6)
    accounts.assign(flags="none").to_csv(tmp_path / "accounts.csv", index=False)
    files = PlanFiles(accounts=tmp_path / "accounts.csv", contacts=None, outcomes=None, payments=None)
    make_plan(files, tmp_path / "score.parquet", strategy, ORDER, chunk_rows=4)
    batch = pd.read_parquet(tmp_path / "score.parquet")
    alone = decide(accounts.to_dict("records"), strategy=strategy, as_of=AS_OF, packs=["CO"], contacts=[]).ranked
    both = batch.merge(alone, on=["row", "rank"], validate="1:1")
    assert len(both) == len(batch) == len(alone)
    assert (both["expected_reward_x"] == both["expected_reward_y"]).all()
    assert (both["propensity_x"] == both["propensity_y"]).all()
