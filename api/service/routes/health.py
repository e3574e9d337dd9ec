"""Is the process alive, and what would it answer with."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from api.service.deps import NowDep, RecorderDep, ServedDep, ServingDep, SettingsDep, ShadowDep
from recommender.errors import RecommenderError
from recommender.rules import pack_warnings, rule_books

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process answers (the gateway does, before anything else is asked)."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": dict[str, Any], "description": "Decisions cannot be written down"}})
async def readyz(
    response: Response,
    served: ServedDep,
    serving: ServingDep,
    shadow: ShadowDep,
    recorder: RecorderDep,
    settings: SettingsDep,
    now: NowDep,
) -> dict[str, Any]:
    """Say what answers (a model, or the seed rules and why), and what is not as it should be.

    503 when decisions cannot be written down, or a model is required and none serves: then none can be made. A
    registry that does not answer, or a model that was refused, is a warning:
    the model in use goes on.
    """
    registry, challenger = serving.registry(), serving.challenger()
    trouble = await recorder.trouble(now)
    warnings = [
        served.note,
        None if registry is None else registry["trouble"],
        *_pack_warnings(settings.packs_in_force, now.date()),
    ]
    is_ready = trouble is None and not serving.lacks_model
    if not is_ready:
        response.status_code = 503
    return {
        "status": "ready" if is_ready else "not ready",
        "policy": "model" if served.is_model else "seed_rules",
        "policy_version": served.strategy.version_,
        "source": served.source,
        "decision_log": "none" if not recorder.keeps else "ready" if trouble is None else trouble,
        "registry": registry,
        "shadow": None if challenger is None else shadow.to_dict(challenger),
        "warnings": list(dict.fromkeys(warning for warning in warnings if warning)),
    }


def _pack_warnings(packs: tuple[str, ...], today: date) -> list[str]:
    try:
        books = rule_books(packs)
    except RecommenderError as error:
        return [str(error)]
    return pack_warnings({pack.id: pack for book in books for pack in book.packs}.values(), today)
