"""Several days planned as one, and the rest of a day planned again from what was sent and heard."""

import json
from datetime import UTC, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    SentToday,
    about_plan,
    plan_day,
    verify_folder,
    write_tomorrow,
)
from recommender.planning.earlier_contacts import EarlierContacts, RecentContacts
from recommender.planning.plan_case import plan_case
from recommender.store.decision_log import LedgerContact, LedgerOutcome, Standing
from tests.store.plan_portfolio import AS_OF, portfolio, write
from tests.store.test_plan_run import SEED

ORDER = PlanOrder(AS_OF, packs=("PE",))
NONE = {"outcomes": None, "payments": None}
TOLD = {
    "timezone": "America/Bogota",
    "queue": [
        {"name": "a", "channels": ["call"], "minutes_per_contact": 20, "agents": {9: 1, 12: 1, 16: 1}},
        {"name": "m", "channels": ["sms", "email"], "quota": 6},
    ],
}


def prepared(folder, as_of, accounts, contacts):
    tables = write(folder, accounts, contacts)
    return PlanInputs.prepare(
        folder / "inputs",
        accounts=tables[0],
        contacts=tables[1],
        as_of=as_of,
        chunk_rows=20,
        other_accounts=True,
        **NONE,
    )


def planned(inputs, limits, folder, order=ORDER, due=None, **more):
    folder.mkdir(parents=True)
    capacity = CapacityOrder.model_validate(limits)
    made, read = plan_day(inputs, SEED, order, capacity, folder, due or Appointments.none(), **more)
    about = about_plan(made, read, order, SEED, more.get("sent"))
    write_tomorrow(folder, made, SEED.actions_, about)
    assert verify_folder(folder) == []
    return made, about


@pytest.fixture(scope="module")
def tables():
    accounts, contacts = portfolio(90, seed=4)
    return accounts, contacts.loc[contacts["account_id"].isin(accounts["account_id"])]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory, tables):
    return prepared(tmp_path_factory.mktemp("week"), AS_OF, *tables)


def test_a_week_spreads_contacts_over_the_days_that_have_capacity(inputs, tmp_path):
    """Each day's limits hold; a day without agents has no calls; only the first day is decided."""
    limits = TOLD | {"week": {"contacts_per_debtor": 2}}
    limits["queue"] = [TOLD["queue"][0] | {"on": {"wednesday": 0, "2026-11-26": 0.5}}, TOLD["queue"][1]]
    made, about = planned(inputs, limits, tmp_path / "plan", days=7)
    contacts = made.contacts
    assert about["days"] == 7 and (contacts.groupby("day").size() > 0).sum() >= 5
    date = contacts["contact_at"].dt.tz_convert("America/Bogota")
    calls = (contacts["queue"] == "a").to_numpy()
    per_hour = contacts.loc[calls].groupby([date[calls].dt.date.astype(str), date[calls].dt.hour]).size()
    assert per_hour.max() <= 3 and "2026-11-25" not in per_hour.index.get_level_values(0)
    assert per_hour.loc["2026-11-26"].max() <= 1
    assert contacts.loc[~calls].groupby("day").size().max() <= 6
    assert contacts.groupby("debtor").size().max() == 2
    decisions = pd.read_parquet(tmp_path / "plan" / "decisions.parquet")
    assert decisions["channel"].notna().sum() == (contacts["day"] == 1).sum() > 0
    assert sorted(decisions["account_id"]) == sorted(made.arms["account_id"])


def test_a_week_is_worth_what_seven_days_are_or_more(inputs, tmp_path):
    """Where every debtor may be contacted once a week, the best week beats taking the best of each day in turn."""
    limits = TOLD | {
        "week": {"contacts_per_debtor": 1, "wait_share": 1.0},
        "worth": {"column": "balance_minor", "share": 0.1},
    }
    made, _ = planned(inputs, limits, tmp_path / "week", days=7)
    values = np.fromfile(tmp_path / "week" / "values.f32", dtype="<f4").reshape(90, 7, -1)
    rows, use = made.problem.rows, made.problem.rows.use.reshape(len(made.problem.rows.use), 7, values.shape[2], -1)
    left, met, total = rows.limit.copy(), set(), 0.0
    for day in range(7):
        for row in np.argsort(-values[:, day].max(axis=1), kind="stable"):
            debtor, kind = made.problem.debtor[row], made.problem.kind[row]
            fits = (use[kind, day] <= left + 1e-9).all(axis=1) & (values[row, day] > 0)
            if debtor not in met and fits.any():
                action = np.flatnonzero(fits)[np.argmax(values[row, day][fits])]
                left -= use[kind, day, action]
                met.add(debtor)
                total += values[row, day, action]
    assert total <= made.plan.total * (1 + made.plan.gap) + 1e-6 and made.plan.total > 1.01 * total


