"""Contacts that are planned for a debtor: as decisions plan them, and as the log keeps them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recommender.deciding import planned_contact
from recommender.store.decision_log import DecisionRecord

__all__ = ["PLANNED", "ContactPlan", "Planned", "planned_of_record", "planned_text", "seen_by"]

#: Under which a decision's first ranked action keeps the contacts planned for the debtor's other accounts.
PLANNED = "planned_before"

#: Planned contacts by debtor.
Planned = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class ContactPlan:
    """The contact that is planned: of the decision, or drawn since."""

    action: int | None
    channel: str | None
    contact_at: datetime | None
    propensity: float | None
    eligible: bytes | None


def planned_of_record(record: DecisionRecord) -> dict[str, Any] | None:
    """The contact that a logged decision amounts to; None where the account is left alone or has no known debtor."""
    actions = record.provenance.actions
    if record.debtor_id is None or record.action == actions.no_contact_index:
        return None
    code = int(actions.codes[record.action, actions.factor_names.index("channel")])
    channel = str(actions.factors["channel"][code])
    when = record.contact_at or record.decided_at
    return planned_contact(record.account_id, record.debtor_id, channel, when, record.purpose or "collection")


def planned_text(planned: Sequence[Mapping[str, Any]]) -> str:
    """Planned contacts as the log keeps them: one text."""
    rows = [[one["account_id"], one["channel"], one["sent_at"].isoformat(), *_further(one)] for one in planned]
    return json.dumps(rows)


def _further(contact: Mapping[str, Any]) -> list[Any]:
    """Outcome and purpose of a contact, as far as there is something to say."""
    purpose = contact.get("purpose")
    named = purpose not in (None, "collection")
    return [contact["outcome"], purpose] if named else [contact["outcome"]] if contact["outcome"] is not None else []


def seen_by(record: DecisionRecord) -> list[dict[str, Any]]:
    """Contacts planned for the debtor's other accounts that a logged decision took into account."""
    text = record.ranking[0].get(PLANNED) if record.ranking else None
    return [
        planned_contact(account, record.debtor_id, channel, datetime.fromisoformat(when), *further[1:])
        | {"outcome": further[0] if further else None}
        for account, channel, when, *further in json.loads(text or "[]")
    ]
