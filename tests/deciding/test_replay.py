"""What is said of a decision that is decided again: the same to the bit, within rounding, or what is otherwise now."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from recommender import ActionSpace
from recommender.deciding import Difference, replay

ACTIONS = ActionSpace({"channel": ["sms", "email"], "offer": ["none", "d20"]}, no_contact=True)
PLAIN = ActionSpace({"channel": ["sms", "email"], "hour": [9, 18]}, no_contact=True)
AS_OF = datetime(2026, 11, 24, 14, 30, 15, 7, tzinfo=UTC)
NUMBERS = ("expected_reward", "lo", "hi", "propensity")


def ranks(*actions: int) -> list[dict[str, object]]:
    """Ranked actions with numbers that are all different."""
    return [{"action": one} | {name: 0.1 + one + 0.01 * at for at, name in enumerate(NUMBERS)} for one in actions]


def logged(ranking: list[dict[str, object]] | None = None, actions: ActionSpace = PLAIN, **more: object) -> object:
    """A row of the log."""
    fields = {
        "account_id": "A1", "decided_at": AS_OF, "action": 3, "propensity": 0.31, "seed": 11, "deterministic": False,
        "eligible": np.array([True, False, True, True, True]), "context": {"stage": "late", "overdue": 3.0},
        "ranking": ranks(3, 0) if ranking is None else ranking,
        "provenance": SimpleNamespace(actions=actions, policy_version="v1"),
    }  # fmt: skip
    return SimpleNamespace(**fields | more)


class Again:
    """A decider that answers what it is told to, and keeps what it was asked."""

    def __init__(self, answer, actions=PLAIN, version="v1", **documents):
        self.strategy = SimpleNamespace(version_=version, actions_=actions)
        self.actions, self.documents, self._answer, self.asked = actions, documents, answer, []

    def again(self, account, **question):
        self.asked.append((account, question))
        return self._answer


def test_what_is_asked_again_is_what_the_log_holds():
    """Account, context, moment to the microsecond, mask, seed, chance and number of ranks; nothing that is of today."""
    for more in ({}, {"seed": 12}, {"deterministic": True}, {"eligible": np.array([False] * 4 + [True])}):
        record, decider = logged(**more), Again(ranks(3, 0))
        assert replay(record, decider).result == "same"
        ((account, question),) = decider.asked
        assert account == {"account_id": "A1", "stage": "late", "overdue": 3.0}
        assert (question["as_of"], question["seed"], question["top_k"]) == (AS_OF, record.seed, 2)
        assert question["certain"] is record.deterministic
        assert question["mask"].tolist() == record.eligible.tolist()


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(
    ("off", "result"),
    [(0.0, "same"), (1e-13, "same within rounding"), (-5e-10, "same within rounding"), (3e-9, "differs"),
     (-0.02, "differs")],
)  # fmt: skip
def test_a_number_is_the_same_to_the_bit_within_rounding_or_told(name, rank, off, result):
    """Of any number of any rank, to either side; what differs is told with its rank, the logged value first."""
    now = ranks(3, 0)
    before = now[rank - 1][name]
    now[rank - 1][name] = after = before * (1.0 + off)
    told = replay(logged(), Again(now))
    assert told.result == result
    assert told.differences == ((Difference(name, rank, before, after),) if result == "differs" else ())


def test_a_number_that_nobody_knows_is_the_same_only_as_one_that_nobody_knows():
    """The seed rules expect nothing: NaN now, null in the log. A number that was not logged is not compared."""
    now = ranks(3, 0)
    now[0]["expected_reward"] = math.nan
    unknown = ranks(3, 0)
    unknown[0]["expected_reward"] = None
    assert replay(logged(unknown), Again(now)).result == "same"
    known = ranks(3, 0)[0]["expected_reward"]
    for ranking, answer, pair in ((None, now, (known, None)), (unknown, ranks(3, 0), (None, known))):
        told = replay(logged(ranking), Again(answer))
        assert (told.result, told.differences) == ("differs", (Difference("expected_reward", 1, *pair),))
    short = [{key: value for key, value in one.items() if key != "expected_reward"} for one in ranks(3, 0)]
    assert replay(logged(short), Again(now)).result == "same"


def test_another_action_is_told_as_such_and_the_ranks_after_it_are_still_compared():
    """Numbers of two different actions are not held against each other."""
    now = ranks(2, 0)
    now[1]["hi"] = 9.0
    told = replay(logged(), Again(now))
    assert told.differences == (Difference("action", 1, 3, 2), Difference("hi", 2, ranks(0)[0]["hi"], 9.0))


@pytest.mark.parametrize("actions", [(3,), (3, 0, 2)])
def test_another_number_of_ranks_is_a_difference(actions):
    """Fewer or more: something that was eligible is not, or the other way round."""
    told = replay(logged(), Again(ranks(*actions)))
    assert (told.result, told.differences) == ("differs", (Difference("ranks", None, 2, len(actions)),))


def test_a_decision_without_a_ranking_is_held_against_its_action_and_propensity():
    """Logged elsewhere: the action that was taken and its probability are all there is."""
    decider = Again([{"action": 3, "propensity": 0.31, "expected_reward": 7.0, "lo": 1.0, "hi": 9.0}])
    assert replay(logged([]), decider).result == "same"
    assert decider.asked[0][1]["top_k"] == 1
    told = replay(logged([], propensity=0.5), decider)
    assert told.differences == (Difference("propensity", 1, 0.5, 0.31),)


@pytest.mark.parametrize(
    ("decider", "what"),
    [(Again([], version="v2"), "policy_version"), (Again([], actions=ACTIONS), "action_space")],
)
def test_another_policy_is_not_asked(decider, what):
    """Its answer would say nothing of the decision."""
    told = replay(logged(), decider)
    assert told.result == "not replayed"
    assert [one.what for one in told.differences] == [what]
    assert not decider.asked


def offered(digest="list-1", balance=None, eligible=(1, 1, 1, 1, 1), context=()):
    """A decision with offers among its actions; action 1 and 3 make one."""
    known = {"offers_known": json.dumps({"balance_minor": balance, "shut": {}}), "offers_digest": digest}
    ranking = [ranks(3)[0] | known]
    return logged(ranking, ACTIONS, eligible=np.array(eligible, dtype=bool), context=dict(context))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (offered(balance=500.0), None),
        (offered(context={"balance_minor": 700}), None),
        (offered(context={"balance_minor": 700}, balance=500.0), None),
        (offered(context={"balance_minor": None}, balance=500.0), None),
        (offered(eligible=(1, 0, 1, 0, 1)), None),  # nothing that is priced was open
        (offered(), "balance_minor"),
        (offered(context={"balance_minor": None}), "balance_minor"),
        (offered(eligible=(0, 0, 0, 1, 0)), "balance_minor"),
        (offered("list-0", balance=500.0), "offers_digest"),
        (offered("list-0", eligible=(1, 0, 1, 0, 1)), "offers_digest"),
    ],
)
def test_offers_are_priced_again_by_the_list_and_balance_of_then_or_not_at_all(record, why):
    """The same list, and the balance of the context, else the one that the log keeps beside the offers."""
    decider = Again(ranks(3), ACTIONS, offers_digest="list-1")
    told = replay(record, decider)
    if why is not None:
        assert (told.result, [one.what for one in told.differences], decider.asked) == ("not replayed", [why], [])
        return
    assert told.result == "same"
    balance = record.context.get("balance_minor") or json.loads(record.ranking[0]["offers_known"])["balance_minor"]
    assert decider.asked[0][0].get("balance_minor") == balance