def test_only_the_first_part_of_a_week_decides_about_its_first_day(inputs, tmp_path):
    """Two contacts a week: what is sent today is what three days planned as one say, to the contact and its price."""
    limits = TOLD | {"week": {"contacts_per_debtor": 2}, "worth": {"column": "balance_minor", "share": 0.1}}
    week, about = planned(inputs, limits, tmp_path / "week", days=7)
    part, _ = planned(inputs, limits, tmp_path / "part", days=3)
    first = [made.contacts.loc[(made.contacts["day"] == 1) & (made.contacts["round"] == 1)] for made in (week, part)]
    columns = ["account_id", "contact_at", "channel", "queue", "value"]
    pd.testing.assert_frame_equal(first[0][columns].reset_index(drop=True), first[1][columns].reset_index(drop=True))
    assert len(first[0]) > 3
    names = {one["name"]: one["price"] for one in about["capacities"]}
    dear = dict(zip(part.whole.names, part.prices.tolist(), strict=True))
    assert all(names[name] == pytest.approx(price) for name, price in dear.items())
    assert max(dear.values()) > 0
    later = week.contacts.loc[week.contacts["day"] > 3]
    assert set(later["debtor"]) & set(first[0]["debtor"]), "a contact today leaves one later in the week"


def test_promises_of_later_days_have_their_day(inputs, tmp_path, tables):
    due = pd.DataFrame({"account_id": ["A00013", "A00013", "A00039"], "channel": ["call", "call", "call"]})
    days = pd.to_timedelta([28.3, 76.3, 28.3], unit="h")
    due = due.assign(at=pd.Timestamp(AS_OF) + days, kind="promise")
    due.to_csv(tmp_path / "due.csv", index=False)
    made, about = planned(
        inputs, TOLD, tmp_path / "plan", due=Appointments.read(tmp_path / "due.csv", AS_OF, 7), days=7
    )
    kept = made.contacts.loc[made.contacts["reason"] == "promise"]
    assert len(kept) + len(about["unplaced"]) == 3
    assert (kept["day"] == 2).all() and "kept when its day comes" in json.dumps(about["unplaced"])


def test_what_the_calendar_moves_is_known_ahead(inputs):
    """Days past due grow, days to the pay day shrink and come back, weekdays move on, stages follow."""
    part = inputs.read(inputs.chunks[0])
    first = part.accounts.head(3).assign(
        days_past_due=[29, -2, 90], days_to_payday=[1, 5, 0], weekday=["sunday", None, "monday"], stage="administrative"
    )
    part = type(part)(part.chunk, part.row[:3], first, None, part.contacts, None, None)
    frame = plan_case(part, SEED, ORDER, inputs, CapacityOrder.model_validate(TOLD), day=3).frame
    assert frame["days_past_due"].tolist() == [32, 1, 93]
    assert frame["days_to_payday"].tolist() == [28, 2, 27]
    assert frame["weekday"].tolist()[::2] == ["wednesday", "thursday"] and pd.isna(frame["weekday"][1])
    assert frame["stage"].tolist() == ["extrajudicial", "administrative", "judicial"]


@pytest.fixture
def morning(inputs, tmp_path):
    """A plan in force, made at eight in the morning."""
    made, _ = planned(inputs, TOLD, tmp_path / "morning")
    return made.contacts


