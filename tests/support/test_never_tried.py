"""Regions that the log never tried: found where there are rules, never where there is only chance."""

import json
from copy import copy

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta

from recommender import ActionSpace, ContactStrategy, LoggedFeedback, evaluate_policy
from recommender.learning import ContextEncoder
from recommender.support import NeverTried, find_least_likely, find_never_tried

SPACE = ActionSpace({"channel": ["sms", "call", "mail"], "tone": ["soft", "firm"]}, no_contact=True)


def context(n, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "days": rng.integers(0, 60, n),
            "balance": rng.lognormal(5, 1, n),
            "product": rng.choice(["card", "loan", "rent"], n),
            "known": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        }
    ).assign(weekday=lambda frame: frame["days"] % 7)


def draw(probabilities, seed=1):
    cumulative = np.cumsum(probabilities / probabilities.sum(axis=1, keepdims=True), axis=1)
    return (cumulative > np.random.default_rng(seed).random((len(cumulative), 1)) * (1 - 1e-12)).argmax(axis=1)


def search(frame, action, **more):
    encoder = ContextEncoder.fit(frame, ("product",))
    return find_never_tried(frame, encoder, SPACE, action, np.arange(len(frame)), **more), encoder


RULES = {
    "threshold": (lambda f: f["days"] <= 7, [0, 1], "days <= 7"),
    "category": (lambda f: f["product"] == "rent", [2, 3], "product = rent"),
    "two columns": (lambda f: (f["days"] > 30) & (f["product"] == "card"), [2, 3], "days > 30"),
    "continuous": (lambda f: f["balance"] > 300, [4, 5], "balance > "),
    "missing": (lambda f: f["known"].isna(), [0, 1], "known missing"),
    "must be contacted": (lambda f: f["days"] > 45, [6], "days > 45"),
    "either but not both": (lambda f: (f["days"] <= 29) != (f["product"] == "card"), [0, 1], "product = card"),
    "every other weekday": (lambda f: f["weekday"].isin([1, 3, 5]), [0, 1], "weekday in {1, 3, 5}"),
    "one action": (lambda f: f["days"] <= 20, [1], "days <= 20"),
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_is_found_counted_and_named(name):
    """Cells inside the rule, hardly any outside, and words a manager understands."""
    rule, actions, words = RULES[name]
    frame = context(6_000)
    inside = rule(frame).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), actions)] = 0.0
    found, encoder = search(frame, draw(probabilities))
    assert found
    cells = found.cells(encoder.transform(frame))
    truth = probabilities == 0.0
    assert cells[truth].mean() > 0.95
    assert cells[~truth].mean() < 0.01
    assert any(words in region.where for region in found.regions)
    assert all(region.n_chosen <= 0.01 * region.n_decisions for region in found.regions)


@pytest.mark.parametrize("seed", range(6))
def test_chance_is_no_rule(seed):
    """Uneven, context-dependent but positive choices, rare actions among them: nothing is claimed."""
    frame = context(3_000, seed)
    tilt = np.column_stack([frame["days"] / 60 * slope for slope in (2, -2, 1, -1, 0, 1, 0.5)])
    probabilities = np.exp(tilt) * np.array([1, 0.02, 1, 1, 0.1, 1, 1])
    found, _ = search(frame, draw(probabilities, seed))
    assert not found


def test_the_bound_is_that_of_the_half_that_did_not_choose_the_region():
    """Recounted by hand: Clopper and Pearson's upper bound from the decisions on the other side of the coin."""
    frame = context(6_000)
    inside = (frame["days"] <= 7).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.0
    action = draw(probabilities)
    side = np.random.default_rng(0).permutation(len(frame)) % 2 == 1
    # The log made the choice four times inside, three of them on the side that the first tree looks at.
    some = np.flatnonzero(inside)
    action[[*some[~side[some]][:3], *some[side[some]][:1]]] = 0
    regions = [one for one in search(frame, action)[0].regions if one.choice == "channel sms" and one.n_chosen == 4]
    assert regions
    n = int((inside & side).sum())
    assert regions[0].n_decisions == int(inside.sum())
    assert regions[0].upper_bound == pytest.approx(beta.ppf(0.95, 2, n - 1), rel=1e-12)


