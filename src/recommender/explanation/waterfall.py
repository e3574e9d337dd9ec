"""Contributions as steps of a picture: from the mean account to one action, and from one action to another."""

from __future__ import annotations

import numpy as np

from recommender.explanation.action_difference import ActionDifference
from recommender.explanation.explained_accounts import ExplainedAccounts
from recommender.explanation.reasons import action_text, concept_text
from recommender.explanation.wording import Wording
from recommender.reports import StepBar, StepBars

__all__ = ["contrast_steps", "waterfall_steps"]


def waterfall_steps(explained: ExplainedAccounts, account_index: int, rank: int, language: str) -> StepBars:
    """From the mean account to the expected reward of one action, concept by concept, largest first.

    Parameters
    ----------
    explained : ExplainedAccounts
    account_index : int
        Index of the account among the explained ones.
    rank : int
        Of the action, 0 = best.
    language : str
    """
    words = Wording.of(language)
    groups, split = explained.group_contributions()
    is_share, unit = _unit(explained)
    values = split[account_index, rank] * unit
    level = explained.baseline_reward * unit
    bars = [StepBar(words.text("Average account"), 0.0, level, words.number(level), "total")]
    for i in np.argsort(-np.abs(values), kind="stable"):
        if values[i] != 0.0:
            bars.append(_step(words, groups[i], level, float(values[i]), is_share=is_share))
            level += float(values[i])
    bars.append(StepBar(words.text("This account"), 0.0, level, words.number(level), "total"))
    return StepBars(
        title=action_text(words, explained.actions, int(explained.action[account_index, rank])),
        axis=words.text("Expected response (%)") if is_share else words.text("Expected reward"),
        bars=bars,
    )


def contrast_steps(difference: ActionDifference, language: str) -> StepBars:
    """What each concept adds to the difference between two actions, largest first, and their sum."""
    words = Wording.of(language)
    explained = difference.explanation
    is_share, unit = _unit(explained)
    table = difference.by_group
    table = table[table["contribution_reward"] != 0.0]
    bars = [
        _step(words, group, 0.0, value * unit, is_share=is_share)
        for group, value in zip(table["group"], table["contribution_reward"], strict=True)
    ]
    total = difference.reward_difference * unit
    text = words.signed(total, 1 if is_share else 2)
    first, second = (action_text(words, explained.actions, action) for action in (difference.a, difference.b))
    return StepBars(
        title=words.text("{a} instead of {b}", a=first, b=second),
        axis=words.text("Percentage points") if is_share else words.text("Expected reward"),
        bars=[*bars, StepBar(words.text("Difference"), 0.0, total, text, "total")],
        zero_line=True,
    )


def _unit(explained: ExplainedAccounts) -> tuple[bool, float]:
    """Whether rewards are probabilities, and what they are multiplied with on the axis."""
    is_share = explained.served.strategy.reward_kind_ == "binary"
    return is_share, 100.0 if is_share else 1.0


def _step(words: Wording, group: str, start: float, value: float, *, is_share: bool) -> StepBar:
    text = words.signed(value, 1 if is_share else 2)
    return StepBar(concept_text(words, group), start, start + value, text, "for" if value > 0 else "against")
