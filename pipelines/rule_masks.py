"""What a lever or a rule pack would leave of a log's actions, as masks that ``evaluate --price-of-rules`` prices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.rules import eligibility
from recommender.store.files import read_frame

_MOST_LEVELS = 8
_BLOCKS = 4


def lever_masks(actions: ActionSpace) -> dict[str, NDArray[np.bool_]]:
    """One rule a level of each factor ("without channel call"), and a block of levels where there are many.

    Numbers in more than eight levels, such as hours, are cut into four consecutive blocks. ``NO_CONTACT`` is never
    taken away.
    """
    masks: dict[str, NDArray[np.bool_]] = {}
    codes = actions.codes
    for position, (name, levels) in enumerate(actions.factors.items()):
        if len(levels) < 2:
            continue
        many = len(levels) > _MOST_LEVELS
        for block in np.array_split(np.arange(len(levels)), _BLOCKS) if many else np.arange(len(levels))[:, None]:
            ends = [levels[int(block[0])], levels[int(block[-1])]]
            span = f"{ends[0]}" if len(block) == 1 else f"{ends[0]} to {ends[1]}"
            masks[f"without {name} {span}"] = ~np.isin(codes[:, position], block)
    return masks


def pack_mask(path: Path, log: LoggedFeedback, pack: str, since: str | None = None) -> NDArray[np.bool_]:
    """What a rule pack allows at each decision of a log whose file also holds the facts of the account.

    Each decision is judged at its own moment, with the log's own earlier contacts as the contact history. A fact that
    the file does not hold is unknown, which denies, as everywhere.
    """
    names = log.names
    account, time = names.get("account"), names.get("time")
    if account is None or time is None or "channel" not in log.actions.factors:
        raise InvalidInput(
            "A rule pack can be priced only on a log with an account, a time and a channel.",
            column="pack",
            mend="Name the account and time columns in the roles, or price levers with --price-of-rules.",
        )
    frame = read_frame(path).reset_index(drop=True)
    moments = pd.to_datetime(frame[time], utc=True)
    history = pd.DataFrame(
        {"account_id": frame[account].astype(str), "sent_at": moments, "channel": frame["channel"]}
    ).dropna(subset=["channel"])
    for column, unknown in (("debtor_id", None), ("initiated_by", "creditor"), ("outcome", None), ("status", None)):
        history[column] = frame.loc[history.index, column] if column in frame else unknown
    kept = frame.index if since is None else frame.index[moments >= _instant(since)]
    accounts = frame.loc[kept].reset_index(drop=True).rename(columns={account: "account_id"})
    accounts["account_id"] = accounts["account_id"].astype(str)
    as_of = moments.loc[kept].reset_index(drop=True)
    return np.asarray(eligibility(accounts, log.actions, as_of=as_of, packs=[pack], contacts=history).mask)


def _instant(text: str) -> pd.Timestamp:
    moment = pd.Timestamp(text)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
