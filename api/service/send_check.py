"""May this contact be made: the account as it is, joined with what the ledger knows of its debtor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from api.service.check_schemas import CheckedContact, CheckRequest
from api.service.planned import Planned
from api.service.recording import Recorder
from api.service.request_columns import SPOKEN, account_columns, contact_columns, debtor_of
from api.service.schemas import Account
from recommender.intake import EVENT_DAYS
from recommender.local_time import is_timezone
from recommender.rules import PURPOSE_PACK, check_case, with_house
from recommender.store.decision_log import (
    REACH,
    Standing,
    counted_as,
    heard_facts,
    known_purposes,
    ledger_contacts,
    told_purposes,
    with_heard,
    with_purposes,
)

__all__ = ["PresentFacts", "Verdict", "case_of"]


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
    beside : tuple of str
        Packs that hold beside them for the purpose.
    """

    account: Account
    standing: Standing
    own: str
    packs: tuple[str, ...]
    purpose: str = "collection"
    beside: tuple[str, ...] = (PURPOSE_PACK,)

    @property
    def planned(self) -> Planned:
        """Contacts of the ledger besides this one, by debtor."""
        contacts = ledger_contacts(self.standing, contact_columns([self.account]), [self.own])
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
        told, account = contact_columns([self.account]), account_columns([self.account], self.packs, [0])
        sent = told.with_cells(known_purposes(told, told_purposes(self.standing))).rows()
        (row,) = account.with_cells(heard_facts(account, sent, self.standing.outcomes, at)).rows()
        known = self.account.contacts is not None
        waiting = [contact for some in self.planned.values() for contact in some]
        judged = check_case(
            {
                "packs": with_house(row["packs"], self.beside),
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


def case_of(request: CheckRequest, recorder: Recorder) -> dict[str, Any]:
    """A check as a case: what came of the caller's contacts, and what the ledger heard, is in its facts.

    Contacts of the ledger count beside the caller's. One that is planned for this account and channel about this time,
    of which nothing was told yet, is the contact that is asked about; once its hour is over it counts as sent.
    """
    case: dict[str, Any] = request.model_dump(mode="json", exclude_unset=True, exclude={"contacts"})
    facts = dict(case.get("account", {}))
    name, owner = (None if facts.get(one) is None else str(facts[one]) for one in ("account_id", "debtor_id"))
    if owner is None and name is not None:
        owner = recorder.known_debtors([name]).get(name, name)
    own = name or _NOBODY
    standing = Standing()
    if owner is not None:
        standing = recorder.standing([owner], request.at - REACH, {own: owner} if name is not None else {})
    row = facts | {"account_id": own, "debtor_id": owner or own}
    told = with_purposes(
        [_told(contact, own, owner or own) for contact in request.contacts or ()], told_purposes(standing)
    )
    (stated,) = with_heard([row], told, standing.outcomes, request.at)
    account = facts | {fact: stated[fact] for fact in _STATED if stated.get(fact) != facts.get(fact)}
    untold = {one.decision_id for one in standing.live.get(own, ()) if one.state == "decided"}
    itself = [
        contact.decision_id
        for contact in standing.contacts.get(owner or "", ())
        if (contact.account_id, contact.channel) == (own, request.channel)
        and contact.decision_id in untold
        and -_SLOT < contact.at - request.at < _ABOUT
    ]
    counted = [contact for some in ledger_contacts(standing, told, itself).values() for contact in some]
    contacts = None
    if request.contacts is not None:
        named = zip(request.contacts, told, strict=True)
        contacts = [_contact(one) | {"account_id": sent.account_id, "place": sent.place} for sent, one in named]
        contacts += [_contact(one) for one in counted]
    return case | {"account": account, "contacts": contacts}


def _told(contact: CheckedContact, own: str, owner: str) -> dict[str, Any]:
    """A contact of a check as those of a request are; one that names no account is of this one."""
    named = own if contact.account_id is None else str(contact.account_id)
    fields = {
        "status": "sent",
        **contact.model_dump(exclude_unset=True),
        "account_id": named,
        "debtor_id": owner or own,
    }
    return {"channel": None, "outcome": None, "initiated_by": None, "purpose": None} | fields


_NOBODY = "\0"
_STATED = ("consented_channels", "flags", "balance_minor", *EVENT_DAYS)
_ABOUT = timedelta(hours=12)
_SLOT = timedelta(hours=1)  # an hour after its instant a contact is another action
_FACTS = (
    "account_id", "debtor_id", "country", "subdivision", "timezone", "phone_timezones", "due_date", "balance_minor",
    "consented_channels", "flags", "party", *SPOKEN,
)  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | None):
        return value
    return [str(one) for one in value]


def _contact(row: Mapping[str, Any]) -> dict[str, Any]:
    """A contact to be counted: what came of it is in the facts of the account already."""
    names = ("channel", "account_id", "initiated_by", "status", "purpose")
    plain = {name: row.get(name) for name in names}
    return plain | {"sent_at": row["sent_at"].isoformat(), "outcome": counted_as(row.get("outcome"))}
