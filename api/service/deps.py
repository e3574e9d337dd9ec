"""What routes are given: the served model, the log, the settings, and the check of the caller's key."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader

from api.service.metrics import Metrics
from api.service.rate_limit import RateLimit
from api.service.recording import Recorder
from api.service.serving import Served, Serving
from api.service.shadow import Shadow
from recommender.settings import Settings

__all__ = [
    "KEY_HEADER",
    "KeyDep",
    "KeyInProductionDep",
    "MetricsDep",
    "RecorderDep",
    "ServedDep",
    "ServingDep",
    "SettingsDep",
    "ShadowDep",
]

KEY_HEADER = "X-API-Key"
_KEY_HEADER = APIKeyHeader(name=KEY_HEADER, auto_error=False, description="Needed when the service has keys.")
GivenKey = Annotated[str | None, Depends(_KEY_HEADER)]


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _served(request: Request) -> Served:
    return _serving(request).current()


def _recorder(request: Request) -> Recorder:
    recorder: Recorder = request.app.state.recorder
    return recorder


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


def _shadow(request: Request) -> Shadow:
    shadow: Shadow = request.app.state.shadow
    return shadow


def require_key(request: Request, key: GivenKey) -> None:
    """Refuse a caller without one of the keys, in time that does not depend on how much of it was right.

    Callers are counted by their key, those without a valid one by their address.
    """
    limit: RateLimit = request.app.state.rate_limit
    keys = _settings(request).api_keys
    given = (key or "").encode()
    matches = [hmac.compare_digest(given, known.get_secret_value().encode()) for known in keys]
    host = "unknown" if request.client is None else request.client.host
    limit.count(f"key {key}" if any(matches) else f"client {host}")
    if keys and not any(matches):
        raise HTTPException(401, "Send a valid X-API-Key header.", headers={"WWW-Authenticate": "ApiKey"})


def require_key_in_production(request: Request, key: GivenKey) -> None:
    """As :func:`require_key`, but open in development."""
    if _settings(request).environment != "development":
        require_key(request, key)


SettingsDep = Annotated[Settings, Depends(_settings)]
ServingDep = Annotated[Serving, Depends(_serving)]
ServedDep = Annotated[Served, Depends(_served)]
RecorderDep = Annotated[Recorder, Depends(_recorder)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
ShadowDep = Annotated[Shadow, Depends(_shadow)]
KeyDep = Depends(require_key)
KeyInProductionDep = Depends(require_key_in_production)
