"""Capacities and portfolios at their edges: each ends in a lawful plan that verifies, or in an error that says why."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.planning import (
    Appointments,
    InfeasiblePlan,
    PlanInputs,
    PlanOrder,
    about_plan,
    capacity_of,
    plan_day,
    verify_folder,
    write_tomorrow,
)
from recommender.planning.idle_queues import idle_queues
from recommender.rules import house_packs
from tests.store.plan_portfolio import AS_OF, portfolio
from tests.store.test_plan_run import SEED

CALLS = {"name": "a", "channels": ["call"], "minutes_per_contact": 6, "agents": 1}
TEXTS = {"name": "m", "channels": ["sms", "whatsapp", "email"], "quota": 15}
BASE = {"timezone": "America/Bogota", "queue": [CALLS, TEXTS]}


def plan(folder, entries=BASE, change=lambda accounts: accounts, n=40, as_of=AS_OF, packs=("PE",), days=1):
    """Plan, write and verify; gives the plan."""
    accounts = change(portfolio(n, seed=4)[0])
    accounts.to_parquet(folder / "accounts.parquet")
    inputs = PlanInputs.prepare(folder / "inputs", accounts=folder / "accounts.parquet", contacts=None, outcomes=None,
                                payments=None, as_of=as_of, chunk_rows=25)  # fmt: skip
    order, capacity = PlanOrder(as_of, packs=packs, no_contacts_yet=True), capacity_of(entries, "here")
    (folder / "plan").mkdir()
    made, read = plan_day(inputs, SEED, order, capacity, folder / "plan", Appointments.none(), days=days)
    write_tomorrow(folder / "plan", made, SEED.actions_, about_plan(made, read, order, SEED))
    assert verify_folder(folder / "plan") == []
    return made


def with_(**changed):
    return BASE | changed


def hours(made, zone):
    return made.contacts["contact_at"].dt.tz_convert(zone).dt.hour


def test_no_agent_at_all_leaves_the_messages(tmp_path):
    made = plan(tmp_path, with_(queue=[CALLS | {"agents": 0}, TEXTS]))
    assert set(made.contacts["queue"]) == {"m"} and len(made.contacts) == 15


def test_nothing_of_anything_is_an_empty_plan(tmp_path):
    made = plan(tmp_path, with_(queue=[CALLS | {"agents": {9: 0}}, TEXTS | {"quota": 0}], budget=0))
    assert made.contacts.empty and made.plan.total == 0 and made.plan.gap == 0


def test_parts_of_minutes_and_agents_are_counted_exactly(tmp_path):
    """Half an agent at 7.5 minutes a call makes four calls an hour and not five."""
    entries = CALLS | {"agents": {9: 0.5}, "minutes_per_contact": 7.5}
    made = plan(tmp_path, with_(queue=[entries]))
    assert len(made.contacts) == 4 and (hours(made, "America/Bogota") == 9).all()


def test_agents_whose_night_is_the_debtors_day(tmp_path):
    """Agents in Manila work from 22:00 to 6:00; their hours after midnight are of the next date there."""
    agents = dict.fromkeys((22, 23, 0, 1, 2, 3, 4, 5), 1)
    entries = {"timezone": "Asia/Manila", "queue": [CALLS | {"agents": agents, "minutes_per_contact": 60}]}
    made = plan(tmp_path, entries)
    local = made.contacts["contact_at"].dt.tz_convert("Asia/Manila")
    assert set(local.dt.hour) == {22, 1, 5} and len(local.dt.date.unique()) == 2
    assert local.dt.hour.value_counts().max() == 1


@pytest.mark.parametrize("day", ["2026-03-07T12:00-05:00", "2026-10-31T12:00-04:00"])
def test_days_on_which_clocks_change(tmp_path, day):
    """New York goes to summer and to winter time within the week: hours stay the debtor's, no instant comes twice."""
    as_of = pd.Timestamp(day).to_pydatetime()

    def american(accounts):
        return accounts.assign(country="US", timezone="America/New_York", consented_channels="call;sms;email", flags="")

    entries = {"timezone": "America/New_York", "queue": [CALLS | {"agents": {9: 1, 16: 1}}],
            "week": {"contacts_per_debtor": 2}}  # fmt: skip
    made = plan(tmp_path, entries, american, as_of=as_of, packs=("US",), days=7)
    local = made.contacts["contact_at"].dt.tz_convert("America/New_York")
    assert set(local.dt.hour) <= {9, 16} and (local.dt.minute == 0).all()
    assert made.contacts.groupby([local.dt.date, local.dt.hour]).size().max() <= 10
    assert made.contacts["day"].nunique() >= 3


