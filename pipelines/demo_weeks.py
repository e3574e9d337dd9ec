"""Weeks of simulated decisions with a control group, written to a decision log as the service would write them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from recommender import __version__
from recommender.deciding import Decided, Decider
from recommender.evaluation import assign
from recommender.rules import house_packs, under_house
from recommender.simulation import DebtorWorld
from recommender.store.decision_log import (
    REACH,
    ContactEvent,
    DecisionLog,
    DecisionRecord,
    OutcomeRecord,
    Provenance,
    with_heard,
)
from recommender.strategy import ContactStrategy, SeedStrategy
from recommender.tables import RESPONSES

__all__ = ["COUNTRIES", "FIRST_DAY", "HOLDOUT_EXPERIMENT", "HOLDOUT_SHARE", "Lived", "live_through", "local_money"]

COUNTRIES: dict[str, tuple[str, float]] = {"CO": ("COP", 10.0), "MX": ("MXN", 0.04)}
"""Country -> currency, and what a simulated peso is worth in it."""

HOLDOUT_EXPERIMENT = "control-2025"
HOLDOUT_SHARE = 0.25

_COSTS = {"call": 15_000.0, "sms": 800.0, "whatsapp": 2_000.0, "email": 150.0, "ivr": 2_500.0}
FIRST_DAY = 186
"""Day of the simulated world on which the weeks begin: after the training log ends."""

_WEEKDAYS = (1, 3)  # Tuesday and Thursday
_OLD_WAY_AT_RANDOM = 0.6
"""The control group is contacted as an agency does without a plan: by the trade's rules where somebody looks them up,
else by whatever channel and hour is free and lawful. Rules that are always kept pay nearly as well as the policy."""


@dataclass
class Lived:
    """What is left after the weeks.

    Attributes
    ----------
    accounts : DataFrame
        As they need a decision next, with ``packs`` of the law; those of the house hold beside it.
    contacts : DataFrame
        The history that guardrails and model read.
    costs : dict
        Currency -> channel -> cost of a contact in minor units.
    as_of : datetime
        Moment of the next decision.
    """

    accounts: pd.DataFrame
    contacts: pd.DataFrame
    costs: dict[str, dict[str, float]]
    as_of: datetime


def local_money(frame: pd.DataFrame) -> pd.DataFrame:
    """Balances in each country's own money."""
    worth = frame["country"].map({name: factor for name, (_, factor) in COUNTRIES.items()}).astype("float64")
    return frame.assign(balance_minor=(frame["balance_minor"] * worth).round().astype("int64"))


def live_through(
    strategy: ContactStrategy,
    log: DecisionLog,
    *,
    n_accounts: int,
    weeks: int,
    seed: int,
    tell: Callable[[str], None],
    later: timedelta = timedelta(0),
) -> Lived:
    """Decide twice a week about every open account, by the strategy or, in the control group, by the seed rules.

    The simulated world has its own calendar; ``later``, whole weeks, moves everything that is seen of it.
    """
    pieces = []
    for number, country in enumerate(COUNTRIES):
        one = _Country(country, strategy, n_accounts=n_accounts, seed=seed, run_seed=number + 1, later=later)
        for week in range(weeks):
            one.live_a_week(log, seed)
            tell(f"{country}: week {week + 1}, {len(one.contacts):,} contacts so far")
        pieces.append(one)
    return Lived(
        accounts=pd.concat([one.accounts() for one in pieces], ignore_index=True),
        contacts=pd.concat([one.contacts for one in pieces], ignore_index=True),
        costs={money: {name: cost * worth for name, cost in _COSTS.items()} for money, worth in COUNTRIES.values()},
        as_of=max(one.world.as_of.to_pydatetime() for one in pieces) + later,
    )


