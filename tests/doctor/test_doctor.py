"""The doctor finds what is planted, and grades it for each goal."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, LoggedFeedback
from recommender.errors import InvalidInput
from recommender.monitoring.doctor import diagnose, diagnose_refusal
from recommender.monitoring.doctor_card import card_html

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]})
N = 4000


def frame(seed=0, **columns):
    """A healthy log: uniform choice, logged propensities, outcomes within days."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2026-01-05T00:00:00Z")
    held = pd.DataFrame(
        {
            "account_id": rng.integers(0, 900, N),
            "sent_at": start + pd.to_timedelta(np.sort(rng.integers(0, 100 * 86_400, N)), unit="s"),
            "channel": rng.choice(["call", "sms"], N),
            "hour": rng.choice([9, 18], N),
            "propensity": 0.25,
            "reward": (rng.random(N) < 0.2).astype(float),
            "balance": rng.normal(size=N),
            "product": rng.choice(["loan", "card"], N),
        }
    )
    held["known_at"] = held["sent_at"] + pd.to_timedelta(rng.random(N) * 7, unit="D")
    return held.assign(**columns)


def examined(held, context=("balance", "product"), **roles):
    usual = {"reward": "reward", "propensity": "propensity", "account": "account_id", "time": "sent_at"}
    log = LoggedFeedback.from_frame(
        held, actions=SPACE, context=list(context), **(usual | {"known_at": "known_at"} | roles)
    )
    return diagnose(log)


def codes(diagnosis):
    return {finding.code for finding in diagnosis.findings if finding.grade != "fine"}


def test_healthy_log_is_good_for_both():
    """Nothing is held against a uniform, logged, mature log."""
    diagnosis = examined(frame())
    assert codes(diagnosis) == set()
    assert (diagnosis.learn, diagnosis.evaluate, diagnosis.verdict) == ("yes", "yes", "learn and evaluate")


def test_leak_stops_learning():
    """A column that separates success from failure is named, with the mend."""
    held = frame()
    held["score"] = held["reward"] * 10 + np.random.default_rng(1).normal(size=N)
    diagnosis = examined(held, ["balance", "score"])
    assert diagnosis.learn == "no"
    leak = next(finding for finding in diagnosis.findings if finding.code == "leak")
    assert leak.figures == {"column": "score"}
    assert "Leave it out" in leak.mend


def test_category_that_gives_the_outcome_away_is_a_leak_but_an_id_is_not():
    """Categories are judged on the other half of the rows."""
    held = frame()
    held["note"] = np.where(held["reward"] > 0, "agreed", "no answer")
    held["ticket"] = [f"t{k}" for k in range(N)]
    leaks = {f.figures.get("column") for f in examined(held, ["note", "ticket"]).findings if f.code == "leak"}
    assert leaks == {"note"}


def test_leak_told_by_what_is_missing():
    """A column filled only after success is a leak through its gaps."""
    held = frame()
    held["agreed_minor"] = np.where(held["reward"] > 0, 100.0, np.nan)
    assert "leak" in codes(examined(held, ["balance", "agreed_minor"]))


def test_action_determined_by_context_stops_evaluation():
    """Without propensities, an action that follows from the context supports no comparison."""
    held = frame()
    held["channel"] = np.where(held["balance"] > 0, "call", "sms")
    held["hour"] = np.where(held["product"] == "loan", 9, 18)
    diagnosis = examined(held, propensity=None)
    assert "action_determined_by_context" in codes(diagnosis)
    assert diagnosis.evaluate == "no"


def test_varied_action_without_propensities_is_care_only():
    """A random choice that was not logged can be evaluated with care."""
    diagnosis = examined(frame(), propensity=None)
    assert codes(diagnosis) == {"no_propensities"}
    assert (diagnosis.learn, diagnosis.evaluate) == ("yes", "with care")


def test_certain_choice_stops_evaluation():
    """Propensities of 1 leave nothing to compare."""
    diagnosis = examined(frame(propensity=1.0))
    assert "deterministic_policy" in codes(diagnosis)
    assert diagnosis.evaluate == "no"
    assert diagnosis.verdict == "learn"


def test_wrong_propensities_do_not_add_up():
    """Propensities that are four times too small show in the mean weight."""
    assert "weights_do_not_add_up" in codes(examined(frame(propensity=0.0625)))


