"""Decisions as they were carried out: what learning and evaluation read is what was sent, not what was meant."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recommender.actions import ActionSpace
from recommender.store.decision_log.contact_event import STOPPED, TAKEN_BACK, state_event
from recommender.store.decision_log.record_fields import unpack_eligible

__all__ = ["LogWarning", "Sent"]


class LogWarning(UserWarning):
    """Rows of the decision log that could not be used as they are; says how many and why."""


@dataclass
class Sent:
    """Rows of decisions with their dispatched action in place of the decided one; counts what is left out.

    A fallback that the policy drew has the probability and the eligible set it was drawn with. What the campaign
    engine or a person chose has no propensity (NaN): it is estimated like that of any log without them. Each row says
    who chose (``chosen_by``: policy, fallback, sender) and, of a sender's choice, why (``override_reason``).

    What a person stopped is left out: he may have stopped it for what happened after the decision, so that its rewards
    are not those of leaving such an account alone. So is a contact that waited for a person (``needs_human``) where
    nothing says that it was sent, neither an event nor a person's agreement: that nothing came of it is no failure of
    the contact. ``review`` says what a person answered to the decision: ``agreed``, or missing.
    """

    left_out: dict[str, int] = field(default_factory=dict)

    def of(
        self,
        rows: Sequence[Mapping[str, Any]],
        events: Mapping[str, Sequence[Mapping[str, Any]]],
        agreed: Collection[str] = (),
    ) -> Iterator[dict[str, Any]]:
        """Rows of the log as they were carried out.

        Parameters
        ----------
        rows : sequence of mapping
            Decisions with what they share.
        events : mapping of str to sequence of mapping
            Rows of ``contact_events`` by decision.
        agreed : collection of str
            Decisions that a person looked at and agreed to.
        """
        for decided in rows:
            last = state_event(events.get(decided["decision_id"], ()))
            is_agreed = decided["decision_id"] in agreed
            asked = _needs_human(decided)
            row = {**decided, "needs_human": asked, "review": "agreed" if is_agreed else None}
            if asked and not is_agreed and _is_untold(last) and _contacts(row):
                self._leave_out(
                    "waited for a person and nothing says that they were sent (tell 'sent' of what was: POST "
                    "/v1/dispatches, or agree to it)"
                )
            elif last is None:
                yield {**row, **_chosen("policy")}
            elif last["kind"] == "cancelled" and last["reason"] == STOPPED:
                self._leave_out("were stopped by a person before anything was sent")
            elif last["kind"] in TAKEN_BACK:
                self._leave_out("were cancelled, expired or never delivered: nothing was sent")
            elif _is_own_choice(last):
                if last["action"] is None:
                    self._leave_out("were overridden by a contact that is no action of their space")
                elif last["checks"]:
                    self._leave_out("were overridden by a contact that the rules forbid")
                else:
                    own = {"action": last["action"], "propensity": np.nan, "eligible": _with(row, last)}
                    yield {**row, **own, **_chosen("sender", last["reason"])}
            elif last["action"] is None:
                yield {**row, **_chosen("policy")}
            else:
                yield {
                    **row,
                    **_chosen("policy" if last["eligible"] is None and last["action"] == row["action"] else "fallback"),
                    "action": last["action"],
                    "propensity": row["propensity"] if last["propensity"] is None else last["propensity"],
                    "eligible": row["eligible"] if last["eligible"] is None else last["eligible"],
                }

    def warn(self, stacklevel: int) -> None:
        """Warn of what was left out."""
        for reason, count in self.left_out.items():
            warnings.warn(f"{count:,} decisions {reason}; they were left out.", LogWarning, stacklevel=stacklevel + 1)

    def _leave_out(self, reason: str) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def _chosen(by: str, reason: str | None = None) -> dict[str, str | None]:
    return {"chosen_by": by, "override_reason": reason}


def _needs_human(row: Mapping[str, Any]) -> bool:
    """Whether a person was to look at a decision before anything was sent."""
    return bool(row["ranking"] and row["ranking"][0].get("needs_human"))


def _is_untold(last: Mapping[str, Any] | None) -> bool:
    """Whether nobody told anything of a contact: that its decision was received is not that it was sent."""
    return last is None or last["kind"] == "delivered"


def _contacts(row: Mapping[str, Any]) -> bool:
    return any(level is not None for level in row["action_factors"].values())


def _is_own_choice(last: Mapping[str, Any]) -> bool:
    """Whether the campaign engine chose: sent so, or reserved and never told of again."""
    is_reserved_so = last["kind"] == "reserved" and last["propensity"] is None and last["reason"] is not None
    return is_reserved_so or last["kind"] == "overridden"


def _with(row: Mapping[str, Any], last: Mapping[str, Any]) -> bytes:
    """Packed eligible set of a decision with what was sent in its place, which was legal when it was sent."""
    eligible = unpack_eligible(row["eligible"], len(ActionSpace.from_dict(row["action_space"])))
    eligible[last["action"]] = True
    return np.packbits(eligible).tobytes()