def test_the_rest_of_a_day_is_planned_again(morning, tables, tmp_path):
    """What was sent stays and counts, an opt-out and lost agents act, nothing lies beyond the day or before now."""
    accounts, contacts = tables
    now = AS_OF + timedelta(hours=4, minutes=30)  # 12:30 in Bogota
    early = morning.loc[morning["contact_at"] <= now - timedelta(hours=1)]
    running = morning.loc[(morning["contact_at"] > now - timedelta(hours=1)) & (morning["contact_at"] <= now)]
    sent, later = early.iloc[:1], morning.loc[morning["contact_at"] > now]
    assert len(sent) and len(running) and len(later) > 1
    rows = pd.DataFrame({"contact_id": [f"N{i}" for i in range(len(sent))], "account_id": sent["account_id"].array})
    rows = rows.assign(sent_at=sent["contact_at"].array, channel=sent["channel"].array, initiated_by="creditor",
                       outcome="delivered", status="sent")  # fmt: skip
    gone = later["account_id"].iloc[0]
    accounts = accounts.assign(flags=accounts["flags"].where(accounts["account_id"] != gone, "do_not_contact"))
    again = prepared(tmp_path / "now", now, accounts, pd.concat([contacts, rows], ignore_index=True))
    limits = TOLD | {"queue": [TOLD["queue"][0] | {"agents": {16: 1}}, TOLD["queue"][1]]}
    kept = SentToday.read(tmp_path / "morning", again, now, CapacityOrder.model_validate(limits))
    assert sorted(kept.kept["decision_id"]) == sorted([*sent["decision_id"], *running["decision_id"]])
    made, about = planned(again, limits, tmp_path / "later", PlanOrder(now, packs=("PE",)), sent=kept)
    plan = made.contacts
    assert len(plan) > 0 and (plan["contact_at"] > now).all()
    assert (plan["contact_at"] <= pd.Timestamp(AS_OF) + pd.Timedelta(days=1)).all()
    assert not set(plan["debtor"]) & set(kept.kept["debtor"]) and gone not in set(plan["account_id"])
    calls = plan.loc[plan["queue"] == "a", "contact_at"].dt.tz_convert("America/Bogota").dt.hour
    assert (calls == 16).all() and len(calls) <= 3
    messages = (kept.kept["queue"] == "m").sum() + (plan["queue"] == "m").sum()
    assert messages <= 6
    replaced = about["replaced"]
    assert replaced["sent"] == len(sent) and replaced["under_way"] == len(running)
    assert replaced["as_planned"] + replaced["moved"] + replaced["withdrawn"] == len(kept.released)
    assert about["ends"].startswith((AS_OF + timedelta(days=1)).astimezone(UTC).isoformat()[:16])


def test_a_plan_of_another_day_is_not_replaced(morning, inputs, tmp_path):
    tick = timedelta(microseconds=1)
    for away in (-tick, timedelta(days=1), timedelta(hours=30)):
        with pytest.raises(InvalidInput, match="Make a new plan"):
            SentToday.read(tmp_path / "morning", inputs, AS_OF + away, CapacityOrder.model_validate(TOLD))
    for away in (timedelta(0), timedelta(days=1) - tick):
        SentToday.read(tmp_path / "morning", inputs, AS_OF + away, CapacityOrder.model_validate(TOLD))


def test_what_the_decision_log_knows_is_sent_and_heard(morning, inputs, tmp_path):
    """A dispatched contact is kept at the time it was made, whatever the plan said; an opt-out joins the history."""
    first, other = morning.iloc[0], morning.iloc[-1]
    at = AS_OF + timedelta(minutes=75)
    stop = LedgerOutcome(other["decision_id"], other["account_id"], _name(other), "sms", at, "opt_out", None, None)
    sent = LedgerContact(first["decision_id"], first["account_id"], _name(first), "call", at, "dispatched")
    log = _Log(Standing(contacts={_name(first): [sent]}, outcomes={_name(other): [stop]}))
    now = AS_OF + timedelta(hours=2)
    kept = SentToday.read(tmp_path / "morning", inputs, now, CapacityOrder.model_validate(TOLD), log)
    assert kept.kept.loc[kept.kept["state"] == "sent", "decision_id"].tolist() == [first["decision_id"]]
    assert (kept.kept["contact_at"] == pd.Timestamp(at)).any()
    again, about = planned(inputs, TOLD, tmp_path / "later", PlanOrder(now, packs=("PE",)), sent=kept)
    assert about["replaced"]["sent"] == 1
    assert other["account_id"] not in set(again.contacts.loc[again.contacts["channel"] == "sms", "account_id"])
    assert not set(again.contacts["debtor"]) & set(kept.kept["debtor"])


