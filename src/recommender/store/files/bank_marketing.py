"""UCI Bank Marketing as a contact log: real outbound calls, channel x weekday, no logged propensities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback

__all__ = ["BANK_ACTIONS", "bank_feedback", "read_bank_marketing"]

BANK_ACTIONS = ActionSpace({"contact": ["cellular", "telephone"], "day_of_week": ["mon", "tue", "wed", "thu", "fri"]})
_AFTER_THE_CALL = ["duration"]
_PROTECTED = ["age", "marital"]
_NEVER = 999


def read_bank_marketing(path: Path | str) -> pd.DataFrame:
    """Read the file in its own (date) order.

    Returns
    -------
    DataFrame
        ``reward`` is 1 for a subscription; ``order`` is the row's place in time; ``pdays`` is missing where the
        customer had never been contacted; ``duration`` (known only after the call), ``age`` and ``marital``
        (protected) are left out.
    """
    frame = pd.read_csv(path, sep=";")
    frame["reward"] = (frame.pop("y") == "yes").astype(float)
    frame["pdays"] = frame["pdays"].where(frame["pdays"] != _NEVER).astype(float)
    frame["order"] = np.arange(len(frame))
    return frame.drop(columns=_AFTER_THE_CALL + _PROTECTED)


def bank_feedback(path: Path | str) -> LoggedFeedback:
    """Read the file as a checked log of 10 actions without propensities."""
    frame = read_bank_marketing(path)
    context = [name for name in frame.columns if name not in ("contact", "day_of_week", "reward", "order")]
    return LoggedFeedback.from_frame(frame, actions=BANK_ACTIONS, context=context, reward="reward", time="order")
