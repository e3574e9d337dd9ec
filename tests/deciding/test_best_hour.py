"""Best hours: a week of one debtor over one channel, holidays and law marked by rule, the best slots first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeClassifier

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.deciding import Accounts, Decider, decide, week_ahead
from recommender.deciding.best_hour import _hours
from recommender.strategy import SeedStrategy

BOGOTA = ZoneInfo("America/Bogota")
MONDAY = datetime(2026, 12, 7, 11, tzinfo=UTC)  # six in the morning; Tuesday the 8th is a holiday
ACTIONS = ActionSpace({"channel": ["sms", "call"], "hour": list(range(7, 21)), "tone": ["friendly"]}, no_contact=True)
ACCOUNT = {
    "account_id": "A", "debtor_id": "D", "country": "CO", "timezone": "America/Bogota", "language": "es",
    "party": "debtor", "consented_channels": "sms;call", "balance_minor": 400_000, "flags": "",
    "due_date": "2026-11-25", "x": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def strategy() -> ContactStrategy:
    """Calls work at six in the evening, SMS at ten."""
    rng = np.random.default_rng(0)
    n = 2_500
    action = rng.integers(0, len(ACTIONS), n)
    frame = pd.concat([pd.DataFrame({"x": rng.normal(size=n)}), ACTIONS.describe(action)], axis=1)
    best = np.where(frame["channel"] == "call", 18, 10)
    near = (frame["hour"].astype(float) - best).abs() <= 1
    frame["reward"] = (rng.random(n) < np.where(near, 0.6, 0.15)).astype(float)
    log = LoggedFeedback.from_frame(frame, actions=ACTIONS, context=["x"])
    learner = DecisionTreeClassifier(min_samples_leaf=40, random_state=0)
    return ContactStrategy(random_state=0, n_jobs=1, reward_model=learner).fit(log)


def test_a_week_has_every_hour_and_agrees_with_the_decision(strategy: ContactStrategy) -> None:
    """Legal cells are those of decide() on each day, with its values; the others name rule and law."""
    given = {"packs": ["CO"], "contacts": []}
    week = week_ahead(Decider(strategy), [ACCOUNT], channel="call", as_of=MONDAY, **given)
    assert len(week.hours) == 7 * 14
    assert week.hours["contact_at"].is_monotonic_increasing
    made = decide([ACCOUNT], strategy=strategy, as_of=MONDAY, top_k=99, explore=False, **given).ranked
    today = made[made["channel"] == "call"].set_index("contact_at")["expected_reward"]
    same = week.hours.set_index("contact_at").loc[today.index]
    assert same["legal"].all()
    pd.testing.assert_series_equal(same["expected_reward"], today)
    closed = week.hours[~week.hours["legal"]]
    assert (closed["rules"] != "").all()
    assert closed["expected_reward"].isna().all()
    holiday = closed[closed["date"] == datetime(2026, 12, 8, tzinfo=BOGOTA).date()]
    assert len(holiday) == 14
    assert holiday["rules"].str.contains("holiday|window").all()
    assert not week.hours[week.hours["weekday"] == "sun"]["legal"].any()
    saturday = week.hours[week.hours["weekday"] == "sat"]
    assert saturday[saturday["legal"]]["hour"].between(8, 14).all()
    assert "Ley 2300" in " ".join(closed["citations"])


def test_the_best_slots_are_legal_and_best(strategy: ContactStrategy) -> None:
    """Five of them, near the hour that works, none on the holiday; the grid shows value or rule."""
    week = week_ahead(Decider(strategy), [ACCOUNT], channel="call", as_of=MONDAY, packs=["CO"], contacts=[])
    best = week.best(5)
    assert len(best) == 5
    assert best["legal"].all()
    assert best["expected_reward"].is_monotonic_decreasing
    assert best["hour"].between(16, 19).all()
    others = week.hours[week.hours["legal"] & ~week.hours["contact_at"].isin(best["contact_at"])]
    assert best["expected_reward"].min() >= others["expected_reward"].max()
    grid = week.grid()
    assert grid.shape == (14, 7)
    assert grid.loc[10, "mon 2026-12-07"] != ""


def test_the_seed_rules_and_a_closed_week() -> None:
    """Without a model legal hours stand in time; without consent none is legal and the rule says so."""
    seeds = Decider(SeedStrategy(ACTIONS))
    week = week_ahead(seeds, [ACCOUNT], channel="sms", as_of=MONDAY, packs=["CO"], contacts=[])
    assert week.policy == "seed_rules"
    assert week.best(2)["contact_at"].is_monotonic_increasing
    shut = week_ahead(
        seeds, [ACCOUNT | {"flags": "cease_contact"}], channel="sms", as_of=MONDAY, packs=["CO"], contacts=[], days=2
    )
    assert shut.best().empty
    assert len(shut.hours) == 28
    with pytest.raises(ValueError, match="no level"):
        week_ahead(seeds, [ACCOUNT], channel="fax", as_of=MONDAY, packs=["CO"])
    with pytest.raises(ValueError, match="one account"):
        week_ahead(seeds, [ACCOUNT, ACCOUNT], channel="sms", as_of=MONDAY, packs=["CO"])


@pytest.mark.parametrize(
    ("friendly", "firm", "told"),
    [
        (("window", "tone"), ("window", "cap"), "window"),  # whatever tone: the hours close it
        (("cap", "window", "tone"), ("window", "cap"), "cap;window"),
        (("window",), ("cap",), "window"),  # nothing closes both: what closes the first
        (("window",), (), "window"),
    ],
)
def test_an_hour_is_closed_by_the_rules_that_close_all_that_could_be_done_in_it(friendly, firm, told):
    """With their citations, those that have one; a rule that closes one tone alone is no reason."""
    space = ActionSpace({"channel": ["sms", "call"], "hour": [9, 18], "tone": ["friendly", "firm"]})
    frame = space.to_frame()
    on_channel = (frame["channel"] == "call").to_numpy()
    cells = {hour: np.flatnonzero(on_channel & (frame["hour"] == hour).to_numpy()) for hour in (9, 18)}
    rules = {int(cells[9][0]): friendly, int(cells[9][1]): firm}
    eligibility = SimpleNamespace(
        contact_at=np.array([["2026-12-07T14:00", "2026-12-07T23:00"]], dtype="datetime64[us]"),
        rules_of=lambda _, asked: [rules.get(action, ("window",)) for action in asked],
        provenance=SimpleNamespace(citation=lambda rule: "" if rule == "cap" else f"law of the {rule}"),
    )
    ranked = pd.DataFrame(columns=["channel", "hour", "tone", "expected_reward", "lo", "hi", "rank", "template_id"])
    made = SimpleNamespace(
        accounts=Accounts.of([ACCOUNT]), ranked=ranked, actions=space, values=(), eligibility=eligibility
    )  # fmt: skip
    first = _hours(made, "call", cells).iloc[0]
    assert not first["legal"] and first["hour"] == 9 and first["weekday"] == "mon"
    assert first["rules"] == told
    assert first["citations"] == ";".join(f"law of the {one}" for one in told.split(";") if one != "cap")
    assert np.isnan(first["expected_reward"])


_RULES = st.lists(st.sampled_from(["window", "cap", "tone", "holiday"]), max_size=4, unique=True)


@given(st.lists(_RULES, min_size=1, max_size=4))
def test_what_closes_an_hour_closes_every_tone_of_it(rules_of_tones: list[list[str]]) -> None:
    """Of any number of tones; where nothing closes them all, what closes the first."""
    tones = [f"tone {at}" for at in range(len(rules_of_tones))]
    space = ActionSpace({"channel": ["call"], "hour": [9], "tone": tones})
    eligibility = SimpleNamespace(
        contact_at=np.array([["2026-12-07T14:00"]], dtype="datetime64[us]"),
        rules_of=lambda _, asked: [tuple(rules_of_tones[action]) for action in asked],
        provenance=SimpleNamespace(citation=lambda rule: rule),
    )
    ranked = pd.DataFrame(columns=["channel", "hour", "tone", "expected_reward", "lo", "hi", "rank", "template_id"])
    made = SimpleNamespace(
        accounts=Accounts.of([ACCOUNT]), ranked=ranked, actions=space, values=(), eligibility=eligibility
    )  # fmt: skip
    told = _hours(made, "call", {9: np.arange(len(tones))}).iloc[0]["rules"]
    shared = set(rules_of_tones[0]).intersection(*rules_of_tones)
    assert told == ";".join(rule for rule in rules_of_tones[0] if rule in shared or not shared)


def test_every_day_of_the_week_is_that_of_the_account_as_it_will_stand() -> None:
    """Days past due are told and grow: from the thirtieth on nobody answers, which is three days from now."""
    rng = np.random.default_rng(0)
    n = 1_000
    frame = pd.concat(
        [pd.DataFrame({"days_past_due": rng.integers(0, 60, n)}), ACTIONS.describe(rng.integers(0, len(ACTIONS), n))],
        axis=1,
    )
    frame["reward"] = (rng.random(n) < np.where(frame["days_past_due"] < 30, 0.6, 0.1)).astype(float)
    log = LoggedFeedback.from_frame(frame, actions=ACTIONS, context=["days_past_due"])
    learner = DecisionTreeClassifier(min_samples_leaf=100, random_state=0)
    decider = Decider(ContactStrategy(random_state=0, n_jobs=1, reward_model=learner).fit(log))
    account = {name: value for name, value in ACCOUNT.items() if name not in ("due_date", "x")}
    given = {"packs": ["CO"], "contacts": []}
    now = account | {"days_past_due": 27}
    hours = week_ahead(decider, [now], channel="call", as_of=MONDAY, **given).hours.set_index("contact_at")
    for day in range(7):
        later = account | {"days_past_due": 27 + day}
        at = MONDAY + timedelta(days=day)
        ranked = decider.decide([later], as_of=at, top_k=99, explore=False, **given).ranked
        alone = ranked[ranked["channel"] == "call"].set_index("contact_at")["expected_reward"]
        pd.testing.assert_series_equal(hours.loc[alone.index, "expected_reward"], alone)
    known = hours[hours["legal"]].groupby("date")["expected_reward"].mean()
    assert known.iloc[0] > 2 * known.iloc[-1]
