"""The managers' pages: server-rendered, in Spanish and English, closed without a login."""

from __future__ import annotations

from pathlib import Path

import structlog
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.staticfiles import StaticFiles

from api.pages import (
    account,
    accounts,
    approvals,
    audit,
    best_hours,
    comments,
    drivers,
    explorer,
    glossary,
    home,
    login,
    model_card,
    policy_value,
    results,
    rule_costs,
    tomorrow,
    trace,
    views,
    what_if,
)
from api.pages.aggregates import BeingMade
from api.pages.errors import being_made, error_page, to_login
from api.pages.page_data import Portfolio
from api.pages.plan_desk import PlanDesk
from api.pages.rendering import LoginNeeded, page_of
from api.pages.security_headers import SecurityHeaders
from api.pages.session import DEMO_MANAGER, Sessions
from api.service.rate_limit import RateLimit
from recommender.settings import Settings

__all__ = ["close", "install", "open_portfolio"]

_log = structlog.get_logger(__name__)

#: A reader of a log that was never read waits so long; proxies cut off after a minute.
_PATIENCE_SECONDS = 8.0

ROUTERS = (
    login.router,
    home.router,
    tomorrow.router,
    results.router,
    policy_value.router,
    explorer.router,
    drivers.router,
    accounts.router,
    account.router,
    best_hours.router,
    what_if.router,
    trace.router,
    rule_costs.router,
    approvals.router,
    comments.router,
    model_card.router,
    audit.router,
    glossary.router,
    views.router,
)


def install(app: FastAPI, settings: Settings) -> None:
    """Add the pages to the application.

    Parameters
    ----------
    app : FastAPI
        ``app.state.serving`` is there by the time of the first request.
    settings : Settings
    """
    app.state.sessions = Sessions(settings)
    app.state.audit = audit.AuditTrail(settings.portfolio_path)
    app.state.login_limit = RateLimit(settings.login_rate_limit)
    app.state.error_page = error_page
    app.add_exception_handler(LoginNeeded, to_login)
    app.add_exception_handler(BeingMade, being_made)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")

    @app.get("/", include_in_schema=False)
    def _anywhere(request: Request) -> RedirectResponse:
        return RedirectResponse(page_of(request).url("home"), 303)

    for router in ROUTERS:
        app.include_router(router)

    app.add_middleware(SecurityHeaders, secure=settings.environment == "production")


def open_portfolio(app: FastAPI) -> None:
    """Give the pages what they read, once the application starts; say how to log in where nobody is configured."""
    app.state.portfolio = Portfolio(app.state.settings, app.state.serving, _PATIENCE_SECONDS)
    app.state.plan_desk = PlanDesk(app.state.portfolio)
    password = app.state.sessions.demo_password
    if password is not None:
        _log.warning(
            "managers' pages: no managers are configured (RECOMMENDER_MANAGERS), so one was made up for this start",
            log_in_as=DEMO_MANAGER,
            password=password,
        )


def close(app: FastAPI) -> None:
    """Give back what :func:`open_portfolio` opened."""
    app.state.plan_desk.close()
    app.state.portfolio.close()
