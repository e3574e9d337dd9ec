"""The reader's language and region: catalogues, locale, and the environment that templates are rendered in."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path

import babel
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recommender.settings import Settings

__all__ = ["LANGUAGES", "SOURCE", "environment", "is_language", "language_tags", "locale_of", "translations"]

_LOCALE = Path(__file__).parent / "locale"
_KNOWN: dict[str, dict[str, str]] = tomllib.loads((_LOCALE / "languages.toml").read_text(encoding="utf-8"))

LANGUAGES: dict[str, str] = {code: about["name"] for code, about in _KNOWN.items()}
"""Language in the URL -> its own name."""

SOURCE = "en"
"""Language in which the texts are written."""


@lru_cache(maxsize=1)
def language_tags() -> tuple[str, ...]:
    """What an address may begin with: a language, or a country's words of it, such as ``es-MX``."""
    countries = (place.name.replace("_", "-") for place in _LOCALE.iterdir() if "_" in place.name)
    return (*LANGUAGES, *sorted(countries))


def is_language(tag: str | None) -> bool:
    """Whether pages are there in a language."""
    return tag in language_tags()


def _catalogue(folder: Path) -> NullTranslations:
    merged = NullTranslations()
    for path in sorted(folder.glob("LC_MESSAGES/*.mo")):
        with path.open("rb") as file:
            one = Translations(file)
        merged = one if not isinstance(merged, Translations) else merged.merge(one)
    return merged


@lru_cache(maxsize=16)
def translations(locale: str) -> NullTranslations:
    """All catalogues of a language merged, with the words of its country over them.

    Parameters
    ----------
    locale : str
        e.g. ``"es_MX"`` or ``"pt"``.
    """
    merged, own = _catalogue(_LOCALE / locale.partition("_")[0]), _catalogue(_LOCALE / locale)
    return merged.merge(own) if isinstance(merged, Translations) and isinstance(own, Translations) else merged


@lru_cache(maxsize=16)
def environment(locale: str) -> Environment:
    """Templates of one language: escaped, strict about names, with gettext."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = translations(locale)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.ugettext, catalogue.ungettext, newstyle=True, pgettext=catalogue.upgettext
    )
    return made


def locale_of(language: str, settings: Settings) -> babel.Locale:
    """Region of a language: its own where the address names one, else that of the settings or its usual one."""
    chosen = {"es": settings.spanish_locale, "en": settings.english_locale}
    usual = _KNOWN[language]["region"] if language in _KNOWN else language
    return babel.Locale.parse(chosen.get(language, usual).replace("-", "_"))
