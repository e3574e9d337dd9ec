"""Read a portfolio once: value of every legal contact in money, kind and arm of each account, appointments first."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.deciding import Accounts, decision_ids
from recommender.planning.appointments import Appointments
from recommender.planning.arms import draw_arms, drawn_by
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.capacity_tables import AccountKinds
from recommender.planning.earlier_contacts import EarlierContacts, RecentContacts, values_name
from recommender.planning.plan_case import PlanCase, plan_case
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import ChunkInputs, PlanInputs
from recommender.planning.plan_objective import contact_values
from recommender.planning.plan_rows import context_names, plain_scalar
from recommender.planning.portfolio_read import CONTEXTS, PortfolioValues, RuleSample
from recommender.planning.sent_today import SentToday
from recommender.rules import Eligibility
from recommender.strategy import ContactStrategy, SeedStrategy, seed_rule_scores

__all__ = ["read_portfolio"]

_USUAL_DEPTH = 12
_RULE_SAMPLE = 400


@dataclass
class _Reading:
    facts: list[pd.DataFrame] = field(default_factory=list)
    aside: list[NDArray[np.int64]] = field(default_factory=list)
    usual: list[NDArray[np.int16]] = field(default_factory=list)
    share: list[NDArray[np.float32]] = field(default_factory=list)
    placed: list[pd.DataFrame] = field(default_factory=list)
    unplaced: list[dict[str, Any]] = field(default_factory=list)
    rule_place: list[int] = field(default_factory=list)
    rule_values: list[NDArray[np.float32]] = field(default_factory=list)
    rule_removed: list[dict[str, NDArray[np.bool_]]] = field(default_factory=list)
    rule_details: dict[str, dict[str, str]] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    shut_out: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    open_sets: list[NDArray[np.uint8]] = field(default_factory=list)
    law: dict[str, Any] = field(default_factory=dict)


def read_portfolio(
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
    folder: Path,
    appointments: Appointments,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    earlier: EarlierContacts | None = None,
    days: int = 1,
    sent: SentToday | None = None,
    ahead: range | None = None,
) -> PortfolioValues:
    """Value every account, chunk by chunk; memory holds a few numbers an account.

    Parameters
    ----------
    inputs : PlanInputs
    strategy : ContactStrategy or SeedStrategy
        The seed rules know no money: their values are points, weighted by ``worth.column`` where there is one.
    order : PlanOrder
    capacity : CapacityOrder
    folder : Path
        Where the values are written.
    appointments : Appointments
    on_progress : callable, optional
        Called with (accounts read, all accounts).
    earlier : EarlierContacts, optional
        What the plan holds already: the law counts it, and only debtors of the policy's arm are asked about again.
    days : int, default=1
        Every account is judged and valued as of each day; only the first is open to the arms beside the policy.
    sent : SentToday, optional
        What a plan in force has sent of its day: it counts for its debtors, and the day ends when it did.
    ahead : range, optional
        Days, from 0, that the policy is asked about; by default all of them.

    Returns
    -------
    PortfolioValues
    """
    kinds = AccountKinds(capacity, strategy.actions_, days)
    n = strategy.actions_.n_contact_actions
    read = _Reading()
    done = 0
    ahead = range(days) if ahead is None else ahead
    asked = np.repeat(np.isin(np.arange(days), ahead), n)
    policy_path, aside_path = folder / values_name(1 if earlier is None else earlier.round), folder / "aside.f32"
    rng = np.random.default_rng([order.seed, 17])
    share = min(1.0, _RULE_SAMPLE / max(inputs.n_accounts, 1))
    with policy_path.open("wb") as policy_file, aside_path.open("wb") as aside_file:
        for chunk in inputs.chunks:
            part = inputs.read(chunk)
            if sent is not None:
                part = sent.known_to(part)
            cases = [
                plan_case(part, strategy, order, inputs, capacity, day=day, earlier=earlier) for day in range(days)
            ]
            judged = [case.judged() for case in cases]
            frame, allowed = cases[0].frame, judged[0]
            contact_at = np.hstack([one.contact_at for one in judged])
            kind, clock = kinds.add(frame, contact_at)
            facts = _facts(part, frame, allowed, kind, clock, strategy, order, capacity)
            queue = kinds.queue_of(kind)[:, :n]
            weekly = _Weekly.of(cases[0], facts, earlier, days, capacity)
            worth = [
                contact_values(case, weekly.share[:, day], queue, capacity, strategy)
                if earlier is None or day in ahead
                else (np.full(queue.shape, -np.inf), queue >= 0, np.ones((len(facts), len(strategy.actions_)), bool))
                for day, case in enumerate(cases)
            ]
            values, served = (_abreast([one[part_of] for one in worth]) for part_of in (0, 1))
            kept = _abreast([one[:, :n] for _, _, one in worth])
            open_ = _abreast([one.mask[:, :n] for one in judged]) & served & np.repeat(weekly.open_on, n, axis=1)
            if sent is not None:
                open_ &= sent.open_at(facts["debtor"], contact_at)[:, kinds.hour_of_action()]
            if earlier is not None:
                arm_open = (facts["arm"] == "policy").to_numpy()[:, None]
                apart = earlier.open_at(facts["debtor"], contact_at, days, capacity)
                open_ = open_ & arm_open & apart[:, kinds.hour_of_action()]
            placed, unplaced = _placed(appointments, facts, judged, values, open_, strategy.actions_, done)
            busy = facts["debtor"].isin(placed["debtor"]).to_numpy()
            arm = facts["arm"].to_numpy()
            aside = (arm != "policy") & ~busy if earlier is None else np.zeros(len(facts), dtype=bool)
            # a floor is the policy's: neither a promise to call back nor business as usual knows it
            open_ &= kept | (busy | (arm == "usual"))[:, None]
            if not kept[:, :n].all():
                allowed = allowed.narrowed(worth[0][2], "lever-floor")
            for_policy = open_ & asked & ~(busy | aside)[:, None]
            if capacity.minimum and earlier is None:
                kinds.count_open(kind, pd.factorize(facts["debtor"])[0], for_policy & np.isfinite(values))
            np.where(for_policy, values, -np.inf).astype("<f4").tofile(policy_file)
            of_today = open_ & (kinds.day_of_action() == 0)
            np.where(of_today[aside], values[aside], -np.inf).astype("<f4").tofile(aside_file)
            usual = aside & (arm == "usual")
            read.facts.append(facts)
            read.share.append(weekly.share.astype(np.float32))
            read.placed.append(placed)
            read.unplaced += unplaced
            read.aside.append(np.flatnonzero(aside) + done)
            read.usual.append(_usual_choice(frame.loc[usual], of_today[usual][:, :n], strategy, order))
            read.notes |= dict.fromkeys(allowed.provenance.warnings)
            if order.record:
                read.open_sets.append(np.packbits(of_today[:, :n], axis=1))
                if earlier is None:
                    _keep_record(folder, frame, allowed, strategy, read.law)
            read.shut_out += int((~open_.any(axis=1)).sum())
            for rule, count in allowed.counts().items():
                read.removed[rule] = read.removed.get(rule, 0) + count
            for at in np.flatnonzero(rng.random(len(frame)) < share).tolist():
                read.rule_place.append(done + at)
                read.rule_values.append(np.where(served[at, :n], values[at, :n], -np.inf).astype(np.float32))
                gone_by = allowed.removed(at)
                read.rule_removed.append({rule: gone[:n] for rule, gone in gone_by.items()})
                for rule in gone_by.keys() - read.rule_details.keys():
                    detail = allowed.detail(rule)
                    read.rule_details[rule] = {"kind": detail.kind, "citation": detail.citation}
            done += len(frame)
            if on_progress is not None:
                on_progress(done, inputs.n_accounts)
    kinds.refuse_minimums_of_nobody()
    if isinstance(strategy, SeedStrategy):
        read.notes["values are points of the seed rules, not money: costs count against the budget only"] = None
    elif strategy.actions_.no_contact_index is None:
        read.notes["values are absolute: the strategy knows no NO_CONTACT, so what would come anyway counts too"] = None
    return PortfolioValues(
        kinds=kinds,
        policy_path=policy_path,
        aside_path=aside_path,
        aside=np.concatenate(read.aside),
        usual_choice=np.concatenate(read.usual),
        facts=pd.concat(read.facts, ignore_index=True),
        placed=pd.concat(read.placed, ignore_index=True),
        unplaced=[*read.unplaced, *appointments.of_nobody(read.facts)],
        rules=RuleSample(
            np.array(read.rule_place, dtype=np.int64),
            np.array(read.rule_values, dtype=np.float32).reshape(-1, n),
            read.rule_removed,
            read.rule_details,
        ),
        removed=dict(sorted(read.removed.items())),
        share=np.concatenate(read.share),
        notes=list(dict.fromkeys([*inputs.notes, *read.notes])),
        shut_out=read.shut_out,
        open_sets={1 if earlier is None else earlier.round: np.concatenate(read.open_sets)} if order.record else {},
        law=read.law,
    )


def _keep_record(
    folder: Path,
    frame: pd.DataFrame,
    allowed: Eligibility,
    strategy: ContactStrategy | SeedStrategy,
    law: dict[str, Any],
) -> None:
    """What the decision log wants to know of each account beside its contact: one line of JSON an account."""
    provenance = allowed.provenance
    packs = law.get("rule_packs", {}) | {pack["id"]: pack["digest"] for pack in provenance.packs}
    law.update(rule_packs=packs, holidays=provenance.holidays, tzdata=provenance.tzdata)
    names = [name for name in context_names(list(frame.columns), strategy) if name in frame.columns]
    with (folder / CONTEXTS).open("a", encoding="utf-8") as file:
        for row in frame[names].astype(object).itertuples(index=False, name=None):
            context = {
                name: plain_scalar(None if value is pd.NA or value is pd.NaT else value)
                for name, value in zip(names, row, strict=True)
            }
            file.write(json.dumps(context, sort_keys=True) + "\n")


@dataclass(frozen=True)
class _Weekly:
    """What was sent in the last days and what is planned leave of each day: part of its worth, and whether at all."""

    share: NDArray[np.float64]
    open_on: NDArray[np.bool_]

    @classmethod
    def of(
        cls, case: PlanCase, facts: pd.DataFrame, earlier: EarlierContacts | None, days: int, capacity: CapacityOrder
    ) -> _Weekly:
        debtor = facts["debtor"]
        planned = np.zeros(len(facts), dtype=np.int64) if earlier is None else earlier.planned(debtor)
        share = np.ones((len(facts), days)) if earlier is None else earlier.shares(debtor, days, capacity)
        week = capacity.week_of(days)
        recent = RecentContacts.of(case.history, facts["account_id"], debtor, case.order.as_of)
        if not case.counts_contacts:  # else the values have it already, and it would be taken off twice
            share = np.minimum(share, recent.shares(days, capacity))
        kept = share * week.wait_share ** np.arange(days)
        return cls(kept, recent.open_on(planned, days, capacity))


def _placed(
    appointments: Appointments,
    facts: pd.DataFrame,
    judged: Sequence[Eligibility],
    values: NDArray[np.float64],
    open_: NDArray[np.bool_],
    actions: ActionSpace,
    first: int,
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Appointments of all days: the first of each debtor, the later ones when their day comes."""
    parts, unplaced, n = [], [], actions.n_contact_actions
    taken: set[str] = set()
    for day, allowed in enumerate(judged):
        mine = slice(day * n, (day + 1) * n)
        placed, lost = appointments.of_day(day).match(
            facts, allowed, values[:, mine], open_[:, mine], actions, first, taken
        )
        parts.append(placed.assign(action=placed["action"] + day * n))
        taken |= set(placed["debtor"])
        unplaced += lost
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0], unplaced


