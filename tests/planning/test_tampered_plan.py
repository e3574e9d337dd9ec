"""A plan on disk that somebody changed, with a manifest forged to match, is found all the same."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from recommender.artefact import arrays_from_bytes, arrays_to_bytes
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    about_plan,
    plan_day,
    verify_folder,
    write_tomorrow,
)
from recommender.planning.plan_folder import file_digest
from tests.store.plan_portfolio import AS_OF, portfolio, write
from tests.store.test_plan_run import SEED

CAPACITY = CapacityOrder.model_validate(
    {
        "timezone": "America/Bogota",
        "budget": 900,
        "contacts_per_debtor": 2,
        "queue": [
            {"name": "a", "channels": ["call"], "minutes_per_contact": 7, "agents": {9: 1, 12: 1, 16: 1},
             "cost_per_contact": 50},
            {"name": "m", "channels": ["sms", "email"], "quota": 20, "cost_per_contact": 9},
        ],
        "arms": {"explore": 0.25, "usual": 0.25},
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plan with callbacks, all arms and a second round."""
    folder_path = tmp_path_factory.mktemp("plan")
    accounts, contacts = portfolio(90, seed=4)
    tables = write(folder_path, accounts, contacts.loc[contacts["account_id"].isin(accounts["account_id"])])
    inputs = PlanInputs.prepare(folder_path / "inputs", accounts=tables[0], contacts=tables[1], as_of=AS_OF,
                                chunk_rows=40, outcomes=None, payments=None)  # fmt: skip
    due = pd.DataFrame({"account_id": ["A00013", "A00039", "A00078"], "kind": "callback", "channel": "call"})
    due["at"] = pd.Timestamp(AS_OF) + pd.Timedelta(hours=1, minutes=20)
    order = PlanOrder(AS_OF, packs=("PE",))
    (folder_path / "plan").mkdir()
    made, read = plan_day(inputs, SEED, order, CAPACITY, folder_path / "plan", Appointments(due))
    write_tomorrow(folder_path / "plan", made, SEED.actions_, about_plan(made, read, order, SEED))
    assert set(made.contacts["reason"]) >= {"value", "callback", "explore", "usual"}
    assert made.contacts["round"].max() == 2
    assert verify_folder(folder_path / "plan") == []
    return folder_path / "plan"


def contacts(change):
    """Change the table of contacts."""

    def tamper(plan_folder):
        table = change(pd.read_parquet(plan_folder / "plan.parquet"))
        table.to_parquet(plan_folder / "plan.parquet", index=False)

    return tamper


def column(name, value, reason="value"):
    """Set a column of the first contact of a reason."""

    def change(table):
        table = table.astype({name: object}) if table[name].dtype == "str" else table
        at = table.index[table["reason"] == reason][0]
        table.loc[at, name] = value(table.loc[at, name])
        return table

    return contacts(change)


def swapped(name):
    """Exchange a column between two contacts that differ in it."""

    def change(table):
        values = table[name].to_numpy(dtype=object)
        other = next(at for at in range(1, len(values)) if values[at] != values[0])
        values[[0, other]] = values[[other, 0]]
        return table.assign(**{name: pd.array(values, dtype=table[name].dtype)})

    return contacts(change)


def both_swapped(table):
    names = ["account_id", "place"]
    return table.assign(**{name: [*table[name].iloc[[1, 0]], *table[name].iloc[2:]] for name in names})


def about(change):
    def tamper(plan_folder):
        fields = json.loads((plan_folder / "about.json").read_text())
        change(fields)
        (plan_folder / "about.json").write_text(json.dumps(fields))

    return tamper


def opened(plan_folder):
    stored = np.fromfile(plan_folder / "values.f32", dtype="<f4")
    stored[np.flatnonzero(~np.isfinite(stored))[5]] = 1e9
    stored.tofile(plan_folder / "values.f32")


def problem(name, change, file="problem.npz"):
    def tamper(plan_folder):
        stored = dict(arrays_from_bytes((plan_folder / file).read_bytes()))
        stored[name] = change(stored[name].copy())
        (plan_folder / file).write_bytes(arrays_to_bytes(stored))

    return tamper


def certificate(change):
    def tamper(plan_folder):
        fields = json.loads((plan_folder / "certificate.json").read_text())
        change(fields)
        (plan_folder / "certificate.json").write_text(json.dumps(fields))

    return tamper


def arms(name, change):
    def tamper(plan_folder):
        table = pd.read_parquet(plan_folder / "arms.parquet")
        table.assign(**{name: change(table[name].copy())}).to_parquet(plan_folder / "arms.parquet", index=False)

    return tamper


def decisions(plan_folder):
    table = pd.read_parquet(plan_folder / "decisions.parquet")
    table.assign(propensity=table["propensity"] / 2).to_parquet(plan_folder / "decisions.parquet", index=False)


def values(plan_folder):
    stored = np.fromfile(plan_folder / "values.f32", dtype="<f4")
    stored[np.isfinite(stored)] += 1
    stored.tofile(plan_folder / "values.f32")


def first_two_swapped(array):
    other = np.flatnonzero(array != array[0])[0]
    array[[0, other]] = array[[other, 0]]
    return array


