"""Single-threaded jobs that threads share: results never depend on how many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["run_jobs"]


def run_jobs(jobs: Sequence[Callable[[], Any]], n_jobs: int) -> list[Any]:
    """Run jobs side by side; which thread runs what never shows in the result."""
    if n_jobs <= 1:
        return [job() for job in jobs]
    with ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(lambda job: job(), jobs))
