"""The service with the endpoints that ``benchmarks/service.py`` compares it with."""

from __future__ import annotations

import argparse
import cProfile
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from api.main import create_app
from api.service.request_columns import account_columns
from api.service.routes.recommendations import DirectRoute
from api.service.schemas import RecommendationAnswer, RecommendationRequest
from recommender.learning.trees.tree_columns import factor_levels
from recommender.settings import Settings

router = APIRouter()
canned: dict[str, Any] = {}


@router.put("/bench/canned")
def keep(answer: dict[str, Any]) -> None:
    canned["model"] = RecommendationAnswer.model_validate(answer)
    canned["dict"] = canned["model"].model_dump()


@router.get("/bench/usage")
def usage() -> dict[str, float]:
    return {"cpu": time.process_time(), "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


@router.post("/bench/noop", response_model=RecommendationAnswer)
async def noop(asked: RecommendationRequest) -> RecommendationAnswer:  # noqa: ARG001 - validated, not used
    return canned["model"]


class LeanNoop(DirectRoute):
    """From bytes to bytes, with nothing in between."""

    def get_route_handler(self) -> Any:
        """Build the handler."""

        async def handle(request: Request) -> Response:
            RecommendationRequest.model_validate_json(await request.body())
            return Response(to_json(canned["dict"]), media_type="application/json")

        return handle


def lean(asked: RecommendationRequest) -> None:
    """Described like the recommendation."""


router.add_api_route("/bench/lean", lean, methods=["POST"], route_class_override=LeanNoop)


@router.post("/bench/predict")
def predict(asked: RecommendationRequest, request: Request) -> dict[str, Any]:
    model = request.app.state.serving.current().strategy.reward_model_
    part = next(iter(model.parts.values()))
    trees = next(iter(part.trees.values()))
    account_columns(asked.accounts, ("CO",), range(len(asked.accounts)))
    context = part.tree_columns(np.zeros((len(asked.accounts), len(model.columns_))))
    levels = np.stack([values for _, values, _ in factor_levels(model.actions_)], axis=1)
    rows = np.hstack([np.repeat(context, len(levels), axis=0), np.tile(levels, (len(context), 1))])
    raw = np.mean([one.predict(rows, raw_score=True, num_threads=1) for one in trees.boosters], axis=0)
    scores = raw.reshape(len(context), -1)
    top = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    return {"top": top.tolist(), "scores": np.take_along_axis(scores, top, axis=1).tolist()}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("strategy", type=Path)
    parser.add_argument("--log")
    parser.add_argument("--profile", type=Path)
    asked = parser.parse_args()
    port, profile = asked.port, asked.profile
    app = create_app(Settings(model_path=asked.strategy, registry_poll_seconds=3_600, decision_log_url=asked.log))
    app.include_router(router)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False))
    if profile is None:
        server.run()
        return
    profiler = cProfile.Profile()
    profiler.runcall(server.run)
    profiler.dump_stats(profile)


if __name__ == "__main__":
    main()