def test_the_smallest_logged_probability_would_have_to_be_seen():
    """Where 0.4 % was logged anywhere for a choice, a few hundred decisions without it are no rule."""
    frame = context(6_000)
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(frame["days"] <= 7), [0, 1])] = 0.0
    action = draw(probabilities)
    logged = np.full(len(frame), 0.2)
    assert search(frame, action, propensity=logged)[0]
    for choice in range(len(SPACE)):  # each action has one decision that chance hardly ever makes
        logged[np.flatnonzero(action == choice)[0]] = 0.004
    found = search(frame, action, propensity=logged)[0]
    assert not [region for region in found.regions if region.n_decisions < 700]
    assert not found


def test_exploration_is_support():
    """Two per cent of chance inside a rule: the log can answer, and is not told that it cannot."""
    frame = context(6_000)
    inside = (frame["days"] <= 7).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.12
    found, _ = search(frame, draw(probabilities))
    assert not found


def test_what_the_other_half_missed_by_luck_counts_too():
    """The bound holds for all decisions of a region, not only for those that counted it."""
    for seed in range(16):
        frame = context(4_000, seed)
        inside = (frame["days"] <= 8).to_numpy()
        probabilities = np.ones((len(frame), len(SPACE)))
        probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.05
        for region in search(frame, draw(probabilities, seed))[0].regions:
            bound = beta.ppf(0.95, region.n_chosen + 1, region.n_decisions - region.n_chosen)
            assert bound <= 0.1 * region.usual_share


