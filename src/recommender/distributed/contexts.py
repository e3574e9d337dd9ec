"""Point-in-time features on workers: the function of one machine, over parts of the accounts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dask
import distributed
import numpy as np
import pandas as pd
from distributed.scheduler import KilledWorker
from numpy.typing import NDArray

from recommender.errors import RecommenderError
from recommender.features import Knowledge
from recommender.history import ContextOf, PreparedLog, context_of_rows

__all__ = ["contexts_on"]

_dask: Any = distributed  # typed by halves


def contexts_on(client: Any, log: PreparedLog, *, n_parts: int | None = None) -> ContextOf:
    """Function for :meth:`PreparedLog.parts` that works out the context of decisions on a cluster.

    What is known is cut by debtor, for an account's features rest on its own and its debtor's events alone, and each
    part is sent once. It lies in the task that hands it out: a worker that dies takes a copy along, which the
    scheduler makes again elsewhere. The answers are those of one process to the bit.

    Parameters
    ----------
    client : distributed.Client
    log : PreparedLog
    n_parts : int, optional
        One a worker thread by default.

    Returns
    -------
    callable

    Raises
    ------
    RecommenderError
        From the function, when a part kills its workers again and again.
    """
    n = n_parts or max(sum(client.nthreads().values()), 1)
    accounts = pd.Series(log.head["account_id"].unique())
    part_of = pd.Series(_spread(log.knowledge.debtors(accounts), n), index=accounts)
    parts_there: list[Any] = []
    with _large_tasks():
        for part in range(n):
            known = log.knowledge.of_accounts(accounts[part_of.to_numpy() == part])
            parts_there.append(client.submit(_give, known, pure=False))

    def context_of(head: pd.DataFrame) -> pd.DataFrame:
        part_of_row = head["account_id"].map(part_of).to_numpy()
        rows = [np.flatnonzero(part_of_row == part) for part in range(n)]
        asked = [part for part in range(n) if len(rows[part])]
        with _large_tasks():
            futures = [
                client.submit(_context, parts_there[part], head.take(rows[part]), log.own, pure=False) for part in asked
            ]
            try:
                contexts = [future.result() for future in futures]
            except KilledWorker as error:
                raise RecommenderError(
                    f"Features killed their worker again and again ({error}). Give workers more memory."
                ) from error
        order = np.argsort(np.concatenate([rows[part] for part in asked]))
        return pd.concat(contexts, ignore_index=True).take(order).reset_index(drop=True)

    return context_of


def _spread(debtors: pd.Series, n_parts: int) -> NDArray[np.int64]:
    """Part of each account: all accounts of a debtor in one."""
    codes, _ = pd.factorize(debtors)
    return np.asarray(codes % n_parts, dtype=np.int64)


def _give(known: Knowledge) -> Knowledge:
    return known


def _context(known: Knowledge, head: pd.DataFrame, own: Sequence[str]) -> pd.DataFrame:
    return context_of_rows(known, head.reset_index(drop=True), own)


def _large_tasks() -> Any:
    """Data travel inside tasks on purpose: a lost copy is made again."""
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GiB"})
