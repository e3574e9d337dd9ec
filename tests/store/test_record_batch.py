"""Records made by column are those made one by one, and what is wrong with one of them is said as it says it itself."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import numpy as np
import pytest
from pydantic_core import to_json

from recommender.errors import RecommenderError
from recommender.store.decision_log import (
    DecisionBatch,
    DecisionLog,
    DecisionRecord,
    WrittenRanking,
    checked_mappings,
    decision_batch,
)
from recommender.store.decision_log.records import Provenance
from tests.store.conftest import NOON

N = 7


@pytest.fixture
def batch(provenance: Provenance) -> DecisionBatch:
    """Seven decisions with eligible sets, rankings and contexts of their own."""
    rng = np.random.default_rng(3)
    action = rng.integers(0, 10, N)
    eligible = rng.random((N, 10)) < 0.5
    eligible[np.arange(N), action] = True
    ladder = [{"gain": gain, "paid": None} for gain in rng.random(N).tolist()]
    ranking = [
        WrittenRanking(
            to_json(
                [{"action": one, "needs_human": False, "values": ladder[row]}, {"action": 9 - one, "rank": 2}]
            ).decode(),
            [one, 9 - one],
        )
        for row, one in enumerate(action.tolist())
    ]
    context = checked_mappings({"days": [1.5, 2, None, 4, 5, 6, 7], "stage": list("abcdefg")}, "context", levels=True)
    return DecisionBatch(
        decision_id=[f"d{n}" for n in range(N)], account_id=[f"a{n}" for n in range(N)],
        debtor_id=["p", None, "p", "q", None, "q", "r"], decided_at=NOON, action=action,
        propensity=rng.uniform(0.1, 1, N).tolist(), eligible=eligible, context=context, provenance=[provenance] * N,
        ranking=ranking, request_position=list(range(N)),
        contact_at=[None, *(NOON + timedelta(hours=n) for n in range(1, N))], shadow=[None] * N, request_key="k",
        seed=3, purpose="collection", fallback=False, deterministic=False,
    )  # fmt: skip


def one_by_one(batch: DecisionBatch) -> list[DecisionRecord]:
    """The same by the constructor, which is told of no check and of no order."""
    turned = [[dict(reversed(entry.items())) for entry in ranking] for ranking in batch.ranking]
    batch = replace(batch, ranking=turned)
    shared = {"decided_at", "request_key", "seed", "purpose", "fallback", "deterministic"}
    names = {one.name for one in fields(DecisionBatch)} - shared - {"action"}
    return [
        DecisionRecord(
            action=int(batch.action[row]), **{name: getattr(batch, name)[row] for name in names},
            **{name: getattr(batch, name) for name in shared},
        )
        for row in range(N)
    ]  # fmt: skip


def test_they_are_those_made_one_by_one_and_come_back_from_the_log(log: DecisionLog, batch: DecisionBatch) -> None:
    """Every column, digest and bit."""
    made, alone = decision_batch(batch), one_by_one(batch)
    assert [one.to_row().keys() for one in made] == [one.to_row().keys() for one in alone]
    for mine, other in zip(made, alone, strict=True):
        assert mine == other and mine.purpose is None
        for name, value in other.to_row().items():
            own = mine.to_row()[name]
            assert getattr(own, "text", own) == getattr(value, "text", value), name
    log.record(made)
    for one in alone:
        found = log.get(one.decision_id)
        assert found is not None and found.decision == one
    assert log.record(alone).repeated == N
    with pytest.raises(ValueError, match="read-only"):
        made[0].eligible[0] = False


@pytest.mark.parametrize(
    "change",
    [
        {"account_id": ['a"%s', "b\\", "c%", "ñ", "e f", "f", "g"], "debtor_id": ['"', *"%bcdef"]},
        {"request_key": None, "seed": None, "purpose": "win_back", "fallback": True, "deterministic": True},
        {"request_key": '%s"', "contact_at": [None] * N},
    ],
)
def test_rows_by_column_are_those_of_records_alone(batch: DecisionBatch, change: dict[str, object]) -> None:
    """Signs that JSON and a form of text have a use for, and each of the shared fields."""
    given = replace(batch, **change)
    for mine, other in zip(decision_batch(given), one_by_one(given), strict=True):
        texts = [{name: getattr(v, "text", v) for name, v in one.to_row().items()} for one in (mine, other)]
        assert texts[0] == texts[1]
        assert (mine.first_digest, dict(mine.context)) == (other.first_digest, dict(other.context))


@pytest.mark.parametrize(
    "change",
    [
        {"account_id": ["a", "b", "573001234567@x.co", "d", "e", "f", "g"]},
        {"decision_id": ["a", "b", "", "d", "e", "f", "g"]},
        {"debtor_id": ["a", "b", "+57 300 123 4567", "d", "e", "f", "g"]},
        {"propensity": [0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]},
        {"action": np.array([0, 1, 10, 3, 4, 5, 6])},
        {"eligible": np.zeros((N, 10), dtype=bool)},
        {"context": [{}, {}, {"email": "a@b.co"}, {}, {}, {}, {}]},
        {"ranking": [[]] * 6 + [[{"rank": 1}]]},
    ],
)
def test_what_one_record_refuses_the_batch_refuses(batch: DecisionBatch, change: dict[str, object]) -> None:
    """With the same words."""
    wrong = replace(batch, **change)
    with pytest.raises((RecommenderError, ValueError)) as alone:
        one_by_one(wrong)
    with pytest.raises(type(alone.value)) as together:
        decision_batch(wrong)
    assert str(together.value) == str(alone.value)
