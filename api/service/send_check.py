"""May this contact be made now: the account as it is, joined with what the ledger knows of its debtor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from api.service.planned import Planned
from api.service.request_rows import account_rows, contact_rows
from api.service.schemas import Account
from api.service.standing import debtor_of, ledger_contacts, with_heard
from recommender.local_time import is_timezone
from recommender.rules import check_case
from recommender.store.decision_log import Standing

__all__ = ["PresentFacts", "Verdict"]


@dataclass(frozen=True)
class Verdict:
    """Rules that a contact breaks, and when it would break none."""

    rules: tuple[str, ...]
    next_allowed_at: str | None


@dataclass(frozen=True)
class PresentFacts:
    """An account at the moment of sending.

    Attributes
    ----------
    account : Account
        As the sender knows it.
    standing : Standing
        As the ledger does.
    own : str
        The decision whose contact is to be sent: it does not stand in its own way.
    packs : tuple of str
        Rule packs of accounts that name no country.
    purpose : str
        What the contact is for.
    """

    account: Account
    standing: Standing
    own: str
    packs: tuple[str, ...]
    purpose: str = "collection"

    @property
    def planned(self) -> Planned:
        """Contacts of the ledger besides this one, by debtor."""
        contacts = ledger_contacts(self.standing, contact_rows([self.account]), [self.own])
        owner = debtor_of(self.account)
        # A contact that counts for two names of the debtor is one contact.
        once = {
            (contact["account_id"], contact["channel"], contact["sent_at"]): contact | {"debtor_id": owner}
            for some in contacts.values()
            for contact in some
        }
        return {owner: list(once.values())}

    def verdict(self, channel: str, at: datetime) -> Verdict:
        """Judge a contact over a channel at an instant."""
        sent = contact_rows([self.account])
        rows = account_rows([self.account], self.packs, [0])
        (row,) = with_heard(rows, sent, self.standing.outcomes, at)
        known = self.account.contacts is not None
        waiting = [contact for some in self.planned.values() for contact in some]
        judged = check_case(
            {
                "packs": list(row["packs"]),
                "at": at.isoformat(),
                "channel": channel,
                "purpose": self.purpose,
                "account": {name: _plain(row.get(name)) for name in _FACTS},
                "contacts": [_contact(one) for one in (*sent, *waiting)] if known else None,
            }
        )
        return Verdict(tuple(judged["rules"]), judged["next_allowed_at"])

    def hour_starts(self, at: datetime) -> datetime | None:
        """When the debtor's present hour began; None where the time zone is not known."""
        zone = self.account.timezone
        if zone is None or not is_timezone(zone):
            return None
        local = at.astimezone(ZoneInfo(zone))
        return at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)

    def local_hour(self, at: datetime) -> int | None:
        """Hour of the debtor's clock."""
        zone = self.account.timezone
        return at.astimezone(ZoneInfo(zone)).hour if zone is not None and is_timezone(zone) else None


_FACTS = (
    "account_id", "debtor_id", "country", "subdivision", "timezone", "phone_timezones", "due_date", "balance_minor",
    "consented_channels", "flags", "party",
)  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | None):
        return value
    return [str(one) for one in value]


def _contact(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("channel", "account_id", "initiated_by", "outcome", "status")
    moments = {name: row[name].isoformat() for name in ("promise_date", "callback_at") if row.get(name) is not None}
    return {name: row.get(name) for name in names} | moments | {"sent_at": row["sent_at"].isoformat()}
