"""Work off the event loop that is waited for until a deadline, and knows when nobody waits any more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.to_thread
from fastapi import HTTPException, Request

__all__ = ["Deadline", "in_time"]

T = TypeVar("T")


@dataclass
class Deadline:
    """When the caller stops waiting, on the monotonic clock."""

    at: float

    @property
    def has_passed(self) -> bool:
        """Whether the caller was told that no answer came."""
        return time.monotonic() >= self.at


async def in_time(request: Request, work: Callable[[Deadline], T]) -> T:
    """Run ``work`` on a thread; give up waiting at the deadline, e.g. while a database hangs.

    The thread goes on by itself: what it writes after the deadline, nobody was told, and it must take that back.

    Raises
    ------
    HTTPException
        503 with ``Retry-After``.
    """
    seconds = request.app.state.settings.deadline_seconds
    deadline = Deadline(time.monotonic() + seconds)
    with anyio.move_on_after(seconds):
        return await anyio.to_thread.run_sync(work, deadline, abandon_on_cancel=True)
    deadline.at = 0.0  # whatever the clocks say: the answer below is what the caller gets
    raise HTTPException(
        503,
        f"No answer within {seconds:g} s. What was decided meanwhile is not live. Retry.",
        headers={"Retry-After": "5"},
    )
