"""Warnings of other libraries set aside, in programs of many threads too."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

__all__ = ["warnings_ignored"]

_CHANGING = threading.Lock()


@contextmanager
def warnings_ignored(category: type[Warning], message: str = "") -> Iterator[None]:
    """Ignore warnings of a kind while a block runs.

    As :class:`warnings.catch_warnings`, which puts back the filters that it found: of two threads the first to leave
    takes the other's filter away, and the last leaves it behind for good. Here each takes back its own. The filters
    are the process's still, so what other threads warn of meanwhile is ignored as well: name kind and words narrowly.

    Parameters
    ----------
    category : type of Warning
    message : str
        Pattern of how the warning begins; empty = any.
    """
    own = ("ignore", re.compile(message, re.IGNORECASE) if message else None, category, None, 0)
    with _CHANGING:  # a new list each time: another thread may be reading the one that is there
        _put([own, *warnings.filters])
    try:
        yield
    finally:
        with _CHANGING:
            # by identity: an equal one may be somebody's; and another may have put back what was there before
            _put([one for one in warnings.filters if one is not own])


def _put(filters: Sequence[object]) -> None:
    warnings.filters = filters  # type: ignore[assignment]  # as the standard library does itself
