"""One call from accounts to ranked, legal, recorded-ready decisions: what API, batch, plan and notebook run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns, Tabular, checked_count
from recommender.deciding.accounts import Accounts, calendar_read_by
from recommender.deciding.decided import Decided
from recommender.deciding.objective import Objective
from recommender.deciding.offer_choice import OfferChoice
from recommender.deciding.opinion import Opinions, check_objective, row_chunks
from recommender.deciding.template_choice import TemplateChoice
from recommender.errors import InvalidInput
from recommender.intake import with_states
from recommender.messages import Catalogue, default_catalogue
from recommender.offers import OfferDesk
from recommender.rules import PURPOSE_PACK, Eligibility, Guardrails, judged
from recommender.strategy import (
    ContactStrategy,
    SeedStrategy,
    check_eligible,
    dispatch_numbers,
    rank_actions,
)

__all__ = ["Decider", "decide", "decision_ids", "default_actions"]

#: What is open beside the law: a mask, or what makes one of the eligible actions and their instants.
Allowed = NDArray[np.bool_] | Callable[[Eligibility], NDArray[np.bool_]]


def decide(
    accounts: Tabular,
    *,
    strategy: ContactStrategy | SeedStrategy,
    as_of: datetime,
    packs: Sequence[str],
    contacts: Tabular | None = None,
    top_k: int = 3,
    explore: bool = True,
    seed: int = 0,
    purpose: str = "collection",
    catalogue: Catalogue | None = None,
    allowed: Allowed | None = None,
    overlays: Sequence[str] = (),
    offers: OfferDesk | None = None,
    objective: Objective | str = "reward",
    without: Sequence[str] = (),
) -> Decided:
    """Rank the eligible actions of each account.

    Parameters
    ----------
    accounts : DataFrame, Arrow table or list of JSON objects
        ``account_id``, the facts that the guardrails need (``debtor_id``, ``country``, ``timezone``, ``due_date``,
        ``balance_minor``, ``consented_channels``, ``flags``, ``party`` ...) and the context columns. Context columns
        that are absent count as missing values and are reported.
    strategy : ContactStrategy or SeedStrategy
    as_of : aware datetime
        Moment of the decision.
    packs : sequence of str
        Rule packs for accounts without a ``packs`` column of their own.
    contacts : DataFrame, Arrow table, list of JSON objects, or None
        Past and planned contacts (``account_id``, ``sent_at``, ``channel``, ``initiated_by``, ``outcome``, ``status``);
        None = unknown, which denies. Their outcomes make states, as in a plan: an opt-out stops, a contact point that
        failed again and again is not used (:func:`recommender.intake.with_states`).
    top_k : int, default=3
    explore : bool, default=True
    seed : int, default=0
    purpose : str, default="collection"
    catalogue : Catalogue or None
        Approved messages; None = the one that ships with the package. An action without a template is not eligible.
    allowed : ndarray of bool of shape (n_accounts, n_actions) or (n_actions,), or callable of Eligibility, optional
        What is open beside the law (channels that work, a capacity, an allow-list): it enters before the
        probabilities are normalised, so propensities stay those of what is dispatched.
    overlays : sequence of str
        Rule packs of your own as TOML; they can only tighten.
    offers : OfferDesk or None
        Price list and offers made before, for actions with a factor ``offer``; without it none is made.
    objective : Objective or str, default="reward"
        What is maximised: the reward that was learnt, or a column of the value ladder (docs/objective.md).
    without : sequence of str
        ``PURPOSE`` here lets a purpose speak to accounts of which what it speaks of is not known (docs/purposes.md).

    Returns
    -------
    Decided

    Raises
    ------
    InvalidInput
        For a naive ``as_of``, no accounts, or values that cannot be read.
    """
    decider = Decider(
        strategy, purpose=purpose, catalogue=catalogue, offers=offers, objective=objective, without=without
    )
    return decider.decide(
        _as_events_left_them(accounts, contacts, as_of),
        as_of=as_of,
        packs=packs,
        contacts=contacts,
        top_k=top_k,
        explore=explore,
        seed=seed,
        allowed=allowed,
        overlays=overlays,
    )


class Decider:
    """A strategy ready to decide: what does not hang on the accounts is prepared once.

    It takes the accounts as they are told. Who reads events (a plan from outcomes and payments, the service from its
    log) has made states of them before; :func:`decide` does so from the contacts.

    Parameters
    ----------
    strategy : ContactStrategy or SeedStrategy
    purpose : str, default="collection"
    catalogue : Catalogue or None
    offers : OfferDesk or None
    objective : Objective or str
    without : sequence of str
        Packs of the house that were switched off by name: told in each decision, for whoever reads its log. Which
        packs hold is said by ``packs`` of each question; ``PURPOSE`` holds beside them unless it is named here, so
        that no road leads past whom a purpose is for.

    Raises
    ------
    InvalidInput
        For an objective that the strategy does not know, or levers that its actions do not have.
    """

    def __init__(
        self,
        strategy: ContactStrategy | SeedStrategy,
        *,
        purpose: str = "collection",
        catalogue: Catalogue | None = None,
        offers: OfferDesk | None = None,
        objective: Objective | str = "reward",
        without: Sequence[str] = (),
    ) -> None:
        self.objective = objective if isinstance(objective, Objective) else Objective.from_toml("", objective=objective)
        self.strategy = strategy
        self.actions = strategy.actions_
        messages = catalogue or default_catalogue()
        self._purpose, self._messages, self._desk = purpose, messages, offers
        self._without = {"switched_off": ";".join(without)} if without else {}
        beside = () if PURPOSE_PACK in without else (PURPOSE_PACK,)
        self._guardrails = Guardrails(self.actions, purpose, messages, beside=beside)
        self._offers = OfferChoice(self.actions, offers, messages, purpose)
        self._templates = TemplateChoice(self.actions, messages, purpose, self._offers.kinds())
        check_objective(self.objective, strategy)
        self._opinions = Opinions(strategy, self.objective, self._offers)
        self._calendar = calendar_read_by(strategy)
        self._features = () if isinstance(strategy, SeedStrategy) else tuple(map(str, strategy.feature_names_in_))

    @property
    def catalogue(self) -> Catalogue:
        """Approved messages."""
        return self._messages

    @property
    def version(self) -> str:
        """Version of the policy: that of the strategy, and of the objective where it is another than the reward."""
        return self.objective.version_of(self.strategy.version_)

    @property
    def documents(self) -> dict[str, str]:
        """What was said, offered and maximised, and what of the house was switched off, as a log keeps it."""
        offers = {} if self._desk is None else {"offers_digest": self._desk.prices.digest}
        return {"messages_digest": self._messages.digest, **offers, **self.objective.documents, **self._without}

    def with_offers(self, desk: OfferDesk) -> Decider:
        """The same on another desk of the same price list: what was offered before is another for each request."""
        other = copy(self)
        choice = OfferChoice(self.actions, desk, self._messages, self._purpose)
        vars(other).update(_desk=desk, _offers=choice, _opinions=self._opinions.priced_by(choice))
        return other

    def warm_up(self) -> None:
        """Decide once about nobody, so that the first request finds everything compiled."""
        at = datetime(2026, 1, 5, 12, tzinfo=UTC)
        sent = {"account_id": "nobody", "sent_at": at, "channel": "sms"}
        self.decide([{"account_id": "nobody", "due_date": None}], as_of=at, packs=("CO",), contacts=[sent])

    def decide(
        self,
        accounts: Tabular,
        *,
        as_of: datetime,
        packs: Sequence[str],
        contacts: Tabular | None = None,
        top_k: int = 3,
        explore: bool = True,
        seed: int = 0,
        allowed: Allowed | None = None,
        overlays: Sequence[str] = (),
    ) -> Decided:
        """Rank the eligible actions of each account; see :func:`decide`."""
        strategy = self.strategy
        if as_of.tzinfo is None:
            raise InvalidInput(
                f"as_of must carry a UTC offset; got {as_of.isoformat()}.",
                column="as_of",
                mend="Write e.g. 2026-11-22T10:00:00-05:00.",
            )
        top_k = checked_count(top_k, "top_k")
        table = Accounts.of(accounts).situated(as_of, self._calendar)
        if not len(table):
            raise InvalidInput("accounts is empty: 0 rows.", column="accounts", mend="Pass at least one account.")
        history = None if contacts is None else Columns.of(contacts)
        case = self._guardrails.case(
            table, as_of=as_of, packs=None if "packs" in table else packs, contacts=history, overlays=overlays
        )
        eligible = self._offers.narrowed(judged(case), table, as_of)
        if allowed is not None:
            eligible = eligible.narrowed(allowed(eligible) if callable(allowed) else allowed, "not-open")
        mask = check_eligible(eligible.mask, len(table), self.actions)
        moment = as_of.astimezone(UTC).isoformat()
        name = strategy.names_.get("account") or "account_id"  # a log without ids names no column; all draw alike
        ids: Any = table.values(name) if name in table else range(len(table))
        certain = not explore or strategy.policy == "greedy"
        version = self.version
        numbers = None if certain else dispatch_numbers(ids, moment, version, seed)
        context = self._opinions.context(table, history, as_of)
        parts = [self._ranked(table, context, mask, numbers, top_k, rows) for rows in row_chunks(len(table))]
        numbered, ladders, floors = zip(*parts, strict=True)
        kept = [one for one in floors if one is not None]
        if kept and not np.all(above := np.concatenate(kept)):
            eligible = eligible.narrowed(above, "lever-floor")
        ranked, rewards, propensity, lo, hi, evidence = map(_joined, zip(*numbered, strict=True))
        if not eligible.mask[np.arange(len(table)), ranked[:, 0]].all():  # the last line of defence
            raise InvalidInput(
                "A forbidden action was ranked first; nothing is returned.", mend="Report this as a bug."
            )
        is_seed = isinstance(strategy, SeedStrategy)
        values = {column: _joined([part[column] for part in ladders]) for column in ladders[0]}
        if (costs := self._offers.costs(table)) is not None:
            values["offer_cost"] = np.take_along_axis(costs, np.maximum(ranked, 0), axis=1)
        return Decided(
            actions_ranked=ranked,
            expected_reward=np.full(ranked.shape, np.nan) if is_seed else rewards,
            lo=lo,
            hi=hi,
            propensity=propensity,
            evidence=evidence,
            template_ids=self._templates.of(table, ranked, eligible),
            decision_ids=decision_ids(table, moment, version, seed, purpose=self._purpose),
            deterministic=certain,
            policy="seed_rules" if is_seed else "model",
            eligibility=eligible,
            accounts=table,
            actions=self.actions,
            as_of=as_of,
            policy_version=version,
            missing_features=tuple(name for name in self._features if name not in table),
            account_name=name,
            values=values,
            documents=self.documents,
        )

    def again(
        self,
        account: Mapping[str, Any],
        *,
        as_of: datetime,
        mask: NDArray[np.bool_],
        seed: int,
        certain: bool,
        top_k: int,
    ) -> list[dict[str, Any]]:
        """Rank the actions of one account anew where the eligible ones are known, as a log has them.

        Parameters
        ----------
        account : mapping
            ``account_id`` and the context.
        as_of : aware datetime
        mask : ndarray of bool of shape (n_actions,)
        seed : int
        certain : bool
            No chance takes part.
        top_k : int

        Returns
        -------
        list of dict
            ``action``, ``expected_reward``, ``propensity``, ``lo``, ``hi`` by rank.
        """
        name = self.strategy.names_.get("account") or "account_id"
        table = Accounts.of([{**account, name: account["account_id"]}]).situated(as_of)
        moment = as_of.astimezone(UTC).isoformat()
        numbers = None if certain else dispatch_numbers([account["account_id"]], moment, self.version, seed)
        allowed = check_eligible(mask[None], 1, self.actions)
        context = self._opinions.context(table, None, as_of)
        (ranked, rewards, propensity, lo, hi, _), _, _ = self._ranked(
            table, context, allowed, numbers, top_k, slice(0, 1)
        )
        if isinstance(self.strategy, SeedStrategy):
            rewards = np.full(ranked.shape, np.nan)
        names = ("action", "expected_reward", "propensity", "lo", "hi")
        rows = zip(*(part[0].tolist() for part in (ranked, rewards, propensity, lo, hi)), strict=True)
        return [dict(zip(names, row, strict=True)) for row in rows if row[0] >= 0]

    def _ranked(
        self,
        accounts: Accounts,
        context: NDArray[np.float64] | None,
        mask: NDArray[np.bool_],
        numbers: NDArray[np.float64] | None,
        top_k: int,
        rows: slice,
    ) -> tuple[tuple[NDArray[Any], ...], dict[str, NDArray[np.float64]], NDArray[np.bool_] | None]:
        """Actions by rank with their numbers, their value ladder, and what no floor closes, of some accounts."""
        own, drawn = mask[rows], None if numbers is None else numbers[rows]
        opinion = self._opinions.of(accounts, context, rows, mask)
        if opinion.kept is not None:
            own = own & opinion.kept
        ranked = rank_actions(opinion.probabilities, opinion.priced, own, top_k=top_k, numbers=drawn)
        taken = np.maximum(ranked, 0)
        belief = opinion.believe(taken)
        each = np.arange(len(taken))[:, None]
        rewards, chances = opinion.rewards[each, taken], opinion.probabilities[each, taken]
        numbered = ranked, rewards, chances, belief.lo, belief.hi, belief.evidence
        return numbered, belief.values, opinion.kept


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One array of the chunks' arrays."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _as_events_left_them(accounts: Tabular, contacts: Tabular | None, as_of: datetime) -> Tabular:
    """Accounts with what the outcomes of their contacts made of them."""
    told = Columns.of(contacts) if contacts is not None else None
    if told is None or as_of.tzinfo is None or not {"account_id", "sent_at", "outcome"} <= set(told.names):
        return accounts
    frame = Columns.of(accounts).to_frame()
    if "account_id" not in frame:
        return accounts
    stated, _ = with_states(frame, contacts=told.to_frame(), as_of=as_of)
    return accounts if stated is frame else stated


def decision_ids(
    accounts: Columns, moment: str, policy_version: str, seed: int, *, purpose: str = "collection"
) -> list[str]:
    """Id of each decision, the same for the same account, moment, policy, seed and purpose: retries and restarts agree.

    A debtor may be thanked and reminded at one moment: those are two decisions.
    """
    more = "" if purpose == "collection" else f"|{purpose}"
    names = accounts.values("account_id") if "account_id" in accounts else range(len(accounts))
    return [
        hashlib.sha256(f"{name}|{moment}|{policy_version}|{seed}{more}".encode()).hexdigest()[:32] for name in names
    ]


def default_actions(hours: Sequence[int]) -> ActionSpace:
    """The action space of a collector that starts without a log."""
    return ActionSpace(
        {
            "channel": ["call", "sms", "whatsapp", "email", "ivr"],
            "hour": list(hours),
            "tone": ["friendly", "neutral", "firm", "formal-legal"],
        },
        no_contact=True,
    )
