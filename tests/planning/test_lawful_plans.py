"""Random plans of random portfolios under random laws: no capacity, cap or rule is ever broken.

Every planned contact is judged by the naive reading of the law (:mod:`tests.rules.naive_law`), in order of time, with
the contacts that were planned before it counted as answered.
"""

import datetime as dt
import random
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.planning import (
    Appointments,
    CapacityOrder,
    InfeasiblePlan,
    PlanInputs,
    PlanOrder,
    about_plan,
    plan_day,
    verify_folder,
    write_tomorrow,
)
from recommender.rules import TOLD_FLAGS
from recommender.strategy import SeedStrategy
from tests.rules.naive_law import permits
from tests.rules.strategies import random_case

SPACE = {
    "channel": ["call", "sms", "whatsapp", "email"],
    "hour": [7, 8, 10, 13, 16, 19, 20],
    "tone": ["neutral", "firm"],
}
SEED = SeedStrategy(ActionSpace(SPACE, no_contact=True))
COLUMNS = ("flags", "party", "consented_channels", "balance_minor", "country")


def random_portfolio(rng):
    """Accounts, contacts, law and moment; debtors have several accounts, histories crowd around the caps."""
    while True:
        first = random_case(rng)
        if len(first["packs"]) == 1:
            break
    packs, at = first["packs"], dt.datetime.fromisoformat(first["at"])
    accounts, contacts = [], []
    n = rng.randint(6, 20)
    for number in range(n):
        case = random_case(rng)
        while case["packs"] != packs or "contacts" not in case or not all(name in case["account"] for name in COLUMNS):
            case = random_case(rng)
        shift = at - dt.datetime.fromisoformat(case["at"])
        debtor = f"D{rng.randrange(n)}"
        due = dt.date.fromisoformat(case["account"]["due_date"]) + dt.timedelta(
            days=round(shift.total_seconds() / 86_400)
        )
        accounts.append(
            case["account"]
            | {"account_id": f"A{number}", "debtor_id": debtor, "due_date": due.isoformat()}
            | {"flags": [flag for flag in case["account"]["flags"] if flag in TOLD_FLAGS or ":" in flag]}
        )
        for contact in case["contacts"] if rng.random() < 0.5 else []:
            sent = dt.datetime.fromisoformat(contact["sent_at"]) + shift
            ahead = sent > at
            contacts.append(
                {
                    "account_id": f"A{number}",
                    "debtor_id": debtor,
                    "sent_at": sent.isoformat(),
                    "channel": contact["channel"] or "call",
                    "initiated_by": "creditor" if ahead else contact["initiated_by"] or "creditor",
                    "outcome": None if ahead else contact["outcome"] or "live_contact",
                    "status": "planned" if ahead else "sent",
                }
            )
    return accounts, contacts, packs, at


def random_capacity(rng):
    """Agents at some hours, messages a day and an hour, one to three contacts a debtor, all arms."""
    return {
        "timezone": "America/Bogota",
        "budget": rng.choice([100, 600, 3_000]),
        "contacts_per_debtor": rng.randint(1, 3),
        "hours_between": rng.choice([1, 3]),
        "queue": [
            {
                "name": "agents",
                "channels": ["call"],
                "minutes_per_contact": rng.choice([4, 15]),
                "agents": {hour: rng.choice([0, 0.3, 2]) for hour in range(24)},
                "cost_per_contact": 50,
            },
            {
                "name": "messages",
                "channels": ["sms", "whatsapp", "email"],
                "quota": rng.randint(0, 12),
                "quota_by_hour": rng.randint(0, 4),
                "cost_per_contact": 7,
            },
        ],
        "week": {"contacts_per_debtor": rng.randint(1, 3), "days_between": rng.randint(1, 3)},
        "minimum": [{"name": "floor", "queue": "messages", "contacts": 1}] if rng.random() < 0.2 else [],
        "arms": rng.choice([{}, {"explore": 0.3, "usual": 0.3}, {"usual": 0.5, "none": 0.2}]),
    }


def as_table(rows):
    """Lists as the tables write them."""
    frame = pd.DataFrame(rows)
    for name in ("consented_channels", "flags"):
        frame[name] = [";".join(stored) for stored in frame[name]]
    return frame.drop(columns="phone")


