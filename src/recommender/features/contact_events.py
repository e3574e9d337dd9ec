"""Contacts as an account history takes them: a log, and what came after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace

__all__ = ["LaterContacts"]


class AccountLog(Protocol):
    """What is needed of a log; :class:`~recommender.history.feedback.LoggedFeedback` is one."""

    @property
    def actions(self) -> ActionSpace: ...
    @property
    def action(self) -> NDArray[np.int64]: ...
    @property
    def reward(self) -> NDArray[np.float64]: ...
    @property
    def mature(self) -> NDArray[np.bool_]: ...
    @property
    def account(self) -> NDArray[np.int64] | None: ...
    @property
    def account_ids(self) -> NDArray[np.object_] | None: ...
    @property
    def time(self) -> NDArray[Any] | None: ...
    @property
    def order(self) -> NDArray[np.float64] | None: ...
    @property
    def known_order(self) -> NDArray[np.float64] | None: ...


@dataclass(frozen=True)
class LaterContacts:
    """Contacts after the training log.

    Attributes
    ----------
    account : list
        Ids.
    time : ndarray of float64
        On the line of the history's ``time``.
    action : ndarray of int64
    reward : ndarray of float64
        NaN where it is not known.
    """

    account: list[Any]
    time: NDArray[np.float64]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
