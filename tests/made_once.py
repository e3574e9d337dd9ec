"""What takes long to make, made once whichever worker of pytest-xdist asks first."""

from __future__ import annotations

import fcntl
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Made = TypeVar("Made")


class MadeOnce:
    """A folder that all workers of a run share, and what is in it already.

    Parameters
    ----------
    factory : TempPathFactory
    """

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        base = factory.getbasetemp()
        self.folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
        self._held: dict[str, object] = {}

    def __call__(self, name: str, make: Callable[[], Made]) -> Made:
        """What ``make`` gives, or gave to the worker that asked for ``name`` first.

        Every worker has it from the file, whole (saving a strategy would leave out what only a fit holds): which one
        made it changes nothing. The file is the run's own, which is why it may be a pickle.
        """
        if name not in self._held:
            file = self.folder / f"{name}.pickle"
            self.made_at(file, lambda: file.write_bytes(pickle.dumps(make())))
            self._held[name] = pickle.loads(file.read_bytes())  # noqa: S301 - written above by this run
        return self._held[name]  # type: ignore[return-value]

    def made_at(self, place: Path, make: Callable[[], object]) -> Path:
        """Call ``make``, which writes ``place``, unless a worker did; what fails is made again by the next."""
        done = self.folder / f"{place.name}.done"
        with (self.folder / f"{place.name}.lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if not done.exists():
                make()
                done.touch()
        return place
