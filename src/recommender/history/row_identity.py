"""Which decision a row is: an identity given at birth and carried, never worked out from what the row says.

Two logs can be told apart or matched by it where their ids count the same thing: rows of one frame (their origin is
the digest of the log they were born in), or moments of accounts. Where they count different things nothing is known,
which is not the same as "different".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["BY_ACCOUNT_AND_TIME", "RowIdentity", "identity_by_account_and_time"]

BY_ACCOUNT_AND_TIME = "account and time"
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class RowIdentity:
    """Ids of rows and what they count.

    Attributes
    ----------
    origin : str
        ``"account and time"``, or the digest of the log in which the rows were born.
    ids : ndarray of uint64 of shape (n,)
        Positions in that log, or 64-bit keys of (account, instant): two different ones are equal with a chance of
        5e-20 a pair, 1e-9 in a hundred thousand rows.
    """

    origin: str
    ids: NDArray[np.uint64]

    def take(self, at: NDArray[np.int64]) -> Self:
        """Identity of some of the rows."""
        return type(self)(self.origin, self.ids[at])


def identity_by_account_and_time(
    account: NDArray[np.int64] | None, account_ids: NDArray[np.object_] | None, time: NDArray[Any] | None
) -> RowIdentity | None:
    """Identity by who and when; None where either is unknown or time is no instant or number."""
    if account is None or account_ids is None or time is None:
        return None
    if np.issubdtype(time.dtype, np.datetime64):
        when = time.astype("datetime64[us]").astype(np.int64)
    elif np.issubdtype(time.dtype, np.number):
        when = time.astype(np.float64).view(np.int64)
    else:
        return None
    text = np.array([_as_text(one) for one in account_ids], dtype=object)
    who = pd.util.hash_array(text)[account]
    return RowIdentity(BY_ACCOUNT_AND_TIME, who * _MIX + pd.util.hash_array(when))


def _as_text(account: Any) -> str:
    """An account id whichever type a file gave it: 7, 7.0 and "7" are one account."""
    item = account.item() if isinstance(account, np.generic) else account
    return str(int(item)) if isinstance(item, float) and item.is_integer() else str(item)