def check_plan(seed, days=1):
    """Make a random plan and count everything that it breaks; gives the number of contacts of each day."""
    rng = random.Random(seed)
    accounts, contacts, packs, at = random_portfolio(rng)
    entries = random_capacity(rng)
    capacity = CapacityOrder.model_validate(entries)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        as_table(accounts).to_parquet(folder / "accounts.parquet")
        columns = ["account_id", "debtor_id", "sent_at", "channel", "initiated_by", "outcome", "status"]
        told = folder / "contacts.parquet" if contacts else None  # nobody was ever contacted: then it is stated
        if told is not None:
            pd.DataFrame(contacts, columns=columns).astype("str").replace({"None": None}).to_parquet(told)
        inputs = PlanInputs.prepare(
            folder / "inputs",
            accounts=folder / "accounts.parquet",
            contacts=told,
            outcomes=None,
            payments=None,
            as_of=at,
            chunk_rows=rng.choice([3, 100]),
        )
        order = PlanOrder(at, packs=tuple(packs), seed=seed, no_contacts_yet=told is None)
        (folder / "plan").mkdir()
        try:
            made, read = plan_day(inputs, SEED, order, capacity, folder / "plan", Appointments.none(), days=days)
        except InfeasiblePlan:
            return np.zeros(days, dtype=int)
        write_tomorrow(folder / "plan", made, SEED.actions_, about_plan(made, read, order, SEED))
        assert verify_folder(folder / "plan") == []
    plan = made.contacts
    for _, part in plan.groupby("day"):
        count_capacities(part, entries)
    most = entries["contacts_per_debtor"]
    assert (plan.groupby(["debtor", "day"]).size() <= most).all()
    assert (plan.groupby("debtor").size() <= (most if days == 1 else entries["week"]["contacts_per_debtor"])).all()
    stored = {one["account_id"]: one for one in accounts}
    for _, part in plan.sort_values("contact_at", kind="stable").groupby("debtor"):
        before = []
        for row in part.to_dict("records"):
            account = stored[row["account_id"]]
            moment = row["contact_at"].to_pydatetime()
            known = [one for one in contacts if one["debtor_id"] == account["debtor_id"]]
            case = {
                "packs": packs,
                "at": moment.isoformat(),
                "channel": row["channel"],
                "purpose": "collection",
                "account": account | {"phone": None},
                "contacts": [one | {"outcome": one["outcome"] or "live_contact"} for one in known] + before,
            }
            assert permits(case), (seed, row["account_id"], row["channel"], moment)
            for other in before:
                gap = abs(moment - dt.datetime.fromisoformat(other["sent_at"]))
                assert gap >= dt.timedelta(hours=entries["hours_between"])
                away = abs(row["day"] - other["day"])
                assert away == 0 or away >= entries["week"]["days_between"]
            sent = {
                "day": row["day"],
                "sent_at": moment.isoformat(),
                "channel": row["channel"],
                "account_id": row["account_id"],
            }
            before.append(sent | {"initiated_by": "creditor", "outcome": "live_contact", "status": "sent"})
    return np.bincount(plan["day"] - 1, minlength=days)


def count_capacities(plan, entries):
    """Minutes, messages and budget, from the contacts alone."""
    hour = plan["contact_at"].dt.tz_convert(entries["timezone"]).dt.hour
    calls = (plan["queue"] == "agents").to_numpy()
    for one in range(24):
        used = (calls & (hour == one)).sum() * entries["queue"][0]["minutes_per_contact"]
        assert used <= 60 * entries["queue"][0]["agents"][one] + 1e-6
        assert (~calls & (hour == one)).sum() <= entries["queue"][1]["quota_by_hour"]
    assert (~calls).sum() <= entries["queue"][1]["quota"]
    assert 50 * calls.sum() + 7 * (~calls).sum() <= entries["budget"] + 1e-6


def test_random_plans_break_nothing():
    """A quick part of the thousand, with the two of its first run whose later contact came before an earlier one."""
    assert sum(check_plan(seed).sum() for seed in (27, 35, *range(40, 50))) >= 30


def test_random_weeks_break_nothing():
    """Each contact of a week is lawful given all planned before it, whichever round planned it; days are spread."""
    by_day = sum(check_plan(seed, days=7) for seed in range(6))
    assert by_day.sum() >= 20 and (by_day > 0).sum() >= 5


@pytest.mark.proof
@pytest.mark.parametrize("block", range(25))
def test_a_thousand_random_plans_break_nothing(block):
    """0 capacities, caps or rules broken in 1,000 plans: 10 to 15 CPU minutes, 40 plans a block."""
    assert sum(check_plan(1_000 + 40 * block + number).sum() for number in range(40)) >= 40


@pytest.mark.proof
@pytest.mark.parametrize("block", range(10))
def test_a_hundred_random_weeks_break_nothing(block):
    """Laws that leave next to nothing are drawn too: the first ten weeks hold 29 contacts, 17 CPU seconds a block."""
    assert sum(check_plan(5_000 + 10 * block + number, days=7).sum() for number in range(10)) >= 10
