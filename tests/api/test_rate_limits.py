"""One rate limit over all workers: together they let in no more than one of them may alone."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from api.main import create_app
from api.service.rate_limit import SharedRateLimit
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from tests import own_loop
from tests.api.served import Served


def test_turns_slide_and_are_never_more_than_the_limit(empty_url):
    """Against a count by hand: whoever asks, in whatever portions, at most the limit in a window."""
    with DecisionLog.create(empty_url) as log:
        ask = {"limit": 10, "seconds": 60.0}
        assert [log.take_turns("a", **ask, wanted=4, now=600.0) for _ in range(4)] == [4, 4, 2, 0]
        assert log.take_turns("b", **ask, wanted=3, now=600.0) == 3
        # Half a window later than its end, half of the ten still count.
        assert log.take_turns("a", **ask, wanted=10, now=690.0) == 5
        assert log.take_turns("a", **ask, wanted=10, now=690.0) == 0
        assert log.take_turns("a", **ask, wanted=10, now=900.0) == 10
        # A quarter into the next window three quarters of the ten count, rounded up.
        assert log.take_turns("a", **ask, wanted=10, now=975.0) == 2
        with ThreadPoolExecutor(8) as pool:
            taken = pool.map(lambda _: log.take_turns("c", **ask, wanted=3, now=1_200.0), range(12))
            assert sum(taken) == 10


def test_workers_together_let_in_what_one_may(empty_url):
    """Two processes: of sixty requests thirty are let in, and the others are told when to come again."""
    with Served(empty_url, workers=2, rate_limit="30/hour") as served:
        answers = [served.ask("GET", "/v1/features", port=port) for _ in range(30) for port in served.ports]
    assert Counter(status for status, _ in answers) == {200: 30, 429: 30}


def test_a_worker_without_counters_holds_the_limit_alone():
    """Counters that hang or fail cost a second once, and nobody is let in beyond the limit."""
    calls = []

    def hangs(*_):
        calls.append(time.monotonic())
        time.sleep(1.3)
        raise OSError

    async def ask():
        limit = SharedRateLimit("5/hour")
        limit.share(hangs)
        for _ in range(5):
            await limit.count_with_others("one")
        for _ in range(3):
            with pytest.raises(HTTPException) as refused:
                await limit.count_with_others("one")
            assert refused.value.status_code == 429
            assert int(refused.value.headers["Retry-After"]) >= 1
        limit.close()

    own_loop.run(ask)
    assert len(calls) == 1  # it is not waited for a second time


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nobody_is_counted_who_asks_whether_it_is_well(tmp_path, path):
    settings = Settings(
        model_path=None, pages=False, rate_limit="2/hour", decision_log_url=f"sqlite:///{tmp_path / 'd.db'}"
    )
    with TestClient(create_app(settings)) as client:
        assert {client.get(path).status_code for _ in range(5)} == {200}
        assert [client.get("/v1/features").status_code for _ in range(3)] == [200, 200, 429]


def test_turns_that_were_taken_are_used_up():
    """Two at a time from the common counters: five requests ask three times."""
    calls = []

    def two(*asked):
        calls.append(asked)
        return 2

    async def ask():
        limit = SharedRateLimit("100/hour")
        limit.share(two)
        for _ in range(5):
            await limit.count_with_others("one")
        limit.close()

    own_loop.run(ask)
    assert [wanted for *_, wanted in calls] == [2, 2, 2]


@given(st.lists(st.sampled_from([0.0, 7.0, 90.0, 3_600.0]), min_size=1, max_size=12), st.integers(1, 4))
def test_turns_of_a_window_are_lost_with_it(pauses, given_turns):
    """Within each window nobody is let in but on turns that were taken in it, whatever an earlier one left."""
    now, taken, let_in = 7_200.0, Counter(), Counter()

    def take(*_):
        taken[now // 3_600] += given_turns
        return given_turns

    async def ask():
        nonlocal now
        limit = SharedRateLimit("100/hour")
        limit.share(take)
        for pause in pauses:
            now += pause
            await limit.count_with_others("one")
            let_in[now // 3_600] += 1
        limit.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.service.rate_limit.time", SimpleNamespace(time=lambda: now, monotonic=time.monotonic))
        own_loop.run(ask)
    assert all(0 <= taken[window] - let_in[window] < given_turns for window in let_in)
