"""Accounts to decide about: columns from JSON objects, Arrow or a frame, and the situation worked out from them."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any, Self

import numpy as np

from recommender.columns import Columns, Tabular
from recommender.local_time import as_utc_us, is_timezone, local_time
from recommender.rules import due_days
from recommender.strategy import STAGES, stage_of

__all__ = ["Accounts"]


class Accounts(Columns):
    """Facts and context of accounts, one row each; see :func:`recommender.deciding.decide` for the columns.

    What no row says is unknown: the rules deny on it and the model takes it as missing.

    Examples
    --------
    >>> accounts = Accounts.of([{"account_id": "A1", "country": "CO"}, {"account_id": "A2"}])
    >>> len(accounts), accounts.values("country")
    (2, ['CO', None])
    """

    @classmethod
    def of(cls, table: Tabular) -> Self:
        """Read a frame, an Arrow table, a list of JSON objects, or columns; names of the raw table are known."""
        accounts = super().of(table)
        if "channels_consented" in accounts and "consented_channels" not in accounts:
            consented = [
                value.replace("|", ";") if isinstance(value, str) else value
                for value in accounts.values("channels_consented")
            ]
            kept = {name: accounts.source(name) for name in accounts.names if name != "channels_consented"}
            accounts = cls({**kept, "consented_channels": consented}, len(accounts))
        return accounts

    def situated(self, as_of: datetime) -> Self:
        """Add ``days_past_due`` (debtor-local) and ``stage`` where they are not given."""
        accounts = self
        if "days_past_due" not in accounts and "due_date" in accounts:
            zones = accounts.coded("timezone")
            now = as_utc_us(as_of)
            today = [_local_day(now, zone if is_timezone(zone) else "UTC") for zone in zones.values]
            accounts = accounts.assign(days_past_due=zones.take(today, np.float64) - due_days(accounts))
        if "stage" not in accounts and "days_past_due" in accounts:
            stage = stage_of(accounts.numbers("days_past_due"))
            accounts = accounts.assign(stage=[STAGES[code] for code in stage.tolist()])
        return accounts

    def row(self, position: int) -> dict[str, Any]:
        """One account by its columns."""
        picked = {name: self.source(name)[position] for name in self.names}
        return {name: one.item() if isinstance(one, np.generic) else one for name, one in picked.items()}


@lru_cache(maxsize=4_096)
def _local_day(instant_us: int, zone: str) -> int:
    return int(local_time(np.array([instant_us]), zone).day[0])
