"""Planted faults end to end: all caught, all in quarantine with a reason, the rest used, counts right."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.history import build_feedback
from recommender.history.contract_check import check_table
from recommender.simulation import plant_faults, simulate_tables
from recommender.tables import CONTRACTS

AS_OF = pd.Timestamp("2026-06-01", tz="UTC")


@pytest.fixture(scope="module")
def simulated():
    return simulate_tables(1500, days=60, seed=3)


@pytest.fixture(scope="module")
def faulty(simulated):
    return plant_faults(simulated, share=0.05, seed=1)


def build(tables, simulated):
    return build_feedback(*tables.values(), actions=simulated.actions, as_of=simulated.as_of, reward="response")


def test_clean_tables_lose_no_row(simulated):
    """Tables without faults have an empty quarantine and every decision in the log."""
    built = build(simulated.to_dict(), simulated)
    assert len(built.quarantine) == 0
    assert len(built.feedback) == len(simulated.decisions)


def test_every_planted_fault_is_caught_and_nothing_else(simulated, faulty):
    """The quarantine holds exactly the planted rows, besides rows that hang on one (marked cascade)."""
    built = build(faulty.tables, simulated)
    own = built.quarantine[built.quarantine["rule"] != "cascade"]
    assert set(zip(own["table"], own["row"], strict=True)) == set(
        zip(faulty.planted["table"], faulty.planted["row"], strict=True)
    )
    assert own[["reason", "mend", "column", "rule"]].notna().all(axis=None)
    assert (own["reason"].str.len() > 5).all()


def test_counts_add_up(simulated, faulty):
    """Rows given are rows used plus rows in quarantine, table by table."""
    built = build(faulty.tables, simulated)
    counts = built.report.counts.set_index("table")
    assert (counts["given"] == counts["clean"] + counts["quarantined"]).all()
    for table, frame in faulty.tables.items():
        assert counts.loc[table, "given"] == len(frame)
        assert counts.loc[table, "quarantined"] == (built.quarantine["table"] == table).sum()
    assert len(built.feedback) == counts.loc["decisions", "clean"]


def test_the_rest_is_used_as_without_faults(simulated, faulty):
    """Decisions in both logs keep their action and propensity."""
    straight = build(simulated.to_dict(), simulated).frame.set_index("decision_id")
    rest = build(faulty.tables, simulated).frame.set_index("decision_id")
    assert set(rest.index) <= set(straight.index)
    columns = ["account_id", "channel", "hour", "tone", "propensity"]
    pd.testing.assert_frame_equal(rest[columns], straight.loc[rest.index, columns])


@pytest.mark.parametrize("reward", ["response", "delivered", "paid", "net_value"])
def test_no_fault_turns_a_reward_into_another(simulated, faulty, reward):
    """A reward that is known in spite of the faults is that of the clean tables; the others are counted as unknown."""

    def log(tables):
        penalties = {"opt_out": 500, "complaint": 2000} if reward == "net_value" else None
        told = {"actions": simulated.actions, "as_of": simulated.as_of, "reward": reward, "penalties": penalties}
        return build_feedback(*tables.values(), **told)

    spoilt = log(faulty.tables)
    found = spoilt.frame.set_index("decision_id")["reward"]
    want = log(simulated.to_dict()).frame.set_index("decision_id")["reward"].loc[found.index]
    lost = want.notna() & found.isna()
    report = spoilt.report
    counted = (report.n_unknown_outcomes, report.n_unknown_payments, report.n_unknown_costs)
    assert (report.n_unknown_costs > 0) == (reward == "net_value")
    assert max(counted) <= lost.sum() <= sum(counted)
    assert lost.sum() < 0.2 * want.notna().sum()
    pd.testing.assert_series_equal(found[~lost], want[~lost])


def contacts(**columns):
    held = {"contact_id": ["c1", "c2"], "account_id": ["a", "b"], "sent_at": ["2026-05-01T10:00:00Z"] * 2}
    return pd.DataFrame(held | {"channel": ["call", "sms"], "tone": ["firm", "firm"]} | columns)


def check(frame, table="contacts", **options):
    levels = {"channel": ["call", "sms"], "tone": ["firm"]}
    return check_table(frame, CONTRACTS[table], as_of=AS_OF, levels=levels, **options)


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("channel", ["call", "pigeon"], "unknown_level"),
        ("sent_at", ["2026-05-01T10:00:00Z", None], "missing"),
        ("sent_at", ["2026-05-01T10:00:00Z", "soon"], "unreadable_instant"),
        ("sent_at", ["2026-05-01T10:00:00Z", "2026-05-01 10:00"], "naive_timestamp"),
        ("sent_at", ["2026-05-01T10:00:00Z", "2026-06-01T00:00:01Z"], "after_as_of"),
        ("cost_minor", [1, -1], "negative_amount"),
        ("cost_minor", ["1", "1,000"], "not_a_number"),
        ("contact_id", ["c1", None], "missing"),
        ("contact_id", ["c1", " "], "missing"),
        ("template_id", ["ok", "atenciÃ³n"], "wrong_encoding"),
        ("template_id", ["ok", "atenci\ufffdn"], "wrong_encoding"),
        ("template_id", ["ok", b"\xe1"], "wrong_encoding"),
        ("status", ["sent", "perhaps"], "unknown_level"),
    ],
)
def test_each_fault_names_row_column_value_and_mend(column, values, rule):
    """One bad cell puts its row, and only its row, into quarantine."""
    checked = check(contacts(**{column: values}))
    found = checked.faults.frame()
    assert found[["row", "column", "rule"]].to_numpy().tolist() == [[1, column, rule]]
    assert found["mend"].str.len().gt(5).all()
    assert len(checked.frame) == 1


def test_accents_in_right_encoding_pass():
    """Proper Spanish and Portuguese text is not taken for a wrong encoding."""
    words = ["atención", "São José ÂNCORA Ãngela", "señor – €5"]
    frame = pd.concat([contacts()] * 2, ignore_index=True).iloc[:3]
    frame["contact_id"] = ["c1", "c2", "c3"]
    assert len(check(frame.assign(template_id=words)).frame) == 3


def test_exact_repeats_keep_one_row_and_differing_ones_none():
    """An exact repeat keeps the first; rows that share an id and differ all go, for nobody can tell which is right."""
    one = contacts()
    twice = pd.concat([one, one.iloc[[0]], one.iloc[[1]].assign(channel="call")], ignore_index=True)
    checked = check(twice)
    assert checked.frame["contact_id"].tolist() == ["c1"]
    assert sorted(checked.faults.frame()["rule"]) == ["duplicate_id", "duplicate_id", "duplicate_row"]


def test_local_times_are_never_taken_for_utc():
    """A column without offsets is read on the stated clock or that of its accounts; without either no row is used."""
    frame = contacts(sent_at=["2026-05-01 10:00", "2026-05-01 11:00"])
    assert check(frame).faults.frame()["rule"].tolist() == ["naive_timestamp"] * 2
    checked = check(frame, naive_timezone="America/Bogota")
    assert checked.frame["sent_at"].dt.hour.tolist() == [15, 16]
    assert "no time zone" in checked.notes[0]
    lima = check(frame, clocks=lambda owners: pd.Series(["America/Lima"] * len(owners)))
    assert lima.frame["sent_at"].dt.hour.tolist() == [15, 16]


def test_local_times_that_daylight_saving_skips_or_repeats_are_no_instant():
    """In Madrid 02:30 does not exist on 29 March 2026 and happens twice on 26 October 2025."""
    frame = contacts(sent_at=["2026-03-29 02:30", "2025-10-26 02:30"])
    checked = check(frame, naive_timezone="Europe/Madrid")
    assert checked.faults.frame()["rule"].tolist() == ["unreadable_clock_change"] * 2
    assert checked.faults.frame()["reason"].str.contains("Europe/Madrid").all()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_datetime_resolution_reads_alike(unit):
    """Whatever resolution pandas holds, instants become microseconds UTC."""
    instants = pd.Series(pd.to_datetime(["2026-05-01T10:00:00Z", "2026-05-01T11:00:00Z"])).dt.as_unit(unit)
    frame = check(contacts(sent_at=instants)).frame
    assert str(frame["sent_at"].dtype) == "datetime64[us, UTC]"
    assert frame["sent_at"].dt.hour.tolist() == [10, 11]


def test_numbers_written_as_text_match_integer_levels():
    """An hour of a CSV ("9", or 9.0 after a gap) is the level 9."""
    frame = pd.DataFrame(
        {
            "decision_id": ["x", "y"],
            "account_id": ["a", "a"],
            "decided_at": ["2026-05-01T10:00:00Z"] * 2,
            "hour": ["9", "18"],
        }
    )
    for hours in (["9", "18"], [9.0, 18.0], np.array([9, 18])):
        checked = check_table(
            frame.assign(hour=hours), CONTRACTS["decisions"], as_of=AS_OF, levels={"hour": list(range(8, 21))}
        )
        assert checked.frame["hour"].tolist() == [9, 18]


def test_contact_data_of_a_person_is_not_read():
    """A phone column is dropped with a note: it belongs in no log."""
    checked = check(contacts(phone=["+57 300", "+57 301"]))
    assert "phone" not in checked.frame
    assert any("contact data" in note for note in checked.notes)
