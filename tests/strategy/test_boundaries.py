"""Limits in the strategy room: what exploring may cost, where stages of arrears turn, how ties are broken."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.strategy.policy import exploration_cost, softmax, temperature_for_cost
from recommender.strategy.ranking import rank_actions
from recommender.strategy.seed_rules import STAGES, scores_by_stage, seed_rule_scores, stage_of


@pytest.mark.parametrize("level", [0.0, 50.0, -50.0])
@pytest.mark.parametrize("cost", [0.02, 0.05, 0.3])
def test_the_temperature_gives_up_just_what_it_may(level, cost):
    """A share of the *gain* over the average action, whatever the level of all rewards; one step hotter costs more."""
    rng = np.random.default_rng(0)
    rewards = level + rng.gamma(1.0, size=(80, 12))
    eligible = rng.random((80, 12)) < 0.7
    eligible[:, 0] = True
    heat = temperature_for_cost(rewards, eligible, cost)
    spent = [
        exploration_cost(softmax(rewards, eligible, heat * step, 0.0), rewards, eligible) for step in (0.999, 1.001)
    ]
    assert spent[0] < cost < spent[1]
    assert spent[1] - spent[0] < 0.01


def test_nothing_to_gain_costs_nothing():
    """Where all actions are alike any temperature will do."""
    assert temperature_for_cost(np.ones((5, 4)), np.ones((5, 4), dtype=bool)) == 1.0


@pytest.mark.parametrize(
    ("days", "stage"), [(-30, 0), (-0.5, 0), (0, 0), (0.5, 1), (1, 1), (30, 1), (31, 2), (90, 2), (91, 3), (np.nan, 1)]
)
def test_stages_turn_the_day_after_their_last(days, stage):
    """Due today is not overdue; an unknown age is a first month."""
    assert STAGES[int(stage_of(np.array([days], dtype=float))[0])] == STAGES[stage]


def test_a_due_date_that_nobody_can_read_is_an_unknown_age():
    """Beside others that are read: due today, 31 days ago, no day at all."""
    space = ActionSpace({"channel": ["call", "sms", "email"], "tone": ["friendly", "firm"]})
    due = pd.DataFrame({"due_date": ["2026-03-31", "2026-02-28", "soon", None]})
    scores = seed_rule_scores(due, space, as_of="2026-03-31T12:00:00Z")
    stages = stage_of(np.array([0.0, 31.0, np.nan, np.nan]))
    np.testing.assert_array_equal(scores, scores_by_stage(space)[stages])


@pytest.mark.parametrize(("as_of", "stage"), [("2026-04-01T04:59:59.999999999Z", 1), ("2026-04-01T05:00:00Z", 2)])
@pytest.mark.parametrize(
    "place",
    [{"timezone": "America/Bogota"}, {"country": "CO"}, {"timezone": "nowhere", "country": "CO"},
     {"timezone": "America/Bogota", "country": "ES"}],
)  # fmt: skip
@pytest.mark.parametrize("due", ["2026-03-01", "2026-03-01T00:00:00Z", "2026-03-02T04:59:59Z", "2026-03-01T05:00:00Z"])
def test_days_past_due_are_those_of_the_accounts_calendar(as_of, stage, place, due):
    """Thirty days till midnight in Bogotá, five hours after that in UTC; the day of the due date is Bogotá's too."""
    space = ActionSpace({"channel": ["call", "sms", "email"], "tone": ["friendly", "firm"]})
    rows = pd.DataFrame([place | {"due_date": due}, {"due_date": "2026-03-02"}, {"due_date": "2026-03-01"}])
    scores = seed_rule_scores(rows, space, as_of=as_of)
    np.testing.assert_array_equal(scores, scores_by_stage(space)[[stage, 1, 2]])  # without a place: UTC


def test_each_row_counts_by_the_first_that_it_tells():
    """Days, then the due date, then the stage; a date without a moment to count to says nothing."""
    space = ActionSpace({"channel": ["call", "sms", "email"], "tone": ["friendly", "firm"]})
    rows = pd.DataFrame(
        {"days_past_due": [5, None, None, None], "due_date": ["2026-01-01", "2026-02-01", None, "soon"],
         "stage": ["preventive", "preventive", "judicial", "preventive"]}
    )  # fmt: skip
    for as_of, stages in (("2026-03-31T12:00:00Z", [1, 2, 3, 0]), (None, [1, 0, 3, 0])):
        scores = seed_rule_scores(rows, space, as_of=as_of)
        np.testing.assert_array_equal(scores, scores_by_stage(space)[stages])


def test_without_chance_ties_go_to_the_better_reward_then_to_the_first():
    """The most probable action; among equals the greater expected reward, among those the lowest index."""
    probabilities = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.3, 0.3, 0.4]])
    rewards = np.array([[0.1, 0.2, 0.9], [0.2, 0.2, 0.9], [0.9, 0.1, 0.0]])
    eligible = np.ones((3, 3), dtype=bool)
    ranked = rank_actions(probabilities, rewards, eligible, top_k=4, numbers=None)
    assert ranked.tolist() == [[1, 2, 0, -1], [0, 2, 1, -1], [2, 0, 1, -1]]
