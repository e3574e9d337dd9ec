"""What callers hand to a strategy, read once: logs, accounts of any kind of frame, seeds and numbers of threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.utils import check_random_state

from recommender.errors import InvalidInput
from recommender.frames import as_frame
from recommender.history import LoggedFeedback

__all__ = ["account_frame", "checked_log", "checked_path", "seed_of", "threads_of", "without_autologging"]


def checked_log(log: Any) -> LoggedFeedback:
    """Raise where something else was given than a log of decisions."""
    if isinstance(log, LoggedFeedback):
        return log
    raise InvalidInput(
        f"log must be a LoggedFeedback, which knows what the actions are; got {type(log).__name__}.",
        column="log",
        mend="LoggedFeedback.from_frame(contacts, actions=ActionSpace({...}), context=[...], reward=...) makes one.",
    )


def checked_path(path: Any) -> str | PathLike[str]:
    """Raise where something else was given than a path."""
    if isinstance(path, str | PathLike) and str(path):
        return path
    raise InvalidInput(f"path must name a folder; got {path!r}.", column="path", mend="Pass e.g. 'models/strategy'.")


def account_frame(accounts: Any) -> pd.DataFrame:
    """Accounts as a frame with text as column names and rows 0..n-1.

    Parameters
    ----------
    accounts : DataFrame, Series, mapping, sequence of mappings, or anything with the Arrow interface
        A mapping or a Series is one account. Polars, Arrow and DuckDB frames come through the Arrow interface.
    """
    if isinstance(accounts, pd.Series):
        accounts = accounts.to_dict()
    if isinstance(accounts, Mapping):
        if any(isinstance(value, list | np.ndarray | pd.Series) for value in accounts.values()):
            accounts = pd.DataFrame(dict(accounts))  # columns by name
        else:
            accounts = [accounts]
    return as_frame(accounts, argument="accounts")


def in_kind_of(given: Any, frame: pd.DataFrame) -> Any:
    """An answer as the kind of frame that was asked with: Arrow, Polars or DuckDB, and pandas for all others."""
    library = type(given).__module__.partition(".")[0].lstrip("_")
    if library == "pyarrow":
        return _arrow_table(frame)
    if library in ("polars", "duckdb"):  # loaded, since the user's frame is of it; both have from_arrow
        return sys.modules[library].from_arrow(_arrow_table(frame))
    return frame


def _arrow_table(frame: pd.DataFrame) -> pa.Table:
    """A frame as an Arrow table; instants keep their zone."""
    return pa.table({name: _arrow_column(frame[name]) for name in frame.columns})


def _arrow_column(column: pd.Series) -> pa.Array:
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        return pa.array(column, from_pandas=True)
    instants = pa.array(column.dt.tz_convert(None).to_numpy(), from_pandas=True)
    return instants.cast(pa.timestamp(instants.type.unit, tz=str(column.dt.tz)))


def seed_of(random_state: Any) -> int:
    """An integer seed of what scikit-learn takes as ``random_state``; None draws one."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        if random_state < 0:
            raise _no_seed(random_state)
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise _no_seed(random_state) from error


def _no_seed(random_state: Any) -> InvalidInput:
    return InvalidInput(
        f"random_state must be a whole number of at least 0, a generator or None; got {random_state!r}.",
        column="random_state",
        mend="Pass e.g. 0; None draws a seed at every fit.",
    )


def threads_of(n_jobs: Any) -> int:
    """Number of threads as joblib counts them: None is one, -1 all cores."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, int | np.integer) or n_jobs == 0):
        raise InvalidInput(
            f"n_jobs must be a whole number other than 0, or None; got {n_jobs!r}.",
            column="n_jobs",
            mend="2 threads are usual; -1 takes all cores.",
        )
    if n_jobs is None:
        return 1
    return int(n_jobs) if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + int(n_jobs))


@contextmanager
def without_autologging() -> Iterator[None]:
    """Keep ``mlflow.autolog`` from logging each small model within ours as a run of the user's."""
    autologging = sys.modules.get("mlflow.utils.autologging_utils")
    if autologging is None:
        yield
        return
    with autologging.disable_autologging():
        yield