def test_a_promise_that_the_log_knows_holds_until_its_day_in_a_plan_of_the_rest_of_the_day(morning, inputs, tmp_path):
    """It was told twenty days ago, longer than a promise without a day holds; of one worth a contact in any plan."""
    last, at, now = morning.loc[morning["value"].idxmax()], AS_OF - timedelta(days=20), AS_OF + timedelta(hours=2)
    for day, is_open in ((AS_OF + timedelta(days=5), True), (AS_OF - timedelta(days=1), False)):
        told = LedgerOutcome(
            last["decision_id"], last["account_id"], _name(last), "sms", at, "promise_to_pay", None, None, day.date()
        )
        log = _Log(Standing(outcomes={_name(last): [told]}))
        kept = SentToday.read(tmp_path / "morning", inputs, now, CapacityOrder.model_validate(TOLD), log)
        again, _ = planned(inputs, TOLD, tmp_path / f"open-{is_open}", PlanOrder(now, packs=("PE",)), sent=kept)
        assert (last["account_id"] not in set(again.contacts["account_id"])) == is_open


def _name(contact):
    return contact["debtor"].partition(" ")[2]


class _Log:
    """A decision log that knows one thing."""

    def __init__(self, standing):
        self._standing = standing

    def standing(self, debtors, since, accounts):
        assert since < AS_OF and set(accounts.values()) <= set(debtors)
        return self._standing


def test_a_day_is_open_while_seven_days_hold_fewer_contacts_than_allowed():
    """Those in the plan and those sent in the days before count together; the last one is so many days away."""
    capacity = CapacityOrder.model_validate(TOLD | {"week": {"contacts_per_debtor": 2, "days_between": 1}})
    within = np.array([[0, 0, 0, 1, 1, 1, 1, 1]])  # one, three days before
    recent = RecentContacts(np.array([3.0]), within)
    assert capacity.week_of(7).contacts_per_debtor == 2
    assert recent.open_on(np.array([0]), 7, capacity).all()
    assert recent.open_on(np.array([1]), 7, capacity)[0].tolist() == [False] * 4 + [True] * 3
    assert not recent.open_on(np.array([2]), 7, capacity).any()


def test_contacts_of_a_plan_keep_their_distance_to_the_instant_and_to_the_day():
    """Two hours after are enough and a microsecond less is not; two hours before are, in a plan of several days."""
    noon = pd.Timestamp("2026-11-23T12:00:00Z")
    rows = pd.DataFrame({"account_id": ["A"], "debtor": ["D"], "contact_at": [noon], "channel": ["sms"], "day": [1]})
    earlier = EarlierContacts(rows, 2)
    limits = TOLD | {"hours_between": 2.0, "contacts_per_debtor": 3, "week": {"days_between": 2}}
    capacity = CapacityOrder.model_validate(limits)
    steps = pd.to_timedelta([-2 * 3_600_000_000, -1, 2 * 3_600_000_000 - 1, 2 * 3_600_000_000], unit="us")
    at = (noon + steps).tz_convert(None).to_numpy("datetime64[us]")[None, :]
    alone = CapacityOrder.model_validate({name: value for name, value in limits.items() if name != "week"})
    assert earlier.open_at(pd.Series(["D"]), at, 1, alone)[0].tolist() == [False, False, False, True]
    days = np.concatenate([at[0], at[0] + np.timedelta64(1, "D"), at[0] + np.timedelta64(2, "D")])[None, :]
    open_ = earlier.open_at(pd.Series(["D"]), days, 3, capacity)[0].reshape(3, 4)
    assert open_[0].tolist() == [True, False, False, True]
    assert not open_[1].any(), "the next day is nearer than two days"
    assert open_[2].all()


def test_a_contact_of_seven_days_ago_is_within_the_week():
    """Whole days are counted: six and a half days ago is the seventh, seven and a half is beyond it."""
    ids = pd.Series(["A", "B"])
    sent = [AS_OF - timedelta(days=6.5), AS_OF - timedelta(days=7.5)]
    recent = RecentContacts.of(pd.DataFrame({"account_id": ids, "sent_at": sent}), ids, ids, AS_OF)
    assert recent.last.tolist() == [7.0, 8.0]
    assert recent.within[:, 6:].tolist() == [[0, 1], [0, 0]]
