"""Run a coroutine from a test, whatever its worker did before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["run"]

T = TypeVar("T")


def run(call: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run ``call()`` to its end, in a thread of its own: Playwright leaves its loop running in the worker's thread."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(call())).result()
