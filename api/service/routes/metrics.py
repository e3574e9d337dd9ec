"""``GET /metrics``: numbers for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.service.deps import KeyDep, MetricsDep
from api.service.metrics import CONTENT_TYPE_LATEST

router = APIRouter(tags=["health"], dependencies=[KeyDep])


@router.get("/metrics", response_class=Response)
def metrics(numbers: MetricsDep) -> Response:
    """Requests, latency, decisions by policy and channel, guardrail removals, outcomes, shadow choices."""
    return Response(numbers.text(), media_type=CONTENT_TYPE_LATEST)
