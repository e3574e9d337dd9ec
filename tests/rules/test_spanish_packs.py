"""The Spanish of the packs' page: whole, nothing left over, and the words of the managers' pages."""

import tomllib
from pathlib import Path

import pytest

import recommender.reports.rule_packs as module
import recommender.reports.words as words
from recommender.errors import RecommenderError
from recommender.explanation import Wording
from recommender.reports import describe_packs
from recommender.rules import load_pack, pack_ids

CATALOGUE = Path(module.__file__).with_name("rule_packs.es.toml")
TOLD = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def test_a_text_without_its_spanish_is_an_error_that_names_it(monkeypatch):
    """A pack whose text changed is not written half in English."""
    title = load_pack("CO").title
    monkeypatch.setattr(
        words, "_tables", lambda *_: ({text: said for text, said in TOLD.items() if text != title}, {}, {})
    )
    with pytest.raises(RecommenderError, match=r"rule_packs\.es\.toml does not say 'Colombia: Ley 2300 de 2023'"):
        describe_packs(language="es")


def test_nothing_is_translated_that_nobody_says():
    """Every sentence is of a pack or of the page; single words may be values that no pack uses today."""
    packs = [load_pack(pack) for pack in pack_ids()]
    said = {pack.title for pack in packs} | {text for pack in packs for text in pack.open_questions}
    said |= {text for pack in packs for source in pack.sources for text in (source.law, source.article, source.says)}
    said |= {cap.alt.basis for pack in packs for cap in pack.caps if cap.alt is not None}
    code = Path(module.__file__).read_text(encoding="utf-8")
    left = [text for text in TOLD if " " in text and text not in said and text not in code]
    assert left == [text for text in left if text.replace(" ", "_") in _schema()]


def test_words_are_those_of_the_managers_pages():
    """A channel, tone, flag or person has one name in Spanish."""
    wording = Wording.of("es")
    catalogue = {word: wording.label(word) for word in TOLD if " " not in word and word != "reviewed"}  # a heading here
    known = {word: label for word, label in catalogue.items() if label not in (word, word.replace("_", " "))}
    assert {"call", "visit", "firm", "hardship", "guarantor"} <= set(known)
    clashes = {word: (TOLD[word], label) for word, label in known.items() if TOLD[word] != label}
    assert not clashes


def _schema():
    folder = Path(module.__file__).parents[1] / "rules"
    return "".join((folder / name).read_text(encoding="utf-8") for name in ("schema.py", "vocabulary.py"))
