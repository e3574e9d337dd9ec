"""The option ``--language``: what a verb tells, in the reader's language; errors stay English."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from recommender.reports import Words, language_of

__all__ = ["Language", "QuietLanguage", "words_of"]

Language = Annotated[
    Literal["en", "es"] | None,
    typer.Option(help="Of all that is told; default: that of LC_ALL, LC_MESSAGES, LANG. Errors are in English."),
]

# Of a verb that another one calls: what the caller does not lead to is told in English.
QuietLanguage = Annotated[str, typer.Option(hidden=True)]


def words_of(language: str | None) -> Words:
    """Words of a stated language, else of the one that the environment asks for."""
    return Words(language or language_of(os.environ))
