"""A day that is told as a moment is the day of the account's own calendar, for every table and every road."""

# ruff: noqa: E501 - tables of cases are read by their lines

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.columns import Columns
from recommender.history.contract_check import check_table
from recommender.history.instants import read_dates, read_instants
from recommender.intake import Stated, TableReading, account_states, account_zones, day_told, one_spelling
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.rules import due_days
from recommender.tables import CONTRACTS
from tests.intake.test_front_door import ACCOUNTS, AS_OF, CONTACTS, SEED, contacted, plan_of, write

BOGOTA = ZoneInfo("America/Bogota")
#: The evening of 28 November in Bogota, when it is the 29th in UTC; and days without an hour.
EVENING = (
    "2026-11-28T20:00:00-05:00", "2026-11-29T01:00:00Z", "2026-11-29 01:00:00 utc", "2026-11-29t01:00:00z", "1795914000",
    "1795914000000", "2026-11-29T03:00:00+02:00", "20261129T010000Z", "Sun, 29 Nov 2026 01:00:00 GMT", "2026-11-28 20:00",
    "2026-11-28", "2026-11-28T00:00:00Z", "2026-11-28T00:00:00-05:00", "2026-11-28 00:00:00+00",
)  # fmt: skip
PLACES = ({"timezone": "America/Bogota"}, {"country": "COLOMBIA"}, {"timezone": "Bogotá"})


def read(table, frame, **stated):
    reading = TableReading(table, Stated(**stated))
    reading.observe(frame)
    return reading.read(frame), reading


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("cell", EVENING)
def test_a_day_told_as_a_moment_lies_on_the_accounts_calendar(cell, place):
    """For decisions and for the log, alone and beside the other spellings."""
    for cells in ([cell], [*EVENING, cell]):
        frame = pd.DataFrame(
            {"account_id": map(str, range(len(cells))), "due_date": cells, "last_paid_on": cells}
        ).assign(**place)
        told, reading = read("accounts", frame)
        assert set(told["due_date"]) == set(told["last_paid_on"]) == {"2026-11-28"} and not reading.faults
        log = frame.drop(columns="last_paid_on")
        kept = check_table(log, CONTRACTS["accounts"], as_of=pd.Timestamp("2026-12-01T00:00Z"), clocks=_clocks)
        assert set(kept.frame["due_date"]) == {pd.Timestamp("2026-11-28")}


def _clocks(owners):
    told = {name: one_spelling(owners[name], "accounts", name) for name in ("country", "timezone") if name in owners}
    return account_zones(pd.DataFrame(told, index=range(len(owners))))


@given(
    st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2080, 1, 1)),  # noqa: DTZ001 - hypothesis asks for naive bounds
    st.sampled_from(["America/Bogota", "America/Sao_Paulo", "Europe/Madrid", "Asia/Tokyo", None]),
)
def test_days_of_moments_are_those_of_a_naive_reading(at, zone):
    """Text, a frame's instants and Python's own, one oracle: a midnight is a day as it is written."""
    aware = at.replace(microsecond=0, tzinfo=dt.UTC)
    right = aware.date() if aware.time() == dt.time() or zone is None else aware.astimezone(ZoneInfo(zone)).date()
    assert day_told(aware.isoformat(), zone) == day_told(aware, zone) == day_told(pd.Timestamp(aware), zone) == right
    column = pd.Series([aware, aware], dtype="datetime64[us, UTC]")
    for cells in (column, column.astype(object).map(lambda one: one.isoformat())):
        days, wrong = read_dates(cells, clocks=lambda: pd.Series([zone, zone], dtype=object))
        assert not wrong.any() and {day.date() for day in days} == {right}
    for rows in ([{"due_date": aware, "timezone": zone}], [{"due_date": aware.isoformat(), "timezone": zone}] * 40):
        np.testing.assert_array_equal(due_days(Columns.of(rows)), (right - dt.date(1970, 1, 1)).days)


def test_a_promise_of_an_evening_is_open_until_the_end_of_that_day():
    """Its last moment is the account's midnight, whoever tells the day and how."""
    accounts = pd.DataFrame({"account_id": ["1"], "timezone": ["America/Bogota"], "balance_minor": [5]})
    for day in (dt.date(2026, 11, 28), "2026-11-28", "2026-11-29T01:00:00Z", pd.Timestamp("2026-11-29T01:00Z")):
        contacts = pd.DataFrame({"account_id": ["1"], "sent_at": ["2026-11-20T10:00:00-05:00"], "channel": "call",
                                 "outcome": "promise_to_pay", "promise_date": pd.Series([day], dtype=object)})  # fmt: skip
        for hour, state in ((23, "open"), (24, "broken")):
            at = dt.datetime(2026, 11, 28, tzinfo=BOGOTA) + dt.timedelta(hours=hour)
            assert account_states(accounts, contacts=contacts, as_of=at)[0].promise == state, (day, hour)


