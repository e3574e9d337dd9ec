"""Accounts that a person looks at first: by party, by flag, by the age of the debt on the latest day of contact."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.rules import FLAGS
from recommender.rules.facts import FACT
from recommender.rules.law import Reviews
from recommender.rules.schema import NeedsHuman
from recommender.rules.vocabulary import PARTIES

TODAY = 20_000


def rules() -> list[NeedsHuman]:
    told = {"cite": "x"}
    return [
        NeedsHuman(id="old", from_days=90, **told),
        NeedsHuman(id="heirs", parties=(PARTIES[1],), **told),
        NeedsHuman(id="marked", flags=(FLAGS[2], FLAGS[3]), from_days=120, **told),
    ]


@pytest.mark.parametrize("alike", [True, False])
def test_the_latest_day_of_contact_says_how_old_a_debt_is(alike: bool) -> None:
    """In whatever order the instants stand: one of them that asks is enough; who has looked has agreed to all."""
    rng = np.random.default_rng(3)
    n, k, asked_for = 300, 4, rules()
    facts = np.zeros(n, dtype=FACT)
    facts["party"] = rng.integers(-1, len(PARTIES), n)
    facts["flags"] = np.where(rng.random(n) < 0.4, 1 << rng.integers(0, len(FLAGS), n), 0)
    facts["due_day"] = TODAY - rng.choice([*range(78, 91), *range(108, 121)], n)
    days = TODAY + rng.integers(0, 7, (1 if alike else n, k))
    asked = Reviews.of(asked_for).asked(facts, days)
    for row, fact in enumerate(facts):
        own = days[0 if alike else row]
        for place, rule in enumerate(asked_for):
            says = any(PARTIES.index(one) == fact["party"] for one in rule.parties)
            says |= any(fact["flags"] >> FLAGS.index(one) & 1 for one in rule.flags)
            says |= rule.from_days is not None and any(day - fact["due_day"] >= rule.from_days for day in own.tolist())
            has_looked = fact["flags"] >> FLAGS.index("reviewed") & 1
            assert asked[place, row] == (says and not has_looked), (rule, fact, own)
    assert 0.1 < asked[0].mean() < 0.9
