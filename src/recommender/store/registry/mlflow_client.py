"""MLflow made quiet: no telemetry, no progress bars, no notes about its own database."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender.errors import RecommenderError
from recommender.extras import needs
from recommender.quiet import warnings_ignored

__all__ = ["RegistryError", "folder_uri", "open_client", "quiet"]

_DATABASE = re.compile(r"(sqlite|postgresql|mysql|mssql)(\+\w+)?:")

# MLflow reads these only from the environment, and the first when it is imported. What the user set stays.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else it copies lock file and project file of the current folder into models
    "MLFLOW_LOG_UV_FILES": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # seven take minutes to say that a server is away
}


class RegistryError(RecommenderError, LookupError):
    """A version, alias or registry that is not there."""


def open_client(tracking_uri: str) -> Any:
    """Client for tracking and registry at one URI; touches no global state of MLflow.

    Creates the database where there is none (several seconds, once).

    Raises
    ------
    RegistryError
        Where the database or the server does not answer.
    """
    with needs("registry"), quiet():
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    if _DATABASE.match(tracking_uri):
        _look_at_database(tracking_uri)
    with quiet():
        try:
            client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
            client.search_registered_models(max_results=1)  # builds the registry's store too, while it is quiet
        except (MlflowException, OSError, sa.exc.SQLAlchemyError) as error:
            if "out-of-date database schema" in str(error):
                raise RegistryError(
                    f"The registry at {_place(tracking_uri)} has the schema of another MLflow. Make a backup, then "
                    "run: mlflow db upgrade ADDRESS"
                ) from error
            raise _away(tracking_uri, error) from error
    return client


def _look_at_database(uri: str) -> None:
    """Raise where a database cannot be read: MLflow would try for a minute, and hold up every other one meanwhile."""
    try:
        url = sa.make_url(uri)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            sa.inspect(connection).get_table_names()
    except (OSError, ImportError, sa.exc.SQLAlchemyError) as error:
        raise _away(uri, error) from error


def _away(uri: str, error: BaseException) -> RegistryError:
    """What its driver says may hold the password: only the kind of trouble is told."""
    return RegistryError(
        f"The registry at {_place(uri)} does not answer ({type(error).__name__}). Check the address, the rights on it "
        "and that its server is up."
    )


def _place(uri: str) -> str:
    """An address without its password."""
    try:
        return sa.make_url(uri).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return uri.rsplit("@", 1)[-1]


@contextmanager
def quiet() -> Iterator[None]:
    """Import and run MLflow without its remarks."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    # MLflow 3.17 uses what SQLAlchemy 2.1 deprecates, and advises to pickle examples and to add type hints.
    with warnings_ignored(Warning):
        import mlflow  # noqa: F401 - sets the levels of its loggers, which are lowered only now

        levels = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def folder_uri(folder: str | Path) -> str:
    """URI of an artefact root: a folder as an absolute ``file://`` URI, any other URI as it is."""
    text = str(folder)
    return text if "://" in text else Path(text).resolve().as_uri()
