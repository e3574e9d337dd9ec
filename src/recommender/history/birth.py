"""Birth of a log: every column is checked once, here, and brought to the form that the rest of the house reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.features import order_of
from recommender.frames import as_frame
from recommender.history.columns import (
    amounts_of,
    check_names,
    checked_sets,
    codes_of,
    context_columns,
    propensity_column,
    reward_column,
)
from recommender.history.ladder import Climbed, rung_column
from recommender.history.times import check_times

__all__ = ["checked_fields"]


def checked_fields(
    contacts: Any,
    actions: ActionSpace | Sequence[str],
    context: Sequence[str],
    categorical: Sequence[str],
    *,
    reward: str,
    propensity: str | None,
    account: str | None,
    time: str | None,
    cluster: str | None,
    eligible: Any | None,
    reward_kind: Any,
    known_at: str | None,
    rung: str | None,
    paid: str | None,
    cost: str | None,
) -> dict[str, Any]:
    """Fields of a :class:`~.feedback.LoggedFeedback` of a frame; parameters as :meth:`~.LoggedFeedback.from_frame`.

    Raises
    ------
    InvalidInput
        Names the column, the value, the rows and the mend.
    """
    frame = as_frame(contacts, argument="contacts")
    if isinstance(actions, str) or (isinstance(actions, list | tuple) and actions):
        actions = ActionSpace.from_frame(frame, actions)
    if not isinstance(actions, ActionSpace):
        raise InvalidInput(
            f"actions must be an ActionSpace or names of columns; got {type(actions).__name__}.",
            column="actions",
            mend="ActionSpace({'channel': ['call', 'sms']}) makes one; its factors are columns of the frame.",
        )
    context, categorical = _column_names(context), _column_names(categorical)
    if isinstance(reward, pd.Series | np.ndarray | list):
        raise InvalidInput(
            f"reward is the name of a column; got a {type(reward).__name__} of values.",
            column="reward",
            mend="Put it into the frame: contacts.assign(reward=...), and pass its name.",
        )
    reward = str(reward)
    propensity, account, time, cluster, known_at = (
        None if name is None else str(name) for name in (propensity, account, time, cluster, known_at)
    )
    roles = {"reward": reward, "propensity": propensity, "account": account, "time": time}
    roles |= {"cluster": cluster, "known_at": known_at}
    labels = {"rung": rung, "paid": paid, "cost": cost}
    roles |= {role: str(name) for role, name in labels.items() if name is not None}
    check_names(frame, actions, context, categorical, roles)
    if not len(frame):
        raise InvalidInput(
            "The log is empty: 0 rows.", column=reward, mend="Pass at least the contacts of a few weeks."
        )
    columns, categories = context_columns(frame, context, categorical)
    rewards, kind = reward_column(frame[reward], reward, reward_kind)
    chosen = actions.index_of(frame)
    account_codes, account_ids = codes_of(frame[account], account) if account else (None, None)
    cluster_codes = codes_of(frame[cluster], cluster)[0] if cluster else account_codes
    for name in filter(None, (time, known_at)):
        check_times(frame[name], name)
    order = order_of(frame[time], time) if time else None
    known_order = order
    if known_at and time and order is not None:
        known_order = np.fmax(order_of(frame[known_at], known_at, like=frame[time]), order)
    return {
        "actions": actions,
        "context": columns,
        "categorical": categories,
        "action": chosen,
        "reward": rewards,
        "reward_kind": kind,
        "propensity": propensity_column(frame[propensity], propensity) if propensity else None,
        "account": account_codes,
        "account_ids": account_ids,
        "cluster": cluster_codes,
        "time": _stored_time(frame[time]) if time else None,
        "order": order,
        "known_order": known_order,
        "eligible_sets": None if eligible is None else checked_sets(eligible, chosen, actions),
        "climbed": _climbed(frame, rung, paid, cost),
        "names": roles,
    }


def _climbed(frame: pd.DataFrame, rung: str | None, paid: str | None, cost: str | None) -> Climbed | None:
    if rung is None:
        if paid is not None or cost is not None:
            raise InvalidInput(
                "paid and cost are labels of the value ladder, which needs its rungs.",
                column="rung",
                mend='Name the column of the highest rung reached: rung="...".',
            )
        return None
    amounts = (None if name is None else amounts_of(frame[name], name) for name in (paid, cost))
    return Climbed(rung_column(frame[rung], rung), *amounts)


def _stored_time(column: pd.Series) -> NDArray[Any]:
    """Instants as plain UTC datetime64 (an array of Timestamps would be slow and large), anything else as it is."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return np.asarray(column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    return np.asarray(column.to_numpy())


def _column_names(names: Sequence[str] | str) -> list[str]:
    """Names as text; one name alone is a list of it."""
    return [names] if isinstance(names, str) else [str(name) for name in names]
