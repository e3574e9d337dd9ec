"""How often the challenger would have chosen the same: counted over all requests, by the version that is asked."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from api.service.shadow import Shadow
from recommender.actions import ActionSpace

OWN = ActionSpace({"channel": ["sms", "call"], "hour": [9, 18]}, no_contact=True)
OTHER = ActionSpace({"hour": [18, 12], "channel": ["call", "sms"]}, no_contact=True)


class Counted:
    """What the metrics were told."""

    def __init__(self):
        self.told = Counter()

    def shadow(self, result, count):
        self.told[result] += count


def challenger(version):
    return SimpleNamespace(strategy=SimpleNamespace(version_=version), source=f"from {version}")


def part(chosen, theirs, space=OWN):
    """A request: what was chosen, and what the challenger says (None: it fails)."""

    def ask(**_):
        if theirs is None:
            raise RuntimeError
        rewards = np.arange(len(theirs), dtype=float)[:, None]
        return SimpleNamespace(actions=space, action=np.array(theirs), expected_reward=rewards)

    decided = SimpleNamespace(actions=OWN, action=np.array(chosen))
    return SimpleNamespace(positions=list(range(len(chosen))), ask=ask, decided=decided)


def test_agreement_is_counted_over_all_requests_and_by_version():
    """Of three requests of one challenger and one of another; one that fails is compared with nothing."""
    metrics = Counted()
    shadow, a, b = Shadow(metrics), challenger("a"), challenger("b")
    assert shadow.to_dict(a)["match_share"] is None
    shadow.choices(a, part([0, 1, 4], [0, 2, 4]))
    shadow.choices(a, part([3], [3]))
    shadow.choices(b, part([1, 1], [0, 0]))
    assert shadow.choices(a, part([2, 2], None)) == [None, None]
    told = shadow.to_dict(a)
    assert (told["policy_version"], told["source"]) == ("a", "from a")
    assert (told["compared"], told["match_share"], told["failed"]) == (4, pytest.approx(3 / 4), 2)
    assert (shadow.to_dict(b)["compared"], shadow.to_dict(b)["match_share"]) == (2, 0.0)
    assert metrics.told == {"same": 3, "other": 3, "failed": 2}


def test_a_challenger_of_other_actions_is_read_by_their_levels():
    """In the champion's terms; an hour that the champion has not is no choice, leaving alone is the same."""
    metrics = Counted()
    shadow, other = Shadow(metrics), challenger("c")
    levels = [tuple(row) for row in OTHER.to_frame()[["channel", "hour"]].itertuples(index=False)]
    chosen = shadow.choices(other, part([3, 1, 0, 4], range(4), OTHER))
    own = [tuple(row) for row in OWN.to_frame()[["channel", "hour"]].itertuples(index=False)]
    expected = [own.index(level) if level in own else None for level in levels[:4]]
    assert [None if one is None else one.action for one in chosen] == expected
    assert None in expected and {one.policy_version for one in chosen if one is not None} == {"c"}
    assert [one.expected_reward for one in chosen if one is not None] == [
        float(at) for at, one in enumerate(expected) if one is not None
    ]
    (idle,) = shadow.choices(other, part([4], [4], OTHER))
    assert idle.action == 4
    same = sum(mine == theirs for mine, theirs in zip([3, 1, 0, 4], expected, strict=True)) + 1
    assert metrics.told == {"same": same, "other": 5 - expected.count(None) - same, "failed": expected.count(None)}
