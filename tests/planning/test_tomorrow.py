"""A day under any capacity: limits, law, debtors and the certificate, by the seed rules."""

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    about_plan,
    decisions_of,
    plan_tomorrow,
    read_portfolio,
    verify_folder,
    write_tomorrow,
)
from recommender.planning.plan_money import priced_hours
from tests.store.plan_portfolio import AS_OF, portfolio, write
from tests.store.test_plan_run import SEED

ORDER = PlanOrder(AS_OF, packs=("CO",))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Debtors with several accounts over the whole file, cut into chunks; all contacts belong to a known account."""
    folder = tmp_path_factory.mktemp("day")
    accounts, contacts = portfolio(90, seed=4)
    contacts = contacts.loc[contacts["account_id"].isin(accounts["account_id"])]
    tables = write(folder, accounts, contacts)
    none = {"outcomes": None, "payments": None}
    return PlanInputs.prepare(
        folder / "inputs", accounts=tables[0], contacts=tables[1], as_of=AS_OF, chunk_rows=20, **none
    )


def planned(inputs, capacity, folder, due=None):
    read = read_portfolio(inputs, SEED, ORDER, capacity, folder, due or Appointments.none())
    made = plan_tomorrow(read, ORDER, capacity)
    read.aside_path.unlink()
    return made, about_plan(made, read, ORDER, SEED)


@settings(max_examples=12, deadline=None)
@given(
    agents=st.dictionaries(st.sampled_from([9, 12, 16]), st.floats(0, 1.5), max_size=3),
    quota=st.integers(0, 25),
    hourly=st.integers(0, 10),
    budget=st.floats(0, 900),
    explore=st.sampled_from([0.0, 0.3]),
    usual=st.sampled_from([0.0, 0.3, 0.7]),
    called=st.lists(st.integers(0, 89), max_size=6, unique=True),
)
def test_no_capacity_is_ever_exceeded(inputs, agents, quota, hourly, budget, explore, usual, called):
    """Counted from the contacts alone; and what was written passes the check that anyone can run."""
    order = {
        "timezone": "America/Bogota",
        "budget": budget,
        "queue": [
            {"name": "a", "channels": ["call"], "minutes_per_contact": 7, "agents": agents, "cost_per_contact": 50},
            {"name": "m", "channels": ["sms", "email"], "quota": quota, "quota_by_hour": hourly, "cost_per_contact": 9},
        ],
        "arms": {"explore": explore, "usual": usual},
    }
    due = pd.DataFrame({"account_id": [f"A{n:05d}" for n in called], "kind": "callback", "channel": "call"})
    due["at"] = pd.Timestamp(AS_OF) + timedelta(hours=1, minutes=20)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, about = planned(inputs, CapacityOrder.model_validate(order), folder, Appointments(due))
        contacts = made.contacts
        hour = contacts["contact_at"].dt.tz_convert("America/Bogota").dt.hour
        calls = (contacts["queue"] == "a").to_numpy()
        for one in range(24):
            assert (calls & (hour == one)).sum() * 7 <= 60 * agents.get(one, 0) + 1e-6
            assert (~calls & (hour == one)).sum() <= hourly
        assert (~calls).sum() <= quota
        assert np.where(calls, 50, 9).sum() <= budget + 1e-6
        assert contacts["debtor"].is_unique
        assert (contacts["reason"] == "callback").sum() + len(made.unplaced) == len(called)
        none_learnt = dict.fromkeys(("expected", "expected_low", "expected_high"), np.nan)
        written = replace(made, contacts=contacts.drop(columns="share").assign(**none_learnt))
        write_tomorrow(folder, written, SEED.actions_, about)
        assert verify_folder(folder) == []


def test_propensities_of_the_random_arm_are_how_often_it_happens(inputs, tmp_path):
    """Over many seeds each account's frequency of contact is one less its chance of being left alone, debtors with
    several accounts included; every account of the arm has a propensity, contacted or not.
    """
    capacity = CapacityOrder.model_validate(
        {
            "timezone": "America/Bogota",
            "queue": [{"name": "m", "channels": ["sms", "email"], "quota": 90}],
            "arms": {"explore": 1.0},
        }
    )
    read = read_portfolio(inputs, SEED, ORDER, capacity, tmp_path, Appointments.none())
    contacted, alone, wanted = np.zeros(len(read.facts)), np.full(len(read.facts), np.nan), 0.0
    several = read.facts["debtor"].duplicated(keep=False).to_numpy()
    rounds = 300
    for seed in range(rounds):
        made = plan_tomorrow(read, replace(ORDER, seed=seed), capacity)
        contacted[made.contacts["place"]] += 1
        idle = np.setdiff1d(np.arange(len(read.facts)), made.contacts["place"])
        alone[idle] = made.arms["propensity"].to_numpy()[idle]
    known = ~np.isnan(alone)
    assert known[several].sum() > 20
    wanted = (1 - alone[known & several]).sum() * rounds
    assert wanted > 500
    assert abs(contacted[known & several].sum() - wanted) < 4 * np.sqrt(wanted)


def test_the_decisions_of_a_plan_are_a_raw_table_with_arms(inputs, tmp_path):
    """A row for every account; ingest can keep the arm that was drawn by chance."""
    entries = {"name": "m", "channels": ["sms", "email"], "quota": 30}
    order = {"timezone": "America/Bogota", "queue": [entries], "arms": {"explore": 0.4, "usual": 0.3}}
    made, _ = planned(inputs, CapacityOrder.model_validate(order), tmp_path)
    table = decisions_of(made.contacts, made.arms, SEED.actions_, AS_OF.isoformat(), "v1")
    assert sorted(table["account_id"]) == sorted(made.arms["account_id"])
    assert table["channel"].notna().sum() == len(made.contacts) > 0
    chance = table["arm"] == "explore"
    assert (table.loc[~chance, "propensity"] == 1).all() and table.loc[~chance, "deterministic"].all()
    assert (table.loc[chance & ~table["deterministic"], "propensity"] <= 1).all()
    assert (chance & ~table["deterministic"]).sum() == made.arms["propensity"].notna().sum() > 5


def test_an_agent_hour_brings_the_price_of_the_minutes_that_it_has():
    """Forty-five minutes of talk an hour at 200 a minute are 9,000; an hour with room to spare is not told."""
    made = SimpleNamespace(
        whole=SimpleNamespace(names=["agents 09h minutes", "agents 10h minutes", "messages"]),
        prices=np.array([200.0, 0.0, 7.0]),
    )
    order = SimpleNamespace(queue=[SimpleNamespace(name="agents", minutes_per_agent_hour=45.0)])
    assert list(priced_hours(made, order, "COP")) == ["one more agent hour of agents at 09:00 brings 9,000 COP"]
