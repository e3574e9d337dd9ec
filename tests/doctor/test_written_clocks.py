"""Time columns as they are written in a file: offsets, naive times, the hours when clocks change."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipelines import doctor, ingest
from recommender.monitoring.written_clocks import check_written_clock

MADRID = "Europe/Madrid"


def codes(values, **options):
    return {finding.code: finding for finding in check_written_clock(pd.Series(values), "sent_at", **options)}


def test_instants_with_offsets_are_fine():
    """UTC text, aware instants and numbers give no finding."""
    assert not codes(["2026-03-29T01:30:00Z"] * 3)
    assert not codes(pd.to_datetime(["2026-03-29T01:30:00Z"]))
    assert not codes([1.0, 2.0])


def test_naive_times_are_counted_and_their_clock_named():
    """A column without offsets, or with some, is told apart."""
    wholly = codes(["2026-05-01 10:00", "2026-05-01 11:00"])["naive_timestamps"]
    assert "read as UTC" in wholly.what
    partly = codes(["2026-05-01T10:00:00Z", "2026-05-01 11:00"])["naive_timestamps"]
    assert partly.what.startswith("1 of 2")
    assert partly.grade == "care"


@pytest.mark.parametrize("options", [{"naive_timezone": MADRID}, {"zones": pd.Series([MADRID] * 4)}])
@pytest.mark.parametrize("as_text", [True, False])
def test_hours_that_the_clock_skips_or_repeats_are_found(options, as_text):
    """In Madrid 02:30 of 29 March 2026 does not exist and 02:30 of 25 October 2026 happens twice."""
    values = ["2026-03-29 02:30", "2026-10-25 02:30", "2026-03-29 03:30", "2026-05-01 10:00"]
    found = codes(values if as_text else pd.to_datetime(values), **options)
    assert found["times_in_clock_gap"].figures == {"rows": 1, "example_row": 0}
    assert found["times_in_repeated_hour"].figures == {"rows": 1, "example_row": 1}
    assert MADRID in found["times_in_clock_gap"].what


def test_a_zone_without_daylight_saving_has_no_such_hours():
    """Bogota's clock never changes; an unknown zone is left to the check of zones."""
    values = ["2026-03-29 02:30", "2026-10-25 02:30"]
    assert set(codes(values, zones=pd.Series(["America/Bogota", "Nowhere/City"]))) == {"naive_timestamps"}


def test_one_offset_all_year_is_not_the_clock_of_a_zone_with_daylight_saving():
    """+01:00 in July is an hour wrong for Madrid, and right for a zone that keeps it."""
    days = pd.date_range("2026-01-01", "2026-12-31", freq="D")
    written = [f"{day:%Y-%m-%d}T10:00:00+01:00" for day in days]
    wrong = codes(written, zones=pd.Series([MADRID] * len(days)))["offset_ignores_daylight_saving"]
    truth = np.array([pd.Timestamp(text).tz_convert(MADRID).utcoffset().total_seconds() for text in written])
    assert wrong.figures == {"rows": int((truth == 7200).sum()), "judged": len(days)}
    assert not codes(written, zones=pd.Series(["Africa/Lagos"] * len(days)))


def test_the_verb_finds_them_in_a_file(tmp_path):
    """A CSV log with naive local times: the findings, the rows, and a clock that is stated."""
    rng = np.random.default_rng(0)
    n = 600
    local = pd.Timestamp("2026-03-20") + pd.to_timedelta(rng.integers(0, 20 * 1440, n), unit="min")
    frame = pd.DataFrame(
        {
            "account_id": rng.integers(0, 200, n),
            "sent_at": local.strftime("%Y-%m-%d %H:%M"),
            "timezone": MADRID,
            "channel": rng.choice(["call", "sms"], n),
            "balance": rng.normal(size=n),
            "reward": (rng.random(n) < 0.3).astype(int),
        }
    )
    frame.loc[0, "sent_at"] = "2026-03-29 02:15"
    frame.to_csv(tmp_path / "log.csv", index=False)
    app = typer.Typer(pretty_exceptions_enable=False)
    doctor.register(app)
    ingest.register(app)
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "log.csv"), "--json"], catch_exceptions=False)
    found = {finding["code"]: finding for finding in json.loads(result.stdout)["findings"]}
    assert found["naive_timestamps"]["figures"]["rows"] == n
    assert found["times_in_clock_gap"]["figures"]["rows"] >= 1
    assert "no_propensities" in found


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/Santiago", "America/Bogota"])
@pytest.mark.parametrize("hours", [-4, -3, 1, 2, 7])
@pytest.mark.parametrize("near", [0.005, 0.5])
def test_an_hour_off_either_way_is_the_other_season(zone, hours, near):
    """Of one offset all year the rows of the season in which it is an hour off; other errors are another fault."""
    days = pd.date_range("2026-01-01T12:00Z", "2026-12-31T12:00Z", freq="D")
    right = [day.tz_convert(zone).isoformat() for day in days]
    fixed = [day.tz_convert(f"Etc/GMT{-hours:+d}").isoformat() for day in days]
    some = np.random.default_rng(0).random(len(days)) < near
    written = np.where(some, fixed, right)
    truth = np.array([pd.Timestamp(text).utcoffset().total_seconds() / 3_600 for text in right])
    off = some & (np.abs(truth - hours) == 1)
    found = codes(pd.Series(written), zones=pd.Series([zone] * len(days))).get("offset_ignores_daylight_saving")
    assert (found is not None) == (off.sum() > 0.01 * len(days))
    if found is not None:
        assert (found.figures["rows"], found.figures["judged"]) == (off.sum(), len(days))
