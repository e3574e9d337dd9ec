"""The served ``lo`` and ``hi``, worked out again from the posterior that docs/decision-quality.md states."""

import numpy as np
import pytest
from scipy.special import expit, logit

ROWS = 12


def spread_of(part, X, row):
    """Standard deviation of one account's log-odds, action by action, from the pieces of an ensemble.

    The linear member's diagonal posterior, plus how far the members (each without its level) lie apart, weighted; made
    wider by .9 where all weight lies on straight lines, 2.1 where none does, and less where calibration shrinks.
    """
    linear = part.designs["linear"].transform(X)[row]
    posterior = part.glms["linear"][1].variances
    of_lines = np.array([sum(u * u * v for u, v in zip(linear, column, strict=True)) for column in posterior.T])
    whole = sum(part.weights.values())
    told, straight = [], 0.0
    for name, weight in part.weights.items():
        if name in part.glms:
            design, model = part.glms[name]
            columns = part.designs["linear" if design == "profiles" else design].transform(X)
            columns = columns[:, : len(model.weights)] if design == "constant" else columns
            scores = columns[row] @ model.weights
            straight += weight * (design != "curved")
        elif name in part.trees:
            scores = part.trees[name].raw_scores(part.tree_columns(X))[row]
        else:
            scores = part.facets[name].scores(part.designs["linear"].transform(X))[row]
        if weight > 0.01 * whole:
            told.append((weight / whole, scores - scores @ part.share))
    mean = sum(weight * scores for weight, scores in told)
    square = sum(weight * scores**2 for weight, scores in told)
    wider = 0.9 * straight / whole + 2.1 * (1.0 - straight / whole)
    return wider * min(part.calibration.advantage, 1.0) * np.sqrt(of_lines + np.maximum(square - mean**2, 0.0))


def test_served_ends_are_1_96_posterior_deviations_of_the_log_odds(strategy, simulated):
    """``recommend`` serves expit(margin -+ 1.96 s) of the ensemble's own posterior, for every rank."""
    accounts = simulated.contacts.tail(ROWS).reset_index(drop=True)
    ranked = strategy.recommend(accounts, top_k=len(strategy.actions_), explore=False)
    model = strategy.reward_model_
    (part,) = model.parts.values()
    context = strategy.context_of(accounts, None, None)
    X = model.encoder.transform(context)
    margins = logit(model.expected_reward(context))
    idle = strategy.actions_.no_contact_index
    for row in range(0, ROWS, 4):
        mine = ranked[ranked["row"] == row]
        action = strategy.actions_.index_of(mine[list(strategy.actions_.factors)])
        reach = 1.96 * spread_of(part, X, row)
        contacts = action != idle
        for column, sign in (("lo", -1.0), ("hi", 1.0)):
            want = expit(margins[row] + sign * reach)[action]
            assert mine[column].to_numpy()[contacts] == pytest.approx(want[contacts], rel=2e-4)
    assert (ranked["lo"] <= ranked["expected_reward"]).all()
    assert (ranked["hi"] >= ranked["expected_reward"]).all()
