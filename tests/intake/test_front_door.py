"""The same facts in any spelling give the same plan or a refusal, and what any collector calls stop stops."""

# ruff: noqa: E501 - tables of cases are read by their lines
from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.factor_levels import read_actions
from pipelines.score import run
from recommender import LoggedFeedback
from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.intake import Stated
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanFiles,
    PlanInputs,
    PlanOrder,
    make_plan,
    plan_day,
)
from recommender.rules import check_case
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from recommender.store.files import read_table
from recommender.strategy import SeedStrategy

AS_OF = datetime.fromisoformat("2026-11-25T07:30:00-05:00")
IDS = [f"00{100 + n}" for n in range(10)]
SEED = SeedStrategy(default_actions(range(8, 18)))
ACCOUNTS = pd.DataFrame(
    {
        "account_id": IDS, "debtor_id": [f"D{n}" for n in range(10)], "country": "CO", "timezone": "America/Bogota",
        "balance_minor": 100_000, "currency": "COP", "due_date": [f"2026-10-{n + 10}" for n in range(10)],
        "party": "debtor", "consented_channels": "sms", "flags": "none", "language": "es",
    }
)  # fmt: skip
CONTACTS = pd.DataFrame(
    {
        "contact_id": [f"K{n}" for n in range(10)], "account_id": IDS, "sent_at": "2026-11-12T08:15:00-05:00",
        "channel": "sms", "status": "sent", "initiated_by": "creditor",
    }
)  # fmt: skip
#: Five were texted on Monday by call: the week belongs to that channel, so no text may follow.
RECENT = CONTACTS.assign(
    channel=["call", "sms"] * 5, sent_at=["2026-11-23T08:15:00-05:00", "2026-11-13T09:30:00-05:00"] * 5
)


def write(frame, path):
    match path.suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        case _:
            frame.to_parquet(path)
    return path


