"""Sentences that say why one action is preferred to another: plain, with the account's own values, at most four."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.explanation.action_difference import ActionDifference
from recommender.explanation.concepts import ACTION_GROUP, OTHER_GROUP
from recommender.explanation.wording import Wording

__all__ = ["CONCEPTS", "HABIT", "action_text", "concept_text", "contrast_sentences"]

CONCEPTS: dict[str, str] = {
    "payment_history": "The payment history",
    "situation": "The situation of the debt",
    "capacity": "The capacity to pay",
    "contact_fatigue": "The recent contacts",
    "channel_habit": "The use of each channel",
    "hour_habit": "The usual hour",
    "tone_habit": "The reaction to earlier messages",
    "stage": "The stage of the debt",
    "calendar": "The date",
    "action": "The action itself",
    "other": "Other account data",
}
"""Concept -> its name in the source language of the catalogues."""

_HEADLINES = {
    "better": "{a} is expected to do better than {b}: {difference} (95% CI {lo} to {hi}).",
    "worse": "{a} is expected to do worse than {b}: {difference} (95% CI {lo} to {hi}).",
    "as good as": "{a} is about as good as {b}: less than a tenth apart, {difference} (95% CI {lo} to {hi}).",
    "not known": "It is not known whether {a} or {b} does better: {difference} (95% CI {lo} to {hi}), with a "
    "chance of {chance}% that {a} does.",
}
HABIT = "habit."
"""What names the personal factors, after ``history.``."""
_MOST_SENTENCES = 4
_LEAST_SHARE = 0.05  # of all movement: what weighs less is not a reason
_FACTS = 2
_SMALL = 0.02  # differences of probabilities under two points need a second decimal


def contrast_sentences(contrast: ActionDifference, language: str, currency: str | None = None) -> list[str]:
    """Headline with its interval, then the concepts that weigh most, the last possibly against."""
    words = Wording.of(language)
    explanation = contrast.explanation
    is_share = explanation.served.strategy.reward_kind_ == "binary"
    first, second = (action_text(words, explanation.actions, action) for action in (contrast.a, contrast.b))

    decimals = 2 if abs(contrast.reward_difference) < _SMALL else 1

    def shown(value: float) -> str:
        return words.points(value, decimals) if is_share else words.amount(value, currency)

    if contrast.a == contrast.b:
        return [words.text("Both actions are the same: {a}.", a=first)]
    lo, hi = contrast.interval
    values = {
        "a": first,
        "b": second,
        "difference": shown(contrast.reward_difference),
        "lo": words.signed(100 * lo, plus="") if is_share else words.amount(lo, currency, signed=False),
        "chance": words.number(100 * contrast.p_better, 0),
        "hi": words.signed(100 * hi, plus="") if is_share else words.amount(hi, currency, signed=False),
    }
    sentences = [words.text(_HEADLINES[contrast.standing], **values)]
    return sentences + _group_sentences(contrast, words, first, second, shown)


def _group_sentences(contrast: ActionDifference, words: Wording, first: str, second: str, shown: Any) -> list[str]:
    table = contrast.by_group
    least = _LEAST_SHARE * float(table["contribution_reward"].abs().sum())
    sentences: list[str] = []
    for group, signed in zip(table["group"], table["contribution_reward"], strict=True):
        if len(sentences) == _MOST_SENTENCES - 1 or abs(signed) <= least or signed == 0.0:
            break
        if group == OTHER_GROUP or _is_mostly_protected(contrast, group):
            continue  # says nothing a reader could check, or nothing that may be said; the tables show it
        winner, value = (first, signed) if signed > 0 else (second, -signed)
        if group == ACTION_GROUP:
            sentences.append(
                words.text("Across all accounts, {winner} does better ({value}).", winner=winner, value=shown(value))
            )
            continue
        concept = concept_text(words, group)
        facts = _facts(contrast, words, group)
        message = (
            "{concept} ({facts}) is associated with a better result of {winner} ({value})."
            if facts
            else "{concept} is associated with a better result of {winner} ({value})."
        )
        sentences.append(words.text(message, concept=concept, facts=facts, winner=winner, value=shown(value)))
    return sentences


def _is_mostly_protected(contrast: ActionDifference, group: str) -> bool:
    """Whether columns that no text may name carry half of a concept's weight or more."""
    rows = contrast.by_feature[contrast.by_feature["group"] == group]
    weight = rows["contribution_reward"].abs()
    hidden = rows["feature"].map(contrast.explanation.groups.is_protected).astype(bool)
    return float(weight[hidden].sum()) >= 0.5 * float(weight.sum()) > 0.0


