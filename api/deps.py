"""What routes are given: the served model, the settings, and the check of the caller's key."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import APIKeyHeader

from api.serving import Served, Serving
from recommender.settings import Settings

__all__ = ["KeyDep", "ServedDep", "ServingDep", "SettingsDep"]

_KEY_HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="Needed when the service has keys.")


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _serving(request: Request) -> Serving:
    serving: Serving = request.app.state.serving
    return serving


def _served(request: Request) -> Served:
    return _serving(request).current()


def require_key(request: Request, key: Annotated[str | None, Depends(_KEY_HEADER)]) -> None:
    """Refuse a caller without one of the keys, in time that does not depend on how much of it was right."""
    keys = _settings(request).api_keys
    if not keys:
        return
    given = (key or "").encode()
    matches = [hmac.compare_digest(given, known.get_secret_value().encode()) for known in keys]
    if not any(matches):
        raise HTTPException(401, "Send a valid X-API-Key header.", headers={"WWW-Authenticate": "ApiKey"})


SettingsDep = Annotated[Settings, Depends(_settings)]
ServingDep = Annotated[Serving, Depends(_serving)]
ServedDep = Annotated[Served, Depends(_served)]
KeyDep = Depends(require_key)
