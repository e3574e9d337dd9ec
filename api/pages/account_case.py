"""One account as its pages read it: facts and contacts as of a moment, rules, ranking and explanation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from starlette.exceptions import HTTPException

from api.pages.known_account import known_account, stated_facts
from api.pages.page_data import Portfolio
from recommender import explain
from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.deciding import Decided, model_history
from recommender.explanation import DecisionTrace, Explanation, trace_decision, trace_record
from recommender.local_time import is_timezone
from recommender.rules import HOUSE_PACKS, PURPOSE_PACK, Eligibility, eligibility, named_packs, with_house
from recommender.store.decision_log import DecisionRecord, LoggedDecision, state_of
from recommender.store.files import catalogue_at
from recommender.strategy import ContactStrategy

__all__ = ["AccountCase", "decision_case"]

_SHOWN_ACTIONS = 6


@dataclass(frozen=True, eq=False)
class AccountCase:
    """An account at the moment of its newest decision, or now where there is none.

    Attributes
    ----------
    portfolio : Portfolio
    account_id : str
    facts : DataFrame of one row
        As in the portfolio, with the logged context of the decision over them.
    contacts : DataFrame or None
        Of its debtor before the moment; None = the portfolio has no contacts at all.
    as_of : datetime
    logged : LoggedDecision or None
        Its newest decision.
    known : bool
        Whether the portfolio has its facts; else there is only what was logged.
    """

    portfolio: Portfolio
    account_id: str
    facts: pd.DataFrame
    contacts: pd.DataFrame | None
    as_of: datetime
    logged: LoggedDecision | None
    known: bool

    @classmethod
    def of(cls, portfolio: Portfolio, account_id: str, decision: LoggedDecision | None = None) -> AccountCase:
        """Read an account.

        Raises
        ------
        HTTPException
            404 where neither portfolio nor log knows it.
        """
        logged = decision
        if logged is None:
            ids = portfolio.decision_ids_of(account_id)
            logged = portfolio.decision(ids[0]) if ids else None
        own = portfolio.account(account_id)
        known = own is not None and not own.empty
        if not known and logged is None and account_id != account_id.strip():  # typed with a blank, not written so
            return cls.of(portfolio, account_id.strip())
        if own is None or own.empty:
            if logged is None:
                raise HTTPException(404, "There is no such account.")
            own = pd.DataFrame([{"account_id": account_id, "debtor_id": logged.decision.debtor_id}])
        facts = own.iloc[[0]].reset_index(drop=True)
        as_of = datetime.now(UTC)
        if logged is not None:
            as_of = logged.decision.decided_at
            logged_context = {name: [value] for name, value in logged.decision.context.items()}
            facts = facts.assign(**logged_context)
        return cls(portfolio, account_id, facts, _contacts(portfolio, facts, as_of), as_of, logged, known)

    @cached_property
    def payments(self) -> pd.DataFrame | None:
        """Payments of the account; None where the portfolio has no table of them."""
        return self.portfolio.payments_of(self.account_id)

    # -- what is served --------------------------------------------------------------------------------------------
    @property
    def strategy(self) -> Any:
        """The strategy in use."""
        return self.portfolio.served.strategy

    @property
    def is_model(self) -> bool:
        """Whether there is something learnt to explain."""
        return isinstance(self.strategy, ContactStrategy)

    @property
    def actions(self) -> ActionSpace:
        """Action space of the strategy in use."""
        space: ActionSpace = self.strategy.actions_
        return space

    @property
    def same_policy(self) -> bool:
        """Whether the logged decision was made by the strategy in use, so that its actions mean the same."""
        if self.logged is None:
            return False
        decided_by = self.logged.decision.provenance.policy_version
        return decided_by.partition("+")[0] == str(self.strategy.version_)  # an objective is named behind a plus

    @cached_property
    def is_control(self) -> bool:
        """Whether its debtor is of the control group, which is not to be touched."""
        return bool(self.portfolio.is_control([self.text("debtor_id")])[0])

    @cached_property
    def is_taken_back(self) -> bool:
        """Whether the logged decision's contact did not and will not take place."""
        log = self.portfolio.log
        if log is None or self.logged is None:
            return False
        key = self.logged.decision.decision_id
        return state_of(log.events_of([key]).get(key, [])) in ("cancelled", "expired", "undelivered")

    @property
    def is_stopped(self) -> bool:
        """Whether a person stopped all contact with the debtor."""
        return bool({self.account_id, self.text("debtor_id")} & self.portfolio.stopped())

    @property
    def purpose(self) -> str:
        """What the logged decision is for; collection where there is none."""
        return (None if self.logged is None else self.logged.decision.purpose) or "collection"

    @property
    def _asks_whom(self) -> bool:
        """Whether the decision was made under the rules of whom its purpose is for; they may be switched by now."""
        return self.logged is not None and PURPOSE_PACK in self.logged.decision.provenance.rule_packs

    @property
    def currency(self) -> str | None:
        """Currency of the account's debt."""
        return self.text("currency")

    @cached_property
    def segment(self) -> str | None:
        """Segment of the account: as the decision named it, else by today's facts; None where neither is known."""
        ranking = self.logged.decision.ranking if self.logged is not None else ()
        if ranking and isinstance(ranking[0].get("segment"), str):
            return str(ranking[0]["segment"])
        return str(self.portfolio.segments().of(Columns.of(self.facts))[0]) if self.known else None

    @property
    def packs(self) -> tuple[str, ...]:
        """Rule packs of the service, for accounts that name none."""
        return self.portfolio.settings.packs_in_force

    def text(self, name: str) -> str | None:
        """Value of a fact as text, or None where it is not known."""
        if name not in self.facts.columns:
            return None
        value = self.facts[name].iloc[0]
        return None if value is None or (not isinstance(value, str) and pd.isna(value)) else str(value)

    def number(self, name: str) -> float | None:
        """Value of a fact as a number, or None."""
        text = self.text(name)
        try:
            return None if text is None else float(text)
        except ValueError:
            return None

    @property
    def zone(self) -> str:
        """Time zone of the debtor; UTC where none is known."""
        told = self.text("timezone")
        return told if told is not None and is_timezone(told) else "UTC"

    # -- judged again ----------------------------------------------------------------------------------------------
    def stated(self, facts: pd.DataFrame) -> pd.DataFrame:
        """Facts with what contacts and the decision log told until the moment, as in a decision."""
        return stated_facts(facts, self._known(facts))

    @cached_property
    def counted_contacts(self) -> pd.DataFrame | None:
        """Contacts that the rules count, of the portfolio and of the log until the moment; None = no history."""
        if self.contacts is None:
            return None
        further = self._known(self.facts)["contacts"][len(self.contacts) :]
        return pd.concat([self.contacts, pd.DataFrame(further)], ignore_index=True) if further else self.contacts

    def _known(self, facts: pd.DataFrame) -> dict[str, Any]:
        made = None if self.logged is None else self.logged.decision.decision_id
        return known_account(self.portfolio, facts, self.contacts, self.as_of, self.packs, made=made)[0]

    @cached_property
    def decided(self) -> Decided:
        """What the strategy in use decides at the moment of the case."""
        return self.portfolio.served.decider_for(self.purpose).decide(
            self.stated(self.facts),
            as_of=self.as_of,
            packs=self.packs,
            contacts=self.counted_contacts,
            top_k=_SHOWN_ACTIONS,
            seed=self.portfolio.settings.seed,
        )

    def eligibility_of(self, facts: pd.DataFrame, actions: ActionSpace) -> Eligibility:
        """Rules judged for other facts or another action space, for what the decision is for."""
        packs: tuple[str, ...] = self.packs
        if self._asks_whom:
            packs = (*packs, PURPOSE_PACK)
            if "packs" in facts.columns:
                own = with_house(named_packs(facts["packs"].iloc[0]), (PURPOSE_PACK,))
                facts = facts.assign(packs=";".join(own))
        return eligibility(
            self.stated(facts),
            actions,
            as_of=self.as_of,
            packs=None if "packs" in facts.columns else packs,
            contacts=self.counted_contacts,
            catalogue=catalogue_at(self.portfolio.settings.templates),
            purpose=self.purpose,
        )

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Eligible actions: those of the logged decision where it speaks of the same actions."""
        if self.logged is not None and self.logged.decision.provenance.actions == self.actions:
            return np.asarray(self.logged.decision.eligible, dtype=bool)
        mask: NDArray[np.bool_] = self.decided.eligibility.mask[0]
        return mask

    @property
    def chosen(self) -> int:
        """The dispatched action."""
        if self.logged is not None and self.logged.decision.provenance.actions == self.actions:
            return int(self.logged.decision.action)
        return int(self.decided.action[0])

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """Contacts later than the training log, as the model reads them."""
        return model_history(self.contacts, self.strategy)

    @cached_property
    def model_facts(self) -> pd.DataFrame:
        """Facts with every column that the model needs; what is not known is missing."""
        lacking = [str(name) for name in self.strategy.feature_names_in_ if name not in self.facts.columns]
        facts = self.facts.assign(**dict.fromkeys(lacking, np.nan)) if lacking else self.facts
        account = self.strategy.names_.get("account")
        return facts if account is None or account in facts.columns else facts.assign(**{account: self.account_id})

    def explained(self, language: str) -> Explanation:
        """Explanation of the best eligible actions and the dispatched one."""
        return explain(
            self.strategy,
            self.model_facts,
            top_k=_SHOWN_ACTIONS,
            language=language,
            eligible=self.mask[None],
            as_of=self.as_of,
            history=self.history,
        )

    def trace(self) -> DecisionTrace:
        """Steps of the logged decision, else of one made now."""
        if self.logged is None:
            return trace_decision(self.decided, self.facts, 0, as_of=self.as_of)
        record = self.logged.decision
        again = self.eligibility_of(self._facts_then(record), record.provenance.actions) if self.known else None
        return trace_record(record, again, account=self.facts.iloc[0].to_dict())

    def _facts_then(self, record: DecisionRecord) -> pd.DataFrame:
        """Facts under the packs of the house that the decision was made by; they may have been switched since."""
        then = tuple(pack for pack in HOUSE_PACKS if pack in record.provenance.rule_packs)
        cell = self.facts["packs"].iloc[0] if "packs" in self.facts.columns else self.packs
        law = [pack for pack in named_packs(cell) if pack not in HOUSE_PACKS]
        return self.facts.assign(packs=";".join(with_house(law, then)))


def decision_case(portfolio: Portfolio, query: dict[str, str]) -> AccountCase:
    """Case of a decision id (``id``) or an account (``account``).

    Raises
    ------
    HTTPException
        404 where there is none.
    """
    if decision_id := query.get("id", "").strip():
        logged = portfolio.decision(decision_id)
        if logged is None:
            raise HTTPException(404, "There is no such decision.")
        return AccountCase.of(portfolio, logged.decision.account_id, logged)
    return AccountCase.of(portfolio, query.get("account", ""))


def _contacts(portfolio: Portfolio, facts: pd.DataFrame, as_of: datetime) -> pd.DataFrame | None:
    """Contacts of the debtor before a moment; caps count over all accounts of a debtor."""
    own = portfolio.contacts_of(facts)
    if own is None:
        return None
    sent = pd.to_datetime(own["sent_at"], utc=True)
    return own.loc[sent < pd.Timestamp(as_of)].reset_index(drop=True)
