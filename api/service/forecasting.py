"""The days ahead of one account: when to reach it, and what follows a failure, on what the ledger knows of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from api.service.offering import RequestOffers, refuse_told
from api.service.planning_schemas import BestHoursRequest, FallbackChainRequest
from api.service.recording import Recorder
from api.service.request_columns import account_columns, contact_columns, debtor_of
from api.service.schemas import Account
from api.service.serving import Served
from recommender.deciding import Decider, fallback_chain, week_ahead
from recommender.offers import OfferDesk
from recommender.settings import Settings
from recommender.store.decision_log import REACH, Standing, ledger_contacts, told_purposes, with_heard, with_purposes

__all__ = ["Forecaster", "as_known"]


@dataclass(frozen=True)
class Forecaster:
    """Answers what nobody has decided yet; nothing is written down, so nothing of it is planned.

    Attributes
    ----------
    recorder : Recorder
    served : Served
    settings : Settings
    now : datetime
    """

    recorder: Recorder
    served: Served
    settings: Settings
    now: datetime

    def best_hours(self, asked: BestHoursRequest) -> dict[str, Any]:
        """Fields of :class:`api.service.planning_schemas.BestHoursAnswer`.

        Raises
        ------
        InvalidInput
        """
        as_of = asked.as_of or self.now
        known, desk = self._known(asked.account, as_of)
        decider = self._decider(asked.purpose, desk)
        week = week_ahead(decider, channel=asked.channel, days=asked.days, **known)
        others = [name for name in decider.actions.factor_names if name not in ("channel", "hour")]
        return self._answer(as_of, asked.purpose) | {
            "channel": asked.channel,
            "hours": [_hour(row, others) for row in week.hours.to_dict("records")],
            "best": [_hour(row, others) for row in week.best(asked.slots).to_dict("records")],
        }

    def chain(self, asked: FallbackChainRequest) -> dict[str, Any]:
        """Fields of :class:`api.service.planning_schemas.FallbackChainAnswer`.

        Raises
        ------
        InvalidInput
        """
        as_of = asked.as_of or self.now
        known, desk = self._known(asked.account, as_of)
        steps = fallback_chain(
            self._decider(asked.purpose, desk),
            steps=asked.steps,
            wait_hours=asked.wait_hours,
            days=asked.days,
            failures=None if asked.failures is None else {str(channel): how for channel, how in asked.failures.items()},
            explore=asked.explore,
            seed=self.settings.seed if asked.seed is None else asked.seed,
            **known,
        )
        return self._answer(as_of, asked.purpose) | {
            "steps": [
                {
                    "as_of": step.as_of,
                    "contact_at": step.contact_at,
                    "factors": {name: _plain(level) for name, level in step.factors.items()},
                    "propensity": step.propensity,
                    "expected_reward": _plain(step.expected_reward),
                    "template_id": step.template_id,
                    "after": step.after,
                }
                for step in steps
            ]
        }

    def _decider(self, purpose: str, desk: OfferDesk | None) -> Decider:
        decider = self.served.decider_for(purpose)
        return decider if desk is None else decider.with_offers(desk)

    def _known(self, account: Account, as_of: datetime) -> tuple[dict[str, Any], OfferDesk | None]:
        """The account with what was sent to, planned for and heard from its debtor, and what may be offered to it."""
        if account.debtor_id is None:
            owner = self.recorder.known_debtors([account.account_id]).get(account.account_id)
            account = account.model_copy(update={"debtor_id": owner})
        debtor = debtor_of(account)
        offers = self.served.offers
        if self.served.house.offers is None:
            refuse_told([account])
        budget = None if offers is None else offers.budget(as_of)
        standing = self.recorder.standing({debtor}, as_of - REACH, {account.account_id: debtor}, budget)
        desk = None if offers is None else RequestOffers(offers, [account], standing, as_of).desk()
        sent = contact_columns([account]).rows()
        rows = account_columns([account], self.settings.packs_in_force, [0], self.served.contract(self.settings)).rows()
        return as_known(rows, sent, standing, as_of, self.settings.packs_in_force), desk

    def _answer(self, as_of: datetime, purpose: str) -> dict[str, Any]:
        return {
            "as_of": as_of,
            "purpose": purpose,
            "policy": "model" if self.served.is_model else "seed_rules",
            "policy_version": self.served.strategy.version_,
        }


def as_known(
    rows: list[dict[str, Any]],
    sent: Sequence[Mapping[str, Any]],
    standing: Standing,
    as_of: datetime,
    packs: tuple[str, ...],
) -> dict[str, Any]:
    """One account with what the ledger knows of its debtor, as forecasts of the library take it.

    Parameters
    ----------
    rows : list of one dict
        The account; ``contacts_known`` says whether ``sent`` is all that was sent to it.
    sent : sequence of mapping
        Contacts told of.
    standing : Standing
    as_of : aware datetime
    packs : tuple of str
        Of an account that names none.
    """
    planned = ledger_contacts(standing, sent, [])
    sent = with_purposes([dict(one) for one in sent], told_purposes(standing))
    return {
        "account": with_heard(rows, sent, standing.outcomes, as_of),
        "as_of": as_of,
        "packs": packs,
        "contacts": [*sent, *(contact for some in planned.values() for contact in some)],
    }


def _hour(row: Mapping[Any, Any], others: list[str]) -> dict[str, Any]:
    same = ("date", "weekday", "legal")
    numbers = {name: _plain(row[name]) for name in ("expected_reward", "lo", "hi")}
    return {name: row[name] for name in same} | {
        "hour": int(row["hour"]),
        "contact_at": row["contact_at"].to_pydatetime(),
        "rules": [rule for rule in row["rules"].split(";") if rule],
        "citations": [one for one in row["citations"].split(";") if one],
        **numbers,
        "factors": {name: _plain(row[name]) for name in others if row["legal"]},
        "template_id": _plain(row["template_id"]),
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    plain = value.item() if hasattr(value, "item") else value
    if plain is None or plain is pd.NA or (isinstance(plain, float) and not math.isfinite(plain)):
        return None
    return plain
