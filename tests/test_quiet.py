"""Warnings set aside in threads: each thread has it as long as it asked, and nothing is left behind."""

from __future__ import annotations

import threading
import warnings
from itertools import permutations

import pytest

from recommender.quiet import warnings_ignored

LATER = "Series.values returning something else"


def test_in_whatever_order_threads_come_and_go_each_is_quiet_and_the_filters_are_as_before() -> None:
    """Three threads that overlap, leaving in every order; errors are the rule outside."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        for order in permutations(range(3)):
            leave, gone = [threading.Event() for _ in order], [threading.Event() for _ in order]
            inside = threading.Barrier(4)
            raised: list[BaseException] = []

            def work(number: int) -> None:
                try:
                    with warnings_ignored(DeprecationWarning, "Series.values"):
                        inside.wait()  # noqa: B023 - the thread ends in the same turn
                        leave[number].wait()  # noqa: B023
                        warnings.warn(LATER, DeprecationWarning, stacklevel=1)
                except BaseException as error:  # noqa: BLE001 - told by the assertion
                    raised.append(error)  # noqa: B023
                gone[number].set()  # noqa: B023

            threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
            for thread in threads:
                thread.start()
            inside.wait()
            for number in order:
                leave[number].set()
                gone[number].wait()
            for thread in threads:
                thread.join()
            assert raised == []
            assert list(warnings.filters) == before


def test_other_kinds_and_other_words_are_heard() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with warnings_ignored(DeprecationWarning, "Series.values"):
            warnings.warn(LATER, DeprecationWarning, stacklevel=1)
            with pytest.raises(DeprecationWarning):
                warnings.warn("something else", DeprecationWarning, stacklevel=1)
            with pytest.raises(UserWarning, match="Series"):
                warnings.warn(LATER, UserWarning, stacklevel=1)
        with pytest.raises(DeprecationWarning):
            warnings.warn(LATER, DeprecationWarning, stacklevel=1)


def test_filters_that_somebody_put_back_meanwhile_stay() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with warnings_ignored(DeprecationWarning):
            warnings.filters = list(before)  # type: ignore[assignment]
        assert list(warnings.filters) == before
