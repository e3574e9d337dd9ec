"""Plan one chunk: frames in, ranked legal decisions out. The same function runs here and on every worker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.deciding import (
    Accounts,
    Decider,
    Objective,
    Segments,
    after_planned,
    debtor_rounds,
    default_segments,
    of_debtors,
    planned_contacts,
)
from recommender.errors import InvalidInput
from recommender.frames import as_arrow
from recommender.intake import Stated
from recommender.messages import Catalogue, own_catalogue
from recommender.offers import Authority, PriceList
from recommender.planning.chunk_accounts import prepared_accounts
from recommender.planning.plan_inputs import ChunkInputs
from recommender.planning.plan_rows import OFFER_TERMS, RECORD, TEXTS, plan_rows
from recommender.rules import PURPOSE_PACK, Purpose, switched_off
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["PlanOrder", "PlannedChunk", "moment_text", "plan_chunk", "plan_schema"]


@dataclass(frozen=True)
class PlanOrder:
    """What is asked of a plan, beside accounts, history and strategy.

    Attributes
    ----------
    as_of : datetime
        Aware; moment of the decisions.
    packs : tuple of str or None
        Rule packs of every account; None = those of its country, CO if it names none.
    house : tuple of str
        Packs that hold beside those of every account (:func:`recommender.rules.house_packs`); the verbs, the service
        and its pages set them unless they are switched off by name.
    purpose_rules : bool
        Only accounts of which what the purpose speaks of is known to be so (pack ``PURPOSE``, docs/purposes.md).
    segments : (str, str) or None
        Name and TOML of the rules by which accounts are named; None = those of the package.
    objective : Objective
        What is maximised; a plan under limited capacity knows no least probabilities
        (:func:`recommender.planning.check_plan_objective`).
    party : str or None
        Whom the contact points belong to, where the table does not say.
    no_contacts_yet : bool
        No account was ever contacted, so an absent history denies nothing.
    top_k : int
    explore : bool
    seed : int
    stated : Stated
        What the tables do not tell about their own spelling.
    other_accounts : bool
        The contacts hold those of accounts that are not planned for, too.
    overlays : tuple of str
        Rule packs of one's own as TOML; they can only tighten.
    purpose : str
    templates : tuple of (str, str)
        Own catalogue of messages (:func:`recommender.store.files.read_template_sources`); empty = the packaged one.
    offers : (str, str) or None
        Name and TOML of the price list; None = nothing is offered.
    authority : {"automatic", "agent", "supervisor"}
        Whose word the offers have.
    record : bool
        Keep what the decision log wants to know of each decision.
    stopped : tuple of str
        Accounts and debtors that a person stopped all contact with
        (:func:`recommender.store.decision_log.stopped_ids`).
    run : str
        Name of a plan of a day among several of one moment: its decisions have ids of their own, so that another one
        that went out before it counts.
    """

    as_of: datetime
    packs: tuple[str, ...] | None = None
    party: str | None = None
    no_contacts_yet: bool = False
    top_k: int = 3
    explore: bool = True
    seed: int = 0
    stated: Stated = field(default_factory=Stated)
    other_accounts: bool = False
    overlays: tuple[str, ...] = ()
    purpose: Purpose = "collection"
    templates: tuple[tuple[str, str], ...] = ()
    offers: tuple[str, str] | None = None
    authority: Authority = "automatic"
    record: bool = False
    stopped: tuple[str, ...] = ()
    house: tuple[str, ...] = ()
    segments: tuple[str, str] | None = None
    objective: Objective = field(default_factory=Objective)
    run: str = ""
    purpose_rules: bool = True

    @property
    def moment(self) -> str:
        """Moment and run, as the ids of the decisions of a day know them."""
        return moment_text(self.as_of.isoformat(), self.run)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, part of what a resumed plan must agree on."""
        fields = asdict(self) | {"as_of": self.as_of.isoformat()}
        fields |= {"overlays": list(self.overlays), "templates": [list(one) for one in self.templates]}
        fields |= {"stopped": list(self.stopped), "house": list(self.house)}
        fields["objective"] = self.objective.model_dump(mode="json")
        fields["offers"] = None if self.offers is None else list(self.offers)
        fields["segments"] = None if self.segments is None else list(self.segments)
        return fields | {"packs": None if self.packs is None else list(self.packs)}

    @cached_property
    def segmentation(self) -> Segments:
        """Rules by which accounts are named."""
        return default_segments() if self.segments is None else Segments.from_toml(self.segments[1], self.segments[0])

    @property
    def switched_off(self) -> tuple[str, ...]:
        """Packs of the house that do not hold."""
        return (*switched_off(self.house), *(() if self.purpose_rules else (PURPOSE_PACK,)))

    @property
    def beside(self) -> tuple[str, ...]:
        """Packs that hold beside the law: those of the house, and whom the purpose is for."""
        return (*self.house, *((PURPOSE_PACK,) if self.purpose_rules and self.purpose != "collection" else ()))

    def law(self, packs: Sequence[str] | None = None) -> list[str]:
        """Packs of accounts that name none; ``packs`` before those of the order."""
        return list(dict.fromkeys([*(packs or self.packs or ("CO",)), *self.beside]))

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """The own catalogue, linted and approved; None = the packaged one."""
        return own_catalogue(self.templates) if self.templates else None

    @cached_property
    def prices(self) -> PriceList | None:
        """The price list; None = nothing is offered."""
        return None if self.offers is None else PriceList.from_toml(self.offers[1], name=self.offers[0])


