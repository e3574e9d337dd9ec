"""Corrections: each outcome once, under its own decision, in no circle, whoever else writes at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from recommender.errors import InvalidInput
from recommender.store.decision_log import DecisionLog, DecisionRecord, OutcomeRecord
from recommender.store.decision_log.corrections import outcomes_in_circles
from tests.store.test_kept_states import heard, made, retained, words

Decide = Callable[..., DecisionRecord]
PAIRS = 12


def test_circles_are_those_that_a_walk_from_each_outcome_finds():
    """Against the naive walk, on every map of five outcomes to one of six that they take the place of."""
    for ends in product(range(6), repeat=5):
        replaces = {str(one): str(end) for one, end in enumerate(ends)}
        naive = set()
        for start in replaces:
            place = start
            for _ in range(6):
                place = replaces.get(place)
                if place == start:
                    naive.add(start)
        assert outcomes_in_circles(replaces) == naive


def told_at_once(logs: Sequence[DecisionLog], batches: Sequence[Sequence[OutcomeRecord]]) -> list[str | None]:
    """Tell one batch to each log at the same moment; what each was refused for."""
    start = threading.Barrier(len(batches))

    def tell(log: DecisionLog, batch: Sequence[OutcomeRecord]) -> str | None:
        start.wait(30)
        try:
            log.record_outcomes(batch)
        except InvalidInput as refused:
            return str(refused)
        return None

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(tell, logs, batches))


@pytest.mark.parametrize("is_late", [False, True])
def test_two_batches_at_once_write_no_circle(empty_url: str, decide: Decide, is_late: bool) -> None:
    """Each tells one half: one of them is refused, and one opt-out stands; of deleted decisions as well."""
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other:
        for start in range(0, 8 * PAIRS, PAIRS):
            numbers = range(start, start + PAIRS)
            log.record([made(decide, one, f"D{one}") for one in numbers])
            if is_late:
                retained(log, 0.9)
            halves = [
                [heard(one, "opt_out", outcome_id=f"{a}{one}", replaces=f"{b}{one}") for one in numbers]
                for a, b in ("xy", "yx")
            ]
            refused = told_at_once([log, other], halves)
            assert sorted(one is None for one in refused) == [False, True]
            assert all("leads back" in one for one in refused if one is not None)
            assert all([word for _, word, _ in words(log, f"D{one}")] == ["opt_out"] for one in numbers)


def test_two_batches_at_once_correct_an_outcome_once(empty_url: str, decide: Decide) -> None:
    """Both take the place of one outcome: the second is told which took it."""
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other:
        for start in range(0, 8 * PAIRS, PAIRS):
            numbers = range(start, start + PAIRS)
            log.record([made(decide, one, f"D{one}") for one in numbers])
            log.record_outcomes([heard(one, "delivered", outcome_id=f"first{one}") for one in numbers])
            both = [
                [heard(one, word, outcome_id=f"{word}{one}", replaces=f"first{one}") for one in numbers]
                for word in ("opt_out", "read")
            ]
            refused = told_at_once([log, other], both)
            assert sorted(one is None for one in refused) == [False, True]
            assert all("took the place of" in one for one in refused if one is not None)
            assert all(len(words(log, f"D{one}")) == 1 for one in numbers)


def test_an_outcome_and_its_correction_at_once_leave_the_correction(empty_url: str, decide: Decide) -> None:
    """Of a decision that was deleted: whichever of the two is written first, the corrected word acts no longer."""
    with DecisionLog.create(empty_url) as log, DecisionLog(empty_url) as other:
        for start in range(0, 8 * PAIRS, PAIRS):
            numbers = range(start, start + PAIRS)
            log.record([made(decide, one, f"D{one}") for one in numbers])
            retained(log, 0.9)
            batches = [
                [heard(one, "opt_out", outcome_id=f"wrong{one}") for one in numbers],
                [heard(one, "read", outcome_id=f"right{one}", replaces=f"wrong{one}") for one in numbers],
            ]
            assert told_at_once([log, other], batches) == [None, None]
            assert all([word for _, word, _ in words(log, f"D{one}")] == ["read"] for one in numbers)