def plan_of(folder, accounts=ACCOUNTS, contacts=RECENT, outcomes=None, payments=None, stated=None, kind=".csv"):
    """The plan, or None where it is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    given_ = {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}
    files = {
        name: table if not isinstance(table, pd.DataFrame) else write(table, folder / f"{name}{kind}")
        for name, table in given_.items()
    }
    out = folder / "plan.parquet"
    try:
        make_plan(PlanFiles(**files), out, SEED, PlanOrder(AS_OF, stated=stated or Stated()))
    except InvalidInput:
        return None
    return pd.read_parquet(out)


def contacted(plan):
    return 0 if plan is None else int(plan.loc[plan["rank"] == 1, "channel"].notna().sum())


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    return plan_of(tmp_path_factory.mktemp("right"), kind=".parquet")


PAID = pd.DataFrame({"account_id": IDS[:1], "paid_at": "2026-11-28T12:00Z", "amount_minor": 100, "currency": "COP"})
SEED_HOURS = default_actions(Settings().contact_hours).to_dict()
OVERLAY = """
schema = 1
id = "OWN"
title = "Only after two"
kind = "house_policy"
pack_version = "1"
valid_from = 2020-01-01
reviewed_on = 2026-11-01
legal_status = "house-policy"
[time]
week = { kind = "calendar", starts = "mon" }
[[windows]]
id = "own-late"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "14:00"
to = "16:00"
cite = "own"
[[sources]]
id = "own"
law = "house policy"
article = "-"
grade = "-"
says = "Only after two."
"""


def local(texts, spelling):
    return [pd.Timestamp(text).strftime(spelling) for text in texts]


NUMBERS, CLOCK = Stated(ids_as_numbers=True), Stated(timezone="account")
SPELLINGS = {
    "JSON lines": ({}, {}, {"kind": ".jsonl"}),
    "ids as whole numbers": ({}, {"account_id": lambda f: f["account_id"].astype(int)}, {"stated": NUMBERS}),
    "ids as fractions": ({}, {"account_id": lambda f: f["account_id"].astype(float)}, {"stated": NUMBERS}),
    "ids with blanks": ({}, {"account_id": lambda f: f["account_id"] + "  "}, {}),
    "country in words": ({"country": "COLOMBIA"}, {}, {}),
    "day first": ({"due_date": lambda f: local(f["due_date"], "%d/%m/%Y")}, {}, {}),
    "month first": ({"due_date": lambda f: local(f["due_date"], "%m/%d/%Y")}, {}, {}),
    "spreadsheet days": ({"due_date": [46_305 + n for n in range(10)]}, {}, {}),
    "decimal comma": ({"balance_minor": "100.000,00"}, {}, {}),
    "points of thousands, told": ({"balance_minor": "100.000"}, {}, {"stated": Stated(decimal="comma")}),
    "local times": ({}, {"sent_at": lambda f: local(f["sent_at"], "%Y-%m-%d %H:%M:%S")}, {"stated": CLOCK}),
    "local times, day first": ({}, {"sent_at": lambda f: local(f["sent_at"], "%d/%m/%Y %I:%M %p")}, {"stated": CLOCK}),
    "epochs": ({}, {"sent_at": lambda f: [int(pd.Timestamp(t).timestamp()) for t in f["sent_at"]]}, {}),
    "UTC": ({}, {"sent_at": lambda f: [pd.Timestamp(t).tz_convert("UTC").isoformat() for t in f["sent_at"]]}, {}),
    "Spanish words": (
        {"consented_channels": "MENSAJE", "party": "titular", "flags": "ninguna", "language": "español"},
        {"channel": lambda f: f["channel"].map({"call": "LLAMADA", "sms": "Mensaje de texto"}), "status": "Enviado",
         "initiated_by": "collector"}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPELLINGS)
def test_another_spelling_is_the_same_plan(tmp_path, right, what):
    """To the cell; and half of the portfolio was called this week, so a history that is lost would be seen."""
    of_accounts, of_contacts, further = SPELLINGS[what]
    changed = [
        frame.assign(**{name: how(frame) if callable(how) else how for name, how in changes.items()})
        for frame, changes in ((ACCOUNTS, of_accounts), (RECENT, of_contacts))
    ]
    found = plan_of(tmp_path, *changed, **further)
    assert contacted(right) == 5
    pd.testing.assert_frame_equal(found, right)


REFUSED = {
    "which is the day": ({"due_date": "01/10/2026"}, {}, r"due_date.*--dates"),
    "a thousand or a fraction": ({"balance_minor": "100.000"}, {}, r"balance_minor.*--decimal"),
    "an unknown country": ({"country": "Atlantis"}, {}, r"country.*Atlantis.*ISO 3166"),
    "an unknown channel": ({"consented_channels": "paloma"}, {}, r"consented_channels.*paloma"),
    "local times on no clock": ({"timezone": None, "country": "US"}, {"sent_at": "2026-11-12 08:00"}, r"sent_at.*clock"),
    "recent local times": ({}, {"sent_at": "2026-11-23 08:15"}, r"sent_at is a recent local time.*--naive-timezone"),
    "recent ids without zeros": ({}, {"account_id": [int(n) for n in IDS]}, r"account_id lacks leading zeros.*--ids-as-numbers"),
    "accounts without zeros": ({"account_id": [int(n) for n in IDS]}, {}, r"account_id has leading zeros"),
    "ids of another system": ({}, {"account_id": [f"X-{n}" for n in range(10)]}, r"10 of 10 rows.*--other-accounts"),
    "nobody says who": ({"party": None}, {}, r"unknown-party leaves 100%.*--party"),
    "no text in their language": ({"language": "fr"}, {}, r"no-template.*100%.*--templates"),
    "nothing about flags": ({"flags": None}, {}, r"unknown-flags"),
    "no instant": ({}, {"sent_at": "ayer"}, r"sent_at.*ayer"),
    "fractions of a cent": ({"balance_minor": 1000.25}, {}, r"balance_minor.*fraction"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_understood_is_refused(tmp_path, what):
    """With column, value and mend; nothing is written."""
    of_accounts, of_contacts, match = REFUSED[what]
    files = PlanFiles(
        write(ACCOUNTS.assign(**of_accounts), tmp_path / "a.csv"),
        write(RECENT.assign(**of_contacts), tmp_path / "c.csv"),
    )
    with pytest.raises(InvalidInput, match=f"(?s){match}"):
        make_plan(files, tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))
    assert not (tmp_path / "plan.parquet").exists()


def test_all_faults_are_told_at_once(tmp_path):
    """One message for two columns of one table and one of another."""
    files = PlanFiles(
        write(ACCOUNTS.assign(country="Atlantis", due_date="01/10/2026"), tmp_path / "a.csv"),
        write(RECENT.assign(status="perhaps"), tmp_path / "c.csv"),
    )
    with pytest.raises(InvalidInput) as error:
        make_plan(files, tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))
    assert all(name in str(error.value) for name in ("accounts.country", "accounts.due_date", "contacts.status"))


def outcome(word):
    return CONTACTS[["contact_id"]].assign(occurred_at="2026-11-23T09:00:00-05:00", outcome=word)


STOPS = {
    "opt-out": {"outcomes": outcome("opt_out")},
    "opt-out, in contacts": {"contacts": CONTACTS.assign(outcome="opt_out")},
    "opt-out, in Spanish": {"outcomes": outcome("BAJA")},
    "promise": {"outcomes": outcome("promise_to_pay")},
    "complaint": {"outcomes": outcome("complaint")},
    "wrong party": {"outcomes": outcome("wrong_party")},
    "third party": {"outcomes": outcome("CONTACTO CON TERCERO")},
    "paid in full": {"payments": pd.DataFrame(
        {"account_id": [int(n) for n in IDS], "paid_at": "2026-11-24 12:00", "amount_minor": "100.000,00", "currency": "COP"}
    )},
    "three failures": {
        "outcomes": pd.concat([outcome("bounced").assign(occurred_at=f"2026-11-{d}T09:00:00Z") for d in (20, 21, 22)])
    },
}  # fmt: skip


@pytest.mark.parametrize("what", STOPS)
def test_what_collectors_call_stop_stops(tmp_path, what):
    """Ten accounts that would be contacted otherwise, and are not."""
    assert contacted(plan_of(tmp_path / "before", contacts=CONTACTS)) == 10
    plan = plan_of(tmp_path / "after", **{"contacts": CONTACTS, **STOPS[what]})
    assert plan is not None
    assert contacted(plan) == 0


LIFTED = {
    "complaint, resolved": ("complaint", "complaint_resolved"),
    "opt-out, opted in again": ("opt_out", "opt_in"),
    "promise, broken": ("promise_to_pay", "promise_broken"),
    "stopped by a person, freed again": ("contact_stopped", "contact_resumed"),
}


@pytest.mark.parametrize("what", LIFTED)
def test_what_the_contacts_tell_is_lifted_by_what_the_outcomes_tell(tmp_path, what):
    """One history in two tables: a later word counts wherever it stands, in a ranking and in a day under capacity."""
    told, later = LIFTED[what]
    tables = {"accounts": ACCOUNTS, "contacts": CONTACTS.assign(outcome=told), "outcomes": outcome(later)}
    assert contacted(plan_of(tmp_path / "held", contacts=tables["contacts"])) == 0
    assert contacted(plan_of(tmp_path / "free", **tables)) == 10
    files = {name: write(table, tmp_path / f"{name}.csv") for name, table in tables.items()}
    inputs = PlanInputs.prepare(tmp_path / "inputs", **files, payments=None, as_of=AS_OF, chunk_rows=50)
    messages = {"name": "messages", "channels": ["sms"], "quota": 100}
    capacity = CapacityOrder.model_validate({"timezone": "America/Bogota", "queue": [messages]})
    made, _ = plan_day(inputs, SEED, PlanOrder(AS_OF), capacity, tmp_path, Appointments.none())
    assert len(made.contacts) == 10


def test_a_reversal_takes_a_payment_back(tmp_path):
    """Paid and reversed: the debt is there."""
    told = pd.DataFrame({"account_id": IDS * 2, "paid_at": ["2026-11-23T12:00Z"] * 10 + ["2026-11-24T12:00Z"] * 10,
                         "amount_minor": [100_000] * 10 + [-100_000] * 10})  # fmt: skip
    assert contacted(plan_of(tmp_path, contacts=CONTACTS, payments=told)) == 10


def test_an_account_twice_is_one_account_or_an_error(tmp_path, right):
    """Word for word it counts once; with other facts nobody can tell which are right."""
    pd.testing.assert_frame_equal(plan_of(tmp_path / "a", pd.concat([ACCOUNTS, ACCOUNTS])), right)
    assert plan_of(tmp_path / "b", pd.concat([ACCOUNTS, ACCOUNTS.assign(balance_minor=5)])) is None
    assert plan_of(tmp_path / "c", pd.concat([ACCOUNTS, ACCOUNTS.assign(account_id=[n[2:] for n in IDS])])) is None


def test_a_row_says_whose_when_and_why_not(tmp_path):
    """Debtor, the debtor's own time, the set that was open; and of who is left alone, the rule and the next instant."""
    plan = plan_of(tmp_path, ACCOUNTS.assign(flags=["disputed", *["none"] * 9]), CONTACTS.assign(
        channel="call", sent_at=["2026-11-12T08:15:00-05:00"] * 9 + ["2026-11-23T08:15:00-05:00"]))  # fmt: skip
    first = plan.loc[plan["rank"] == 1].set_index("account")
    assert first["debtor"].tolist() == [f"D{n}" for n in range(10)]
    assert first.loc["00100", "reason"].startswith("floor-stop-disputed")
    assert pd.isna(first.loc["00100", "next_allowed_at"])
    # Called this week: texts are closed until Monday, which is not a holiday.
    assert "co-one-channel-week" in first.loc["00109", "reason"]
    assert first.loc["00109", "next_allowed_at"] == pd.Timestamp("2026-11-30T07:00:00-05:00")
    sent = first.dropna(subset="channel")
    assert len(sent) == 8
    assert sent["reason"].isna().all()
    assert (pd.to_datetime(sent["contact_local"], utc=True) == sent["contact_at"]).all()
    assert sent["contact_local"].str.endswith("-05:00").all()
    assert (first["eligible"].str.len() == len(SEED.actions_)).all()


