"""MLflow made quiet: no telemetry, no progress bars, no notes about its own database."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from recommender.extras import needs
from recommender.quiet import warnings_ignored

__all__ = ["folder_uri", "open_client", "quiet"]

# MLflow reads these only from the environment, and the first when it is imported. What the user set stays.
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_UV_AUTO_DETECT": "false",  # else it copies lock file and project file of the current folder into models
    "MLFLOW_LOG_UV_FILES": "false",
}


def open_client(tracking_uri: str) -> Any:
    """Client for tracking and registry at one URI; touches no global state of MLflow.

    Creates the database where there is none (several seconds, once).
    """
    if tracking_uri.startswith("sqlite:"):
        database = sa.make_url(tracking_uri).database
        if database:
            Path(database).parent.mkdir(parents=True, exist_ok=True)
    with quiet():
        with needs("registry"):
            from mlflow import MlflowClient

        client = MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
        client.search_registered_models(max_results=1)  # builds the registry's store too, while it is quiet
    return client


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