KINDS = {
    "accounts swapped": swapped("account_id"),
    "accounts and places swapped": contacts(both_swapped),
    "queues swapped": swapped("queue"),
    "instants swapped": swapped("contact_at"),
    "channels swapped": swapped("channel"),
    "priorities swapped": swapped("priority"),
    "debtors swapped": swapped("debtor"),
    "decision ids swapped": swapped("decision_id"),
    "an instant an hour later": contacts(lambda t: t.assign(contact_at=t["contact_at"] + pd.Timedelta(hours=1))),
    "a row twice": contacts(lambda t: pd.concat([t, t.iloc[[0]]], ignore_index=True)),
    "a row left out": contacts(lambda t: t.iloc[1:].reset_index(drop=True)),
    "a value that is no number": column("value", lambda _: np.nan),
    "a value raised": column("value", lambda value: value + 1),
    "a score that calls itself a callback": column("reason", lambda _: "callback"),
    "a random contact that calls itself certain": column("propensity", lambda _: 1.0, "explore"),
    "a propensity that is no number": column("propensity", lambda _: np.nan, "explore"),
    "a negative propensity": column("propensity", lambda p: -p, "explore"),
    "another arm": column("arm", lambda _: "usual"),
    "a second round moved to the first": contacts(lambda t: t.assign(round=1)),
    "another day": contacts(lambda t: t.assign(day=2)),
    "a callback behind a score": contacts(
        lambda t: t.assign(priority=t.groupby(["queue", "contact_at"])["priority"].transform("max") + 1 - t["priority"])
    ),
    "more agents in the capacities": about(lambda t: t["capacity"]["queue"][0]["agents"].update({"9": 5})),
    "a cost in the capacities": about(lambda t: t["capacity"]["queue"][1].update(cost_per_contact=1)),
    "another budget in the capacities": about(lambda t: t["capacity"].update(budget=10_000)),
    "a day with fewer contacts a debtor": about(lambda t: t["capacity"].update(contacts_per_debtor=1)),
    "other shares of the arms": about(lambda t: t["capacity"]["arms"].update(explore=0.1)),
    "another experiment": about(lambda t: t["capacity"]["arms"].update(experiment="mine")),
    "another strategy": about(lambda t: t.update(strategy="0" * 12)),
    "another moment": about(lambda t: t.update(as_of="2026-11-23T14:00:00+00:00")),
    "another seed": about(lambda t: t.update(seed=1)),
    "another purpose": about(lambda t: t.update(purpose="thanks")),
    "a gap told smaller": about(lambda t: t.update(gap=-1.0)),
    "a use told smaller": about(lambda t: t["capacities"][0].update(used=0.5)),
    "a round hidden": about(lambda t: t.update(rounds=1)),
    "no capacity": about(lambda t: t["capacity"].update(queue=t["capacity"]["queue"][:1])),
    "a limit raised everywhere but in the capacities": problem("whole_limit", lambda limit: limit + 7),
    "uses halved": problem("use", lambda use: use / 2),
    "debtors made one": problem("debtor", np.zeros_like),
    "debtors of two accounts swapped": problem("debtor", first_two_swapped),
    "clocks an hour earlier": problem("clocks", lambda clocks: clocks - 3_600_000_000),
    "queues of a kind": problem("kind_queues", lambda queues: np.where(queues >= 0, 1 - queues, queues)),
    "a negative price": certificate(lambda t: t["prices"].update({next(iter(t["prices"])): -1.0})),
    "a price that is no number": certificate(lambda t: t["prices"].update({next(iter(t["prices"])): float("nan")})),
    "a bound lowered": certificate(lambda t: t.update(bound=t["value"], gap=0.0)),
    "arms drawn again": arms("arm", lambda arm: arm.iloc[::-1].to_numpy()),
    "debtors of arms": arms("debtor", lambda name: name.iloc[::-1].to_numpy()),
    "propensities of the draw": arms("propensity", lambda p: p / 2),
    "decisions": decisions,
    "values": values,
    "templates swapped": swapped("template_id"),
    "a text of one's own": column("template_id", lambda _: "x.free.text"),
    "a column more": contacts(lambda t: t.assign(phone="+57300")),
    "a column less": contacts(lambda t: t.drop(columns="stage")),
    "rows turned round": contacts(lambda t: t.iloc[::-1].reset_index(drop=True)),
    "a score that calls itself a minimum": column("reason", lambda _: "minimum"),
    "another unit": about(lambda t: t.update(unit="USD")),
    "fewer accounts": about(lambda t: t.update(accounts=5)),
    "a week": about(lambda t: t.update(days=7)),
    "a denied value opened": opened,
    "clocks of a further round": problem("clocks", lambda clocks: clocks + 1, "problem-2.npz"),
    "a stranger's file": lambda place: (place / "extra.csv").write_text("call me"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_tampered_plan_is_found_behind_a_forged_manifest(folder, tmp_path, kind):
    plan_folder = tmp_path / "plan"
    shutil.copytree(folder, plan_folder)
    KINDS[kind](plan_folder)
    stored = json.loads((plan_folder / "manifest.json").read_text())
    (plan_folder / "manifest.json").write_text(json.dumps({name: file_digest(plan_folder / name) for name in stored}))
    assert verify_folder(plan_folder)