def test_thanks_go_from_the_day_of_the_payment_on(tmp_path):
    """Seven days after 18 November; the same payment as an instant of UTC is no day later."""
    as_of = dt.datetime(2026, 11, 25, 7, 30, tzinfo=BOGOTA)
    contacts = write(CONTACTS.assign(sent_at="2026-10-12T08:15:00-05:00"), tmp_path / "contacts.csv")
    for told, thanked in (
        ("2026-11-17T20:00:00-05:00", 0), ("2026-11-18T01:00:00Z", 0), ("2026-11-18T20:00:00-05:00", 10), ("2026-11-19T01:00:00z", 10),
    ):  # fmt: skip
        for kind in (".csv", ".parquet"):
            accounts = ACCOUNTS.assign(last_paid_on=pd.Timestamp(told) if kind == ".parquet" else told)
            if kind == ".parquet":
                accounts["last_paid_on"] = accounts["last_paid_on"].dt.tz_convert("UTC")
            files = PlanFiles(
                accounts=write(accounts, tmp_path / f"a{kind}"), contacts=contacts, outcomes=None, payments=None
            )
            make_plan(files, tmp_path / "plan.parquet", SEED, PlanOrder(as_of, purpose="payment_confirmation"))
            assert contacted(pd.read_parquet(tmp_path / "plan.parquet")) == thanked, (told, kind)


@pytest.mark.parametrize("column", ["fecha_ultimo_pago", "cured_on", "late_due_share"])
def test_a_day_on_which_no_contact_hangs_stops_no_plan(tmp_path, column):
    """It is unknown, and said so; a day on which one hangs does."""
    cell = "1.234" if column == "late_due_share" else "03/04/2026"
    files = PlanFiles(accounts=write(ACCOUNTS.assign(**{column: cell}), tmp_path / "a.csv"),
                      contacts=write(CONTACTS, tmp_path / "c.csv"), outcomes=None, payments=None)  # fmt: skip
    done = make_plan(files, tmp_path / "plan.parquet", SEED, PlanOrder(AS_OF))
    assert contacted(pd.read_parquet(tmp_path / "plan.parquet")) == 10
    assert any(cell in note and "10 of 10 rows" in note for note in done.notes), done.notes
    assert plan_of(tmp_path / "due", accounts=ACCOUNTS.assign(due_date="03/04/2026"), contacts=CONTACTS) is None


#: 20:00 of UTC in the ways of programs and people.
EIGHT = (
    "2026-11-28T20:00:00z", "2026-11-28 20:00:00 Z", "2026-11-28 20:00 utc", "2026-11-28 20:00:00gmt", "2026-11-28 20:00:00 +00", "2026-11-28T20:00Z",
    "2026-11-28 15:00:00 -05", "2026-11-28t20:00:00.5z", "20261128T200000z", "2026-11-28T200000Z", "2026-11-28 20:00:00 +0000 UTC", "2026-11-28 15:00:00 -0500 -05",
    "2026-11-28T20:00:00+00:00Z", "2026-11-28T15:00:00\u221205:00", "28/11/2026 20:00 utc", "28.11.2026t20:00:00z",
)  # fmt: skip


@pytest.mark.parametrize("cell", EIGHT)
def test_an_offset_is_read_in_any_letters(cell):
    """By the log and by decisions, alone and beside another spelling."""
    right = pd.Timestamp("2026-11-28T20:00:00Z")
    for cells in ([cell], ["2026-11-27T10:00:00Z", cell]):
        instants = read_instants(pd.Series(cells), clocks=lambda: pd.Series([None, None], dtype=object))
        frame, reading = read("contacts", pd.DataFrame({"sent_at": cells}))
        assert not instants.unreadable.any() and not instants.naive.any() and not reading.faults
        assert instants.values.iloc[-1].floor("s") == frame["sent_at"].iloc[-1].floor("s") == right


@pytest.mark.parametrize("cell", ["2026-11-28T20:00:00-05:00Z", "2026-11-28T20:00:00x", "2026-11-28 20:00 +99:99"])
def test_two_offsets_that_differ_are_none(cell):
    """And are refused with their row."""
    assert read_instants(pd.Series([cell])).unreadable.all()
    assert [fault.rule for fault in read("contacts", pd.DataFrame({"sent_at": [cell]}))[1].faults.values()] == [
        "unreadable_date"
    ]


@pytest.mark.parametrize("zone", ["America/Bogota", None, "Bogota?"])
@pytest.mark.parametrize("told", ["2026-11-29T01:00:00Z", pd.Timestamp("2026-11-29T01:00:00Z")])
def test_the_rules_know_the_clock_of_a_country_as_tables_do(told, zone):
    """One row and many; of a country with several clocks the day stays as it is written."""
    for country, day in (("CO", "2026-11-28"), ("MX", "2026-11-28" if zone == "America/Bogota" else "2026-11-29")):
        row = {"account_id": "A", "country": country, "timezone": zone, "due_date": told}
        wanted = (pd.Timestamp(day) - pd.Timestamp("1970-01-01")).days
        for n in (1, 3):
            assert due_days(Columns.of([row] * n)).tolist() == [wanted] * n


@pytest.mark.parametrize("never", ["9999-12-31", "9999-12-31T23:59:59Z", dt.date(9999, 12, 31)])
@pytest.mark.parametrize("zone", ["America/Bogota", "Asia/Tokyo", None])
def test_a_promise_of_never_is_open(never, zone):
    """The last day that calendars know is how programs write none; it was a traceback."""
    accounts = pd.DataFrame({"account_id": ["A"], "timezone": [zone]})
    contacts = pd.DataFrame(
        {
            "account_id": ["A"],
            "sent_at": ["2026-11-20T10:00:00Z"],
            "channel": ["call"],
            "outcome": ["promise_to_pay"],
            "promise_date": [never],
        }
    )
    assert account_states(accounts, contacts=contacts, as_of=AS_OF)[0].promise == "open"
