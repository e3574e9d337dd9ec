"""How many requests one caller may make."""

from __future__ import annotations

import hashlib
import math
import time

from fastapi import HTTPException
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from recommender.errors import InvalidInput

__all__ = ["RateLimit"]


class RateLimit:
    """Limit of each key, or of each client address where there are no keys; kept in this process.

    Parameters
    ----------
    told : str or None
        e.g. ``"600/minute"`` or ``"10/second"``; None limits nothing.

    Raises
    ------
    InvalidInput
        When the limit cannot be read.
    """

    def __init__(self, limit: str | None) -> None:
        try:
            self._limit = None if limit is None else parse(limit)
        except ValueError as error:
            raise InvalidInput.in_column(
                "rate_limit", "cannot be read", values=[limit], mend="Write e.g. '600/minute' or '10/second'."
            ) from error
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> None:
        """Count a request of a caller.

        Raises
        ------
        HTTPException
            429 with ``Retry-After`` when it is one too many.
        """
        if self._limit is None:
            return
        name = hashlib.sha256(caller.encode()).hexdigest()  # no key is kept in the counters
        if not self._limiter.hit(self._limit, name):
            again = self._limiter.get_window_stats(self._limit, name).reset_time
            seconds = max(1, math.ceil(again - time.time()))
            raise HTTPException(
                429, f"More than {self._limit}; wait {seconds} s.", headers={"Retry-After": str(seconds)}
            )
