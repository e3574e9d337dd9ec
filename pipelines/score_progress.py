"""How far a long run is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["progress_on"]

_SECONDS_BETWEEN_LINES = 30.0

Tell = Callable[[int, int, int], None]


@contextmanager
def progress_on(
    console: Console, *, clock: Callable[[], float] = time.monotonic, every: float = _SECONDS_BETWEEN_LINES
) -> Iterator[Tell]:
    """Show accounts finished, the rate of this run and the time left.

    Yields
    ------
    callable
        Takes (accounts finished, of them by an earlier run, all accounts).
    """
    if not console.is_terminal or console.is_dumb_terminal:  # a bar draws over itself, which a dumb one cannot
        yield _Lines(console, clock, every)
        return
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
    started = clock()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("rank", total=None, rate="preparing")

        def tell(finished: int, before: int, total: int) -> None:
            passed = max(clock() - started, 1e-9)
            shown = f"{(finished - before) / passed:,.0f}/s" if finished > before else "starting"
            progress.update(task, completed=finished, total=total, rate=shown)

        yield tell


class _Lines:
    """One line when something is resumed, then one every so often."""

    def __init__(self, console: Console, clock: Callable[[], float], every: float) -> None:
        self._console = console
        self._clock = clock
        self._every = every
        self._started: float | None = None
        self._told = 0.0

    def __call__(self, finished: int, before: int, total: int) -> None:
        now = self._clock()
        if self._started is None:
            self._started = self._told = now
            if before:
                self._console.print(f"resuming: {before:,} of {total:,} accounts are planned", highlight=False)
            return
        if now - self._told < self._every:
            return
        self._told = now
        rate = (finished - before) / max(now - self._started, 1e-9)
        left = timedelta(seconds=round((total - finished) / rate)) if rate else "unknown"
        self._console.print(
            f"planned {finished:,} of {total:,} accounts, {rate:,.0f} a second, {left} left", highlight=False
        )
