"""Outcomes that stand beside contacts are outcomes of the log: a dialler writes one row a call."""

from __future__ import annotations

import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import build_feedback

SPACE = ActionSpace({"channel": ["sms", "call"]})
CONTACTS = pd.DataFrame(
    {
        "contact_id": [f"K{n}" for n in range(6)], "account_id": [f"A{n}" for n in range(6)],
        "sent_at": "2026-05-01T10:00:00Z", "channel": "sms", "status": ["sent"] * 5 + ["planned"],
        "outcome": ["opt_out", "BAJA", "delivered", "", None, "opt_out"],
    }
)  # fmt: skip


def rewards(reward="opt_out", contacts=CONTACTS, outcomes=None):
    built = build_feedback(
        None, None, contacts, outcomes, actions=SPACE, as_of="2026-07-01T00:00:00Z", reward=reward, window_days=14
    )
    frame = built.frame.set_index("decision_id")["reward"]
    return built, {name: (None if value != value else float(value)) for name, value in frame.items()}


def by_hand(reached):
    return {f"K{n}": float(n in reached) for n in range(5)}


def test_a_stop_beside_a_contact_is_learnt_from():
    """In any spelling; a planned contact has no outcome."""
    built, told = rewards()
    assert told == by_hand({0, 1})
    assert not any("No outcomes table" in note for note in built.report.notes)
    assert rewards("delivered")[1] == by_hand({2})


def test_beside_a_table_of_outcomes_each_is_told_once():
    """The same word of the same contact is one outcome, another word another."""
    told_again = pd.DataFrame(
        {"contact_id": ["K0", "K3"], "occurred_at": "2026-05-02T10:00:00Z", "outcome": ["opt_out", "read"]}
    )
    built, told = rewards(outcomes=told_again)
    assert told == by_hand({0, 1})
    assert built.report.counts.set_index("table")["given"]["outcomes"] == 4  # K0 once, K1, K2, and K3
    assert rewards("read", outcomes=told_again)[1] == by_hand({3})


def test_a_promise_that_its_day_alone_tells_is_a_promise():
    """As in a plan."""
    dated = CONTACTS.assign(promise_date=[None, None, "2026-05-20", None, "2026-05-20", None])
    assert rewards("promise_to_pay", dated)[1] == by_hand({2, 4})


def test_a_word_that_nobody_knows_leaves_the_reward_unknown():
    """It may have been the one that counts."""
    assert rewards(contacts=CONTACTS.assign(outcome=["opt_out", "BAJA", "delivered", "", "lo que sea", ""]))[1] == (
        by_hand({0, 1}) | {"K4": None}
    )


def test_two_clocks_are_refused():
    """Local times there and instants here: no one reading is right for both."""
    local = pd.DataFrame({"contact_id": ["K3"], "occurred_at": ["2026-05-02 10:00"], "outcome": ["read"]})
    with pytest.raises(InvalidInput, match="offset"):
        rewards(outcomes=local)


@pytest.mark.parametrize("offset", ["-05", "-0500", "-05:00", " UTC", "Z"])
def test_an_offset_is_one_however_it_is_written(offset):
    """As PostgreSQL writes it, too."""
    told = pd.DataFrame({"contact_id": ["K3"], "occurred_at": [f"2026-05-02 10:00:00{offset}"], "outcome": ["read"]})
    assert rewards("read", outcomes=told)[1] == by_hand({3})
