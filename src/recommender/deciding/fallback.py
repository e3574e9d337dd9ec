"""What comes next if a contact fails: the next legal step over the following days, with a propensity of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd

from recommender.columns import Columns, Tabular
from recommender.deciding.accounts import Accounts
from recommender.deciding.days_ahead import aged
from recommender.deciding.decide import Decider
from recommender.deciding.decided import Decided
from recommender.errors import InvalidInput

__all__ = ["FAILURES", "ChainStep", "Failure", "fallback_chain"]

Failure = Literal["bounced", "not_connected", "not_read"]
#: How each channel fails, where nothing else is said; a letter or a visit is not waited for.
FAILURES: Mapping[str, Failure] = {
    "call": "not_connected", "ivr": "not_connected", "sms": "bounced", "email": "not_read", "whatsapp": "not_read",
}  # fmt: skip
#: What the contact history says of each failure.
_OUTCOME: Mapping[str, str | None] = {"bounced": "bounced", "not_connected": "not_connected", "not_read": "delivered"}


@dataclass(frozen=True)
class ChainStep:
    """One step of a chain: taken when every step before it failed.

    Attributes
    ----------
    decision_id : str
    as_of : datetime
        When it would be decided: so many hours after the step before it.
    contact_at : datetime or None
    factors : dict
        Of the action.
    propensity : float
        With which the policy would choose it then, among what is legal then.
    expected_reward : float
    template_id : str or None
    after : str or None
        How the step before it failed.
    """

    decision_id: str
    as_of: datetime
    contact_at: datetime | None
    factors: dict[str, Any]
    propensity: float
    expected_reward: float
    template_id: str | None
    after: str | None


def fallback_chain(
    decider: Decider,
    account: Tabular,
    *,
    as_of: datetime,
    packs: Sequence[str],
    contacts: Tabular | None,
    steps: int = 3,
    wait_hours: float = 24.0,
    days: int = 7,
    failures: Mapping[str, Failure] | None = None,
    explore: bool = True,
    seed: int = 0,
    overlays: Sequence[str] = (),
) -> list[ChainStep]:
    """Decide now, and what follows each failure, as it would be decided then.

    Each failed step is in the contact history of the next one: caps and cooldowns count it, and so does the model. A
    contact point that bounced is stale and its channel is not used again. Where nothing is legal, or leaving alone is
    drawn, the next day is asked, up to ``days``. What follows is a forecast: the facts of that day decide.

    Parameters
    ----------
    decider : Decider
    account : DataFrame, Arrow table or list of one JSON object
    as_of : aware datetime
    packs, contacts, overlays, explore, seed
        As for :func:`recommender.deciding.decide`.
    steps : int, default=3
        Most contacts of the chain.
    wait_hours : float, default=24
        After a contact, before it counts as failed.
    days : int, default=7
        No step is decided later than this.
    failures : mapping of channel to {"bounced", "not_connected", "not_read"}, optional
        How each channel fails; default :data:`FAILURES`. A chain ends after a channel that is not named.

    Raises
    ------
    InvalidInput
        For more than one account, a time or number of steps out of range, or an unknown way to fail.
    """
    table = Accounts.of(account)
    if len(table) != 1:
        raise InvalidInput(f"A chain is of one account; got {len(table)}.", column="account", mend="Pass one row.")
    if steps < 1 or days < 1 or wait_hours <= 0:
        raise InvalidInput.in_column(
            "steps", "days and wait_hours must be positive", values=[steps, days, wait_hours], mend="Use e.g. 3, 7, 24."
        )
    fails = FAILURES if failures is None else failures
    if unknown := sorted({*fails.values()} - {*_OUTCOME}):
        raise InvalidInput.in_column(
            "failures", "is no way to fail", values=unknown, mend=f"Use one of {', '.join(_OUTCOME)}."
        )
    known = None if contacts is None else Columns.of(contacts).to_frame()
    chain: list[ChainStep] = []
    stale: set[str] = set()
    at, after = as_of, None
    while len(chain) < steps and at <= as_of + timedelta(days=days):
        made = decider.decide(
            aged(table, as_of, at), as_of=at, packs=packs, contacts=known, top_k=1, explore=explore, seed=seed,
            overlays=overlays, allowed=_without(decider, stale),
        )  # fmt: skip
        channel = made.channels[int(made.action[0])]
        if channel is None:
            at += timedelta(days=1)
            continue
        step = _step(made, at, after)
        chain.append(step)
        failure = fails.get(channel)
        if failure is None:
            break
        sent_at = step.contact_at or at
        if failure == "bounced":
            stale.add(channel)
        known = _with_failed(known, made, channel, sent_at, _OUTCOME[failure])
        at, after = sent_at + timedelta(hours=wait_hours), failure
    return chain


def _without(decider: Decider, channels: set[str]) -> np.ndarray[Any, np.dtype[np.bool_]] | None:
    """Mask of the actions over other channels."""
    if not channels:
        return None
    space = decider.actions.to_frame()
    return np.asarray(~space["channel"].isin(channels).to_numpy(dtype=bool))


def _step(made: Decided, at: datetime, after: str | None) -> ChainStep:
    action = int(made.action[0])
    factors = made.actions.describe(np.array([action])).iloc[0].to_dict()
    return ChainStep(
        made.decision_ids[0], at, made.contact_at(0, action), factors, float(made.propensity[0, 0]),
        float(made.expected_reward[0, 0]), made.template_ids[0][0], after,
    )  # fmt: skip


def _with_failed(
    known: pd.DataFrame | None, made: Decided, channel: str, sent_at: datetime, outcome: str | None
) -> pd.DataFrame:
    """The contact history with a failed contact added; its action factors are known to the model, too."""
    row: dict[str, Any] = made.actions.describe(made.action).iloc[0].to_dict()
    row |= {
        "account_id": made.accounts.values("account_id")[0],
        "debtor_id": made.accounts.values("debtor_id")[0] if "debtor_id" in made.accounts else None,
        "sent_at": sent_at, "channel": channel, "initiated_by": "creditor", "outcome": outcome, "status": "sent",
        "purpose": made.eligibility.purpose,
    }  # fmt: skip
    fresh = pd.DataFrame([row])
    if known is None or known.empty:
        return fresh
    return pd.DataFrame([*known.to_dict("records"), row])