def test_debtors_of_several_time_zones_share_the_agents_hours(tmp_path):
    """Nine o'clock in Santiago and in Lima are different hours of the agents in Bogota; each is filled once."""

    def spread(accounts):
        zones = np.array(["America/Bogota", "America/Santiago", "America/Lima", "America/Sao_Paulo"])
        return accounts.assign(timezone=zones[np.arange(len(accounts)) % 4], consented_channels="call", flags="")

    made = plan(tmp_path, with_(queue=[CALLS | {"agents": 0.2}]), spread, n=80)
    per_hour = hours(made, "America/Bogota").value_counts()
    assert per_hour.max() <= 2 and len(per_hour) > 3


def test_minimums_that_contradict_each_other_are_named(tmp_path):
    low = [{"name": "one", "queue": "a", "share": 0.9}, {"name": "two", "queue": "m", "share": 0.9}]
    with pytest.raises(InfeasiblePlan, match=r"minimum (one|two)"):
        plan(tmp_path, with_(minimum=low))


@pytest.mark.parametrize("much", [{"share": 0.5}, {"contacts": 3}])
def test_a_minimum_of_nothing_and_one_of_nobody(tmp_path, much):
    """Zero contacts are always made; what asks for contacts of nobody was mistyped, and is told by its ``only``."""
    low = [{"name": "none", "queue": "a", "contacts": 0},
           {"name": "nothing", "queue": "a", "share": 0, "only": {"country": ["BR"]}}]  # fmt: skip
    assert len(plan(tmp_path, with_(minimum=low)).contacts) > 15
    nobody = {"name": "nobody", "queue": "m", "only": {"country": ["BR"]}, **much}
    (tmp_path / "again").mkdir()
    with pytest.raises(InvalidInput, match=r"'nobody' .* no account is of its only \(country = \['BR'\]\)"):
        plan(tmp_path / "again", with_(minimum=[*low, nobody]))


def test_a_minimum_of_a_level_is_a_share_of_those_who_may_be_contacted_so(tmp_path):
    """A third of the debtors whom an e-mail may reach get one, whatever it is worth; a level must be there."""
    free = with_(queue=[CALLS | {"agents": 0}, TEXTS | {"quota": 30}])
    made = plan(tmp_path, free, lambda accounts: accounts.assign(consented_channels="sms;email"))
    assert (made.contacts["channel"] == "email").sum() < 10
    (tmp_path / "more").mkdir()
    low = [{"name": "mail", "level": {"channel": "email", "tone": "friendly"}, "share": 0.34}]
    more = plan(
        tmp_path / "more", free | {"minimum": low}, lambda accounts: accounts.assign(consented_channels="sms;email")
    )
    values = np.fromfile(tmp_path / "more" / "plan" / "values.f32", dtype="<f4").reshape(40, -1)
    told = SEED.actions_.describe(np.arange(values.shape[1]))
    wanted = (told["channel"].eq("email") & told["tone"].eq("friendly")).to_numpy()
    open_ = len(np.unique(more.problem.debtor[np.isfinite(values[:, wanted]).any(axis=1)]))
    mails = more.contacts.query("channel == 'email' and tone == 'friendly'")
    assert 0 < open_ < 40
    assert len(mails) == np.ceil(0.34 * open_)
    (tmp_path / "x").mkdir()
    with pytest.raises(InvalidInput, match="has no channel of that name"):
        plan(tmp_path / "x", with_(minimum=[low[0] | {"level": {"channel": "fax"}}]))


