"""Reads what a Spanish run tells, word by word, for English."""

import html
import re
import tomllib
from pathlib import Path

import recommender.reports.words as module

_TABLES = tomllib.loads(Path(module.__file__).with_name("first_look.es.toml").read_text(encoding="utf-8"))

TOLD = {text: told for text, told in _TABLES.items() if isinstance(told, str)} | _TABLES["names"] | _TABLES["written"]
"""English text -> Spanish."""


def read_page(page):
    """Texts of a page, those of attributes too, without commands and styles."""
    page = re.sub(r"(?s)<style>.*?</style>|<code>.*?</code>", " ", page)
    return html.unescape(" ".join([*re.findall(r'(?:aria-label|title)="([^"]*)"', page), re.sub("<[^>]*>", " ", page)]))


def english_words(text):
    """Words of a text that are English and not Spanish."""
    return set(re.findall("[a-zñáéíóúü]+", text.lower())) & _ENGLISH


# What the English sentences of the catalogue are made of, without what their Spanish, and names of the code, have too.
_ENGLISH = {
    word for text in TOLD for word in re.findall("[a-z]{2,}", re.sub(r"\{[^}]*\}|--\w+|https?:\S+", " ", text.lower()))
} - {word for told in TOLD.values() for word in re.findall("[a-zñáéíóúü]{2,}", re.sub(r"\{[^}]*\}", " ", told.lower()))}