def _facts(
    part: ChunkInputs,
    frame: pd.DataFrame,
    allowed: Eligibility,
    kind: NDArray[np.int64],
    clock: NDArray[np.int64],
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
) -> pd.DataFrame:
    """What is remembered of each account."""
    account = frame["account_id"].astype("str")
    debtor = frame["debtor_id"] if "debtor_id" in frame.columns else pd.Series(None, index=frame.index, dtype=object)
    # an account without a debtor is a person of its own, whatever ids the debtors have
    names = [f"account {one}" if pd.isna(who) else f"debtor {who}" for who, one in zip(debtor, account, strict=True)]
    arm = draw_arms([drawn_by(name) for name in names], capacity.arms)
    days = pd.to_numeric(frame["days_past_due"], errors="coerce") if "days_past_due" in frame.columns else None
    late = allowed.days_past_due()
    language = frame["language"] if "language" in frame.columns else pd.Series(None, index=frame.index, dtype=object)
    why_human, human_since = allowed.human_reasons()
    return pd.DataFrame(
        {
            "row": part.row,
            "account_id": account,
            "debtor": pd.array(names, dtype="str"),
            "decision_id": pd.array(
                decision_ids(
                    Accounts.of(frame),
                    order.moment,
                    order.objective.version_of(strategy.version_),
                    order.seed,
                    purpose=order.purpose,
                ),
                dtype="str",
            ),
            "arm": pd.array(arm, dtype="str"),
            "kind": kind,
            "clock": clock,
            "days_past_due": np.ones(len(frame)) if days is None else days.fillna(1).to_numpy(dtype=np.float64),
            "language": language.astype("str"),
            "late": late.min(axis=1),
            "next_day": np.asarray(((late > late.min(axis=1, keepdims=True)) << np.arange(late.shape[1])).sum(axis=1)),
            "open_channels": allowed.open_channels(),
            "needs_human": allowed.needs_human,
            "human_reason": pd.array(why_human, dtype="str"),
            "human_since": human_since,
            "segment": pd.array(order.segmentation.of(Columns.of(frame)), dtype="str"),
        }
    )


def _usual_choice(
    frame: pd.DataFrame, open_: NDArray[np.bool_], strategy: ContactStrategy | SeedStrategy, order: PlanOrder
) -> NDArray[np.int16]:
    """Actions of the trade's rules, best first, -1 where there are fewer."""
    choice = np.full((len(frame), _USUAL_DEPTH), -1, dtype=np.int16)
    if len(frame):
        scores = seed_rule_scores(frame.reset_index(drop=True), strategy.actions_, as_of=order.as_of)
        scores = np.where(open_ & (scores[:, : open_.shape[1]] > 0), scores[:, : open_.shape[1]], -np.inf)
        ranked = np.argsort(-scores, axis=1, kind="stable")[:, :_USUAL_DEPTH]
        kept = np.where(np.take_along_axis(scores, ranked, axis=1) > 0, ranked, -1)
        choice[:, : kept.shape[1]] = kept
    return choice


def _abreast(days: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Columns of the days side by side; of a single day as they are, for they are the widest thing there is."""
    return days[0] if len(days) == 1 else np.hstack(days)
