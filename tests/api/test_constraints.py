"""What the caller can do right now is part of the mask: propensities are those of what is left."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from api.service.constraints import Constraints, _in_time
from recommender import ActionSpace
from tests.api.test_dispatches import AS_OF, Sender, account


@pytest.fixture(scope="module")
def sender(tmp_path_factory):
    sender = Sender(f"sqlite:///{tmp_path_factory.mktemp('log') / 'd.db'}")
    with sender.client:
        yield sender


MOMENTS = (AS_OF + timedelta(seconds=second) for second in itertools.count())
NUMBERS = itertools.count()


def ask(sender, *accounts, status=200, **more):
    """A request about a moment of its own; nobody's contacts stand in the way."""
    number = next(NUMBERS)
    own = [
        one | {"account_id": f"{one['account_id']}N{number}", "debtor_id": f"D{number}-{place}"}
        for place, one in enumerate(accounts)
    ]
    body = {"accounts": own, "as_of": AS_OF.isoformat(), "top_k": 50, **more}
    answer = sender.client.post("/v1/recommendations", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def held(sender, answer):
    """Decisions as the log holds them, with the factors of what was eligible among the ranked."""
    return [sender.client.get(f"/v1/decisions/{one['decision_id']}").json() for one in answer["recommendations"]]


def ranked(answer):
    return [action for one in answer["recommendations"] for action in one["actions"] if not action["no_contact"]]


def test_only_open_channels_are_ranked_and_probabilities_are_of_what_is_left(sender):
    """A closed channel has no probability, and the others' sum to one with it taken out."""
    free = ask(sender, account())
    answer = ask(sender, account(), constraints={"channels": ["sms", "call"]})
    assert "whatsapp" in {action["factors"]["channel"] for action in ranked(free)}
    assert {action["factors"]["channel"] for action in ranked(answer)} <= {"sms", "call"}
    (told,) = answer["recommendations"]
    if told["eligible_actions"] <= 50:
        assert np.isclose(sum(action["propensity"] for action in told["actions"]), 1.0)
    assert answer["removed_by_rule"]["not-open"] > 0
    assert len(held(sender, answer)[0]["eligible"]) == told["eligible_actions"]
    none = ask(sender, account(), constraints={"channels": []})
    assert none["recommendations"][0]["actions"][0]["no_contact"]
    assert held(sender, none)[0]["propensity"] == 1.0


def test_instants_and_actions_can_be_limited_for_all_and_for_one(sender):
    begin, end = AS_OF + timedelta(hours=3), AS_OF + timedelta(hours=6)
    answer = ask(sender, account(), constraints={"earliest": begin.isoformat(), "latest": end.isoformat()})
    assert ranked(answer)
    assert all(begin <= datetime.fromisoformat(action["contact_at"]) <= end for action in ranked(answer))
    answer = ask(
        sender, account("A"), account("B", constraints={"channels": ["email"]}),
        constraints={"excluded_actions": [{"tone": "neutral"}], "allowed_actions": [{"hour": 9}, {"hour": 10}]},
    )  # fmt: skip
    first, second = answer["recommendations"]
    left = [action["factors"] for action in first["actions"] if not action["no_contact"]]
    assert left and all(factors["hour"] in (9, 10) and factors["tone"] != "neutral" for factors in left)
    assert {action["factors"]["channel"] for action in second["actions"]} <= {"email", None}


def test_the_limits_of_time_are_inside():
    """An hour that begins at the latest instant is open, one a microsecond later is not; the same at the earliest."""
    actions = ActionSpace({"channel": ["sms"], "hour": [9, 10, 11]}, no_contact=True)
    instants = np.array(["2026-11-24T14", "2026-11-24T15", "2026-11-24T16"], dtype="datetime64[us]")
    ten = datetime(2026, 11, 24, 15, tzinfo=UTC)
    until = Constraints(latest=ten)
    assert _in_time(actions, instants, until).tolist() == [True, True, False, False]
    assert _in_time(actions, instants + np.timedelta64(1, "us"), until).tolist() == [True, False, False, False]
    assert _in_time(actions, instants, Constraints(earliest=ten)).tolist() == [False, True, True, False]


def test_capacity_is_given_to_the_accounts_in_their_order(sender):
    """So many contacts a channel and no more; who comes later is decided without it, with probabilities of that."""
    accounts = [account(f"C{number}") for number in range(30)]
    answer = ask(sender, *accounts, constraints={"capacity": {"whatsapp": 4, "sms": 2}}, explore=True)
    firsts = [one["actions"][0]["factors"]["channel"] for one in answer["recommendations"]]
    assert firsts.count("whatsapp") <= 4 and firsts.count("sms") <= 2
    assert firsts.count("whatsapp") == 4, "the seed rules like it best"
    last = max(place for place, channel in enumerate(firsts) if channel == "whatsapp")
    for one in answer["recommendations"][last + 1 :]:
        assert all(action["factors"]["channel"] != "whatsapp" for action in one["actions"])


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"allowed_actions": [{"chanel": "sms"}]}, "chanel"),
        ({"excluded_actions": [{"hour": 99}]}, "99"),
        ({"excluded_actions": [{"hour": True}]}, "True"),
        ({"allowed_actions": [{}]}, "empty"),
        ({"earliest": "2026-11-24T00:00:00Z", "latest": "2026-11-23T00:00:00Z"}, "latest"),
        ({"capacity": {"sms": -1}}, "capacity"),
        ({"channels": ["fax"]}, "channels"),
    ],
)
def test_a_limit_that_means_nothing_is_refused(sender, limits, named):
    assert named in ask(sender, account(), status=422, constraints=limits)["detail"]


def test_one_moment_is_decided_once_whatever_seed_is_asked_for(sender):
    """Another seed gets the decision that stands; superseding cancels it, and then only the new one lives."""
    one = account("R", debtor_id="R")
    body = {"accounts": [one], "as_of": AS_OF.isoformat(), "top_k": 50}

    def post(**more):
        answer = sender.client.post("/v1/recommendations", json=body | more)
        return answer.status_code, answer.json()

    _, first = post(seed=1)
    _, other = post(seed=2)
    assert other["recommendations"] == first["recommendations"]
    assert "answered from the decision log" in " ".join(other["notes"])
    assert post(seed=2, accounts=[one | {"balance_minor": 5}])[0] == 409
    _, new = post(seed=3, supersede=True)
    state = {
        told["decision_id"]: sender.client.get(f"/v1/decisions/{told['decision_id']}").json()["state"]
        for answer in (first, new)
        for told in answer["recommendations"]
    }
    assert list(state.values()) == ["cancelled", "decided"]
    assert post(seed=4)[1]["recommendations"] == new["recommendations"]
    assert post(seed=1, supersede=True)[0] == 409, "a cancelled decision is not made again"


def test_of_three_accounts_with_one_bad_the_good_ones_are_answered(sender):
    """The bad one is named with its position and reason, whether it cannot be read or cannot be decided."""
    for bad in ({"balance_minor": "much"}, {"features": {"note": "call me at 300 123 4567 please"}}, {"colour": 1}):
        accounts = [account("G", debtor_id="G"), account("bad", debtor_id="bad") | bad, account("H", debtor_id="H")]
        told = {"accounts": accounts, "as_of": next(MOMENTS).isoformat()}
        answer = sender.client.post("/v1/recommendations", json=told)
        assert answer.status_code == 207, answer.text
        body = answer.json()
        assert len(body["recommendations"]) == 2
        (error,) = body["errors"]
        assert (error["position"], error["account_id"], error["status"]) == (1, "bad", 422)
        assert "300 123" not in answer.text
