"""``POST /v1/best-hours`` and ``POST /v1/fallback-chains``: the days ahead of one account."""

from __future__ import annotations

from fastapi import APIRouter

from api.service.deps import KeyDep, NowDep, RecorderDep, ServedDep, SettingsDep
from api.service.forecasting import Forecaster
from api.service.planning_schemas import (
    BestHoursAnswer,
    BestHoursRequest,
    FallbackChainAnswer,
    FallbackChainRequest,
)

router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[KeyDep])


@router.post("/best-hours")
def best_hours(
    request: BestHoursRequest, recorder: RecorderDep, served: ServedDep, settings: SettingsDep, now: NowDep
) -> BestHoursAnswer:
    """Judge and value every hour of the days ahead over one channel, and name the best slots.

    A forecast: what is sent is decided by ``/v1/recommendations`` and re-checked by ``/v1/dispatches``.
    """
    return BestHoursAnswer(**Forecaster(recorder, served, settings, now).best_hours(request))


@router.post("/fallback-chains")
def chain_fallbacks(
    request: FallbackChainRequest, recorder: RecorderDep, served: ServedDep, settings: SettingsDep, now: NowDep
) -> FallbackChainAnswer:
    """Say what would follow if each contact failed, with the propensity that it would be drawn with then.

    A forecast: each step is decided by ``/v1/recommendations`` when its turn comes, on the facts of that day.
    """
    return FallbackChainAnswer(**Forecaster(recorder, served, settings, now).chain(request))