def _facts(contrast: ActionDifference, words: Wording, group: str) -> str:
    """The account's own values behind a concept, those that weigh most first; protected columns are never named."""
    explanation = contrast.explanation
    rows = contrast.by_feature[contrast.by_feature["group"] == group]
    weight = rows.groupby("feature", sort=False)["contribution_reward"].sum().abs().sort_values(ascending=False)
    context = explanation.context.iloc[contrast.account_index]
    facts: list[str] = []
    named: set[str] = set()
    for feature, size in weight.items():
        if len(facts) == _FACTS or size == 0.0:
            break
        name = str(feature)
        if name not in context.index or explanation.groups.is_protected(name):
            continue
        of_habits = name.startswith(f"history.{HABIT}")
        stem = name.rpartition(".")[0] if of_habits or (name.startswith("history.") and "=" in name) else name
        if stem in named:
            continue
        named.add(stem)
        fact = _habit(contrast, words, context) if of_habits else _fact(words, name, stem, context)
        if fact:
            facts.append(fact)
    return "; ".join(facts)


def _habit(contrast: ActionDifference, words: Wording, context: pd.Series) -> str:
    """What the debtor's own answers speak for: the level of each factor to which they answer most readily."""
    history = contrast.explanation.served.strategy.history_
    if history is None or history.memory is None:
        return ""
    memory, actions = history.memory, contrast.explanation.actions
    own = memory.loadings @ context[list(memory.columns)].to_numpy(dtype=np.float64)
    shown = []
    for factor, codes in zip(actions.factor_names, actions.codes.T, strict=True):
        levels = actions.factors[factor]
        if len(levels) > 1:
            best = levels[int(np.argmax([own[codes == code].mean() for code in range(len(levels))]))]
            shown.append(_level(words, factor, str(best)))
    return words.text("answers most readily: {levels}", levels=", ".join(shown)) if shown and own.any() else ""


def _level(words: Wording, factor: str, level: str) -> str:
    return f"{level}:00" if factor == "hour" and level.isdigit() else words.label(level)


def _fact(words: Wording, name: str, stem: str, context: pd.Series) -> str:
    if stem != name:  # one level of a factor: answers among contacts, one fact for both columns
        contacts, responses = context.get(f"{stem}.contacts"), context.get(f"{stem}.responses")
        if contacts is None or responses is None or not np.isfinite(contacts):
            return ""
        factor, _, level = stem.removeprefix("history.").partition("=")
        level = _level(words, factor, level)
        if contacts == 0:
            return words.text("{level}: no contacts yet", level=level)
        return words.text(
            "{level}: contacts answered, {responses} of {contacts}",
            level=level,
            responses=words.number(float(responses)),
            contacts=words.number(float(contacts)),
        )
    value = context[name]
    label = words.label(name.removeprefix("history.").removesuffix("_minor"))
    if pd.isna(value):
        return words.text("{label}: unknown", label=label)
    if isinstance(value, bool | np.bool_):
        return words.text("{label}: yes", label=label) if value else words.text("{label}: no", label=label)
    if isinstance(value, int | float | np.number):
        scaled = float(value) / (100.0 if name.endswith("_minor") else 1.0)
        return f"{label}: {words.number(scaled, 2 if abs(scaled) < 1 else 0 if abs(scaled) >= 100 else 1)}"
    if isinstance(value, pd.Timestamp):
        from babel.dates import format_date

        return f"{label}: {format_date(value.date(), format='medium', locale=words.locale)}"
    return f"{label}: {words.label(str(value))}"


def concept_text(words: Wording, group: str) -> str:
    """Name of a concept; one that a user's own ``groups`` brought along has the name it was given."""
    return words.text(CONCEPTS[group]) if group in CONCEPTS else words.label(group)


def action_text(words: Wording, actions: ActionSpace, action: int, *, without: Collection[str] = ()) -> str:
    """An action in words; a whole hour as a time of day; factors of ``without`` are not told."""
    if action == actions.no_contact_index:
        return words.text("No contact")
    parts = []
    for position, (name, levels) in enumerate(actions.factors.items()):
        level = levels[int(actions.codes[action, position])]
        if name in without:
            continue
        if name == "hour" and isinstance(level, int) and not isinstance(level, bool) and 0 <= level <= 23:
            parts.append(f"{level}:00")
        elif isinstance(level, str):
            parts.append(words.label(level))
        else:
            parts.append(f"{words.label(name)} {level}")
    return ", ".join(parts)
