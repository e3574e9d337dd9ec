"""A day under any capacity: limits, law, debtors and the certificate, by the seed rules; campaign files by column."""

import csv
import json
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

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
    decisions_of,
    packaged_adapters,
    plan_tomorrow,
    read_portfolio,
    verify_folder,
    write_campaigns,
    write_tomorrow,
)
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
    return made


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
        made = planned(inputs, CapacityOrder.model_validate(order), folder, Appointments(due))
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
        write_tomorrow(folder, made, SEED.actions_, {})
        assert verify_folder(folder) == []


def contacts_of(channel, queue, account="A1"):
    at = pd.Timestamp("2026-11-23T15:00Z")
    row = {"queue": queue, "channel": channel, "account_id": account, "contact_at": at, "priority": 1}
    return pd.DataFrame([row | {"template_id": "t-1", "decision_id": "d" * 32, "reason": "value"}])


POINTS = pd.DataFrame(
    {"account_id": ["A1"], "phone": ["+57 (300) 123"], "phone_code": ["57"], "email": ["a@b.co"], "first_name": ["Ana"]}
).set_index("account_id")


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("sms", {"to": "+57300123", "template_id": "t-1", "send_at": "2026-11-23T15:00:00Z", "reference": "d" * 32}),
        ("email", {"to": "a@b.co", "template_id": "t-1", "first_name": "Ana", "reference": "d" * 32}),
        (
            "call",
            {"vendor_lead_code": "A1", "phone_code": "57", "phone_number": "300123", "list_id": "7", "rank": "99"},
        ),
        ("letter", {"account_id": "A1", "channel": "letter", "priority": "1", "decision_id": "d" * 32}),
    ],
)
def test_a_campaign_file_holds_what_its_system_reads(tmp_path, channel, expected):
    written, lost = write_campaigns(contacts_of(channel, "q"), tmp_path, POINTS, None, {"list_id": "7"})
    (row,) = csv.DictReader((tmp_path / next(iter(written))).read_text().splitlines())
    assert row.items() >= expected.items() and not lost


def test_a_whatsapp_line_is_a_template_message_of_the_cloud_api(tmp_path):
    written, _ = write_campaigns(contacts_of("whatsapp", "q"), tmp_path, POINTS)
    assert json.loads((tmp_path / next(iter(written))).read_text())["body"] == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": "57300123",
        "type": "template",
        "template": {"name": "t-1", "language": {"code": "es"}},
    }


def test_a_new_plan_leaves_no_file_of_the_last_and_none_of_others(tmp_path):
    """A debtor moved from calls to messages must not be dialled by the old file; a stranger's file stays."""
    (tmp_path / "mine.csv").write_text("kept")
    old, _ = write_campaigns(contacts_of("call", "agents"), tmp_path, POINTS)
    new, _ = write_campaigns(contacts_of("sms", "messages"), tmp_path, POINTS)
    assert {path.name for path in tmp_path.iterdir()} == {"mine.csv", "campaign-files.json", *new}
    assert not set(old) & set(new)


def test_who_has_no_contact_point_is_counted_and_left_out(tmp_path):
    written, lost = write_campaigns(contacts_of("sms", "messages", "A2"), tmp_path, POINTS)
    assert sum(written.values()) == 0 and lost == {"messages": 1}


def test_the_plain_list_serves_what_no_other_does():
    assert list(packaged_adapters())[-1] == "plain"


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
    told = {"name": "m", "channels": ["sms", "email"], "quota": 30}
    order = {"timezone": "America/Bogota", "queue": [told], "arms": {"explore": 0.4, "usual": 0.3}}
    made = planned(inputs, CapacityOrder.model_validate(order), tmp_path)
    table = decisions_of(made, SEED.actions_, AS_OF.isoformat(), "v1")
    assert sorted(table["account_id"]) == sorted(made.arms["account_id"])
    assert table["channel"].notna().sum() == len(made.contacts) > 0
    chance = table["arm"] == "explore"
    assert (table.loc[~chance, "propensity"] == 1).all() and table.loc[~chance, "deterministic"].all()
    assert (table.loc[chance & ~table["deterministic"], "propensity"] <= 1).all()
    assert (chance & ~table["deterministic"]).sum() == made.arms["propensity"].notna().sum() > 5
