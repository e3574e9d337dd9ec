"""What a page is rendered with: language, formats, who reads, links; and the dependencies that routes ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any
from urllib.parse import urlencode

import babel
from babel.support import NullTranslations
from fastapi import Depends
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import NoMatchFound

from api.pages.language import LANGUAGES, SOURCE, environment, is_language, language_tags, locale_of, translations
from api.pages.navigation import MENU
from api.pages.page_data import Portfolio
from api.pages.session import Session, Sessions
from api.pages.shown import Formats
from api.pages.terms import terms
from recommender import __version__
from recommender.explanation import Wording
from recommender.settings import Settings

__all__ = ["LoginNeeded", "Page", "PageDep", "PortfolioDep", "SessionsDep", "page_of"]


_STALE_DAYS = 14


class LoginNeeded(Exception):
    """Nobody is logged in."""


@dataclass(frozen=True, eq=False)
class Page:
    """One page for one reader.

    Attributes
    ----------
    language : str
        From the URL: a language, or with a country, e.g. ``es-MX``.
    settings : Settings
    request : Request or None
        None in the static report.
    session : Session or None
    """

    language: str
    settings: Settings
    request: Request | None = None
    session: Session | None = None
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def locale(self) -> babel.Locale:
        """Region of the formats."""
        return locale_of(self.language, self.settings)

    @property
    def base(self) -> str:
        """The language without its country."""
        return self.language.partition("-")[0]

    @property
    def is_source(self) -> bool:
        """Whether texts are read as they are written in the source."""
        return self.base == SOURCE

    @cached_property
    def formats(self) -> Formats:
        """Numbers, money and dates of the region."""
        return Formats(self.locale, to=self.text("to"), points=self.text("pp"))

    @cached_property
    def wording(self) -> Wording:
        """Names of columns and levels, and the sentences of explanations."""
        return Wording.of(str(self.locale).replace("_", "-"))

    @property
    def _catalogue(self) -> NullTranslations:
        return translations(str(self.locale))

    def text(self, message: str, **values: Any) -> str:
        """Translate a message and fill its ``{places}``."""
        message_text = self._catalogue.ugettext(message)
        return message_text.format(**values) if values else message_text

    def texts(self, one: str, many: str, count: int, **values: Any) -> str:
        """Translate a message that counts; ``{count}`` is the formatted number."""
        message_text = self._catalogue.ungettext(one, many, count)
        return message_text.format(count=self.formats.count(count), **values)

    def label(self, name: object) -> str:
        """Name of a column, concept or level in the reader's language, with a capital."""
        words = self._history_label(str(name)) or self.wording.label(str(name))
        return words[:1].upper() + words[1:]

    def _history_label(self, name: str) -> str | None:
        """Name of what is counted in an account's own history, e.g. ``history.channel=call.contacts``."""
        stem, _, what = name.removeprefix("history.").rpartition(".")
        if not name.startswith("history."):
            return None
        if stem == "habit":
            return self.text("own habit {number}", number=what)
        named = {
            "contacts": self.text("Earlier contacts"),
            "responses": self.text("Earlier answers"),
            "contacts_recent": self.text("Recent contacts"),
            "responses_recent": self.text("Recent answers"),
            "days_since_contact": self.text("Days since the last contact"),
            "days_since_response": self.text("Days since the last answer"),
        }
        if what not in named:
            return None
        factor, _, level = stem.partition("=")
        if not level:
            return named[what]
        return f"{named[what]}: {f'{level}:00' if factor == 'hour' else self.wording.label(level)}"

    def country(self, code: str) -> str:
        """Name of a country in the reader's language."""
        return str(self.locale.territories.get(code, code))

    def weekday(self, name: str) -> str:
        """Name of a weekday that is given in English."""
        days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        day = str(self.locale.days["stand-alone"]["wide"][days.index(name)])
        return day[:1].upper() + day[1:]

    @staticmethod
    def moment(text: str) -> datetime:
        """An instant that was kept as text."""
        return datetime.fromisoformat(text)

    def glossary(self) -> dict[str, str]:
        """Meaning of the words that need one, by the word as it stands in headings."""
        return terms(self.text)

    # -- links -----------------------------------------------------------------------------------------------------
    def url(self, route: str, query: Mapping[str, Any] | None = None, /, **path: Any) -> str:
        """Path of a page in this language; empty in the static report."""
        if self.request is None:
            return ""
        path_only = str(self.request.app.url_path_for(route, language=self.language, **path))
        return path_only + (f"?{urlencode(query, doseq=True)}" if query else "")

    def static(self, name: str) -> str:
        """Path of a file that comes with the pages."""
        return "" if self.request is None else str(self.request.app.url_path_for("static", path=name))

    def in_language(self, language: str) -> str:
        """Path of this very page in another language."""
        if self.request is None:
            return ""
        path, query = self.request.url.path, self.request.url.query
        own = f"/{self.language}/"
        target = f"/{language}/{path.removeprefix(own)}" if path.startswith(own) else f"/{language}/"
        return target + (f"?{query}" if query and self.request.method == "GET" else "")

    def menu(self) -> list[dict[str, Any]]:
        """Entries of the menu whose pages are there."""
        if self.request is None or self.session is None:
            return []
        entries = []
        for entry in MENU:
            try:
                path = self.url(entry.route)
            except NoMatchFound:
                continue
            here = self.request.url.path
            current = here == path or (entry.route != "home" and here.startswith(f"{path}/"))
            entries.append({"title": self.text(entry.title), "path": path, "current": current})
        return entries

    def facts(self) -> list[tuple[str, str]]:
        """What the foot of every page states: data window, versions, when it was made."""
        facts = []
        if self.request is not None and self.session is not None:
            portfolio: Portfolio = self.request.app.state.portfolio
            window = portfolio.window()
            if window is not None:
                first, last = (self.formats.day(end.date()).text for end in window)
                facts.append((self.text("Data"), f"{first} {self.formats.to} {last}"))
            behind = portfolio.figures_as_of()
            if behind is not None:
                facts.append((self.text("Totals as of"), f"{self.formats.instant(behind)} UTC"))
            facts += [
                (self.text("Policy"), portfolio.policy_version),
                (self.text("Model"), portfolio.model_in_words(self.text)),
            ]
        facts += [
            (self.text("Software"), __version__),
            (self.text("Made"), f"{self.formats.instant(self.made_at)} UTC"),
        ]
        return facts

    def data_age(self) -> str:
        """Said on every page when the log has fallen behind."""
        if self.request is None or self.session is None:
            return ""
        portfolio: Portfolio = self.request.app.state.portfolio
        window = portfolio.window()
        days = 0 if window is None else (self.made_at - window[1]).days
        if window is None or days < _STALE_DAYS:
            return ""
        return self.text(
            "The data end on {day}, {days} days ago: everything here speaks of the time until then.",
            day=self.formats.day(window[1].date()).text,
            days=self.formats.count(days).text,
        )

    # -- out -------------------------------------------------------------------------------------------------------
    def markup(self, template: str, **values: Any) -> str:
        """Render a template of ``api/pages/templates``."""
        loaded = environment(str(self.locale)).get_template(template)
        return loaded.render(page=self, f=self.formats, languages=LANGUAGES, Markup=Markup, **values)

    def render(self, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        """Answer with a rendered template."""
        return HTMLResponse(self.markup(template, **values), status_code)


def page_of(request: Request, language: str | None = None) -> Page:
    """Page of a request, whoever reads; without a language in the URL the browser's wish counts."""
    chosen = language if language is not None and is_language(language) else _wished(request)
    sessions: Sessions = request.app.state.sessions
    now: datetime = request.app.state.clock()
    return Page(chosen, request.app.state.settings, request, sessions.of(request), made_at=now)


def _page(request: Request, language: str) -> Page:
    if not is_language(language):
        raise HTTPException(404, "There is no such page.")
    page = page_of(request, language)
    if page.session is None:
        raise LoginNeeded
    request.app.state.audit.add(page.session.manager, request)
    return page


def _wished(request: Request) -> str:
    first = request.url.path.split("/")[1]
    if is_language(first):
        return first
    tags = {tag.lower(): tag for tag in language_tags()}
    known = (tags.get(one) or tags.get(one.partition("-")[0]) for one in _by_weight(request))
    return next((tag for tag in known if tag is not None), "es")


def _by_weight(request: Request) -> list[str]:
    """Languages that the browser asks for, the most wanted first; what is weighed with 0 or nonsense is not wanted."""
    wished = []
    for one in request.headers.get("accept-language", "").split(","):
        tag, _, weight = (part.strip().lower() for part in one.partition(";"))
        told = re.fullmatch(r"q\s*=\s*([01](?:\.\d{0,3})?)", weight) if weight else None
        wished.append((tag, 1.0 if not weight else float(told[1]) if told else 0.0))
    return [tag for tag, weight in sorted(wished, key=lambda one: -one[1]) if weight > 0]


def _portfolio(request: Request) -> Portfolio:
    portfolio: Portfolio = request.app.state.portfolio
    return portfolio


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


PageDep = Annotated[Page, Depends(_page)]
PortfolioDep = Annotated[Portfolio, Depends(_portfolio)]
SessionsDep = Annotated[Sessions, Depends(_sessions)]
