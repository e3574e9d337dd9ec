"""Workers of a cluster are processes of their own, forked from one that has the libraries loaded."""

import multiprocessing

import dask
import pytest
from distributed import utils

from tests.forked import PRELOADED


@pytest.fixture(scope="session", autouse=True)
def forked_workers():
    """A fresh interpreter a worker spends five seconds of CPU on imports; how one starts is Dask's matter."""
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        utils.get_mp_context()  # sets a list of its own, once
        multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
        yield
