"""Routes of a page that is made of sections: the page itself, its tables as CSV, its pictures as PNG."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.pages.content import Content
from api.pages.exports import Suffix, sheet_of, table_file
from api.pages.page_data import Portfolio
from api.pages.rendering import Page, PageDep, PortfolioDep

__all__ = ["Build", "add_page"]

Build: TypeAlias = Callable[[Page, Portfolio, dict[str, str]], Content]

_PICTURE_WIDTH = 760


def add_page(router: APIRouter, name: str, slug: str, build: Build, template: str = "content.html") -> None:
    """Add a page and its exports.

    Parameters
    ----------
    router : APIRouter
    name : str
        Of the route; the exports are ``<name>_table`` and ``<name>_png``.
    slug : str
        In the URL: ``/es/<slug>``, ``/es/<slug>/tables/<key>.csv`` (or ``.xlsx``), ``/es/<slug>/pictures/<key>.png``.
    build : callable
        ``(page, portfolio, query) -> Content``.
    template : str
        Of the page, given ``content``.
    """

    def show(request: Request, page: PageDep, portfolio: PortfolioDep) -> Response:
        return page.render(template, content=build(page, portfolio, dict(request.query_params)))

    def table(request: Request, page: PageDep, portfolio: PortfolioDep, key: str, suffix: Suffix) -> Response:
        table = build(page, portfolio, dict(request.query_params)).table(key)
        if table is None:
            raise HTTPException(404, page.text("There is no such table."))
        return table_file(sheet_of(page, table), f"{slug}-{key}", table.caption, suffix)

    def picture(request: Request, page: PageDep, portfolio: PortfolioDep, key: str) -> Response:
        section = build(page, portfolio, dict(request.query_params)).section(key)
        if section is None or section.draw is None:
            raise HTTPException(404, page.text("There is no such picture."))
        headers = {"Content-Disposition": f'attachment; filename="{slug}-{key}.png"'}
        drawn = section.draw(_PICTURE_WIDTH).to_png(section.heading)
        return Response(drawn, media_type="image/png", headers=headers)

    path = f"/{{language}}/{slug}"
    router.add_api_route(path, show, name=name, include_in_schema=False)
    router.add_api_route(f"{path}/tables/{{key}}.{{suffix}}", table, name=f"{name}_table", include_in_schema=False)
    router.add_api_route(f"{path}/pictures/{{key}}.png", picture, name=f"{name}_png", include_in_schema=False)
