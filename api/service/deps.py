"""What routes are given: the served model, the log, the settings."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer

from api.service.gateway import KEY_HEADER
from api.service.metrics import Metrics
from api.service.recording import Recorder
from api.service.serving import Served, Serving
from api.service.shadow import Shadow
from recommender.settings import Settings

__all__ = [
    "KeyDep",
    "MetricsDep",
    "NowDep",
    "RecorderDep",
    "ServedDep",
    "ServingDep",
    "SettingsDep",
    "ShadowDep",
]

_KEY_HEADER = APIKeyHeader(name=KEY_HEADER, auto_error=False, description="Needed when the service has keys.")

_BEARER = HTTPBearer(auto_error=False, description="Token of the identity provider, where the service takes them.")


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


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


NowDep = Annotated[datetime, Depends(_now)]
SettingsDep = Annotated[Settings, Depends(_settings)]
ServingDep = Annotated[Serving, Depends(_serving)]
ServedDep = Annotated[Served, Depends(_served)]
RecorderDep = Annotated[Recorder, Depends(_recorder)]
MetricsDep = Annotated[Metrics, Depends(_metrics)]
ShadowDep = Annotated[Shadow, Depends(_shadow)]


def _credentials(key: Annotated[str | None, Depends(_KEY_HEADER)], token: Annotated[object, Depends(_BEARER)]) -> None:
    """For the description alone: one of the two is needed where the service has keys."""


KeyDep = Depends(_credentials)  # for the description of the API: the gateway checks keys before anything is read
