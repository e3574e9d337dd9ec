"""The decision trace: every removed action has its rules, every step its count, live and from the log."""

import json
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.deciding.decide import decide
from recommender.explanation import trace_decision, trace_record
from recommender.simulation import DebtorWorld


@pytest.fixture(scope="module")
def moment():
    """Accounts of one country on one morning, with a debtor who was called too often and one who must be left alone."""
    world = DebtorWorld(60, seed=5, country="CO")
    world.advance(30)
    accounts = world.accounts().assign(country="CO", packs="CO").drop_duplicates("debtor_id").reset_index(drop=True)
    as_of = world.as_of.to_pydatetime()
    accounts["flags"] = accounts["flags"].astype(object)
    accounts.loc[1, "flags"] = "do_not_contact"
    first = accounts.iloc[0]
    sent = [as_of - timedelta(days=1, hours=hour) for hour in range(4)]
    contacts = pd.DataFrame(
        {
            "account_id": first["account_id"],
            "debtor_id": first["debtor_id"],
            "sent_at": pd.to_datetime(sent, utc=True),
            "channel": "call",
            "initiated_by": "creditor",
            "outcome": "right_party_contact",
            "status": "sent",
        }
    )
    return accounts, contacts, as_of


@pytest.fixture(scope="module")
def decided(strategy, moment):
    """The decisions of that morning."""
    accounts, contacts, as_of = moment
    return decide(accounts, strategy=strategy, as_of=as_of, packs=["CO"], contacts=contacts, seed=3)


def test_steps_and_rules_account_for_every_action(strategy, moment, decided):
    """Counts go down to the eligible set; each rule removes what asking action by action says, and names its law."""
    accounts, _, as_of = moment
    for row in range(8):
        trace = trace_decision(decided, accounts, row, as_of=as_of)
        left = [step.left for step in trace.steps]
        assert left[0] == len(strategy.actions_)
        assert left[-1] == 1
        by_key = {step.key: step.left for step in trace.steps}
        assert by_key["contact_limits"] == decided.eligibility.mask[row].sum()
        for before, step in zip(left, trace.steps[1:], strict=False):
            assert step.removed == before - step.left
        counted = {}
        for action in range(len(strategy.actions_)):
            rules = decided.eligibility.rules(row, action)
            for rule in rules:
                held = counted.setdefault(rule, [0, 0])
                held[0] += 1
                held[1] += len(rules) == 1
        assert {one.rule: [one.removed, one.alone] for one in trace.rules} == counted
        assert all(one.pack_version and one.citation for one in trace.rules if one.pack)
        assert json.dumps(trace.to_dict(), allow_nan=False)


def test_a_full_contact_limit_says_so_and_when_it_lifts(moment, decided):
    """Somebody contacted yesterday meets a contact limit that time lifts; the limit is in the trace."""
    accounts, _, as_of = moment
    trace = trace_decision(decided, accounts, 0, as_of=as_of)
    limits = [one for one in trace.rules if one.step == "contact_limits"]
    assert limits
    for one in limits:
        assert one.kind == "contact_limit"
        assert one.limit
        assert one.lifts_at is None or pd.Timestamp(one.lifts_at) > as_of
    assert any(one.lifts_at for one in limits)


def test_a_stop_leaves_nothing_but_no_contact(strategy, moment, decided):
    """A flag stops everything: the trace names it with the value read and says that only leaving alone is left."""
    accounts, _, as_of = moment
    trace = trace_decision(decided, accounts, 1, as_of=as_of)
    stop = next(one for one in trace.rules if one.kind == "stop")
    assert stop.limit["flag"] == "do_not_contact"
    assert "do_not_contact" in stop.value["flags"]
    assert stop.lifts_at is None
    assert trace.chosen.action == strategy.actions_.no_contact_index
    assert trace.notes == ("no_contact_only",)
    assert not trace.explored


def test_chance_is_told(strategy, moment, decided):
    """The exploration probability is what the best action lacks to certainty; without chance it is 0."""
    accounts, contacts, as_of = moment
    rows = [row for row in range(20) if decided.eligibility.mask[row].sum() > 3]
    rewards = np.where(decided.eligibility.mask, 0.0, -np.inf)
    assert np.isfinite(rewards[rows]).any()
    explored = 0
    for row in rows:
        trace = trace_decision(decided, accounts, row, as_of=as_of)
        best = max(trace.ranked, key=lambda one: one.expected_reward)
        assert trace.exploration_probability == pytest.approx(1.0 - best.propensity)
        assert trace.explored == (best.action != trace.chosen.action)
        explored += trace.explored
    assert explored
    fixed = decide(accounts, strategy=strategy, as_of=as_of, packs=["CO"], contacts=contacts, explore=False)
    trace = trace_decision(fixed, accounts, rows[0], as_of=as_of)
    assert trace.exploration_probability == 0.0
    assert not trace.explored


def logged(decided, accounts, row, as_of):
    """What the decision log keeps of a decision."""
    ranked = decided.ranked[decided.ranked["row"] == row].sort_values("rank")
    index = decided.actions.index_of(ranked[list(decided.actions.factors)])
    entries = [
        {"action": int(action), "expected_reward": reward, "propensity": chance}
        for action, reward, chance in zip(index, ranked["expected_reward"], ranked["propensity"], strict=True)
    ]
    return SimpleNamespace(
        decision_id=ranked["decision_id"].iloc[0],
        account_id=accounts["account_id"].iloc[row],
        decided_at=as_of,
        action=entries[0]["action"],
        propensity=entries[0]["propensity"],
        eligible=decided.eligibility.mask[row],
        ranking=entries,
        context={"days_past_due": 12.0},
        fallback=False,
        deterministic=False,
        provenance=SimpleNamespace(actions=decided.actions, policy_version="v", rule_packs={"CO": "sha"}),
    )


def test_the_log_gives_the_same_trace(moment, decided):
    """From facts of then the logged decision reads like the live one; without facts only the counts are known."""
    accounts, _, as_of = moment
    live = trace_decision(decided, accounts, 2, as_of=as_of)
    record = logged(decided, accounts, 2, as_of)
    again = trace_record(record, decided.eligibility, row=2, account=accounts.iloc[2].to_dict())
    assert again.replay == "same"
    assert again.steps == live.steps
    assert again.rules == live.rules
    assert [one.action for one in again.ranked] == [one.action for one in live.ranked]
    blind = trace_record(record)
    assert blind.replay == "not replayed"
    assert not blind.rules
    assert [step.key for step in blind.steps] == ["considered", "eligible", "ranked", "chosen"]
    assert blind.steps[1].left == decided.eligibility.mask[2].sum()


def test_other_facts_are_noticed(moment, decided):
    """Rules judged from facts that have changed do not pretend to be those of then: the logged count stands."""
    accounts, _, as_of = moment
    record = logged(decided, accounts, 2, as_of)
    trace = trace_record(record, decided.eligibility, row=1)
    assert trace.replay == "differs"
    assert "facts_changed" in trace.notes
    assert trace.steps[1].left == record.eligible.sum()


def test_a_plan_has_a_step_of_its_own(strategy, moment, decided):
    """Where capacity is given, what it leaves is counted after the contact limits."""
    accounts, _, as_of = moment
    capacity = np.zeros(len(strategy.actions_), dtype=bool)
    capacity[[0, -1]] = True
    trace = trace_decision(decided, accounts, 3, as_of=as_of, capacity=capacity)
    step = next(one for one in trace.steps if one.key == "capacity")
    assert step.left == (decided.eligibility.mask[3] & capacity).sum()
