"""The contrast of two actions of one account: by concept, by factor, and what would turn it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import pandas as pd

from api.pages.account_case import AccountCase
from api.pages.account_values import ActionNames, Values, concept
from api.pages.charts import Bar, hbars
from api.pages.content import Cell, Column, Section, Table
from api.pages.drawing import Drawing
from api.pages.rendering import Page
from recommender.explanation import Contrast, feature_label

__all__ = ["chance_in_words", "contrast_section", "counterfactual_section", "factor_section", "headline", "verdict"]

_MOST_CONCEPTS = 6
_OFFERED = 16
_REFERENCES = 250
_TURNS = 5
_UNDECIDED = 0.1  # as likely one as the other: between 40 and 60 per cent


def headline(page: Page, contrast: Contrast, values: Values, names: ActionNames) -> str:
    """The verdict in a sentence, from the same figures as the picture."""
    if contrast.a == contrast.b:
        return page.text("Both are the same action: there is nothing to compare.")
    ahead, back = (_figures(page, contrast, values, sign) for sign in (1.0, -1.0))
    actions = (names.of(contrast.a), names.of(contrast.b))
    return verdict(page, actions, ahead, back, contrast.p_better, is_alike=contrast.standing == "as good as")


def verdict(
    page: Page,
    actions: tuple[str, str],
    ahead: tuple[str, str],
    back: tuple[str, str],
    p_better: float,
    *,
    is_alike: bool,
) -> str:
    """One action against another: about as good, not known, or how likely one is better.

    Parameters
    ----------
    page : Page
    actions : (str, str)
    ahead : (str, str)
        Difference of the first from the second and its interval, as shown.
    back : (str, str)
        The same of the second from the first: a sentence that calls the second better says by how much it is.
    p_better : float
        Of the first.
    is_alike : bool
        Whether they are known to be less than a tenth apart.
    """
    words = {"a": actions[0], "b": actions[1], "difference": ahead[0], "interval": ahead[1]}
    if is_alike:
        return page.text(
            "{a} is about as good as {b}, less than a tenth apart: {difference} (95% CI {interval}).", **words
        )
    if abs(p_better - 0.5) < _UNDECIDED:
        return page.text("It is not known which does better, {a} or {b}: {difference} (95% CI {interval}).", **words)
    words["chance"] = chance_in_words(page, max(p_better, 1.0 - p_better))
    if p_better > 0.5:
        return page.text("{a} is {chance} likely better than {b}: {difference} (95% CI {interval}).", **words)
    words |= {"difference": back[0], "interval": back[1]}
    return page.text("{b} is {chance} likely better than {a}: {difference} (95% CI {interval}).", **words)


def chance_in_words(page: Page, chance: float) -> str:
    """A chance in whole per cent; nothing that may turn out otherwise is called certain."""
    capped = min(chance, 0.99)
    percent = page.formats.percent(capped, 0).text
    return page.text("more than {chance}", chance=percent) if chance > capped else percent


def _figures(page: Page, contrast: Contrast, values: Values, sign: float = 1.0) -> tuple[str, str]:
    """Difference and interval, as shown; with ``sign`` -1 of the second from the first."""
    total = sign * contrast.reward_difference
    decimals = values.decimals(total)
    low, high = sorted(sign * end for end in contrast.interval)
    estimate = page.formats.estimate("points" if values.is_rate else "number", total, low, high)
    return values.difference(values.rounded(total, decimals), decimals).text, estimate.interval


def contrast_section(
    page: Page, contrast: Contrast, values: Values, names: ActionNames, query: Mapping[str, str]
) -> Section:
    """Picker of A and B, bars by concept that sum to the shown difference."""
    total = contrast.reward_difference
    decimals = values.decimals(total)
    parts = [
        (concept(page, str(group)), float(value))
        for group, value in zip(contrast.by_group["group"], contrast.by_group["contribution_reward"], strict=True)
    ]
    split = values.split(parts, total, _MOST_CONCEPTS)
    first, second = names.of(contrast.a), names.of(contrast.b)
    difference, interval = _figures(page, contrast, values)
    bars = [
        Bar(name, exact, values.difference(shown, decimals).text, tone="for" if exact > 0 else "against")
        for name, exact, shown in split
    ]
    whole = values.difference(values.rounded(total, decimals), decimals)
    bars.append(Bar(page.text("Difference"), total, whole.text, tone="accent"))
    rows: list[list[Any]] = [
        [name, Cell.exact(values.difference(shown, decimals), exact, "above" if exact > 0 else "below")]
        for name, exact, shown in split
    ]
    rows.append([page.text("Difference"), Cell.exact(whole, total)])
    if contrast.a == contrast.b:
        finding = page.text("Both are the same action: there is nothing to compare.")
    else:
        finding = page.text(
            "{a} instead of {b}: {difference} (95% CI {interval}).",
            a=first,
            b=second,
            difference=difference,
            interval=interval,
        )
    return Section(
        "contrast",
        page.text("This action instead of that one"),
        finding,
        draw=partial(_draw, bars),
        label=finding,
        table=Table(
            "contrast",
            page.text("What each group of facts adds to the difference, in {unit}", unit=values.unit),
            [
                Column("concept", page.text("Business facts"), number=False),
                Column("contribution", page.text("Speaks for {action}", action=first), unit=values.unit),
            ],
            rows,
            stacked=False,
        ),
        reading=page.text(
            "Blue speaks for the first action, orange against it. The bars add up to the "
            "difference; each says what is associated with it."
        ),
        extra={"choices": _choices(contrast, names), "a": contrast.a, "b": contrast.b, "id": query.get("id", "")},
    )


def _draw(bars: list[Bar], width: int) -> Drawing:
    return hbars(bars, width, zero_centred=True)


def _choices(contrast: Contrast, names: ActionNames) -> list[tuple[int, str]]:
    """Allowed actions to choose from: the best ones, and the best of each channel; always the pair at hand."""
    explanation, row = contrast.explanation, contrast.account_index
    order = [int(i) for i in (-explanation.rewards[row]).argsort(kind="stable") if explanation.eligible[row, i]]
    codes = explanation.actions.codes[:, 0]
    first_of: dict[int, int] = {}
    for action in order:
        first_of.setdefault(int(codes[action]), action)
    wanted = {*order[:_OFFERED], *first_of.values(), contrast.a, contrast.b}
    return [
        (action, names.of(action)) for action in dict.fromkeys([*order, contrast.a, contrast.b]) if action in wanted
    ]


def factor_section(page: Page, contrast: Contrast, values: Values) -> Section | None:
    """Which part of the difference each factor of the action makes."""
    table = contrast.by_factor
    table = table[table["contribution_reward"] != 0.0]
    if table.empty:
        return None
    decimals = values.decimals(contrast.reward_difference)
    rows = []
    for factor, a, b, value in table[["factor", "level_a", "level_b", "contribution_reward"]].itertuples(index=False):
        levels = [_level(page, str(factor), level) for level in (a, b)]
        shown = values.difference(values.rounded(value, decimals), decimals)
        rows.append([page.label(factor), *levels, Cell.of(shown, tone="above" if value > 0 else "below")])
    return Section(
        "factors",
        page.text("Channel, hour or tone?"),
        page.text("How much of the difference each choice makes."),
        table=Table(
            "factors",
            page.text("Difference by choice, in {unit}", unit=values.unit),
            [
                Column("factor", page.text("Choice"), number=False),
                Column("first", page.text("First action"), number=False),
                Column("second", page.text("Second action"), number=False),
                Column("contribution", page.text("Adds to the difference"), unit=values.unit),
            ],
            rows,
        ),
    )


def _level(page: Page, factor: str, level: Any) -> str:
    if level is None or (not isinstance(level, str) and pd.isna(level)):
        return "–"
    return f"{int(level):02d}:00" if factor == "hour" and str(level).isdigit() else page.label(level)


def counterfactual_section(
    page: Page, case: AccountCase, contrast: Contrast, values: Values, names: ActionNames
) -> Section | None:
    """The smallest changes, to values of other accounts, after which the second action wins."""
    if contrast.a == contrast.b:
        return None
    first, second = (contrast.a, contrast.b) if contrast.reward_difference >= 0 else (contrast.b, contrast.a)
    turned = Contrast.between(contrast.explanation, contrast.account_index, first, second)
    heading = page.text("What would make {action} win?", action=names.of(second))
    turns = turned.what_would_make_b_win(_reference(case), most_values=12).head(_TURNS)
    if turns.empty:
        return Section(
            "turns", heading,
            empty=page.text(
                "No value that other accounts hold, of one fact or one group of facts, would turn the "
                "order."),
        )  # fmt: skip
    rows: list[list[Any]] = []
    for group, change, size, a, b in turns[["group", "change", "size", "reward_a", "reward_b"]].itertuples(index=False):
        shown = [
            f"{_capital(feature_label(page.wording, name))}: {_value(page, name, old)} → {_value(page, name, new)}"
            for name, (old, new) in list(change.items())[:3]
        ]
        if len(change) > 3:
            shown.append(page.text("and {count} more", count=len(change) - 3))
        decimals = values.decimals(b - a)
        rows.append(
            [
                Cell(shown[0], note="; ".join(shown[1:])),
                concept(page, str(group)),
                page.formats.number(float(size), 2),
                values.difference(float(b - a), decimals),
            ]
        )
    finding = page.text("Smallest change: {change}.", change=rows[0][0].shown)
    return Section(
        "turns",
        heading,
        finding,
        table=Table(
            "turns",
            page.text("Smallest changes that turn the order"),
            [
                Column("change", page.text("If this were different"), number=False),
                Column("concept", page.text("Business facts"), number=False),
                Column("size", page.text("Size of the change"), unit=page.text("ranks")),
                Column("lead", page.text("Then its lead"), unit=values.unit),
            ],
            rows,
        ),
        reading=page.text(
            "Tried are values that other accounts really have. The size counts ranks: 0.10 means "
            "that a tenth of the accounts lie between the two values. It says what the model would "
            "do, not what would happen."
        ),
    )


def _reference(case: AccountCase) -> pd.DataFrame | None:
    accounts = case.portfolio.some_accounts(_REFERENCES)
    if accounts is None:
        return None
    needed = [str(name) for name in case.strategy.feature_names_in_]
    return accounts.reindex(columns=[*dict.fromkeys([*accounts.columns, *needed])])


def _value(page: Page, name: str, value: Any) -> str:
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return page.text("unknown")
    if isinstance(value, bool):
        return page.text("yes") if value else page.text("no")
    if isinstance(value, str):
        return page.wording.label(value)
    number = float(value) / (100.0 if name.endswith("_minor") else 1.0)
    return page.wording.number(number, 2 if abs(number) < 1 else 0 if abs(number) >= 100 else 1)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
