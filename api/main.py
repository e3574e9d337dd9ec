"""``uvicorn --factory api.main:create_app``."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

from fastapi import Depends, FastAPI

from api import pages
from api.service import problems, request_log
from api.service.control_characters import refuse_controls
from api.service.delivery import Delivery
from api.service.described import describe
from api.service.envelope import Envelope
from api.service.gateway import Gateway
from api.service.idempotency import Idempotency
from api.service.metrics import Metrics
from api.service.rate_limit import SharedRateLimit
from api.service.recording import Recorder
from api.service.routes import (
    check,
    decisions,
    dispatches,
    explanations,
    features,
    forecasts,
    health,
    metrics,
    recommendations,
)
from api.service.serving import Serving
from api.service.shadow import Shadow
from recommender import __version__
from recommender.settings import Settings

__all__ = ["create_app"]


_ALLOCATIONS = 100_000  # new objects before the youngest are looked at: a request of a thousand accounts makes more


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _kept_out_of_collections() -> Iterator[None]:
    """Tell the garbage collector that what was loaded stays: each full collection would walk over all of it again."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _build_routes(app: FastAPI) -> None:
    """Have FastAPI build what it builds at the first match: it sets warnings aside meanwhile, in all threads."""
    nowhere = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    for route in app.routes:
        route.matches(dict(nowhere))


def create_app(settings: Settings | None = None, *, clock: Callable[[], datetime] = _now) -> FastAPI:
    """Build the application; nothing is read before this is called, and nothing opened before it starts.

    Parameters
    ----------
    settings : Settings or None
        None = from the environment.
    clock : callable
        Gives the present moment, with a time zone: what "now" and "in the future" mean.
    """
    chosen = settings or Settings()
    request_log.configure(readable=chosen.environment == "development")
    numbers = Metrics()
    rate_limit = SharedRateLimit(chosen.rate_limit)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        _build_routes(app)
        app.state.recorder = Recorder(chosen.decision_log_url, numbers)
        try:
            app.state.serving = Serving(chosen)
            app.state.delivery = Delivery(app.state.recorder)
            rate_limit.share(app.state.recorder.take_turns if app.state.recorder.keeps else None)
            if chosen.shows_pages:
                pages.open_portfolio(app)
            with _kept_out_of_collections():
                yield
            app.state.serving.close()
        finally:
            rate_limit.share(None)
            if hasattr(app.state, "delivery"):
                app.state.delivery.close()
            if hasattr(app.state, "portfolio"):
                pages.close(app)
            app.state.recorder.close()

    app = FastAPI(
        title="Contact recommender",
        version=__version__,
        summary="Ranked, legal next-best contact actions for debt collection.",
        lifespan=lifespan,
        responses=problems.DESCRIBED,
        openapi_url="/openapi.json" if chosen.shows_docs else None,
    )
    app.state.settings = chosen
    app.state.clock = clock
    app.state.metrics = numbers
    app.state.shadow = Shadow(numbers)
    problems.install(app)
    for routes in (health, metrics, recommendations, dispatches, decisions, explanations, features, forecasts, check):
        app.include_router(routes.router, dependencies=[Depends(refuse_controls)])
    describe(app)
    app.add_middleware(Idempotency, clock=clock)
    app.add_middleware(Gateway, settings=chosen, rate_limit=rate_limit, clock=clock)
    app.add_middleware(Envelope, metrics=numbers)
    if chosen.shows_pages:
        pages.install(app, chosen)
    return app