@dataclass
class _Country:
    """A world that is decided about."""

    country: str
    strategy: ContactStrategy
    n_accounts: int
    seed: int
    run_seed: int
    later: timedelta = timedelta(0)
    contacts: pd.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.currency, self.worth = COUNTRIES[self.country]
        self.world = DebtorWorld(
            self.n_accounts,
            seed=self.seed,
            run_seed=self.run_seed,
            open_over_days=FIRST_DAY + 60,
            country=self.country,
            currency=self.currency,
        )
        self.world.advance(FIRST_DAY)
        self.contacts = pd.DataFrame(
            columns=[
                "account_id", "debtor_id", "sent_at", "channel", "hour", "tone", "initiated_by", "outcome", "status",
                "reward", "decision_id",
            ]
        )  # fmt: skip
        self.control = SeedStrategy(self.strategy.actions_, epsilon=_OLD_WAY_AT_RANDOM)
        self.latest: dict[str, str] = {}  # account -> its latest decision

    def accounts(self) -> pd.DataFrame:
        """Accounts that need a decision today, in local money; ``packs`` names their country's law."""
        frame = self.world.accounts().assign(country=self.country, packs=self.country)
        frame["account_id"] = self.country + frame["account_id"].astype(str)
        frame["debtor_id"] = self.country + frame["debtor_id"].astype(str)
        due = pd.to_datetime(frame["due_date"].astype(str)) + self.later
        frame["due_date"] = due.dt.strftime("%Y-%m-%d").where(frame["due_date"].notna(), None)
        return local_money(frame)

    def live_a_week(self, log: DecisionLog, seed: int) -> None:
        """Decide on the days of decision; every day brings outcomes and payments."""
        for _ in range(7):
            weekday = pd.Timestamp(self.world.date).weekday()
            if weekday in _WEEKDAYS:
                self._decide_today(log, seed)
            else:
                self._take_in(log, self.world.advance(1))

    def _decide_today(self, log: DecisionLog, seed: int) -> None:
        as_of = self.world.as_of.to_pydatetime() + self.later
        frame = under_house(self.accounts(), house_packs())
        # One account of a debtor a day: the next one must know of the contact of the first.
        turn = frame.groupby("debtor_id").cumcount().to_numpy()
        of = frame.groupby("debtor_id")["account_id"].transform("size").to_numpy()
        frame = frame.loc[turn == (self.world.today // 2) % of].reset_index(drop=True)
        arm = assign(frame["debtor_id"], HOLDOUT_EXPERIMENT, {"policy": 1.0 - HOLDOUT_SHARE, "holdout": HOLDOUT_SHARE})
        sent = []
        for name, by in (("policy", self.strategy), ("holdout", self.control)):
            part = frame.loc[arm == name].reset_index(drop=True)
            decided = Decider(by).decide(
                _as_heard(part, log, as_of),
                as_of=as_of,
                packs=[self.country],
                contacts=self.contacts,
                top_k=3,
                seed=seed,
            )
            records = _records(part, decided, as_of, seed)
            log.record(records)
            log.record_events(_looked_at(records))
            self.latest |= {record.account_id: record.decision_id for record in records}
            sent.append(_contacts(part, decided))
        made = pd.concat(sent, ignore_index=True)
        self.contacts = pd.concat([self.contacts, made], ignore_index=True) if len(self.contacts) else made
        carried = made.assign(
            account_id=made["account_id"].str.removeprefix(self.country), sent_at=made["sent_at"] - self.later
        )
        self._take_in(log, self.world.respond(carried))

    def _take_in(self, log: DecisionLog, answer: Any) -> None:
        """Write outcomes down, payments with the account's latest decision, and keep the contact history true."""
        outcomes = answer.outcomes
        records = [
            OutcomeRecord(decision_id=decision, occurred_at=when.to_pydatetime() + self.later, outcome=outcome)
            for decision, when, outcome in zip(
                outcomes["contact_id"], outcomes["occurred_at"], outcomes["outcome"], strict=True
            )
            if outcome != "paid"
        ]
        paid = answer.payments
        for account, when, amount in zip(paid["account_id"], paid["paid_at"], paid["amount_minor"], strict=True):
            decision = self.latest.get(f"{self.country}{account}")
            if decision is not None:
                minor = max(1, round(amount * self.worth))
                records.append(
                    OutcomeRecord(
                        decision_id=decision,
                        occurred_at=when.to_pydatetime() + self.later,
                        outcome="paid",
                        amount_minor=minor,
                        currency=self.currency,
                        outcome_id=f"paid-{decision}-{when.value}",
                    )
                )
        log.record_outcomes(records)
        if len(outcomes) and len(self.contacts):
            best = outcomes.loc[outcomes["outcome"] != "paid"].drop_duplicates("contact_id", keep="last")
            outcome = self.contacts["decision_id"].map(best.set_index("contact_id")["outcome"])
            self.contacts["outcome"] = outcome.where(outcome.notna(), self.contacts["outcome"]).astype(object)
            answered = set(outcomes.loc[outcomes["outcome"].isin(RESPONSES), "contact_id"])
            self.contacts["reward"] = self.contacts["reward"].where(~self.contacts["decision_id"].isin(answered), 1.0)


def _contacts(accounts: pd.DataFrame, decided: Decided) -> pd.DataFrame:
    """Contacts of today's decisions."""
    first = decided.ranked.loc[decided.ranked["rank"] == 1]
    sent = first.loc[first["channel"].notna()]
    owner = accounts.take(sent["row"].to_numpy())
    return pd.DataFrame(
        {
            "account_id": owner["account_id"].to_numpy(),
            "debtor_id": owner["debtor_id"].to_numpy(),
            "sent_at": pd.to_datetime(sent["contact_at"], utc=True).array,
            "channel": sent["channel"].astype(object).to_numpy(),
            "hour": sent["hour"].astype("int64").to_numpy(),
            "tone": sent["tone"].astype(object).to_numpy(),
            "initiated_by": "creditor",
            "outcome": None,
            "status": "sent",
            "reward": 0.0,
            "decision_id": sent["decision_id"].to_numpy(),
        }
    )


def _as_heard(accounts: pd.DataFrame, log: DecisionLog, as_of: datetime) -> pd.DataFrame:
    """Accounts with what the log heard from their debtors written into their facts, as the service does."""
    rows = accounts.astype(object).where(accounts.notna(), None).to_dict("records")
    owners = {row["account_id"]: row["debtor_id"] for row in rows}
    told = with_heard(rows, [], log.standing(owners.values(), as_of - REACH, owners).outcomes, as_of)
    return accounts.assign(
        **{name: pd.Series([row.get(name) for row in told], dtype=object)
           for name in ("flags", "consented_channels", "balance_minor")}
    )  # fmt: skip


def _looked_at(records: list[DecisionRecord]) -> list[ContactEvent]:
    """What a person was to look at first, and let go out: without a word of that nobody would take it for sent."""
    return [
        ContactEvent(
            decision_id=record.decision_id,
            debtor_id=str(record.debtor_id),
            kind="dispatched",
            at=datetime.fromisoformat(record.ranking[0]["contact_at"]),
        )
        for record in records
        if record.ranking[0]["needs_human"] and record.ranking[0]["contact_at"] is not None
    ]


def _records(accounts: pd.DataFrame, decided: Decided, as_of: datetime, seed: int) -> list[DecisionRecord]:
    """Decisions as the service logs them."""
    law = decided.eligibility.provenance
    provenance = Provenance(
        policy_version=decided.policy_version,
        actions=decided.actions,
        rule_packs={pack["id"]: pack["digest"] for pack in law.packs},
        holidays_version=law.holidays,
        tzdata_version=law.tzdata,
        code_version=__version__,
    )
    ranked = decided.ranked.assign(action=decided.actions.index_of(decided.ranked[list(decided.actions.factors)]))
    names = ("rank", "action", "propensity", "expected_reward", "lo", "hi", "evidence", "support", "template_id")
    rankings: list[list[dict[str, Any]]] = [[] for _ in range(len(accounts))]
    for row in ranked.itertuples(index=False):
        entry: dict[str, Any] = {name: getattr(row, name) for name in names}
        entry["contact_at"] = None if pd.isna(row.contact_at) else row.contact_at.to_pydatetime()
        entry["template_id"] = entry["template_id"] if isinstance(entry["template_id"], str) else None
        rankings[row.row].append(entry)
    first = ranked.loc[ranked["rank"] == 1]
    context = accounts[[name for name in _CONTEXT if name in accounts]].astype(object)
    situation = context.where(context.notna(), None).to_dict(orient="records")
    records = []
    for at, row in enumerate(first.itertuples(index=False)):
        rankings[at][0]["needs_human"] = bool(decided.eligibility.needs_human[at])
        records.append(
            DecisionRecord(
                decision_id=row.decision_id,
                account_id=accounts["account_id"].iloc[at],
                debtor_id=accounts["debtor_id"].iloc[at],
                decided_at=as_of,
                action=int(row.action),
                propensity=1.0 if row.deterministic else min(1.0, float(row.propensity)),
                eligible=decided.eligibility.mask[at],
                context={str(name): value for name, value in situation[at].items()},
                provenance=provenance,
                ranking=rankings[at],
                contact_at=rankings[at][0]["contact_at"],
                fallback=row.policy == "seed_rules",
                deterministic=bool(row.deterministic),
                seed=seed,
            )
        )
    return records


_CONTEXT = (
    "days_past_due", "stage", "balance_minor", "product", "months_on_book", "days_to_payday", "weekday",
    "late_payments_12m", "promises_12m", "promises_kept_12m", "disputes_24m", "bureau_score", "capacity_to_pay",
    "app_sessions_30d", "portal_logins_90d", "calls_180d", "calls_answered_180d", "messages_180d",
    "messages_answered_180d", "email_open_rate", "reply_delay_hours", "active_hour_local", "night_activity_share",
    "preferred_channel", "employment", "language", "country", "region", "currency",
)  # fmt: skip
