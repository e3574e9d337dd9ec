"""The reader's language and region: catalogues, locale, and the environment that templates are rendered in."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import babel
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recommender.settings import Settings

__all__ = ["LANGUAGES", "environment", "locale_of", "translations"]

LANGUAGES: dict[str, str] = {"es": "Español", "en": "English"}
"""Language in the URL -> its own name."""

_HERE = Path(__file__).parent


@lru_cache(maxsize=8)
def translations(language: str) -> NullTranslations:
    """All catalogues of a language merged; English is the language of the source."""
    merged = NullTranslations()
    for path in sorted((_HERE / "locale" / language / "LC_MESSAGES").glob("*.mo")):
        with path.open("rb") as file:
            one = Translations(file)
        merged = one if not isinstance(merged, Translations) else merged.merge(one)
    return merged


@lru_cache(maxsize=8)
def environment(language: str) -> Environment:
    """Templates of one language: escaped, strict about names, with gettext."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    catalogue = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]
        catalogue.ugettext, catalogue.ungettext, newstyle=True, pgettext=catalogue.upgettext
    )
    return made


def locale_of(language: str, settings: Settings) -> babel.Locale:
    """Regional formats of a language; a setting, because Spanish writes 1.234,5 in Madrid and 1,234.5 in Mexico."""
    name = {"es": settings.spanish_locale, "en": settings.english_locale}[language]
    return babel.Locale.parse(name.replace("-", "_"))
