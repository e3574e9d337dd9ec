"""Contrasts of two actions: exact, antisymmetric, split by factor and concept, with what would turn the order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender import explain
from recommender.errors import InvalidInput
from recommender.explanation.counterfactual import _distance

TOLERANCE = 1e-6


@settings(max_examples=25)
@given(row=st.integers(0, 39), a=st.integers(0, 260), b=st.integers(0, 260))
def test_sums_match_and_signs_turn(explanation, row, a, b):
    """By factor and by concept the sums are the served differences; swapping the actions turns every sign."""
    last = len(explanation.actions) - 1
    a, b = min(a, last), min(b, last)
    there, back = explanation.contrast(a, b, row=row), explanation.contrast(b, a, row=row)
    served = explanation.margins["event"][row]
    assert there.margin_difference["event"] == pytest.approx(served[a] - served[b], abs=TOLERANCE)
    for table in (there.by_factor, there.by_group):
        assert table["contribution_event"].sum() == pytest.approx(served[a] - served[b], abs=TOLERANCE)
        difference = explanation.rewards[row, a] - explanation.rewards[row, b]
        assert table["contribution_reward"].sum() == pytest.approx(difference, abs=TOLERANCE)
    for column in ("contribution", "contribution_reward"):
        assert there.by_feature[column].to_numpy() == pytest.approx(-back.by_feature[column].to_numpy(), abs=TOLERANCE)
    if a == b:
        assert not there.by_feature["contribution"].any()
        assert not there.by_factor["contribution_reward"].any()
        assert there.interval == (0.0, 0.0)


def test_a_contrast_is_the_difference_of_two_explanations(strategy, simulated, explanation):
    """The level of the account cancels: the contrast equals the two exact explanations subtracted.

    Where the calibration bends, all of it is scaled by what the bend leaves of the difference.
    """
    row = 3
    a, b = (int(action) for action in explanation.action[row, :2])
    accounts = simulated.contacts.tail(40).iloc[[row]]
    ensemble = strategy.reward_model_.parts["event"]
    kept = ensemble.calibration
    try:
        ensemble.calibration = replace(kept, bend=0.0)
        both = explain(strategy, accounts, actions=[a, b]).parts["event"].contributions[0]
        straight = explain(strategy, accounts).contrast(a, b, row=0)
        ensemble.calibration = replace(kept, bend=-0.7, reach=0.5)
        bent = explain(strategy, accounts).contrast(a, b, row=0)
    finally:
        ensemble.calibration = kept
    of_features = straight.by_feature["contribution"].to_numpy()
    assert of_features == pytest.approx(both[0] - both[1], abs=1e-9)
    left = bent.margin_difference["event"] / straight.margin_difference["event"]
    assert 0.1 <= left < 1.0
    assert bent.by_feature["contribution"].to_numpy() == pytest.approx(left * of_features, abs=1e-9)


def test_the_interval_knows_what_both_actions_share(strategy, simulated, explanation):
    """Swapped actions turn it round; actions of one channel do not err apart."""
    accounts = simulated.contacts.tail(40).reset_index(drop=True)
    ranked = strategy.recommend(accounts, top_k=len(strategy.actions_), explore=False)
    narrower = []
    for row in (0, 7, 21):
        mine = ranked[ranked["row"] == row].reset_index(drop=True)
        action = strategy.actions_.index_of(mine[list(strategy.actions_.factors)])
        best = mine.loc[0]
        same = np.flatnonzero(mine["channel"] == best["channel"])[1]
        for other in (same, 40):
            there = explanation.contrast(int(action[0]), int(action[other]), row=row)
            back = explanation.contrast(int(action[other]), int(action[0]), row=row)
            lo, hi = there.interval
            assert lo <= there.reward_difference <= hi
            assert back.interval == pytest.approx((-hi, -lo), abs=0.1 * (hi - lo))
            assert there.p_better == pytest.approx(1.0 - back.p_better, abs=0.02)
            assert there.sign_is_clear == (lo > 0 or hi < 0)
            assert there.standing in {"better", "worse", "as good as", "not known"}
            if other == same:
                second = mine.loc[other]
                apart = np.hypot(best["hi"] - best["lo"], second["hi"] - second["lo"])
                narrower.append((hi - lo) / apart)
    assert min(narrower) < 0.9, narrower


def test_hurdle_contrasts_sum_over_both_parts(hurdle, known_drivers):
    """Event and amount together give the difference in units of reward."""
    explanation = explain(hurdle, known_drivers[0].head(20))
    for row in range(20):
        contrast = explanation.contrast(
            {"channel": "sms", "tone": "firm"}, {"channel": "call", "tone": "friendly"}, row=row
        )
        assert contrast.by_group["contribution_reward"].sum() == pytest.approx(
            contrast.reward_difference, abs=TOLERANCE
        )
        assert set(contrast.margin_difference) == {"event", "amount"}


def test_the_liked_channel_is_why(hurdle, known_drivers):
    """Accounts that like calls are called because they like calls."""
    frame = known_drivers[0]
    callers = frame[frame["likes"] == "call"].head(10)
    explanation = explain(hurdle, callers)
    for row in range(10):
        contrast = explanation.contrast(
            {"channel": "call", "tone": "firm"}, {"channel": "sms", "tone": "firm"}, row=row
        )
        table = contrast.by_feature.groupby("feature")["contribution_reward"].sum()
        assert table.idxmax() == "likes"
        assert contrast.reward_difference > 0


def test_the_runner_up_is_the_default(explanation):
    """Without b the best other eligible action is compared with; positions and actions that do not exist fail."""
    contrast = explanation.contrast(int(explanation.action[0, 0]), row=0)
    others = np.delete(explanation.rewards[0], contrast.a)
    assert explanation.rewards[0, contrast.b] == others.max()
    with pytest.raises(InvalidInput, match="99"):
        explanation.contrast(0, 1, row=99)
    with pytest.raises(InvalidInput, match="must lie in"):
        explanation.contrast(0, 9999, row=0)


def test_a_counterfactual_turns_the_order(hurdle, known_drivers):
    """Each change really makes b win, is held by another account, touches nothing protected, and the smallest leads."""
    frame = known_drivers[0]
    explanation = explain(hurdle, frame[frame["likes"] == "call"].head(1))
    contrast = explanation.contrast({"channel": "call", "tone": "firm"}, {"channel": "sms", "tone": "firm"}, row=0)
    found = contrast.what_would_make_b_win(frame.head(300))
    assert found["size"].is_monotonic_increasing
    assert {"likes": ("call", "sms")} in found["change"].tolist()
    for change in found["change"]:
        assert "language" not in change
        account = explanation.context.iloc[[0]].assign(**{name: [after] for name, (_, after) in change.items()})
        reward = hurdle.expected_reward(account)[0]
        assert reward[contrast.b] > reward[contrast.a]
        assert all((frame[name] == after).any() for name, (_, after) in change.items())
    assert contrast.what_would_make_b_win(frame[frame["likes"] == "call"].head(1)).empty
    hidden = replace(explanation.groups, protected=("^likes$",))
    likewise = explain(hurdle, frame[frame["likes"] == "call"].head(1), groups=hidden)
    other = likewise.contrast({"channel": "call", "tone": "firm"}, {"channel": "sms", "tone": "firm"}, row=0)
    assert not any("likes" in change for change in other.what_would_make_b_win(frame.head(300))["change"])


def test_pictures_show_every_concept(explanation):
    """The waterfall and the contrast bars have one labelled bar a concept that moves something."""
    figure = explanation.plot(0, language="es")
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels[0] == "Cuenta media"
    assert "El historial de pagos" in labels
    bars = explanation.contrast(int(explanation.action[0, 0]), row=0).plot("en")
    assert [tick.get_text() for tick in bars.axes[0].get_yticklabels()][-1] == "Difference"


def test_a_change_is_as_large_as_the_share_of_accounts_between():
    """Counted in ranks among the reference accounts, both ends included; other categories and gaps are one whole."""
    ordered = np.array([1.0, 2.0, 3.0, 4.0])
    assert _distance(1.0, 2.0, ordered, False) == _distance(2.0, 1.0, ordered, False) == 0.5
    assert _distance(1.2, 1.4, ordered, False) == 0.25
    assert _distance(2.0, 2.0, ordered, False) == _distance(np.nan, np.nan, ordered, False) == 0.0
    assert _distance(1.0, 2.0, ordered, True) == _distance(1.0, np.nan, ordered, False) == 1.0