def moment_text(as_of: str, run: str) -> str:
    """Text of a moment in ids of decisions; see :attr:`PlanOrder.run`."""
    return f"{as_of}|{run}" if run else as_of


@dataclass(frozen=True)
class PlannedChunk:
    """Decisions of a chunk.

    Attributes
    ----------
    ranked : Table
        As :class:`~recommender.deciding.Decided` with ``row`` counted over the portfolio, sorted by row and rank.
    summary : dict
        ``accounts``, ``idle`` (left alone), ``removed`` (rule -> pairs) and ``notes``.
    """

    ranked: pa.Table
    summary: dict[str, Any] = field(default_factory=dict)

    def described(self) -> bytes:
        """The summary as bytes."""
        return json.dumps(self.summary, sort_keys=True).encode()


def plan_chunk(
    inputs: ChunkInputs, model: ContactStrategy | SeedStrategy, order: PlanOrder, currencies: Mapping[str, int]
) -> PlannedChunk:
    """Decide about the accounts of a chunk, a debtor's second account knowing what is planned for the first.

    Parameters
    ----------
    inputs : ChunkInputs
        All accounts of its debtors, and their history.
    model : ContactStrategy or SeedStrategy
    order : PlanOrder
    currencies : mapping of currency to number of amounts
        Over the whole portfolio.

    Returns
    -------
    PlannedChunk
    """
    frame, known, stopped = prepared_accounts(
        inputs,
        model,
        as_of=order.as_of,
        packs=order.packs,
        house=order.beside,
        party=order.party,
        no_contacts_yet=order.no_contacts_yet,
        currencies=currencies,
        stopped=order.stopped,
    )
    turn = debtor_rounds(frame)
    planned: dict[Any, list[dict[str, Any]]] = {}
    desk = inputs.offers.desk(order.prices, order.authority)
    # Not ``decide``: what events made of the accounts is in them already, told by more than their contacts.
    decider = Decider(
        model, purpose=order.purpose, catalogue=order.catalogue, offers=desk, objective=order.objective,
        without=order.switched_off,
    )  # fmt: skip
    parts: list[pd.DataFrame] = []
    removed: Counter[str] = Counter()
    notes: dict[str, None] = {}
    history = None if known is None else Columns.of(known)
    last = int(turn.max())
    for number in range(last + 1):
        positions = np.flatnonzero(turn == number)
        part = Accounts.of(frame if last == 0 else frame.iloc[positions].reset_index(drop=True))
        mine = history if history is None or last == 0 else of_debtors(history, part)
        try:
            decided = decider.decide(
                part,
                as_of=order.as_of,
                packs=order.law(),
                contacts=mine,
                top_k=order.top_k,
                explore=order.explore,
                seed=order.seed,
                overlays=order.overlays,
                allowed=partial(after_planned, model.actions_, planned=_of_each(part, planned)) if planned else None,
            )
        except InvalidInput as error:
            if error.column not in part or not error.rows:
                raise
            rows = inputs.row[positions][list(error.rows)]
            raise InvalidInput(
                f"{error.problem} (Counted over all accounts from 0: {', '.join(map(str, rows[:5]))}.)",
                column=error.column,
                rows=rows.tolist(),
                mend=error.mend,
            ) from error
        lines = plan_rows(decided, model, record=order.record, segments=order.segmentation, desk=desk)
        if number < last:  # what is planned counts for the debtor's other accounts; nobody asks for the rest any more
            later = Accounts.of(frame.iloc[np.flatnonzero(turn > number)])
            ahead = planned_contacts(decided, later)
            for contact in ahead:
                planned.setdefault(contact["debtor_id"], []).append(contact)
            if history is not None:
                history = of_debtors(history, later)
                if ahead:
                    together = [history.to_frame(), pd.DataFrame(ahead)]
                    history = Columns.of(pd.concat(together, ignore_index=True))
            if desk is not None:
                decided.remember_offers(desk)
        parts.append(lines.assign(row=inputs.row[positions][lines["row"].to_numpy()]))
        removed.update({rule: count for rule, count in decided.eligibility.counts().items() if count})
        notes |= dict.fromkeys(decided.eligibility.provenance.warnings)
        if decided.missing_features:
            notes[f"features taken as missing: {', '.join(decided.missing_features)}"] = None
    ranked = pd.concat(parts, ignore_index=True)
    if last:
        by_row = np.lexsort((ranked["rank"].to_numpy(), ranked["row"].to_numpy()))
        ranked = ranked.take(by_row).reset_index(drop=True)
    first = ranked.loc[ranked["rank"] == 1]
    summary = {
        "accounts": len(frame),
        "idle": int(first[next(iter(model.actions_.factors))].isna().sum()),
        "removed": dict(sorted(removed.items())),
        "states": dict(sorted(Counter(stopped).items())),
        "notes": list(notes),
    }
    schema = plan_schema(ranked, model.actions_)
    return PlannedChunk(_arrow(ranked, schema), summary)


