"""What a first look shows, as plain data, and the same as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.reports.words import Words

__all__ = ["AccountLine", "FirstPage", "PolicyLine", "ValueMap", "map_in_text", "policies_in_text", "shown_value"]

_SHADES = " \u2591\u2592\u2593\u2588"
_WIDTH = 44
_NO_DIFFERENCE = 0.01  # of the value: less is not shaded
_MOST_COLUMNS = 26


@dataclass(frozen=True)
class ValueMap:
    """What was learnt of the levels of one or two factors.

    Attributes
    ----------
    down, across : str
        Names of the factors; ``across`` is empty where there is one only.
    rows, columns : tuple of str
        Levels.
    values : ndarray of shape (n_rows, n_columns)
        Mean expected reward over the accounts.
    times : ndarray of shape (n_rows, n_columns)
        How often the log did it.
    """

    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: NDArray[np.float64]
    times: NDArray[np.float64]


@dataclass(frozen=True)
class PolicyLine:
    """Value of one policy; where it is a baseline, the paired difference of the learnt policy from it."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    truth: float | None = None
    verdict: str = ""
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None


@dataclass(frozen=True)
class AccountLine:
    """The next-best action of an account in place of another one, what is expected of it, and why."""

    account: str
    action: str
    instead: str
    expected: float
    low: float
    high: float
    reason: str = ""
    expected_instead: float | None = None


@dataclass(frozen=True)
class FirstPage:
    """Everything that a first look shows: sentences in the language of the page.

    Attributes
    ----------
    title, note : str
    verdict, against, good_for, unit : str
        In English; the page tells them in its language.
    reasons, taken : tuple of str
    facts, left_out : mapping of str to str
    findings : tuple of (grade, what, mend)
    map : ValueMap
    policies : tuple of PolicyLine
        The learnt one first.
    accounts : tuple of AccountLine
    plan : tuple of str
        Sentences on the plan of tomorrow; empty where there is none.
    onwards : tuple of (str, str)
        Where to go on: what for, and the command.
    language : {"en", "es"}
    """

    title: str
    verdict: str
    reasons: tuple[str, ...]
    facts: Mapping[str, str]
    findings: tuple[tuple[str, str, str], ...]
    good_for: str
    map: ValueMap
    policies: tuple[PolicyLine, ...]
    accounts: tuple[AccountLine, ...]
    unit: str
    against: str = "against all that it is held against"
    note: str = ""
    taken: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    plan: tuple[str, ...] = ()
    onwards: tuple[tuple[str, str], ...] = ()
    language: str = "en"

    @property
    def per(self) -> float:
        """Decisions that the values are told for."""
        return 1000.0 if "1,000" in self.unit else 1.0


def shown_value(value: float | None, per: float = 1.0, *, sign: bool = False, language: str = "en") -> str:
    """A reward for ``per`` decisions with three telling digits."""
    if value is None or np.isnan(value):
        return ""
    if not np.isfinite(value):
        return Words(language)("unbounded")
    scaled = value * per
    digits = int(np.clip(2 - np.floor(np.log10(abs(scaled))), 0, 4)) if scaled else 0
    return Words(language).number(f"{scaled:{'+' if sign else ''},.{digits}f}")


def map_in_text(seen: ValueMap, language: str = "en") -> list[str]:
    """The map as shades: the darker, the more is expected; levels that the log never shows are left blank."""
    t = Words(language)
    values = np.where(seen.times > 0, seen.values, np.nan)
    low, high = np.nanmin(values), np.nanmax(values)
    wide = max(len(row) for row in seen.rows)
    if not seen.across:
        per_cell = _WIDTH / max(high, 1e-300) if high > 0 else 0.0
        order = np.argsort(-seen.values[:, 0])[:_MOST_COLUMNS]
        lines = [t("what was learnt: mean expected reward by {down}", down=seen.down)]
        for row in order:
            bar = "\u2588" * max(1, round(float(seen.values[row, 0]) * per_cell)) if seen.times[row, 0] else ""
            told = t("{value:.4g} ({times:,.0f} times)", value=seen.values[row, 0], times=seen.times[row, 0])
            lines.append(f"  {seen.rows[row]:<{wide}}  {bar} {told}")
        return lines
    columns = range(min(len(seen.columns), _MOST_COLUMNS))
    cell = max(3, max(len(seen.columns[column]) for column in columns) + 1)
    alike = high - low < _NO_DIFFERENCE * max(abs(high), abs(low))
    scale = t("all alike, {low:.3g}" if alike else "dark {high:.3g}, light {low:.3g}", low=low, high=high)
    if alike:  # shades of a thousandth would look like a finding
        low, high = low - 1.5, high + 2.5
    lines = [t("what was learnt: expected reward by {down} and {across} ({scale})",
               down=seen.down, across=seen.across, scale=scale)]  # fmt: skip
    lines.append(" " * (wide + 4) + "".join(f"{seen.columns[column]:>{cell}}" for column in columns))
    for row, name in enumerate(seen.rows):
        shades = [_shade(values[row, column], low, high) * (cell - 1) for column in columns]
        lines.append(f"  {name:<{wide}}  " + "".join(f" {shade}" for shade in shades))
    return lines


def _shade(value: float, low: float, high: float) -> str:
    if np.isnan(value):
        return " "
    share = (value - low) / (high - low) if high > low else 1.0
    return _SHADES[1 + min(3, int(share * 4))]


def policies_in_text(page: FirstPage) -> list[str]:
    """Each policy as a point (and an interval, where it has one) on one scale."""
    per = page.per
    ends = [x for p in page.policies for x in (p.value, p.low, p.high, p.truth) if x is not None and np.isfinite(x)]
    low, high = min(ends), max(ends)
    step = (high - low) / (_WIDTH - 1) if high > low else 1.0

    def at(value: Any) -> int:
        return int(np.clip(round((value - low) / step), 0, _WIDTH - 1))

    def shown(value: float | None, sign: bool = False) -> str:
        return shown_value(value, per, sign=sign, language=page.language)

    t = Words(page.language)
    head = "what it would earn ({unit!t}; o estimate, - interval of 95 %, | truth where it is known)"
    lines = [t(head, unit=page.unit)]
    wide = max(len(policy.name) for policy in page.policies)
    for policy in page.policies:
        drawn = [" "] * _WIDTH
        if policy.low is not None and policy.high is not None and np.isfinite([policy.low, policy.high]).all():
            drawn[at(policy.low) : at(policy.high) + 1] = "-" * (at(policy.high) - at(policy.low) + 1)
        if policy.truth is not None:
            drawn[at(policy.truth)] = "|"
        if np.isfinite(policy.value):
            drawn[at(policy.value)] = "o"
        line = shown(policy.value)
        if policy.low is not None:
            line += " " + t("[{low}, {high}]", low=shown(policy.low), high=shown(policy.high))
        if policy.gap is not None:
            line += "   " + t("learnt is {verdict!t}: {gap}", verdict=policy.verdict, gap=shown(policy.gap, True))
            line += " " + t("[{low}, {high}]", low=shown(policy.gap_low, True), high=shown(policy.gap_high, True))
        lines.append(f"  {policy.name:<{wide}}  {''.join(drawn)}  {line}")
    return lines