def test_a_plan_is_decisions(tmp_path):
    """Eligible set and propensity are carried, contacted or not."""
    plan_of(tmp_path, ACCOUNTS.assign(flags=["disputed", *["none"] * 9]), CONTACTS)
    table = read_table(tmp_path / "plan.parquet", table="decisions")
    log = LoggedFeedback.from_tables(
        ACCOUNTS.drop(columns="party"), table, CONTACTS, None, PAID, actions=SEED.actions_, reward="paid", window_days=14,
        as_of=AS_OF + timedelta(days=40),
    )  # fmt: skip
    assert len(log) == 10
    assert log.propensity is not None
    assert log.propensity.min() > 0
    assert log.eligible is not None
    assert log.eligible.sum(axis=1).min() == 1


def test_a_plan_is_written_to_the_decision_log(tmp_path):
    """Once, however often it is made; from a database table, under an own rule pack and an own catalogue."""
    with closing(sqlite3.connect(tmp_path / "crm.db")) as crm:
        ACCOUNTS.to_sql("accounts", crm, index=False)
        CONTACTS.to_sql("contacts", crm, index=False)
    (tmp_path / "own.toml").write_text(OVERLAY, encoding="utf-8")
    told = {"as_of": AS_OF.isoformat(), "strategy": None, "contacts": f"sqlite:///{tmp_path}/crm.db#contacts",
            "overlay": [tmp_path / "own.toml"], "decision_log": f"sqlite:///{tmp_path}/log.db"}  # fmt: skip
    for name in ("a.parquet", "b.csv"):
        run(f"sqlite:///{tmp_path}/crm.db", **told, out=tmp_path / name)
    plan = pd.read_parquet(tmp_path / "a.parquet")
    assert set(plan["hour"].dropna()) <= {14, 15}
    assert read_actions(tmp_path / "a.parquet.actions.json").to_dict() == SEED_HOURS
    first = plan.loc[plan["rank"] == 1].set_index("decision_id")
    with DecisionLog(f"sqlite:///{tmp_path}/log.db") as log:
        kept = [row for rows in log.rows(None, None) for row in rows]
        assert {row["decision_id"] for row in kept} == set(first.index)
        assert all(row["propensity"] == pytest.approx(first.loc[row["decision_id"], "propensity"]) for row in kept)
        assert all(row["account_id"] == first.loc[row["decision_id"], "account"] for row in kept)


