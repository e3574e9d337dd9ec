"""What is dated after the moment of a decision: told by then with a wrong clock, or not heard of before it happened."""

from __future__ import annotations

import time

from recommender.local_time import DAY_US

__all__ = ["CLOCK_ERROR_US", "may_be_told"]

CLOCK_ERROR_US = 2 * DAY_US
"""How far ahead of a decision a clock, a zone or a day without its hour may date what was told before it."""


def may_be_told(at: int, now: int) -> bool:
    """Whether an event dated ``at`` may have been told by the moment of a decision.

    Nobody tells today what happens next week: a date further ahead is a wrong one, and a stop that bears it acts.
    Unless that time has come on the clock of this machine: then the decision is replayed on tables of later, which tell
    what was not heard of before it happened.

    Parameters
    ----------
    at, now : int
        Microseconds UTC, of the event and of the decision.
    """
    return at - now <= CLOCK_ERROR_US or at > _clock_us()


def _clock_us() -> int:
    return time.time_ns() // 1_000
