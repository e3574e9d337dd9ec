"""Words and numbers in the reader's language: gettext catalogues and CLDR number formats, nothing else."""

from __future__ import annotations

import gettext
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import babel
from babel.numbers import format_currency, format_decimal

from recommender.errors import InvalidInput

__all__ = ["Wording", "available_languages"]

_DOMAIN = "explanation"
_TERRITORIES = {"es": "es_ES", "en": "en_GB", "pt": "pt_BR"}


def available_languages() -> tuple[str, ...]:
    """Languages with a catalogue; English is the language of the source."""
    folder = resources.files("recommender.explanation") / "locale"
    return tuple(
        sorted({"en", *(entry.name for entry in folder.iterdir() if entry.is_dir() and "_" not in entry.name)})
    )


@dataclass(frozen=True)
class Wording:
    """One language with one regional number format.

    Attributes
    ----------
    locale : Locale
        Of the numbers; ``es-MX`` and ``es-419`` use the decimal point, ``es-ES`` the comma.
    """

    locale: babel.Locale

    @classmethod
    def of(cls, language: str) -> Wording:
        """Read ``"es"``, ``"en"`` or a regional form such as ``"es-MX"``.

        Raises
        ------
        InvalidInput
            When the language is not a locale or has no catalogue.
        """
        tag = _TERRITORIES.get(language, language).replace("-", "_")
        try:
            locale = babel.Locale.parse(tag)
        except (ValueError, babel.UnknownLocaleError):
            locale = None
        if locale is None or locale.language not in available_languages():
            raise InvalidInput(
                f"There are no texts in language {language!r}.",
                column="language",
                mend=f"Use one of {list(available_languages())}, or a region of them such as 'es-MX'.",
            )
        return cls(locale)

    def text(self, message: str, **values: Any) -> str:
        """Translate a message and fill its places."""
        translated = _catalogue(str(self.locale)).gettext(message)
        return translated.format(**values) if values else translated

    def label(self, name: str) -> str:
        """Name of a column or level: from the catalogue, else the name itself made readable."""
        translated = _catalogue(str(self.locale)).pgettext("label", name)
        return translated if translated != name else name.replace("_", " ").strip()

    def number(self, value: float, decimals: int = 1) -> str:
        """Locale number without trailing zeros, with a true minus sign; nothing is written as minus zero."""
        pattern = "#,##0" + ("." + "#" * decimals if decimals else "")
        return _minus(str(format_decimal(value if round(value, decimals) else 0.0, format=pattern, locale=self.locale)))

    def signed(self, value: float, decimals: int = 1, *, plus: str = "+") -> str:
        """Number with its sign and a fixed count of decimals; nothing is written as minus zero."""
        rounded = round(value, decimals)
        fixed = "#,##0" + ("." + "0" * decimals if decimals else "")
        text = _minus(str(format_decimal(rounded + 0.0, format=fixed, locale=self.locale)))
        return f"{plus}{text}" if rounded > 0 else text

    def points(self, value: float, decimals: int = 1) -> str:
        """Signed percentage points of a difference of probabilities."""
        return self.text("{value} pp", value=self.signed(100.0 * value, decimals))

    def amount(self, value: float, currency: str | None, *, signed: bool = True) -> str:
        """Money in the given currency, or a plain number where none is known."""
        decimals = 0 if abs(value) >= 100 else 2
        rounded = round(value, decimals) + 0.0  # no minus zero
        sign = "+" if signed and rounded > 0 else ""
        if currency is None:
            plain = "#,##0" + ("." + "0" * decimals if decimals else "")
            return sign + _minus(str(format_decimal(rounded, format=plain, locale=self.locale)))
        pattern = str(self.locale.currency_formats["standard"].pattern)
        written = format_currency(
            rounded,
            currency,
            format=pattern if decimals else pattern.replace(".00", ""),
            locale=self.locale,
            currency_digits=False,
        )
        return sign + _minus(str(written))


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


@lru_cache(maxsize=16)
def _catalogue(locale: str) -> gettext.NullTranslations:
    """Texts of a locale: the words of its country, where they differ, before those of the language."""
    source = resources.files("recommender.explanation") / "locale" / locale / "LC_MESSAGES" / f"{_DOMAIN}.mo"
    language, _, country = locale.partition("_")
    if not source.is_file():
        return _catalogue(language) if country else gettext.NullTranslations()
    with source.open("rb") as file:
        texts = gettext.GNUTranslations(file)
    if country:
        texts.add_fallback(_catalogue(language))
    return texts
