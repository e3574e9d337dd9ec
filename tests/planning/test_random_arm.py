"""Draws of the random arm that would overfill one limit are drawn again."""

import datetime as dt
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.planning import reserved_contacts
from recommender.planning.reserved_contacts import random_arm

#: Two accounts, one action; the first row counts calls, the second messages, of which a contact takes none.
ROWS = SimpleNamespace(use=np.array([[[1.0, 0.0]]]), limit=np.array([1.0, 5.0]), is_minimum=np.zeros(2, dtype=bool))
ORDER = SimpleNamespace(seed=1, as_of=dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
CAPACITY = SimpleNamespace(arms=SimpleNamespace(explore=1.0))
BOTH, ONE = np.array([0, 0]), np.array([0, -1])


def read():
    facts = pd.DataFrame({"arm": "explore", "debtor": ["D0", "D1"], "account_id": ["A0", "A1"], "kind": 0})
    return SimpleNamespace(facts=facts, aside=np.array([0, 1]))


def drawn(monkeypatch, *draws):
    """What comes of draws in this order."""
    later = iter(draws)
    monkeypatch.setattr(reserved_contacts, "explore", lambda *_: (next(later), np.full(2, 0.5)))
    left = np.array([1.0, 5.0])
    chosen, chance = random_arm(read(), np.ones((2, 1), dtype=np.float32), ROWS, left, CAPACITY, ORDER)
    assert list(chance) == [0.5, 0.5]
    return list(chosen.position), list(left)


def test_one_full_limit_is_enough_to_draw_again(monkeypatch):
    """Two calls where one is left are too many, whatever the other limits have."""
    assert drawn(monkeypatch, BOTH, BOTH, ONE) == ([0], [0.0, 5.0])


def test_what_never_fits_is_refused(monkeypatch):
    """No draw is taken that breaks a limit, however often it comes."""
    with pytest.raises(InvalidInput, match="exceeded a limit"):
        drawn(monkeypatch, *[BOTH] * 10_000)
