"""What the caller can do right now: part of the mask before probabilities are normalised, so that they stay true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from api.service.fields import Channel, Instant, Scalar, Strict
from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.rules import Eligibility

__all__ = ["Constraints", "RequestConstraints", "openings"]

Pattern = dict[str, Scalar]


class Constraints(Strict):
    """What is open for an account beside the law; it only takes actions away, and leaving alone stays."""

    channels: list[Channel] | None = Field(None, description="Channels that work now; null = all of them.")
    earliest: Instant | None = Field(None, description="No contact before this instant.")
    latest: Instant | None = Field(None, description="No contact after this instant.")
    allowed_actions: list[Pattern] | None = Field(
        None,
        description='Only actions with all factor levels of one of these, e.g. {"channel": "sms", "tone": "firm"}.',
    )
    excluded_actions: list[Pattern] = Field(
        default_factory=list, description="No action that holds all factor levels of one of these."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Constraints:
        if self.earliest is not None and self.latest is not None and self.latest < self.earliest:
            raise ValueError("latest lies before earliest")
        return self


class RequestConstraints(Constraints):
    """What is open for all accounts of a request."""

    capacity: dict[Channel, int] | None = Field(
        None,
        description="Contacts left on each channel, given to the accounts in their order; a channel without a number "
        "has no limit.",
    )

    @model_validator(mode="after")
    def _not_negative(self) -> RequestConstraints:
        if any(left < 0 for left in (self.capacity or {}).values()):
            raise ValueError("a capacity is 0 or more")
        return self


def openings(
    actions: ActionSpace,
    eligible: Eligibility,
    of_request: Constraints | None,
    of_accounts: Sequence[Constraints | None],
    closed: frozenset[str],
) -> NDArray[np.bool_]:
    """Which actions are open.

    Parameters
    ----------
    actions : ActionSpace
    eligible : Eligibility
        For the instants that the hours stand for.
    of_request : Constraints or None
    of_accounts : sequence of Constraints or None, length n_accounts
    closed : frozenset of str
        Channels whose capacity is used up.

    Returns
    -------
    ndarray of bool of shape (n_accounts, n_actions)
    """
    shared = np.ones(len(actions), dtype=bool) if of_request is None else _open(actions, of_request)
    shared &= ~_of_channels(actions, closed)
    mask = np.repeat(shared[None, :], len(of_accounts), axis=0)
    for row, own in enumerate(of_accounts):
        if own is not None:
            mask[row] &= _open(actions, own)
        for limits in (of_request, own):
            if limits is not None and (limits.earliest is not None or limits.latest is not None):
                mask[row] &= _in_time(actions, eligible.contact_at[row], limits)
    return mask


def _open(actions: ActionSpace, limits: Constraints) -> NDArray[np.bool_]:
    mask = np.ones(len(actions), dtype=bool)
    if limits.channels is not None:
        mask &= _of_channels(actions, frozenset(limits.channels))
    if limits.allowed_actions is not None:
        mask &= _matching(actions, limits.allowed_actions, "allowed_actions")
    return mask & ~_matching(actions, limits.excluded_actions, "excluded_actions")


def _of_channels(actions: ActionSpace, channels: frozenset[str]) -> NDArray[np.bool_]:
    levels = [str(level) for level in actions.factors["channel"]]
    wanted = np.array([*(level in channels for level in levels), False])
    return np.asarray(wanted[actions.codes[:, actions.factor_names.index("channel")]])


def _matching(actions: ActionSpace, patterns: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.bool_]:
    mask = np.zeros(len(actions), dtype=bool)
    for pattern in patterns:
        mask |= _match(actions, tuple(pattern.items()), name)
    return mask


def _match(actions: ActionSpace, pattern: tuple[tuple[str, Any], ...], name: str) -> NDArray[np.bool_]:
    """Actions that hold every level of a pattern.

    Raises
    ------
    InvalidInput
        For a factor or level that the action space does not have: nothing would match, silently.
    """
    if not pattern:
        raise InvalidInput(f"{name} holds an empty object.", column=name, mend="Name at least one factor.")
    mask = np.ones(len(actions), dtype=bool)
    for factor, level in pattern:
        if factor not in actions.factors:
            known = list(actions.factor_names)
            raise InvalidInput.in_column(name, "names no factor", values=[factor], mend=f"Use some of {known}.")
        levels = [one.item() if isinstance(one, np.generic) else one for one in actions.factors[factor]]
        codes = [code for code, one in enumerate(levels) if one == level and not isinstance(level, bool)]
        if not codes:
            raise InvalidInput.in_column(
                name, f"names no level of {factor}", values=[level], mend=f"Use some of {levels}."
            )
        mask &= actions.codes[:, actions.factor_names.index(factor)] == codes[0]
    return mask


def _in_time(actions: ActionSpace, instants: NDArray[np.datetime64], limits: Constraints) -> NDArray[np.bool_]:
    """Actions whose instant lies within the limits, both included."""
    names = actions.factor_names
    if "hour" not in names:
        return np.ones(len(actions), dtype=bool)
    inside = np.ones(len(instants), dtype=bool)
    if limits.earliest is not None:
        inside &= instants >= _plain(limits.earliest)
    if limits.latest is not None:
        inside &= instants <= _plain(limits.latest)
    hours = actions.codes[:, names.index("hour")]
    return np.asarray(np.append(inside, False)[hours])


def _plain(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.astimezone(UTC).replace(tzinfo=None), "us")
