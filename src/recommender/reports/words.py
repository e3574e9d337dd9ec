"""Texts of a report in the reader's language: one catalogue a report, English sentence to ours, and nothing else."""

from __future__ import annotations

import re
import string
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from recommender.errors import InvalidInput, RecommenderError

__all__ = ["LANGUAGES", "Words", "language_of"]

LANGUAGES = ("en", "es")
"""Languages that reports are told in; English is the source."""

_NUMBER = r"[+-]?(?:\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?|inf|nan)%?"
_TEXT_TELLS = 8


def language_of(environ: Mapping[str, str]) -> str:
    """Language of a terminal by its environment: the first of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` that is set.

    Parameters
    ----------
    environ : mapping of str to str
        e.g. ``os.environ``.

    Examples
    --------
    >>> language_of({"LANG": "es_CO.UTF-8"})
    'es'
    >>> language_of({"LANG": "es_CO.UTF-8", "LC_ALL": "C"})
    'en'
    """
    told = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    spoken = re.split(r"[^a-z]", told.lower(), maxsplit=1)[0]
    return spoken if spoken in LANGUAGES else "en"


class Words(string.Formatter):
    """The texts of a report in one language.

    Call it with an English text and the values of its places: ``t("{n:,} contacts", n=12)``. :meth:`of` does the same
    with a sentence that another part of the library has written already. A place with a format holds a number and is
    written with the language's signs; one marked ``!t`` holds a text of ours, one marked ``!n`` names; any other is the
    reader's own word and stays as it is.

    Parameters
    ----------
    language : {"en", "es"}
    catalogue : str
        ``rule_packs`` for ``rule_packs.es.toml``.

    Raises
    ------
    InvalidInput
        For a language without a catalogue.
    """

    def __init__(self, language: str, catalogue: str = "first_look") -> None:
        asked, language = language, language.replace("_", "-").partition("-")[0].lower()  # es-MX reads what es reads
        if language not in LANGUAGES:
            raise InvalidInput(
                f"There are no reports in language {asked!r}.",
                column="language",
                mend=f"Use one of {list(LANGUAGES)}.",
            )
        self.language = language
        self._told: dict[str, str] | None = None
        self._names: dict[str, str] = {}
        self._heard: dict[str, str | None] = {}
        if language != LANGUAGES[0]:
            self._told, self._names, _ = _tables(catalogue, language)
            self._patterns = _patterns(catalogue, language)
        self._file = f"{catalogue}.{language}.toml"

    def __call__(self, text: str, **values: Any) -> str:
        """Tell a text; one that the catalogue does not have is an error that names it."""
        if self._told is not None:
            if text not in self._told:
                message = f"src/recommender/reports/{self._file} does not say {text!r}: add a line with its translation"
                raise RecommenderError(message)
            text = self._told[text]
        return self.vformat(text, (), values) if values else text

    def of(self, sentence: str) -> str:
        """Tell a sentence that was written in English; one that nobody translated stays, and a warning names it."""
        if self._told is None:
            return sentence
        try:
            return self._of(sentence)
        except _UntoldError as untold:
            # One English line is better than no report; in tests a warning is an error.
            warnings.warn(f"{self._file} does not say {untold}: {sentence!r} stays in English", stacklevel=2)
            return sentence

    def _of(self, sentence: str) -> str:
        if self._told is None or not sentence:
            return sentence
        if sentence not in self._heard:  # parts come again and again where a list is tried to be taken apart
            self._heard[sentence] = self._told.get(sentence) or self._read_back(sentence)
        told = self._heard[sentence]
        if told is None:
            raise _UntoldError(repr(sentence))
        return told

    def _read_back(self, sentence: str) -> str | None:
        for pattern, text in self._patterns.items():
            if found := pattern.fullmatch(sentence):
                try:
                    return self.vformat(text, (), {name: _Shown(value) for name, value in found.groupdict().items()})
                except _UntoldError:
                    continue  # a text of ours was read where a word of the reader's stands
        return None

    def name(self, text: str) -> str:
        """A name: its own, unless the catalogue has another."""
        return self._names.get(text, text)

    def all(self, texts: Iterable[str], between: str = ", ") -> str:
        """Several, joined."""
        return between.join(self(text) for text in texts)

    def number(self, written: str) -> str:
        """A number with the signs of the language: ``1,234.5`` and ``12%`` are ``1.234,5`` and ``12 %`` in Spanish."""
        if self._told is None:
            return written
        return written.translate(str.maketrans(",.", ".,")).replace("%", "\N{NO-BREAK SPACE}%")

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        """Tell a text of ours that stands in another, or a list of names."""
        if conversion == "n":
            return ", ".join(map(self.name, str(value).split(", ")))
        return self._of(str(value)) if conversion == "t" else super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Write a value; one with a format is a number."""
        text = str(format(value, format_spec))
        return self.number(text) if format_spec else text


class _UntoldError(Exception):
    """A sentence that the catalogue does not have."""


class _Shown(str):
    """A value that was written already: its format has been applied."""

    __slots__ = ()

    def __format__(self, format_spec: str) -> str:
        return str(self)


@lru_cache(maxsize=4)
def _tables(catalogue: str, language: str) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """All texts; those of them that are names (all, where no table says so); those that are read back."""
    path = Path(__file__).with_name(f"{catalogue}.{language}.toml")
    told: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    written: dict[str, str] = told.pop("written", {})
    names: dict[str, str] = told.pop("names", told)
    return told | names | written, names, written


@lru_cache(maxsize=4)
def _patterns(catalogue: str, language: str) -> dict[re.Pattern[str], str]:
    """Pattern of each text that is read back and has places, the most telling first.

    That is the one with the most letters of its own. A place for a text of ours counts as some: what it took is looked
    up, and where that fails the next pattern is tried (as much as fits into the first place, then as little), while a
    place for a name takes anything.
    """
    found = []
    for text, told in _tables(catalogue, language)[2].items():
        parts = list(string.Formatter().parse(text))
        if any(name is not None for _, name, _, _ in parts):
            letters = sum(len(literal) + _TEXT_TELLS * (conversion == "t") for literal, *_, conversion in parts)
            for number, much in enumerate((".*", ".*?")):
                found.append((-letters, number, "".join(_part(*part, much) for part in parts), told))
    return {re.compile(pattern, re.DOTALL): told for *_, pattern, told in sorted(found)}


def _part(literal: str, name: str | None, spec: str | None, conversion: str | None, much: str) -> str:
    if name is None:
        return re.escape(literal)
    holds = _NUMBER if spec else much if conversion == "t" else ".+?"
    return f"{re.escape(literal)}(?P<{name}>{holds})"
