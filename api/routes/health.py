"""Is the process alive, and what would it answer with."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from api.deps import ServedDep

router = APIRouter(tags=["health"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(served: ServedDep) -> dict[str, Any]:
    """Say what answers: a model, or the seed rules and why."""
    warnings = [served.note] if served.note else []
    return {
        "status": "ready",
        "policy": "model" if served.is_model else "seed_rules",
        "policy_version": served.strategy.version_,
        "source": served.source,
        "warnings": warnings,
    }
