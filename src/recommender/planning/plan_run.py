"""Make a plan for a whole portfolio: prepare, plan chunk by chunk, write; resume where a killed run stood."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from recommender.deciding import Accounts, Decider, decision_ids
from recommender.errors import InvalidInput
from recommender.offers import PriceList
from recommender.planning.plan_chunk import PlannedChunk, PlanOrder, plan_chunk
from recommender.planning.plan_folder import PlanFolder, file_digest, written_whole
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_log import log_plan
from recommender.planning.plan_offers import budget_in_log, offers_of_plan, settle_offers
from recommender.planning.plan_rows import people_columns, people_of
from recommender.planning.plan_writing import write_plan
from recommender.planning.unknown_facts import refuse_unknowns
from recommender.rules import load_pack, pack_digest, pack_ids
from recommender.store.decision_log import DecisionLog, StaleStanding, offers_made
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["PlanFiles", "PlanSummary", "Planner", "make_plan", "plan_here"]

#: Accounts a chunk. Larger ones spread fixed costs thinner and take more memory; results are the same.
CHUNK_ROWS = 40_000

Model = ContactStrategy | SeedStrategy
Planner = Callable[[PlanInputs, list[int], Model, PlanOrder], Iterable[tuple[int, PlannedChunk]]]
"""Plans the given chunks, in any order; gives each as it is finished."""


@dataclass(frozen=True)
class PlanFiles:
    """Tables on disk: Parquet or CSV."""

    accounts: Path
    contacts: Path | None = None
    outcomes: Path | None = None
    payments: Path | None = None

    def described(self) -> dict[str, Any]:
        """Size and digest of each file; where it lies does not matter."""
        return {
            name: None if path is None else {"bytes": path.stat().st_size, "sha256": file_digest(path)}
            for name, path in vars(self).items()
        }


@dataclass(frozen=True)
class PlanSummary:
    """What a finished plan holds.

    Attributes
    ----------
    n_accounts, n_actions : int
        Accounts planned for, ranked actions written.
    idle : int
        Accounts left alone.
    removed : dict of str to int
        (account, action) pairs that each rule removed.
    states : dict of str to int
        Accounts that an event put into each state (opted out, promise open, paid ...).
    notes : list of str
    resumed : int
        Accounts that an earlier run had finished.
    logged : int or None
        Decisions that are new in the decision log; None where none is kept.
    """

    n_accounts: int
    n_actions: int
    idle: int
    removed: dict[str, int]
    states: dict[str, int]
    notes: list[str]
    resumed: int
    logged: int | None = None


def plan_here(
    inputs: PlanInputs, chunks: list[int], model: Model, order: PlanOrder
) -> Iterator[tuple[int, PlannedChunk]]:
    """Plan chunk after chunk in this process."""
    for chunk in chunks:
        yield chunk, plan_chunk(inputs.read(chunk), model, order, inputs.currencies)


def make_plan(
    files: PlanFiles,
    out: Path,
    model: Model,
    order: PlanOrder,
    *,
    chunk_rows: int = CHUNK_ROWS,
    restart: bool = False,
    planner: Planner = plan_here,
    on_progress: Callable[[int, int, int], None] | None = None,
    log: DecisionLog | None = None,
    offered: Sequence[pd.DataFrame] = (),
) -> PlanSummary:
    """Plan for every account, in memory that does not grow with their number.

    Work in progress lies in ``<out>.parts``; after a kill the same call goes on where it stood. The plan does not
    depend on ``chunk_rows``, on interruptions or on who computes the chunks.

    Parameters
    ----------
    files : PlanFiles
    out : Path
        The plan: Parquet, CSV or gzipped CSV by its ending.
    model : ContactStrategy or SeedStrategy
    order : PlanOrder
    chunk_rows : int
        Accounts a chunk, about. A resumed run keeps the chunks it began with.
    restart : bool
        Throw a half-finished plan away.
    planner : callable
        Computes chunks, here or elsewhere.
    on_progress : callable, optional
        Called with (accounts finished, of them by an earlier run, all accounts) at the start and after each chunk.
    log : DecisionLog, optional
        What it knows of the debtors (contacts planned and sent, opt-outs, promises) acts on the plan, and every
        decision is written there before the plan is; a plan that is refused is not. Asks for ``order.record``.
    offered : sequence of DataFrame
        Offers made before, beside those of the log. Those that the plan makes are written to ``<out>.offers.parquet``,
        the accounts that need a person to ``<out>.people.parquet``.

    Returns
    -------
    PlanSummary

    Raises
    ------
    OtherInputs
        When a half-finished plan was made from other inputs; says which.
    PlanBusy
        When another process makes this plan.
    StaleStanding
        When somebody decided about the same debtors while the plan was made, or spent the budget of the offers: make
        it again.
    InvalidInput
        When a table cannot be used.
    """
    folder = PlanFolder(out.with_name(out.name + ".parts"))
    with folder.locked(), folder.gone_if_nothing_is_done():
        if restart:
            folder.clear()
        resumed = folder.begin(_everything_it_depends_on(files, model, order, offered))
        if not (resumed and folder.inputs.is_dir()):
            with folder.preparing() as path:
                PlanInputs.prepare(path, as_of=order.as_of, chunk_rows=chunk_rows, stated=order.stated,
                                   no_contacts_yet=order.no_contacts_yet,
                                   other_accounts=order.other_accounts,
                                   channels=model.actions_.factors.get("channel", ()),
                                   **vars(files))  # fmt: skip
                prepared, own = PlanInputs.load(path), _own_ids(model, order)
                if log is not None:
                    prepared.ask(log, order.as_of, own)
                prepared.noted(settle_offers(prepared, model, order, _offered(prepared, offered, log, order, own)))
        inputs = PlanInputs.load(folder.inputs)
        done = {chunk for chunk in inputs.chunks if folder.is_planned(chunk)}
        before = finished = sum(inputs.sizes[chunk] for chunk in done)
        tell = on_progress or (lambda *_: None)
        tell(finished, before, inputs.n_accounts)
        for chunk, planned in planner(inputs, [c for c in inputs.chunks if c not in done], model, order):
            folder.keep(chunk, planned)
            finished += inputs.sizes[chunk]
            tell(finished, before, inputs.n_accounts)
        summaries = [folder.summary(chunk) for chunk in inputs.chunks]
        removed: Counter[str] = Counter()
        states: Counter[str] = Counter()
        for summary in summaries:
            removed.update(summary["removed"])
            states.update(summary["states"])
        idle = sum(summary["idle"] for summary in summaries)
        try:
            refuse_unknowns(removed, idle, inputs, model.actions_.n_contact_actions, purpose=order.purpose)
        except InvalidInput:
            folder.clear()
            raise
        logged = None
        if log is not None:
            try:
                known = [] if order.prices is None else [offers_made(log)]
                logged = log_plan(folder, inputs, log, model.actions_, code_version=_code_version(), seed=order.seed,
                                  budget=budget_in_log(order.prices, offered, known, order.as_of))  # fmt: skip
            except StaleStanding:
                folder.clear()
                raise
        if order.prices is not None:
            _write_offers(folder, inputs, order.prices, out)
        _write_people(folder, inputs, out)
        n_actions = write_plan(folder, inputs.chunks, in_order=inputs.in_order, out=out)
        notes = dict.fromkeys([*inputs.notes, *(note for summary in summaries for note in summary["notes"])])
        folder.remove()
    return PlanSummary(
        n_accounts=inputs.n_accounts,
        n_actions=n_actions,
        idle=idle,
        removed=dict(removed),
        states=dict(states),
        notes=list(notes),
        resumed=before,
        logged=logged,
    )


def _own_ids(model: Model, order: PlanOrder) -> Callable[[pd.DataFrame], list[str]]:
    moment = order.as_of.astimezone(UTC).isoformat()
    version = Decider(model, objective=order.objective).version
    return lambda accounts: decision_ids(Accounts.of(accounts), moment, version, order.seed, purpose=order.purpose)


def _offered(
    inputs: PlanInputs,
    offered: Sequence[pd.DataFrame],
    log: DecisionLog | None,
    order: PlanOrder,
    own: Callable[[pd.DataFrame], list[str]],
) -> list[pd.DataFrame]:
    """Offers made before: those that are told, and those of the log but for the decisions that are made again."""
    if log is None or order.prices is None:
        return list(offered)
    again = {one for chunk in inputs.chunks for one in own(inputs.read(chunk).accounts)}
    return [*offered, offers_made(log, again)]


def _write_offers(folder: PlanFolder, inputs: PlanInputs, prices: PriceList, out: Path) -> None:
    made = [offers_of_plan(folder.ranked(chunk).to_pandas(), prices) for chunk in inputs.chunks]
    with written_whole(out.with_name(out.name + ".offers.parquet")) as path:
        pd.concat(made, ignore_index=True).to_parquet(path, index=False)


def _write_people(folder: PlanFolder, inputs: PlanInputs, out: Path) -> None:
    """The queue of accounts that a person looks at first: why, since when, and what the policy would have done."""
    parts = []
    asked = [*people_columns(folder.schema(inputs.chunks[0]).names), "rank", "needs_human"]
    for chunk in inputs.chunks:
        rows = folder.ranked(chunk, asked)
        first = rows.filter(pc.and_(pc.equal(rows["rank"], 1), rows["needs_human"]))
        parts.append(people_of(first.to_pandas()))
    with written_whole(out.with_name(out.name + ".people.parquet")) as path:
        pd.concat(parts, ignore_index=True).sort_values("row", ignore_index=True).to_parquet(path, index=False)


def _everything_it_depends_on(
    files: PlanFiles, model: Model, order: PlanOrder, offered: Sequence[pd.DataFrame]
) -> Mapping[str, Any]:
    told = "".join(table.to_csv(index=False) for table in offered)
    return {
        "offered": hashlib.sha256(told.encode()).hexdigest(),
        "files": files.described(),
        "strategy": model.version_,
        "order": order.to_dict(),
        "code": _code_version(),
        "rule_packs": {name: pack_digest(load_pack(name)) for name in pack_ids()},
    }


def _code_version() -> str:
    try:
        return version("recommender")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "unknown"