@pytest.mark.parametrize("days", [1])
def test_what_was_sent_to_another_account_of_the_debtor_opens_the_call_for_good(tmp_path, days):
    """A history that names accounts only: the message to one opens the call to the other, also when it is confirmed."""
    accounts = portfolio(40, seed=4)[0].assign(consented_channels="call;email", flags="", party="debtor", country="CO")
    accounts = accounts.assign(debtor_id=[f"D{at // 2}" for at in range(len(accounts))], timezone="America/Bogota")
    accounts.to_parquet(tmp_path / "accounts.parquet")
    sent = pd.DataFrame({"account_id": accounts["account_id"].iloc[1::2], "channel": "email", "status": "sent",
                         "initiated_by": "creditor", "outcome": "delivered",
                         "sent_at": pd.Timestamp(AS_OF) - pd.Timedelta(days=4)})  # fmt: skip
    sent.to_parquet(tmp_path / "contacts.parquet")
    inputs = PlanInputs.prepare(
        tmp_path / "inputs", accounts=tmp_path / "accounts.parquet", contacts=tmp_path / "contacts.parquet",
        outcomes=None, payments=None, as_of=AS_OF, chunk_rows=25,
    )  # fmt: skip
    order = PlanOrder(AS_OF, packs=("CO",), house=house_packs(()))
    (tmp_path / "plan").mkdir()
    made, _ = plan_day(
        inputs,
        SEED,
        order,
        capacity_of(with_(queue=[CALLS]), "here"),
        tmp_path / "plan",
        Appointments.none(),
        days=days,
    )
    called = made.contacts.loc[made.contacts["channel"] == "call"]
    assert len(called) and called["account_id"].isin(accounts["account_id"].iloc[0::2]).any()


def test_one_account(tmp_path):
    assert len(plan(tmp_path, change=lambda accounts: accounts.iloc[[13]].reset_index(drop=True)).contacts) == 1


@pytest.mark.parametrize("days", [1, 7])
def test_nobody_may_be_contacted(tmp_path, days):
    """An empty plan that says why, and an error where a minimum asks for contacts."""
    made = plan(tmp_path, change=lambda accounts: accounts.assign(flags="deceased"), days=days)
    assert made.contacts.empty and len(made.arms) == 40
    (tmp_path / "again").mkdir()
    with pytest.raises(InfeasiblePlan, match="0 debtors"):
        plan(tmp_path / "again", with_(minimum=[{"name": "x", "queue": "a", "contacts": 1}]),
             lambda accounts: accounts.assign(flags="deceased"), days=days)  # fmt: skip


@pytest.mark.parametrize(("arm", "contacts"), [("none", False), ("usual", True), ("explore", True)])
def test_a_portfolio_that_is_one_arm(tmp_path, arm, contacts):
    made = plan(tmp_path, with_(arms={arm: 1.0}), days=1)
    assert set(made.arms["arm"]) == {arm} and (len(made.contacts) > 0) == contacts
    assert made.plan.total == 0


def test_a_week_in_which_only_others_are_contacted(tmp_path):
    made = plan(tmp_path, with_(arms={"usual": 0.5, "explore": 0.5}), days=7)
    assert (made.contacts["day"] == 1).all() and len(made.contacts) > 0


@pytest.mark.parametrize(
    "entries",
    [
        with_(budget=float("inf")),
        with_(queue=[CALLS | {"minutes_per_contact": float("nan")}]),
        with_(queue=[CALLS | {"minutes_per_contact": 0}]),
        with_(queue=[CALLS | {"agents": {24: 1}}]),
        with_(queue=[CALLS | {"agents": {9: -1}}]),
        with_(queue=[CALLS | {"on": {"someday": 1}}]),
        with_(queue=[CALLS | {"on": {"sunday": -0.5}}]),
        with_(queue=[CALLS, CALLS]),
        with_(queue=[]),
        with_(week={"days_between": 0}),
        with_(arms={"explore": 0.6, "usual": 0.6}),
        with_(timezone="Bogota"),
        with_(minimum=[{"name": "x", "queue": "nobody", "contacts": 1}]),
    ],
)
def test_what_no_capacity_can_be_is_refused_by_entry(entries):
    with pytest.raises(InvalidInput, match=r"here: "):
        capacity_of(entries, "here")


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        (CALLS | {"channels": ["paloma"]}, "does not know paloma"),
        (CALLS | {"only": {"country": ["XX"]}}, "there is no account"),
        (CALLS | {"agents": {22: 3, 2: 3}}, "work at 02:00, 22:00"),
        (CALLS | {"minutes_per_contact": 61}, "more than there is in any hour"),
        (CALLS | {"agents": {9: 1, 23: 2}}, "at 23:00 are not used"),
    ],
)
def test_a_queue_that_nothing_can_use_is_told_with_the_reason(tmp_path, queue, why):
    made = plan(tmp_path, with_(queue=[queue, TEXTS]))
    (note,) = idle_queues(made.kinds)
    assert why in note and ("not used" in note or not (made.contacts["queue"] == "a").any())


@pytest.mark.parametrize("hour", ["9.5", "9:30", "24", "noon"])
def test_an_hour_is_a_whole_one(hour):
    with pytest.raises(InvalidInput, match="whole hour"):
        capacity_of(with_(queue=[CALLS | {"agents": {hour: 1}}]), "here")