def test_a_rule_that_neither_column_shows_is_found():
    """Either, but not both: each column alone looks like chance, among others that are."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 2, (4_000, 2)), columns=["old", "rich"]).astype(float)
    frame = frame.assign(**{f"noise{k}": rng.normal(size=len(frame)) for k in range(4)})
    inside = (frame["old"] != frame["rich"]).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.0
    encoder = ContextEncoder.fit(frame, ())
    found = find_never_tried(frame, encoder, SPACE, draw(probabilities), np.arange(len(frame)))
    np.testing.assert_array_equal(found.cells(encoder.transform(frame)), probabilities == 0.0)
    assert {"old = 0 and rich = 1", "old = 1 and rich = 0"} <= {region.where for region in found.regions}


def test_hundreds_of_levels_hide_no_rule():
    """A column of many levels fits chance at every split; it must not keep the search from a rule on two others."""
    rng = np.random.default_rng(0)
    frame = context(4_000).assign(product=rng.choice([f"shop {k}" for k in range(240)], 4_000))
    inside = ((frame["days"] > 20) & (frame["balance"] > 100)).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.0
    found, encoder = search(frame, draw(probabilities))
    cells = found.cells(encoder.transform(frame))
    assert cells[probabilities == 0.0].mean() > 0.95
    assert cells[probabilities > 0.0].mean() < 0.01


def test_a_small_part_is_found_where_larger_ones_describe_more():
    """A smooth habit in the same column gains more at every split than one part in sixteen without any letter."""
    frame = context(8_000)
    days = frame["days"].to_numpy()
    inside = (days > 56) | (days == 30)
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[:, :2] = np.where(days < 30, 1.0, 4.0)[:, None]
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.0
    found, encoder = search(frame, draw(probabilities))
    assert found.cells(encoder.transform(frame))[days > 56][:, 0].mean() > 0.95


def test_a_rule_on_a_ratio_is_found_in_the_order_of_propensities():
    """No column ends where it does: the model orders, the count decides; smooth habits show no such part."""
    rng = np.random.default_rng(2)
    n = 6_000
    score = rng.normal(size=n)
    propensity = np.where(score > 1.0, 0.0, 0.3)
    action = np.where(rng.random(n) < propensity, 0, rng.integers(1, 6, n))
    noisy = np.full((n, len(SPACE)), 0.1)
    noisy[:, 0] = 0.3 - 0.1 * score + rng.normal(scale=0.01, size=n)
    cells, told = find_least_likely(noisy, SPACE, action)
    assert cells[score > 1.5, 0].mean() > 0.95
    assert cells[score < 0.5].mean() < 0.01
    assert any(phrase.startswith("where it is least likely and") for phrase in told)
    habit = np.where(rng.random(n) < 0.05 + 0.2 * (score < 0), 0, rng.integers(1, 6, n))
    assert not find_least_likely(noisy, SPACE, habit)[0][:, 0].any()
    forbidden = np.ones((n, len(SPACE)), dtype=bool)
    forbidden[score > 1.0, 0] = False
    assert not find_least_likely(noisy, SPACE, action, forbidden)[0][:, 0].any()


@pytest.mark.parametrize(("rows", "found"), [(90, False), (160, True)])
def test_a_few_rows_cannot_show_less_than_a_twentieth(rows, found):
    """Even of a choice that is nearly always made: 45 rows without it leave room for 6 %, 80 rows for 4 %."""
    frame = context(3_000).assign(days=np.where(np.arange(3_000) < rows, 5, 20))
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[:, :2] = 40.0
    probabilities[:rows, :2] = 0.0
    regions = search(frame, draw(probabilities))[0].regions
    assert any(region.choice == "channel sms" for region in regions) == found


def test_one_choice_with_a_logged_propensity_is_support():
    """Where propensities are logged a single decision shows that the choice was possible."""
    frame = context(6_000)
    inside = np.flatnonzero(frame["days"] <= 12)
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(inside, [0, 1])] = 0.0
    action = draw(probabilities)
    action[inside[:: len(inside) // 8]] = 0
    regions = search(frame, action, propensity=np.full(len(frame), 0.05))[0].regions
    assert regions
    assert not any(0 in region.actions for region in regions)


def test_eligible_sets_answer_for_their_rows():
    """Where the rule is told, nothing is left to be found."""
    frame = context(6_000)
    eligible = np.ones((len(frame), len(SPACE)), dtype=bool)
    eligible[np.ix_(np.flatnonzero(frame["days"] <= 7), [0, 1])] = False
    action = draw(eligible.astype(float))
    assert search(frame, action)[0]
    assert not search(frame, action, eligible=eligible)[0]


def test_logged_propensities_say_how_rare_a_choice_may_be():
    """No row of 1,300 is a rule where the smallest logged propensity is 5 %, and chance where it is 1 in 10,000."""
    frame = context(6_000)
    inside = (frame["days"] <= 12).to_numpy()
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(inside), [0, 1])] = 0.0
    action = draw(probabilities)
    assert search(frame, action, propensity=np.full(len(frame), 0.05))[0]
    assert not search(frame, action, propensity=np.full(len(frame), 1e-4))[0]


def test_the_bound_is_that_of_a_binomial_share_of_the_other_half():
    """Rule of three: about 3 / n of the decisions that did not choose the region."""
    frame = context(6_000)
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(frame["days"] <= 12), [0, 1])] = 0.0
    found, _ = search(frame, draw(probabilities))
    region = next(one for one in found.regions if one.choice == "channel sms")
    assert region.n_chosen == 0
    assert beta.ppf(0.95, 1, region.n_decisions) < region.upper_bound < beta.ppf(0.95, 1, 0.4 * region.n_decisions)


def test_regions_come_back_from_json():
    """What a saved strategy holds is what was found."""
    frame = context(6_000)
    probabilities = np.ones((len(frame), len(SPACE)))
    probabilities[np.ix_(np.flatnonzero(frame["product"] == "rent"), [2, 3])] = 0.0
    found, _ = search(frame, draw(probabilities))
    assert NeverTried.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found


# -- what it decides ---------------------------------------------------------------------------------------------------
def mailing(n=4_000, seed=0, share=0.3):
    """Half are mailed, but nobody of a region; mail does harm there and good elsewhere."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"region": rng.random(n) < share, "x": rng.normal(size=n)}).astype({"region": int})
    mailed = (rng.random(n) < 0.5) & (frame["region"] == 0).to_numpy()
    frame["mail"] = np.where(mailed, "letter", None)
    frame["reward"] = (rng.random(n) < 0.2 + 0.15 * mailed).astype(int)
    space = ActionSpace({"mail": ["letter"]}, no_contact=True)
    return frame, LoggedFeedback.from_frame(frame, actions=space, context=["region", "x"])


