"""What a first look shows, as plain data, and the same as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """Everything that a first look shows.

    Attributes
    ----------
    title, verdict, against, good_for, unit, note : str
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

    @property
    def per(self) -> float:
        """Decisions that the values are told for."""
        return 1000.0 if "1,000" in self.unit else 1.0


def shown_value(value: float | None, per: float = 1.0, *, sign: bool = False) -> str:
    """A reward for ``per`` decisions with three telling digits."""
    if value is None or np.isnan(value):
        return ""
    if not np.isfinite(value):
        return "unbounded"
    scaled = value * per
    digits = int(np.clip(2 - np.floor(np.log10(abs(scaled))), 0, 4)) if scaled else 0
    return f"{scaled:{'+' if sign else ''},.{digits}f}"


def map_in_text(seen: ValueMap) -> list[str]:
    """The map as shades: the darker, the more is expected; levels that the log never shows are left blank."""
    values = np.where(seen.times > 0, seen.values, np.nan)
    low, high = np.nanmin(values), np.nanmax(values)
    wide = max(len(row) for row in seen.rows)
    if not seen.across:
        scale = _WIDTH / max(high, 1e-300) if high > 0 else 0.0
        order = np.argsort(-seen.values[:, 0])[:_MOST_COLUMNS]
        lines = [f"what was learnt: mean expected reward by {seen.down}"]
        for row in order:
            bar = "\u2588" * max(1, round(float(seen.values[row, 0]) * scale)) if seen.times[row, 0] else ""
            lines.append(
                f"  {seen.rows[row]:<{wide}}  {bar} {seen.values[row, 0]:.4g} ({seen.times[row, 0]:,.0f} times)"
            )
        return lines
    columns = range(min(len(seen.columns), _MOST_COLUMNS))
    cell = max(3, max(len(seen.columns[column]) for column in columns) + 1)
    alike = high - low < _NO_DIFFERENCE * max(abs(high), abs(low))
    scale_of_shades = f"all alike, {low:.3g}" if alike else f"dark {high:.3g}, light {low:.3g}"
    if alike:  # shades of a thousandth would look like a finding
        low, high = low - 1.5, high + 2.5
    lines = [f"what was learnt: expected reward by {seen.down} and {seen.across} ({scale_of_shades})"]
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

    lines = [f"what it would earn ({page.unit}; o estimate, - interval of 95 %, | truth where it is known)"]
    wide = max(len(policy.name) for policy in page.policies)
    for policy in page.policies:
        drawn = [" "] * _WIDTH
        if policy.low is not None and policy.high is not None and np.isfinite([policy.low, policy.high]).all():
            drawn[at(policy.low) : at(policy.high) + 1] = "-" * (at(policy.high) - at(policy.low) + 1)
        if policy.truth is not None:
            drawn[at(policy.truth)] = "|"
        if np.isfinite(policy.value):
            drawn[at(policy.value)] = "o"
        line = shown_value(policy.value, per)
        if policy.low is not None:
            line += f" [{shown_value(policy.low, per)}, {shown_value(policy.high, per)}]"
        if policy.gap is not None:
            line += (
                f"   learnt is {policy.verdict}: {shown_value(policy.gap, per, sign=True)} "
                f"[{shown_value(policy.gap_low, per, sign=True)}, {shown_value(policy.gap_high, per, sign=True)}]"
            )
        lines.append(f"  {policy.name:<{wide}}  {''.join(drawn)}  {line}")
    return lines