def test_one_tiny_propensity_leaves_little_overlap():
    """A single propensity of one in a million takes all the weight."""
    held = frame()
    held.loc[0, "propensity"] = 1e-6
    assert "little_overlap" in codes(examined(held))


def test_partly_missing_propensities_are_counted():
    """A fifth without propensity is said, with the share."""
    held = frame()
    held.loc[: N // 5 - 1, "propensity"] = np.nan
    found = next(f for f in examined(held).findings if f.code == "missing_propensities")
    assert found.figures["share"] == pytest.approx(0.2)


def test_duplicates_are_counted():
    """Rows that repeat another are counted."""
    held = frame()
    held = pd.concat([held, held.head(100)], ignore_index=True)
    found = next(f for f in examined(held).findings if f.code == "duplicates")
    assert found.figures["rows"] == 100


def test_unripe_rewards_are_seen():
    """A success rate that falls off at the end of the log looks like outcomes that have not arrived."""
    held = frame()
    held.loc[held.index[-N // 20 :], "reward"] = 0.0
    assert "unripe_rewards" in codes(examined(held))


def test_late_outcomes_ask_for_a_longer_window():
    """Successes that pile up at the end of the window are said."""
    held = frame()
    held["known_at"] = held["sent_at"] + pd.Timedelta(days=7)
    assert "outcome_delay" in codes(examined(held))


def test_few_outcomes_stop_both():
    """Three successes are not enough for anything."""
    held = frame()
    held["reward"] = 0.0
    held.loc[:2, "reward"] = 1.0
    diagnosis = examined(held)
    assert diagnosis.verdict == "neither"


def test_only_actions_that_some_decision_allowed_can_be_thin():
    """What the law closed for everybody is no gap in the log; what it closed for some and nobody tried is."""
    held = frame().assign(channel="call")
    held.loc[::100, "channel"] = "sms"  # forty of 9 and 18 h together
    held.loc[held["channel"] == "sms", "hour"] = 9
    held.loc[held.index[:100:10], ["channel", "hour"]] = ["sms", 18]
    allowed = np.ones((N, len(SPACE)), dtype=bool)
    cells = {}
    for name, closed in (("open", []), ("shut", [3])):
        kept = held.loc[~((held["channel"] == "sms") & (held["hour"] == 18))] if closed else held
        mask = allowed[kept.index].copy()
        mask[:, closed] = False
        told = examined(kept.reset_index(drop=True), eligible=mask, propensity=None)
        cells[name] = [f.figures for f in told.findings if f.code == "thin_cells"]
    assert [(one["thin"], one["never"]) for one in cells["open"]] == [(1, 0)]
    assert cells["shut"] == []


def test_thin_levels_are_named():
    """A level with a handful of rows is named with its count."""
    held = frame()
    held.loc[held.index[20:], "channel"] = "call"
    held.loc[:19, "channel"] = "sms"
    found = next(f for f in examined(held).findings if f.code == "thin_levels")
    assert found.figures["levels"] == {"channel=sms": 20}


def test_hours_on_utc_are_suspected():
    """Hours that equal the UTC hour of the instant are probably not on the debtor's clock."""
    held = frame()
    held["sent_at"] = held["sent_at"].dt.normalize() + pd.to_timedelta(held["hour"], unit="h")
    held["known_at"] = held["sent_at"] + pd.Timedelta(days=1) * np.random.default_rng(0).random(N)
    assert "hours_on_utc" in codes(examined(held))


@pytest.mark.parametrize("offset", [-5, 9])
def test_the_offset_of_one_clock_is_told_with_its_sign(offset):
    """Five hours behind UTC (Bogota) are -5, nine ahead are +9."""
    held = frame()
    held["sent_at"] = held["sent_at"].dt.normalize() + pd.to_timedelta(held["hour"] - offset, unit="h")
    held["known_at"] = held["sent_at"] + pd.Timedelta(days=1)
    (found,) = (one for one in examined(held).findings if one.code == "hours_on_one_clock")
    assert found.figures["offset"] == offset
    assert f"{offset:+d} hours" in found.what


@pytest.mark.parametrize("offsets", [(-5, -4), (1, 2)])
def test_a_clock_with_daylight_saving_is_told_by_its_two_offsets(offsets):
    """Without zones: half of the contacts at the one, half at the other, in order."""
    held = frame()
    behind = np.where(np.arange(len(held)) % 2, *offsets)
    held["sent_at"] = held["sent_at"].dt.normalize() + pd.to_timedelta(held["hour"] - behind, unit="h")
    held["known_at"] = held["sent_at"] + pd.Timedelta(days=1)
    (found,) = (one for one in examined(held).findings if one.code == "daylight_saving")
    assert found.figures["offsets"] == list(offsets)


@pytest.mark.parametrize("ignores", [True, False])
def test_ignored_daylight_saving_is_found(ignores):
    """Hours from a fixed offset are one hour off in summer; hours from the zone are not."""
    rng = np.random.default_rng(0)
    utc_hour = rng.choice([8, 17], N)
    day = pd.Timestamp("2025-12-01T00:00:00Z") + pd.to_timedelta(rng.integers(0, 250, N), unit="D")
    instants = pd.Series(day + pd.to_timedelta(utc_hour, unit="h"))
    local = instants.dt.tz_convert("Europe/Madrid").dt.hour.to_numpy()
    hours = (utc_hour + 1) % 24 if ignores else local
    space = ActionSpace({"channel": ["call", "sms"], "hour": sorted(set(hours.tolist()))})
    held = frame(sent_at=instants, hour=hours, known_at=instants + pd.Timedelta(hours=2))
    log = LoggedFeedback.from_frame(
        held, actions=space, context=["balance"], time="sent_at", account="account_id", propensity="propensity"
    )
    found = codes(diagnose(log, zones=pd.Series(["Europe/Madrid"] * N)))
    assert ("daylight_saving" in found) is ignores


def test_broken_contract_is_a_diagnosis_too():
    """A log that cannot be built is good for neither, with the error's mend."""
    held = frame()
    held.loc[3, "propensity"] = 2.0
    with pytest.raises(InvalidInput) as error:
        examined(held)
    diagnosis = diagnose_refusal(error.value)
    assert diagnosis.verdict == "neither"
    assert diagnosis.findings[0].figures["rows"] == [3]


def test_card_is_self_contained_and_escapes():
    """The page loads nothing from outside, runs no script, and text from the log is escaped."""
    held = frame().rename(columns={"balance": "<b>paid</b>"})
    page = card_html(examined(held.assign(duration=1.0 * np.arange(N)), ["<b>paid</b>", "duration"]))
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert "<b>paid" not in page
    assert 'lang="en"' in page
    assert page.count("<h1") == 1


def test_diagnosis_is_json():
    """Everything the doctor says can be written as JSON."""
    told = json.loads(json.dumps(examined(frame()).to_dict()))
    assert told["verdict"] == "learn and evaluate"


def decided_by_product(seed=1):
    """A log whose action follows from the product."""
    held = frame(seed)
    return held.assign(channel=np.where(held["product"] == "loan", "call", "sms"), hour=9)


def test_action_determined_by_context_is_graded_for_each_goal():
    """Nothing can be evaluated; learning needs care, since what the other action would do is guesswork."""
    diagnosis = examined(decided_by_product(), propensity=None)
    assert (diagnosis.learn, diagnosis.evaluate, diagnosis.verdict) == ("with care", "no", "learn")


def test_a_few_logged_propensities_do_not_hide_that_the_context_decides():
    """Judged by the propensities only where most rows have one."""
    held = decided_by_product()
    held["propensity"] = np.where(np.arange(N) < N // 20, 1.0, np.nan)
    assert "action_determined_by_context" in codes(examined(held))


def test_rows_with_a_single_allowed_action_do_not_count_as_determined():
    """Where the law left one action, the policy had nothing to choose; it is judged where it had."""
    held = frame(2)
    forced = np.arange(N) % 20 > 0
    held.loc[forced, ["channel", "hour"]] = ["call", 9]
    allowed = np.ones((N, len(SPACE)), dtype=bool)
    allowed[forced] = False
    allowed[forced, 0] = True
    held["forced"] = forced.astype(float)
    told = {"propensity": None, "context": ("balance", "product", "forced")}
    assert "action_determined_by_context" in codes(examined(held, **told))
    assert "action_determined_by_context" not in codes(examined(held, **told, eligible=allowed))
