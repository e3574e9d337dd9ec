"""The written advice of the trade as a policy: the baseline to beat and the fallback before anything is learnt.

The trade's guides agree on a ladder by stage of arrears: kind and digital before the due date, notices with
alternatives in the first month, calls once cheaper channels failed, pre-legal wording only late. They contradict each
other on the single best channel, which is why this is a baseline and not the product.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns, is_null, utc_moment
from recommender.local_time import as_utc_us

__all__ = ["STAGES", "applies_to", "scores_by_stage", "seed_rule_scores", "stage_of", "stages_of"]

STAGES = ("preventive", "administrative", "extrajudicial", "judicial")
_LAST_DAY = np.array([0.0, 30.0, 90.0])

_CHANNELS: Mapping[str, Sequence[str]] = {
    "preventive": ("whatsapp", "sms", "email"),
    "administrative": ("whatsapp", "sms", "email", "call", "ivr"),
    "extrajudicial": ("call", "whatsapp", "sms", "email", "ivr", "visit"),
    "judicial": ("call", "letter", "email", "visit", "whatsapp", "sms"),
}
_TONES: Mapping[str, Sequence[str]] = {
    "preventive": ("friendly",),
    "administrative": ("neutral", "friendly"),
    "extrajudicial": ("firm", "neutral", "friendly"),
    "judicial": ("formal-legal", "firm", "neutral", "friendly"),
}
_HOURS = (10, 11, 17, 18, 12, 9, 16, 15, 14, 13, 8, 19, 20)
_STATUS_COLUMNS = ("days_past_due", "stage", "due_date")


def stage_of(days_past_due: NDArray[np.float64]) -> NDArray[np.int64]:
    """Stage 0..3 (preventive <= 0, administrative 1-30, extrajudicial 31-90, judicial > 90); unknown counts as 1."""
    stage = _LAST_DAY.searchsorted(days_past_due, side="left")
    stage[np.isnan(days_past_due)] = 1
    return stage


def applies_to(actions: ActionSpace, columns: Sequence[str]) -> bool:
    """Whether the advice says anything: it needs a channel to choose and a stage of arrears to choose by."""
    return "channel" in actions.factors and any(column in columns for column in _STATUS_COLUMNS)


def seed_rule_scores(accounts: pd.DataFrame, actions: ActionSpace, *, as_of: Any | None = None) -> NDArray[np.float64]:
    """Preference of the trade's advice for each action, in [0, 1]; greater is better.

    Parameters
    ----------
    accounts : DataFrame
        With ``days_past_due`` (days, negative before the due date), ``due_date`` and an ``as_of``, or ``stage``: the
        first of them that a row tells counts. ``timezone`` and ``country`` where known: days are those of the account's
        own calendar.
    actions : ActionSpace
    as_of : instant or None
        Needed only to turn ``due_date`` into days past due.

    Returns
    -------
    ndarray of shape (n_accounts, n_actions)
        A score that orders by channel, then tone, then hour. ``NO_CONTACT`` and actions the advice does not name
        score least.
    """
    at_us = None if as_of is None else as_utc_us(utc_moment(as_of, "as_of").floor("us").to_pydatetime())
    return scores_by_stage(actions)[stages_of(Columns.of(accounts), at_us)]


def scores_by_stage(actions: ActionSpace) -> NDArray[np.float64]:
    """The same for each of ``STAGES``, shape (n_stages, n_actions)."""
    return np.stack([_scores_of_stage(stage, actions) for stage in STAGES])


def stages_of(accounts: Columns, at_us: int | None = None) -> NDArray[np.int64]:
    """Stage of each account: by its days past due, else by its due date, else as told; unknown counts as 1.

    Parameters
    ----------
    accounts : Columns
    at_us : int or None
        Microseconds UTC; the due date is counted to that day on the account's own calendar. None = no due date is read.
    """
    days = accounts.numbers("days_past_due") if "days_past_due" in accounts else np.full(len(accounts), np.nan)
    if at_us is not None and "due_date" in accounts:
        from recommender.rules import due_days, own_days  # here: a strategy comes without what reads raw tables

        unsaid = np.array(list(map(is_null, accounts.values("days_past_due"))), dtype=bool)
        if unsaid.any():
            days = np.where(unsaid, own_days(accounts, at_us) - due_days(accounts), days)
    stages, undated = stage_of(days), np.isnan(days)
    if "stage" in accounts and undated.any():
        stages[undated] = accounts.read("stage", _told_stage, np.int64)[undated]
    return stages


def _told_stage(stage: Any) -> int:
    return STAGES.index(stage) if stage in STAGES else 1


def _scores_of_stage(stage: str, actions: ActionSpace) -> NDArray[np.float64]:
    preferences: dict[str, Sequence[Any]] = {"channel": _CHANNELS[stage], "tone": _TONES[stage], "hour": _HOURS}
    score = np.zeros(len(actions))
    for name, preferred in preferences.items():
        if name not in actions.factors:
            continue
        levels = actions.factors[name]
        rank_of = {level: position for position, level in enumerate(preferred)}
        worth = np.array([1.0 - rank_of.get(level, 19) / 20.0 for level in levels])
        codes = actions.codes[:, actions.factor_names.index(name)]
        score = score * 20.0 + np.where(codes >= 0, worth[np.maximum(codes, 0)], 0.0)
    top = score.max()
    return score / top if top > 0 else score
