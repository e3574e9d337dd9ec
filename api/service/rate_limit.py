"""How many requests one caller may make, over all workers of the service."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from fastapi import HTTPException
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from recommender.errors import InvalidInput

__all__ = ["RateLimit", "SharedRateLimit", "TakeTurns"]

_log = structlog.get_logger(__name__)
#: Takes turns of a caller ``(name, limit, seconds, wanted)``; how many were left to take.
TakeTurns = Callable[[str, int, float, int], int]
_SHARES = 50  # a worker takes this part of a limit at a time: so many writes in a window, and what is left unused
_PATIENCE = 1.0  # seconds for the counters to answer
_PAUSE = 5.0  # seconds without them after they did not
_MOST_CALLERS = 10_000


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
        name = _name_of(caller)
        if not self._limiter.hit(self._limit, name):
            raise self._too_many(self._limiter.get_window_stats(self._limit, name).reset_time)

    def _too_many(self, again: float) -> HTTPException:
        seconds = max(1, math.ceil(again - time.time()))
        return HTTPException(429, f"More than {self._limit}; wait {seconds} s.", headers={"Retry-After": str(seconds)})


@dataclass
class _Share:
    """Turns that this worker took for a caller and has not used."""

    window: int = -1
    left: int = 0
    none_before: float = 0.0  # all were taken: not asked again earlier
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SharedRateLimit(RateLimit):
    """One limit over all workers that write to the same log: each takes turns from common counters, some at a time.

    Together they never let in more than the limit. What a worker took and did not use is lost with its window, at most
    a fiftieth of the limit each. While the counters do not answer, each worker holds the limit alone.

    Parameters
    ----------
    limit : str or None
    """

    def __init__(self, limit: str | None) -> None:
        super().__init__(limit)
        self._take: TakeTurns | None = None
        self._shares: dict[str, _Share] = {}
        self._alone_until = 0.0
        self._asker = ThreadPoolExecutor(2, "rate-limit")

    def share(self, take: TakeTurns | None) -> None:
        """Count with others from now on; None = alone."""
        self._take = take

    def close(self) -> None:
        """End the threads that ask."""
        self._asker.shutdown(wait=False, cancel_futures=True)

    async def count_with_others(self, caller: str) -> None:
        """Count a request of a caller here and, where counters are shared, there.

        Raises
        ------
        HTTPException
            429 with ``Retry-After`` when it is one too many.
        """
        self.count(caller)  # first: a flood at one worker costs the others nothing
        if self._limit is None or self._take is None:
            return
        name, seconds = _name_of(caller), float(self._limit.get_expiry())
        if len(self._shares) > _MOST_CALLERS:
            self._forget(int(time.time() // seconds))
        share = self._shares.setdefault(name, _Share())
        async with share.lock:
            now = time.time()
            window = int(now // seconds)
            if share.window != window:
                share.window, share.left = window, 0
            if not share.left and time.monotonic() >= self._alone_until:
                if now < share.none_before:
                    raise self._too_many(share.none_before)
                share.left = await self._taken(name, seconds)
                if not share.left and time.monotonic() >= self._alone_until:
                    # The window slides: after a part of it some of the turns are free again.
                    share.none_before = now + max(0.1, seconds / _SHARES)
                    raise self._too_many(share.none_before)
            share.left = max(0, share.left - 1)

    async def _taken(self, name: str, seconds: float) -> int:
        if self._limit is None or self._take is None:
            return 0
        amount = int(self._limit.amount)
        wanted = max(1, amount // _SHARES)
        try:
            asked = asyncio.get_running_loop().run_in_executor(self._asker, self._take, name, amount, seconds, wanted)
            return await asyncio.wait_for(asked, _PATIENCE)
        except Exception as error:  # noqa: BLE001 - whatever the database says: the limit is held by each worker alone
            _log.warning("rate counters do not answer", error=type(error).__name__)
            self._alone_until = time.monotonic() + _PAUSE
            return 0

    def _forget(self, window: int) -> None:
        self._shares = {
            name: share for name, share in self._shares.items() if share.window == window or share.lock.locked()
        }


def _name_of(caller: str) -> str:
    return hashlib.sha256(caller.encode()).hexdigest()  # no key is kept in the counters