def test_mailing_everybody_is_refused_by_name_and_the_tried_part_is_answered():
    """The issue's case: no row can say what a letter does there."""
    _, log = mailing()
    everybody = np.column_stack([np.ones(len(log)), np.zeros(len(log))])
    report = evaluate_policy(log, everybody, estimators=())
    assert report.verdict == "refused"
    assert "region = 1 and mail letter: 0 of" in report.reasons[0]
    assert "eligible=" in report.reasons[0]
    tried = np.where(log.context[["region"]].to_numpy() == 0, everybody, everybody[:, ::-1])
    report = evaluate_policy(log, tried, estimators=())
    assert report.verdict == "better"
    assert "never-tried" not in report.default["warnings"]


def test_a_little_of_it_is_answered_with_whatever_it_might_be_worth():
    """3 % of the decisions: every reward there lies inside the interval, and the reason says the share."""
    _, log = mailing(8_000, share=0.03)
    everybody = np.column_stack([np.ones(len(log)), np.zeros(len(log))])
    report = evaluate_policy(log, everybody, estimators=())
    share = float((log.context["region"] == 1).mean())
    assert report.verdict == "better"
    assert report.diagnostics["never_tried_share"] == pytest.approx(share)
    assert f"{share:.2%}" in report.reasons[0]
    inside = (1 - share) * 0.35
    assert report.default["ci_low"] < inside < inside + share < report.default["ci_high"]


@pytest.mark.parametrize("kind", ["instants", "numbers", "text"])
def test_an_arm_that_came_late_is_refused_though_no_column_says_when(kind):
    """The time of a log is a column of it: before the letters nobody knows what they would have done."""
    frame, _ = mailing(share=0.0)
    rng = np.random.default_rng(3)
    late = np.arange(len(frame)) >= 1_600
    frame["mail"] = np.where(late & (rng.random(len(frame)) < 0.5), "letter", None)
    days = np.arange(len(frame)) // 20
    instants = pd.Timestamp("2026-01-01") + pd.to_timedelta(days, unit="D")
    frame["sent"] = {"instants": instants, "numbers": days, "text": instants.strftime("%Y-%m-%d")}[kind]
    space = ActionSpace({"mail": ["letter"]}, no_contact=True)
    log = LoggedFeedback.from_frame(frame, actions=space, context=["region", "x"], time="sent")
    report = evaluate_policy(log, np.column_stack([np.ones(len(log)), np.zeros(len(log))]), estimators=(), n_folds=2)
    assert report.verdict == "refused"
    assert "sent" in report.reasons[0] and "mail letter: 0 of" in report.reasons[0]


@pytest.fixture(scope="module")
def mailed():
    """Accounts, and a strategy that learnt from them."""
    frame, log = mailing(2_000)
    return frame, ContactStrategy(random_state=0, n_jobs=1).fit(log)


@pytest.mark.parametrize("unsupported", ["abstain", "explore", "allow"])
def test_what_was_never_tried_is_not_ranked_first(unsupported, mailed):
    """Not by default, only by exploration, or freely; and the answer says that there is no evidence."""
    frame, fitted = mailed
    strategy = copy(fitted).set_params(unsupported=unsupported)
    inside = frame[frame["region"] == 1]
    probability = strategy.action_probabilities(inside)[:, 0]
    if unsupported == "abstain":
        assert probability.max() == 0.0
    elif unsupported == "explore":
        np.testing.assert_allclose(probability, strategy.epsilon / 2)
    else:
        assert probability.min() > 0.2
    ranked = strategy.recommend(inside.head(50), top_k=2, explore=False)
    letters = ranked[ranked["mail"] == "letter"]
    assert (letters["evidence"] == 0).all() and not letters["support"].any()
    assert (letters["rank"] == 1).mean() == (unsupported == "allow")
    again = ContactStrategy.from_files(strategy.to_files())
    np.testing.assert_array_equal(again.action_probabilities(inside)[:, 0], probability)


def test_the_greedy_policy_explores_nothing_never_tried_included(mailed):
    """Who asked for no chance gets none, whatever is said of the unsupported."""
    frame, fitted = mailed
    greedy = copy(fitted).set_params(policy="greedy", unsupported="explore")
    assert set(np.unique(greedy.action_probabilities(frame))) == {0.0, 1.0}
