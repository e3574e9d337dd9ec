"""A shallow tree that stands for a policy: readable, measured, and a policy of its own."""

import numpy as np
import pytest

from recommender import LoggedFeedback, evaluate_policy
from recommender.errors import InvalidInput
from recommender.explanation import distil


def test_the_tree_finds_the_segments(hurdle, known_drivers):
    """What decides here is the liked channel: three segments, faithful, and nothing protected is asked."""
    frame, _ = known_drivers
    summary = distil(hurdle, frame, factor="channel", max_depth=2)
    rules = summary.to_frame()
    assert rules["share"].sum() == pytest.approx(1.0)
    assert set(rules["channel"]) == {"call", "sms", "email"}
    assert rules["rule"].str.contains("likes is ").all()
    assert not rules["rule"].str.contains("language").any()
    assert summary.fidelity_by_factor["channel"] > 0.95
    assert 0.9 < summary.value_kept <= 1.0 + 1e-9
    assert summary.n_held_out == 900


def test_the_summary_is_a_policy_with_a_value(hurdle, known_drivers):
    """Rows sum to 1, the mask holds, and off-policy evaluation takes it as any other policy."""
    frame, actions = known_drivers
    summary = distil(hurdle, frame.head(1_500))
    later = LoggedFeedback.from_frame(
        frame.tail(1_500),
        actions=actions,
        context=["willing", "wealth", "likes", "language", "noise_a", "noise_b", "noise_c"],
        categorical=["likes", "language"],
        reward="reward",
        propensity="propensity",
        reward_kind="amount",
    )
    probabilities = summary.log_probabilities(later)
    assert (probabilities.sum(axis=1) == 1.0).all()
    assert (probabilities == summary.action_probabilities(frame.tail(1_500))).all()
    mask = np.zeros((1_500, len(actions)), dtype=bool)
    mask[:, 4] = True
    masked = summary.action_probabilities(frame.tail(1_500), eligible=mask)
    assert set(masked.argmax(axis=1)) <= {4, 6}
    report = evaluate_policy(later, probabilities, estimators=["ips", "snips"])
    assert report.to_frame()["value"].max() > frame["reward"].mean()


def test_errors_say_what_is_missing(hurdle, known_drivers):
    """Too few accounts and unknown factors are refused."""
    with pytest.raises(InvalidInput, match="at least 20"):
        distil(hurdle, known_drivers[0].head(5))
    with pytest.raises(InvalidInput, match="'hour'"):
        distil(hurdle, known_drivers[0], factor="hour")
