"""Workers to send partitions to: processes of this machine, or a scheduler somewhere else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recommender.errors import RecommenderError
from recommender.extras import needs

with needs("distributed"):
    import dask
    import distributed

__all__ = ["cluster"]

_dask: Any = distributed  # typed by halves


@contextmanager
def cluster(address: str, *, n_workers: int | None = None) -> Iterator[Any]:
    """Connect to workers, and let them go in the end.

    Parameters
    ----------
    address : str
        ``"local"`` starts one process a core here; else the scheduler, e.g. ``"tcp://10.0.0.5:8786"`` (``tls://`` with
        Dask's security settings where the network is not trusted: workers run what the scheduler sends them).
    n_workers : int, optional
        Processes of a local cluster.

    Yields
    ------
    distributed.Client
    """
    if address == "local":
        with (
            # a killed worker comes back by its nanny, which a local cluster closes if that takes longer than this
            dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"}),
            _dask.LocalCluster(
                n_workers=n_workers or os.cpu_count() or 1,
                threads_per_worker=1,
                processes=True,
                dashboard_address=":0",  # any free port: two clusters may run on one machine
            ) as here,
            _dask.Client(here, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = _dask.Client(address, set_as_default=False, timeout="20s")
    except (OSError, ValueError) as error:
        raise RecommenderError(
            f"No Dask scheduler answers at {address}: {error}. Start one with `dask scheduler` and workers with "
            "`dask worker ADDRESS`, or use --dask local."
        ) from error
    with client:
        yield client
