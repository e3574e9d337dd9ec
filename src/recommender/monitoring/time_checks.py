"""Checks of clocks: instants without a zone, hours on the wrong clock, daylight saving."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import LoggedFeedback
from recommender.local_time import DAY_US, is_timezone, local_time
from recommender.monitoring.findings import Finding

__all__ = ["check_clocks"]

_HOUR_US = DAY_US // 24
_HOURS = ("hour", "hour_local")


def check_clocks(log: LoggedFeedback, zones: pd.Series | None = None) -> Iterator[Finding]:
    """Time column, its zone, and the hour factor against it.

    Parameters
    ----------
    log : LoggedFeedback
    zones : Series of str of shape (n_decisions,) or None
        Debtor-local IANA zone of each row, where known.
    """
    if log.time is None:
        yield Finding(
            "no_time",
            "There is no time column: the log cannot be split by time and no account history is used.",
            "Name the instant of the decision; a random split flatters a policy when habits change.",
            "care",
            "care",
        )
        return
    instants = _instants(log.time)
    if instants is None:
        yield Finding(
            "time_is_no_instant",
            "The time column holds numbers or text, not instants: only its order is used.",
            "Give UTC instants to have days, hours and time zones checked.",
        )
        return
    yield from _check_hours(log, instants, zones)
    gaps = np.diff(np.sort(instants)) / DAY_US
    if len(gaps) and gaps.max() > 14:
        yield Finding(
            "gap_in_time",
            f"There is a gap of {gaps.max():.0f} days without any decision.",
            "Check that no export is missing.",
            "care" if gaps.max() > 45 else "fine",
            figures={"days": float(gaps.max())},
        )


def _check_hours(log: LoggedFeedback, instants: NDArray[np.int64], zones: pd.Series | None) -> Iterator[Finding]:
    name = next((name for name in _HOURS if name in log.actions.factors), None)
    if name is None:
        return
    levels = log.actions.factors[name]
    if not all(isinstance(level, int) for level in levels):
        return
    position = log.actions.factor_names.index(name)
    code = log.actions.codes[log.action, position]
    acted = code >= 0
    if acted.sum() < 100:
        return
    hour = np.asarray(levels, dtype=np.int64)[code[acted]]
    night = float(((hour < 6) | (hour >= 23)).mean())
    if night > 0.05:
        yield Finding(
            "contacts_at_night",
            f"{night:.0%} of the contacts are at night (23 to 6) by the hour factor.",
            "Check that hours are on the debtor's clock, not on UTC.",
            "care",
            figures={"share": night},
        )
    at = instants[acted]
    utc = at % DAY_US // _HOUR_US
    if zones is not None and zones.notna().any():
        yield from _against_zones(hour, at, zones.loc[acted].reset_index(drop=True))
        return
    offset = (hour - utc + 12) % 24 - 12
    share = np.bincount(offset + 12, minlength=24) / len(offset)
    mode = int(share.argmax()) - 12
    if share.max() < 0.8:
        pair = sorted(np.argsort(share)[-2:] - 12)
        if share[np.array(pair) + 12].sum() > 0.9 and pair[1] - pair[0] == 1:
            yield Finding(
                "daylight_saving",
                f"The hour factor runs {pair[0]:+d} or {pair[1]:+d} hours from UTC: a clock with daylight saving.",
                "Nothing to do if these are debtor-local hours; give the time zones to have them checked.",
                figures={"offsets": [int(value) for value in pair]},
            )
        return
    if mode == 0:
        yield Finding(
            "hours_on_utc",
            f"The hour factor equals the UTC hour in {share.max():.0%} of the contacts.",
            "Use the debtor's local hour, unless all debtors live on UTC.",
            "care",
            figures={"share": float(share.max())},
        )
    else:
        yield Finding(
            "hours_on_one_clock",
            f"The hour factor runs {mode:+d} hours from UTC in {share.max():.0%} of the contacts.",
            "Check that this is the debtors' clock, also where they live in several zones or keep daylight saving.",
            figures={"offset": mode, "share": float(share.max())},
        )


def _against_zones(hour: NDArray[np.int64], at: NDArray[np.int64], zones: pd.Series) -> Iterator[Finding]:
    """Compare the hour factor with the debtor's clock, in summer and in winter time."""
    local, summer = np.full(len(at), -1, dtype=np.int64), np.zeros(len(at), dtype=bool)
    unknown = int((zones.notna() & ~zones.map(is_timezone)).sum())
    for zone in zones.dropna().unique():
        if not is_timezone(zone):
            continue
        rows = (zones == zone).to_numpy(dtype=bool)
        local[rows] = local_time(at[rows], zone).clock_us // _HOUR_US
        offset = local_time(at[rows], zone)
        shift = offset.day * DAY_US + offset.clock_us - at[rows]
        summer[rows] = shift > shift.min()
    if unknown:
        yield Finding(
            "unknown_time_zones",
            f"{unknown:,} rows name a time zone that does not exist.",
            "Use IANA names such as America/Bogota.",
            "care",
            figures={"rows": unknown},
        )
    known = local >= 0
    if not known.any():
        return
    gap = (hour[known] - local[known] + 12) % 24 - 12
    right = float((gap == 0).mean())
    figures: dict[str, Any] = {"equal_share": right}
    if right > 0.98 or right < 0.3:  # decided ahead of time: the two need not agree
        return
    in_summer = summer[known]
    off = {season: float((np.abs(gap[mask]) == 1).mean()) for season, mask in _seasons(in_summer)}
    figures["off_by_one"] = off
    if len(off) == 2 and abs(off["summer"] - off["winter"]) > 0.5:
        worse = max(off, key=lambda season: off[season])
        yield Finding(
            "daylight_saving",
            f"The hour factor is one hour off the debtor's clock in {off[worse]:.0%} of the {worse}-time contacts.",
            "The exporting system ignores daylight saving: convert hours from UTC instants with IANA zones.",
            "care",
            "care",
            figures,
        )
    else:
        yield Finding(
            "hours_off_local_clock",
            f"The hour factor agrees with the debtor's clock at the decision in {right:.0%} of the contacts only.",
            "Check whose clock the hours are on; decisions made ahead of the contact explain it too.",
            "care",
            figures=figures,
        )


def _seasons(summer: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.bool_]]]:
    return [(name, mask) for name, mask in (("summer", summer), ("winter", ~summer)) if mask.sum() >= 50]


def _instants(time: NDArray[Any]) -> NDArray[np.int64] | None:
    """Microseconds since 1970 (UTC), or None where the time column is no instant."""
    series = pd.Series(time)
    if not pd.api.types.is_datetime64_any_dtype(series.dtype):
        return None
    return np.asarray(pd.to_datetime(series, utc=True).dt.as_unit("us").astype("int64").to_numpy())
