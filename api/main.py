"""``uvicorn --factory api.main:create_app``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import problems
from api.routes import health, recommendations
from api.serving import Serving
from recommender import __version__
from recommender.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application; nothing is read before this is called.

    Parameters
    ----------
    settings : Settings or None
        None = from the environment.
    """
    chosen = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.serving = Serving(chosen)
        yield

    app = FastAPI(
        title="Contact recommender",
        version=__version__,
        summary="Ranked, legal next-best contact actions for debt collection.",
        lifespan=lifespan,
    )
    app.state.settings = chosen
    problems.install(app)
    app.include_router(health.router)
    app.include_router(recommendations.router)
    return app
