"""Values and names of one account's actions as its pages show them, and the waterfall of one action."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from api.pages.account_case import AccountCase
from api.pages.account_charts import Step, waterfall
from api.pages.charts import nice_ticks
from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page
from api.pages.shown import Estimate, Shown
from recommender.actions import ActionSpace
from recommender.explanation import Explanation, action_text, concept_label

__all__ = ["ActionNames", "Values", "concept", "waterfall_section"]

_SMALL = 0.02  # differences of rates under two points need a second decimal


def concept(page: Page, group: str) -> str:
    """Name of a concept, with a capital."""
    return concept_label(page.wording, group)


class ActionNames:
    """Actions in words."""

    def __init__(self, page: Page, actions: ActionSpace) -> None:
        self._page, self._actions = page, actions

    def of(self, action: int) -> str:
        """One action."""
        name = action_text(self._page.wording, self._actions, action)
        return name[:1].upper() + name[1:]


class Values:
    """Expected results in the reader's format: percentages, or amounts of the account's currency."""

    def __init__(self, page: Page, case: AccountCase, explanation: Explanation | None = None) -> None:
        self._page, self._case, self._explanation = page, case, explanation
        self.is_rate = getattr(case.strategy, "reward_kind_", "binary") == "binary"
        self.kind: Any = "rate" if self.is_rate else "number"
        self.unit = page.text("percentage points") if self.is_rate else page.text("units of reward")

    def estimate(self, value: float, low: float, high: float) -> Estimate:
        """Expected result with its interval."""
        return self._page.formats.estimate(self.kind, float(value), float(low), float(high), difference=False)

    def decimals(self, total: float) -> int:
        """Decimals of a split: enough for its whole."""
        return 2 if not self.is_rate or abs(total) < _SMALL else 1

    def difference(self, value: float, decimals: int) -> Shown:
        """Difference of two expected results."""
        return self._page.formats.difference(self.kind, float(value), decimals=decimals)

    def rounded(self, value: float, decimals: int) -> float:
        """Value as it reads when shown."""
        scale = 100.0 if self.is_rate else 1.0
        return round(scale * float(value), decimals) / scale

    def split(self, parts: Sequence[tuple[str, float]], total: float, most: int) -> list[tuple[str, float, float]]:
        """Largest parts with what is shown of each; the last, all others, makes up the shown total exactly.

        Returns
        -------
        list of (name, exact value, shown value)
            The shown values sum to the shown total.
        """
        decimals = self.decimals(total)
        ordered = sorted(parts, key=lambda part: -abs(part[1]))
        kept = [part for part in ordered[:most] if self.rounded(part[1], decimals) != 0.0]
        shown = [(name, value, self.rounded(value, decimals)) for name, value in kept]
        rest = total - sum(value for _, value, _ in shown)
        left = self.rounded(total, decimals) - sum(value for _, _, value in shown)
        if len(kept) < len(ordered) and (abs(rest) > 1e-12 or self.rounded(left, decimals) != 0.0):
            shown.append((self._page.text("All others"), rest, self.rounded(left, decimals)))
        return shown

    def intervals(self, actions: Sequence[int]) -> dict[int, tuple[float, float]]:
        """95 % interval of each action."""
        if self._explanation is None or not actions:
            return {}
        low, high = self._explanation.served.interval(self._explanation.context, np.array([list(actions)]))
        return {action: (float(low[0, i]), float(high[0, i])) for i, action in enumerate(actions)}

    def ticks(self, ends: Sequence[float]) -> list[tuple[float, str]]:
        """Axis ticks that span the values."""
        finite = [end for end in ends if np.isfinite(end)]
        if not finite:
            return []
        low, high = min(finite), max(finite)
        places = nice_ticks(low, high, 4)
        step = (places[1] - places[0]) * (100.0 if self.is_rate else 1.0) if len(places) > 1 else 1.0
        decimals = 0 if step >= 1 else 1 if step >= 0.1 else 2
        return [
            (position, self._page.formats.value(self.kind, position, decimals=decimals).text) for position in places
        ]


def waterfall_section(
    page: Page, explanation: Explanation, values: Values, names: ActionNames, action: int
) -> Section | None:
    """From the average account to this one, concept by concept; None where the action was not explained."""
    ranks = [rank for rank, one in enumerate(explanation.action[0].tolist()) if one == action]
    if not ranks:
        return None
    groups, split = explanation.group_contributions()
    start = explanation.baseline_reward
    end = float(explanation.rewards[0, action])
    total = end - start
    decimals = max(values.decimals(total), values.decimals(end))
    parts = values.split(
        [(concept(page, group), float(part)) for group, part in zip(groups, split[0, ranks[0]], strict=True)], total, 7
    )
    first = page.formats.value(values.kind, start, decimals=decimals)
    last = page.formats.value(values.kind, end, decimals=decimals)
    average, this = page.text("Average account"), page.text("This account")
    steps = [Step(average, 0.0, start, first.text, "accent")]
    rows: list[list[Any]] = [[average, Cell.exact(first, start)]]
    level = start
    for name, exact, shown in parts:
        difference = values.difference(shown, values.decimals(total))
        steps.append(Step(name, level, level + exact, difference.text, "for" if exact > 0 else "against"))
        rows.append([name, Cell.exact(difference, exact, "above" if exact > 0 else "below")])
        level += exact
    steps.append(Step(this, 0.0, end, last.text, "accent"))
    rows.append([this, Cell.exact(last, end)])
    finding = page.text(
        "{action}: {value} is expected of this account, {average} of the average one.",
        action=names.of(action), value=last.text, average=first.text,
    )  # fmt: skip
    return Section(
        "waterfall",
        page.text("What the expected result is made of"),
        finding,
        draw=partial(waterfall, steps),
        label=finding,
        table=Table(
            "waterfall",
            page.text("From the average account to this one, in {unit}", unit=values.unit),
            [
                Column("concept", page.text("Business facts"), number=False),
                Column("contribution", page.text("Adds to the expectation"), unit=values.unit),
            ],
            rows,
            stacked=False,
        ),
        open=False,
        reading=page.text(
            "Blue bars raise the expectation, orange bars lower it; together they lead from the "
            "average account to this one. They say what is associated with the result, not what "
            "would happen if a fact changed."
        ),
    )
