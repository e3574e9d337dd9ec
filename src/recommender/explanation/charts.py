"""Pictures of explanations with matplotlib: a waterfall of one action and diverging bars of a contrast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recommender.explanation.reasons import CONCEPTS, action_text
from recommender.explanation.wording import Wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recommender.explanation.contrast import Contrast
    from recommender.explanation.explanation import Explanation

__all__ = ["contrast_bars", "waterfall"]

_FOR, _AGAINST, _ENDS = "#1f6fb4", "#c8651b", "#6b6b6b"


def waterfall(explanation: Explanation, place: int, rank: int, language: str) -> Figure:
    """From the mean account to the expected reward of one action, concept by concept."""
    from matplotlib import pyplot as plt

    words = Wording.of(language)
    groups, split = explanation.group_contributions()
    values = split[place, rank]
    order = [i for i in np.argsort(-np.abs(values), kind="stable") if values[i] != 0.0]
    start = explanation.baseline_reward
    is_share = explanation.served.strategy.reward_kind_ == "binary"
    unit = 100.0 if is_share else 1.0
    labels = [words.text("Average account"), *(_concept(words, groups[i]) for i in order), words.text("This account")]
    lefts, widths, colours, texts = [0.0], [start * unit], [_ENDS], [words.number(start * unit)]
    level = start
    for i in order:
        lefts.append(min(level, level + values[i]) * unit)
        widths.append(abs(values[i]) * unit)
        colours.append(_FOR if values[i] > 0 else _AGAINST)
        texts.append(words.signed(values[i] * unit, 1 if is_share else 2))
        level += values[i]
    lefts.append(0.0)
    widths.append(level * unit)
    colours.append(_ENDS)
    texts.append(words.number(level * unit))
    figure, axes = plt.subplots(figsize=(8.0, 0.45 * len(labels) + 1.2), layout="constrained")
    _bars(axes, labels, lefts, widths, colours, texts)
    action = int(explanation.action[place, rank])
    axes.set_title(action_text(words, explanation.actions, action), loc="left")
    axes.set_xlabel(words.text("Expected response (%)") if is_share else words.text("Expected reward"))
    plt.close(figure)
    return figure


def contrast_bars(contrast: Contrast, language: str) -> Figure:
    """What each concept adds to the difference between two actions."""
    from matplotlib import pyplot as plt

    words = Wording.of(language)
    table = contrast.by_group
    table = table[table["contribution_reward"] != 0.0]
    actions = contrast.explanation.actions
    is_share = contrast.explanation.served.strategy.reward_kind_ == "binary"
    unit = 100.0 if is_share else 1.0
    values = table["contribution_reward"].to_numpy() * unit
    total = contrast.reward_difference * unit
    labels = [*(_concept(words, group) for group in table["group"]), words.text("Difference")]
    widths = [*np.abs(values).tolist(), abs(total)]
    lefts = [*np.minimum(values, 0.0).tolist(), min(total, 0.0)]
    colours = [*(_FOR if value > 0 else _AGAINST for value in values), _ENDS]
    texts = [words.signed(value, 1 if is_share else 2) for value in (*values, total)]
    figure, axes = plt.subplots(figsize=(8.0, 0.45 * len(labels) + 1.2), layout="constrained")
    _bars(axes, labels, lefts, widths, colours, texts)
    axes.axvline(0.0, color=_ENDS, linewidth=0.8)
    first, second = (action_text(words, actions, action) for action in (contrast.a, contrast.b))
    axes.set_title(words.text("{a} instead of {b}", a=first, b=second), loc="left")
    axes.set_xlabel(words.text("Percentage points") if is_share else words.text("Expected reward"))
    plt.close(figure)
    return figure


def _bars(
    axes: object, labels: list[str], lefts: list[float], widths: list[float], colours: list[str], texts: list[str]
) -> None:
    places = np.arange(len(labels))
    axes.barh(places, widths, left=lefts, color=colours)  # type: ignore[attr-defined]
    span = max(np.add(lefts, widths).max() - min(0.0, min(lefts)), 1e-12)
    for place, left, width, text in zip(places, lefts, widths, texts, strict=True):
        axes.text(left + width + 0.01 * span, place, text, va="center")  # type: ignore[attr-defined]
    axes.set_yticks(places, labels)  # type: ignore[attr-defined]
    axes.invert_yaxis()  # type: ignore[attr-defined]
    axes.margins(x=0.12)  # type: ignore[attr-defined]
    axes.spines[["top", "right"]].set_visible(False)  # type: ignore[attr-defined]


def _concept(words: Wording, group: str) -> str:
    return words.text(CONCEPTS[group]) if group in CONCEPTS else words.label(group)
