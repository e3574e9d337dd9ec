"""Names of features and concepts in the reader's language."""

from __future__ import annotations

from recommender.explanation.reasons import CONCEPTS, HABIT
from recommender.explanation.wording import Wording

__all__ = ["concept_label", "feature_label"]


def concept_label(words: Wording, group: str) -> str:
    """Name of a concept; what a team calls its own concepts is made readable."""
    return words.text(CONCEPTS[group]) if group in CONCEPTS else words.label(group)


def feature_label(words: Wording, feature: str) -> str:
    """Name of a context column, a factor, or a count of the account's own contacts.

    ``history.channel=sms.responses`` reads "SMS: answers".
    """
    if feature == "(no contact)":
        return words.text("contact or not")
    if feature == "(not attributed)":
        return words.text("not attributed")
    if not feature.startswith("history."):
        return words.label(feature.removesuffix("_minor"))
    name = feature.removeprefix("history.")
    if name.startswith(HABIT):
        return words.text("own habit {number}", number=name.removeprefix(HABIT))
    stem, _, count = name.rpartition(".")
    if "=" not in stem:
        return words.label(name)
    factor, _, level = stem.partition("=")
    shown = f"{level}:00" if factor == "hour" and level.isdigit() else words.label(level)
    return f"{shown}: {words.label(count)}"
