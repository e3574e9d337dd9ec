"""The best hour of one account over one channel: every hour of the week ahead, legal or closed by a named rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import Tabular
from recommender.deciding.accounts import Accounts
from recommender.deciding.days_ahead import aged
from recommender.deciding.decide import Decider
from recommender.errors import InvalidInput
from recommender.local_time import is_timezone

__all__ = ["WeekAhead", "week_ahead"]

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_VALUES = ("expected_reward", "lo", "hi")


@dataclass(frozen=True, eq=False)
class WeekAhead:
    """Hours of the days ahead for one account and channel.

    Attributes
    ----------
    hours : DataFrame
        One row an hour, in time: ``date``, ``weekday``, ``hour`` (debtor-local), ``contact_at`` (UTC), ``legal``,
        ``rules`` and ``citations`` (what closes it, ``;`` between them), ``expected_reward``, ``lo``, ``hi`` of the
        best action of that hour, its other factors, ``template_id``, and the value ladder where it was learnt. What is
        closed has no value: nothing may be dispatched there.
    policy : {"model", "seed_rules"}
    """

    hours: pd.DataFrame
    policy: str

    def best(self, slots: int = 5) -> pd.DataFrame:
        """The best legal slots, best first; of equal ones the earlier. The seed rules know no value: in time."""
        legal = self.hours[self.hours["legal"]]
        by = ["expected_reward", "contact_at"]
        return legal.sort_values(by, ascending=[False, True], kind="stable", ignore_index=True).head(slots)

    def grid(self) -> pd.DataFrame:
        """Hour x day: the value of each legal hour, else the first rule that closes it."""
        cells = self.hours.copy()
        value = cells["expected_reward"].map(lambda one: "legal" if pd.isna(one) else f"{one:.4g}")
        cells["cell"] = np.where(cells["legal"], value, cells["rules"].str.split(";").str[0])
        cells["day"] = cells["weekday"] + " " + cells["date"].astype("str")
        days = list(dict.fromkeys(cells["day"]))
        return cells.pivot_table(index="hour", columns="day", values="cell", aggfunc="first")[days]


def week_ahead(
    decider: Decider,
    account: Tabular,
    *,
    channel: str,
    as_of: datetime,
    packs: Sequence[str],
    contacts: Tabular | None = None,
    overlays: Sequence[str] = (),
    days: int = 7,
) -> WeekAhead:
    """Judge and value every hour of the days ahead, each day as it will stand if nothing happens before.

    Parameters
    ----------
    decider : Decider
    account : DataFrame, Arrow table or list of one JSON object
        One row, as for :func:`recommender.deciding.decide`.
    channel : str
        Level of the factor ``channel``.
    as_of : aware datetime
    packs, contacts, overlays
        As for :func:`recommender.deciding.decide`. What is planned for the days between counts where it is among the
        contacts.
    days : int, default=7

    Raises
    ------
    InvalidInput
        For more than one account, a channel or an action space that has no such thing, or days out of range.
    """
    actions = decider.actions
    if "channel" not in actions.factors or "hour" not in actions.factors:
        raise InvalidInput(
            f"Best hours need the factors channel and hour; the actions have {list(actions.factors)}.",
            column="actions",
            mend="Train with both among the factors.",
        )
    if channel not in actions.factors["channel"]:
        raise InvalidInput.in_column(
            "channel", "is no level of the actions", values=[channel],
            mend=f"Use one of {', '.join(map(str, actions.factors['channel']))}.",
        )  # fmt: skip
    if not 1 <= days <= 31:
        raise InvalidInput.in_column("days", "must lie in 1 .. 31", values=[days], mend="A week is 7.")
    table = Accounts.of(account)
    if len(table) != 1:
        raise InvalidInput(f"Best hours are of one account; got {len(table)}.", column="account", mend="Pass one row.")
    space = actions.to_frame()
    on_channel = space["channel"] == channel
    cells = {hour: np.flatnonzero(on_channel & (space["hour"] == hour)) for hour in actions.factors["hour"]}
    parts, policy = [], "model"
    for day in range(days):
        at = as_of + timedelta(days=day)
        made = decider.decide(
            aged(table, as_of, at), as_of=at, packs=packs, contacts=contacts, overlays=overlays, top_k=len(actions),
            explore=False,
        )  # fmt: skip
        policy = made.policy
        parts.append(_hours(made, channel, cells))
    hours = pd.concat(parts, ignore_index=True)
    return WeekAhead(hours.sort_values("contact_at", kind="stable", ignore_index=True), policy)


def _hours(made: Any, channel: str, cells: Mapping[Any, NDArray[np.int64]]) -> pd.DataFrame:
    """Every hour of one day; ``cells`` are the channel's actions of each hour."""
    zone = made.accounts.values("timezone")[0] if "timezone" in made.accounts else None
    zone = zone if is_timezone(zone) else "UTC"
    ranked = made.ranked
    ranked = ranked[ranked["channel"] == channel]
    best = ranked.sort_values(["expected_reward", "rank"], ascending=[False, True], kind="stable")
    best = best.drop_duplicates("hour").set_index("hour")
    others = [name for name in made.actions.factor_names if name not in ("channel", "hour")]
    names = [*_VALUES, *others, "template_id", *made.values]
    on_channel = [int(action) for some in cells.values() for action in some]
    closed = dict(zip(on_channel, made.eligibility.rules_of(0, on_channel), strict=True))
    rows = []
    for position, hour in enumerate(made.actions.factors["hour"]):
        when = made.eligibility.contact_at[0, position]
        if np.isnat(when):  # a clock that leaps over the hour
            continue
        instant = pd.Timestamp(when, tz="UTC")
        local = instant.tz_convert(zone)
        row = {
            "date": local.date(), "weekday": _WEEKDAYS[local.day_of_week], "hour": hour, "contact_at": instant,
            "legal": hour in best.index, "rules": "", "citations": "",
        }  # fmt: skip
        if row["legal"]:
            row |= best.loc[hour, names].to_dict()
        else:
            first, *rest = (closed[int(action)] for action in cells[hour])
            closing = [rule for rule in first if all(rule in one for one in rest)] or list(first)
            cited = [made.eligibility.provenance.citation(rule) for rule in closing]
            row |= {"rules": ";".join(closing), "citations": ";".join(one for one in cited if one)}
            row |= {name: np.nan if name in _VALUES or name in made.values else None for name in names}
        rows.append(row)
    return pd.DataFrame(rows)
