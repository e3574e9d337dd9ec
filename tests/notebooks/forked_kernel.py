"""Kernels forked from a process that has the libraries loaded: a fresh one imports for five seconds of CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

import pytest
from jupyter_client.provisioning import local_provisioner

from tests.forked import Forked

__all__ = ["forked_kernels"]

_LONGEST_START = 60.0  # seconds


def _run(connection_file: str) -> None:
    """Be a kernel, in a process group of its own: its manager ends whole groups."""
    os.setsid()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance(argv=["-f", connection_file])


def _launch(command: Sequence[str], *, env: dict[str, str], cwd: str | None = None, **_: Any) -> Forked:
    """Stand in for ``jupyter_client.launch_kernel``."""
    # The kernel's parent is the process that it was forked from, not the one that its manager names.
    told = {name: value for name, value in env.items() if name != "JPY_PARENT_PID"}
    kernel = Forked(_run, command[list(command).index("-f") + 1], environment=told, folder=cwd)
    latest = time.monotonic() + _LONGEST_START
    while os.getpgid(kernel.pid) != kernel.pid:
        if time.monotonic() > latest:
            kernel.kill()
            raise TimeoutError("the forked kernel did not start")
        time.sleep(0.01)
    return kernel


@pytest.fixture
def forked_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notebooks of a test run in kernels that are forked; each is new, and knows nothing of the one before."""
    monkeypatch.setattr(local_provisioner, "launch_kernel", _launch)