def test_yesterdays_plan_is_contacts(tmp_path):
    """What was planned for today by day and debtor is not planned again."""
    first = plan_of(tmp_path / "first", contacts=CONTACTS)
    assert contacted(first) == 10
    again = plan_of(tmp_path / "again", contacts=tmp_path / "first" / "plan.parquet")
    day = pd.concat([first, again]).query("rank == 1").dropna(subset="channel")
    day = day.assign(day=day["contact_at"].dt.tz_convert("America/Bogota").dt.date)
    assert not day.duplicated(["account", "day"]).any()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_never_a_contact_that_a_check_forbids(tmp_path_factory, data):
    """Random histories in random spellings: every contact of the plan passes the check under the true history."""
    draw = data.draw
    days = draw(st.lists(st.integers(1, 16), min_size=10, max_size=10))
    channel = draw(st.lists(st.sampled_from(["sms", "call"]), min_size=10, max_size=10))
    sent = [AS_OF - timedelta(days=day, hours=-(day % 5)) for day in days]
    true = CONTACTS.assign(channel=channel, sent_at=[at.isoformat() for at in sent])
    spelt = true.assign(
        account_id=draw(st.sampled_from([IDS, [int(n) for n in IDS], [f"{n} " for n in IDS], [f"{int(n)}.0" for n in IDS]])),
        channel=[draw(st.sampled_from({"sms": ["SMS", "mensaje"], "call": ["Llamada", "CALL"]}[name])) for name in channel],
        sent_at=draw(st.sampled_from([[at.isoformat() for at in sent], [f"{at:%d/%m/%Y %H:%M:%S}" for at in sent],
                                      [f"{at:%Y-%m-%d %H:%M:%S}" for at in sent], [f"{at:%Y%m%d%H%M%S}" for at in sent]])),
    )  # fmt: skip
    plan = plan_of(tmp_path_factory.mktemp("plan"), contacts=spelt)
    if plan is None:
        return
    for account, name, at in plan.dropna(subset="channel")[["account", "channel", "contact_at"]].itertuples(
        index=False
    ):
        facts = ACCOUNTS.loc[ACCOUNTS["account_id"] == account].iloc[0].to_dict()
        facts |= {"consented_channels": ["sms"], "flags": [], "balance_minor": 100_000}
        held = true.loc[true["account_id"] == account, ["account_id", "sent_at", "channel", "status", "initiated_by"]]
        case = {"id": account, "packs": ["CO"], "at": at.isoformat(), "channel": name, "purpose": "collection",
                "account": facts, "contacts": json.loads(held.to_json(orient="records"))}  # fmt: skip
        verdict = check_case(case)
        assert verdict["allowed"], verdict


def test_the_verb_takes_what_is_stated(tmp_path):
    """Options of the command line reach the reading."""
    accounts = write(ACCOUNTS.assign(due_date="01/10/2026"), tmp_path / "a.csv")
    contacts = write(RECENT, tmp_path / "c.csv")
    told = {"as_of": AS_OF.isoformat(), "out": tmp_path / "p.parquet", "strategy": None, "contacts": contacts}
    with pytest.raises(InvalidInput, match="--dates"):
        run(accounts, **told)
    run(accounts, **told, dates="dmy")
    assert (tmp_path / "p.parquet").is_file()
