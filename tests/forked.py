"""Processes forked from one that has the libraries loaded: a fresh interpreter spends five seconds of CPU on that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["PRELOADED", "Forked"]

#: What a process that is forked finds loaded; a list for all, since there is one such parent in a worker of the tests.
PRELOADED = [
    "api.main", "uvicorn.main", "psycopg", "sqlalchemy.dialects.sqlite", "recommender.distributed", "lightgbm",
    "recommender.proof", "recommender.explanation", "recommender.simulation", "ipykernel.kernelapp",
    "matplotlib_inline.backend_inline",
]  # fmt: skip

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(PRELOADED)


def _become(work: Callable[..., object], arguments: tuple[Any, ...], environment: dict[str, str], folder: str) -> None:
    """Do the work with an environment and a folder of its own, and with nobody to talk to."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    work(*arguments)


class Forked:
    """A process, handled as :class:`subprocess.Popen` is.

    Parameters
    ----------
    work : callable
        A function of a module; ends with an exit code as a program does.
    arguments : object
        Of the work.
    environment : mapping, optional
        All of it; that of this process where none is given.
    folder : path, optional
    """

    stdin = stdout = stderr = None

    def __init__(
        self,
        work: Callable[..., object],
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        folder: str | Path | None = None,
    ) -> None:
        told = dict(os.environ if environment is None else environment)
        self._process = _FORKS.Process(target=_become, args=(work, arguments, told, str(folder or Path.cwd())))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Exit code once it ended."""
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired([self._process.name], timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it ended."""
        if self.poll() is None and self.pid:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.send_signal(signal.SIGKILL)
