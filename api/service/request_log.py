"""A request's id, and one structured line a request: what, how long, how it ended; never what was in it."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog

__all__ = ["REQUEST_ID", "configure", "frames_of", "new_request_id", "request_id_of"]

REQUEST_ID = "X-Request-ID"
_ID = re.compile(r"[\w.\-]{1,64}", re.ASCII)


def configure(*, readable: bool) -> None:
    """Write log lines to standard error, as JSON or readable; what an embedding program has configured stays."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


def new_request_id(given: str | None) -> str:
    """The caller's id where it is harmless in a log line, else a fresh one."""
    return given if given is not None and _ID.fullmatch(given) else uuid4().hex


def request_id_of(scope: MutableMapping[str, Any]) -> str | None:
    """Id of the request being answered."""
    request_id = scope.get("state", {}).get("request_id")
    return None if request_id is None else str(request_id)


def frames_of(error: BaseException) -> list[str]:
    """Where an error came from, innermost last, without its message: messages may repeat what was sent."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