def _of_each(accounts: Columns, planned: Mapping[Any, list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Contacts planned for the debtor of each account; rounds exist only where accounts name their debtors."""
    return [planned.get(debtor, []) for debtor in accounts.values("debtor_id")]


def plan_schema(ranked: pd.DataFrame, actions: ActionSpace) -> pa.Schema:
    """Column types of a plan: those of the action space, not of the values that a chunk happens to hold."""
    typed = ranked.head(0).copy()
    for name, levels in actions.factors.items():
        typed[name] = typed[name].astype(_level_kind(levels))
    further = [name for name in (OFFER_TERMS[0], RECORD) if name in typed]
    for name in ("decision_id", "template_id", "policy", *TEXTS, *further):
        typed[name] = typed[name].astype("str")
    if typed["account"].dtype == object:
        typed["account"] = typed["account"].astype("str")
    for name in ("expected_reward", "lo", "hi", "propensity", "evidence"):
        typed[name] = typed[name].astype(np.float64)
    return _arrow(typed).schema


def _arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    table = as_arrow(frame, schema)
    # what pandas notes about its types must not hang on the values of a chunk
    return table if schema is None else table.replace_schema_metadata(schema.metadata)


def _level_kind(levels: Sequence[Any]) -> str:
    """Nullable type of a factor: NO_CONTACT has none."""
    if all(isinstance(level, bool) for level in levels):
        return "boolean"
    if all(isinstance(level, int) and not isinstance(level, bool) for level in levels):
        return "Int64"
    return "float64" if all(isinstance(level, int | float) for level in levels) else "str"
