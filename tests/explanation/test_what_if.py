"""What-if: before is what is served, after is what would be, and facts of the debtor stay locked."""

import numpy as np
import pytest

from recommender.errors import InvalidInput
from recommender.explanation import what_if
from recommender.explanation.what_if import changeable_columns


@pytest.fixture(scope="module")
def one(simulated):
    """One account."""
    return simulated.contacts.tail(1)


def test_without_a_change_before_and_after_are_what_is_served(strategy, one):
    """Values, intervals and ranks are those of the strategy, twice."""
    found = what_if(strategy, one)
    served = strategy.expected_reward(one)[0]
    table = found.frame
    assert table["before"].to_numpy() == pytest.approx(served[table["action"]])
    assert table["after"].to_numpy() == pytest.approx(table["before"].to_numpy())
    assert (table["before_lo"] <= table["before"] + 1e-12).all()
    assert (table["before"] <= table["before_hi"] + 1e-12).all()
    assert table["action"].iloc[0] == served.argmax() == found.best_after
    assert not found.turns
    assert not found.hypothetical


def test_a_forbidden_level_leaves_the_ranking(strategy, one):
    """The best action's channel is taken away: another is best, and nothing of that channel has a rank after."""
    before = what_if(strategy, one)
    best = strategy.actions_.describe([before.best_before]).iloc[0]
    found = what_if(strategy, one, without={"channel": [best["channel"]]})
    table = found.frame
    gone = table["channel"] == best["channel"]
    assert table.loc[gone, "rank_after"].isna().all()
    assert table.loc[~gone, "rank_after"].notna().all()
    assert found.turns
    assert table["after"].to_numpy() == pytest.approx(strategy.expected_reward(one)[0][table["action"]])
    hours = [str(level) for level in strategy.actions_.factors["hour"][:3]]
    assert what_if(strategy, one, without={"hour": hours}).frame.query("hour < 11")["rank_after"].isna().all()


def test_explored_facts_give_what_the_changed_account_gets(strategy, one):
    """After is the served value of the changed account; the stage follows the days past due; it is hypothetical."""
    changed = one.assign(days_past_due=95.0, stage="judicial", bureau_score=300.0)
    found = what_if(strategy, one, changes={"days_past_due": "95", "bureau_score": 300}, explore=True)
    table = found.frame
    assert table["after"].to_numpy() == pytest.approx(strategy.expected_reward(changed)[0][table["action"]])
    assert found.hypothetical
    assert set(found.changed) >= {"days_past_due", "bureau_score"}
    assert found.changed["days_past_due"][1] == 95.0


def test_masks_hold(strategy, one):
    """Actions that the guardrails remove have no rank on that side."""
    n = len(strategy.actions_)
    before, after = np.zeros((1, n), dtype=bool), np.zeros((1, n), dtype=bool)
    before[0, [1, 5]], after[0, [5, 9]] = True, True
    table = what_if(strategy, one, eligible=before, eligible_after=after).frame.set_index("action")
    ranked = set(table.index[table["rank_before"].notna()])
    assert {1, 5} <= ranked <= {1, 5, strategy.actions_.no_contact_index}
    assert np.isnan(table.loc[1, "rank_after"])
    assert np.isnan(table.loc[9, "rank_before"])


def test_unusual_values_are_said(strategy, one, simulated):
    """A number outside of what nearly all accounts have is reported with the usual range."""
    reference = simulated.contacts
    found = what_if(strategy, one, changes={"days_past_due": 9_999}, explore=True, reference=reference)
    (warning,) = [held for held in found.out_of_range if held.column == "days_past_due"]
    assert warning.low < warning.high < 9_999
    usual = float(reference["days_past_due"].median())
    assert not what_if(strategy, one, changes={"days_past_due": usual}, explore=True, reference=reference).out_of_range


def test_facts_stay_locked_and_mistakes_are_named(strategy, one):
    """Locked, protected, own history, unknown, unreadable: each refusal says which and what to do."""
    wrong = [
        ({"changes": {"days_past_due": 3}}, "nobody can choose"),
        ({"changes": {"region": "CO-1"}, "explore": True}, "protected"),
        ({"changes": {"stage": "judicial"}, "explore": True}, "follows"),
        ({"changes": {"history.contacts": 3}, "explore": True}, "follows"),
        ({"changes": {"shoe_size": 3}, "explore": True}, "shoe_size"),
        ({"changes": {"days_past_due": "soon"}, "explore": True}, "must be a number"),
        ({"changes": {"days_past_due": "nan"}, "explore": True}, "must be a number"),
        ({"changes": {"product": "yacht"}, "explore": True}, "yacht"),
        ({"without": {"colour": ["red"]}}, "colour"),
        ({"without": {"channel": ["pigeon"]}}, "pigeon"),
    ]
    for given, told in wrong:
        with pytest.raises(InvalidInput, match=told):
            what_if(strategy, one, **given)
    free = changeable_columns(strategy)
    assert "region" not in free
    assert "stage" not in free
    assert free["days_past_due"] == ()
    assert "credit_card" in free["product"]
