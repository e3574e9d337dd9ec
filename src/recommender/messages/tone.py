"""Tone of past messages: from the catalogue where a template is named, else guessed from the text, with a certainty."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_union

from recommender.errors import InvalidInput
from recommender.messages.catalogue import Catalogue, default_catalogue
from recommender.rules import TONES

__all__ = ["ToneClassifier", "infer_tones"]


@dataclass
class ToneClassifier:
    """A small text classifier over the four tones.

    It learns from the catalogue's own texts: letters and words, so that texts it has not seen are read by their
    phrases. It says how sure it is, and is right about as often as it says only for texts of this kind.

    Attributes
    ----------
    pipeline : Pipeline
    """

    pipeline: Pipeline

    @classmethod
    def fit(cls, texts: Sequence[str], tones: Sequence[str]) -> ToneClassifier:
        """Learn from texts of known tone."""
        unknown = sorted({*tones} - {*TONES})
        if unknown:
            raise InvalidInput.in_column(
                "tone", "is not known", values=unknown, mend=f"Known tones are {', '.join(TONES)}."
            )
        words = TfidfVectorizer(ngram_range=(1, 3), sublinear_tf=True, strip_accents="unicode", preprocessor=_strip)
        letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, strip_accents="unicode", preprocessor=_strip
        )
        model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
        pipeline = Pipeline([("features", make_union(words, letters)), ("model", model)])
        return cls(pipeline.fit([*texts], [*tones]))

    @classmethod
    def from_catalogue(cls, catalogue: Catalogue) -> ToneClassifier:
        """Learn from the bodies of a catalogue."""
        return cls.fit([t.body for t in catalogue.templates], [t.tone for t in catalogue.templates])

    def predict(self, texts: Sequence[str]) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
        """Most likely tone of each text and its probability: none where it knows no word of the text."""
        probability = self.pipeline.predict_proba([*texts])
        words = self.pipeline.named_steps["features"].transformer_list[0][1]
        probability *= (words.transform([*texts]).getnnz(axis=1) > 0)[:, None]
        classes = np.asarray(self.pipeline.named_steps["model"].classes_, dtype=object)
        best = probability.argmax(axis=1)
        return classes[best], probability[np.arange(len(best)), best].astype(np.float64)


def _strip(text: str) -> str:
    """Leave the words: variables, numbers and addresses say nothing about tone."""
    bare = re.sub(r"{[{%].*?[}%]}|https?://\S+|\[.*?\]", " ", text)
    return re.sub(r"[\d$%.,]+", " ", bare).lower()


def infer_tones(contacts: pd.DataFrame, catalogue: Catalogue | None = None, *, least: float = 0.6) -> pd.DataFrame:
    """Tone of each past contact and where it comes from.

    Parameters
    ----------
    contacts : DataFrame
        May have ``tone``, ``template_id`` and ``text``; each row uses the first that it has.
    catalogue : Catalogue, optional
        By default the packaged one.
    least : float, default=0.6
        A guess less sure than this leaves the tone null; its probability is still told.

    Returns
    -------
    DataFrame
        Columns ``tone``, ``tone_probability``, ``tone_source`` ("given", "catalogue", "classifier", "unsure",
        "unknown"), on the index of ``contacts``.
    """
    chosen = catalogue or default_catalogue()
    n = len(contacts)
    empty = pd.Series([None] * n, index=contacts.index, dtype=object)
    given, ids, texts = (
        contacts[name].astype(object) if name in contacts else empty for name in ("tone", "template_id", "text")
    )
    tone, probability, source = empty.copy(), pd.Series(np.nan, index=contacts.index), empty.copy()
    source[:] = "unknown"
    by_id = {template.id: template.tone for template in chosen.templates}
    from_id = ids.map(by_id)
    for values, name in ((given.where(given.isin(TONES)), "given"), (from_id, "catalogue")):
        fresh = (values.notna() & tone.isna()).to_numpy()
        tone[fresh], probability[fresh], source[fresh] = values[fresh], 1.0, name
    rest = (tone.isna() & texts.notna()).to_numpy()
    if rest.any():
        codes, distinct = pd.factorize(texts[rest].astype(str))
        guess, sure = _classifier_of(chosen).predict(list(distinct))
        tone[rest] = np.where(sure >= least, guess, np.array(None, dtype=object))[codes]
        probability[rest] = sure[codes]
        source[rest] = np.where(sure >= least, "classifier", "unsure")[codes]
    return pd.DataFrame({"tone": tone, "tone_probability": probability, "tone_source": source})


@lru_cache(maxsize=4)
def _classifier_of(catalogue: Catalogue) -> ToneClassifier:
    return ToneClassifier.from_catalogue(catalogue)
