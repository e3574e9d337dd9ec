"""``score``: rank the next-best legal actions of every account."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from pipelines.evaluate import wide_console
from pipelines.own_files import (
    Authority,
    Levers,
    ObjectiveName,
    Offered,
    Offers,
    Overlays,
    SegmentRules,
    Templates,
    Without,
    offered_before,
    own_files,
    read_objective,
    told_objective,
)
from pipelines.score_progress import progress_on
from pipelines.stated_options import Encoding, NoStopIn
from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.intake import Stated
from recommender.messages import default_catalogue, described
from recommender.planning import CHUNK_ROWS, PlanFiles, Planner, PlanOrder, make_plan, plan_here
from recommender.rules import PURPOSE_PACK, Purpose, house_packs
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog, stopped_ids
from recommender.store.files import one_file, read_table, write_frame
from recommender.strategy import ContactStrategy, SeedStrategy


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(run)


def run(
    accounts: Annotated[
        str,
        typer.Argument(
            help="Accounts: Parquet, CSV, XLSX (#sheet), JSON lines, Arrow, DuckDB, or SQLAlchemy URL#table."
        ),
    ],
    as_of: Annotated[str, typer.Option(help="Moment of the decision with offset, e.g. 2026-11-23T08:00:00-05:00.")],
    out: Annotated[Path, typer.Option(help="Plan to write (Parquet or CSV).")] = Path("data/plan.parquet"),
    strategy: Annotated[Path | None, typer.Option(help="Saved strategy; without one the seed rules answer.")] = Path(
        "models/strategy"
    ),
    pack: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule pack for every account; without it each falls under its country's, CO if it names none."
        ),
    ] = None,
    contacts: Annotated[
        str | None, typer.Option(help="Past and planned contacts; unknown history denies. Yesterday's plan is one.")
    ] = None,
    outcomes: Annotated[
        str | None, typer.Option(help="Raw outcomes: what was heard becomes states, and features of a model.")
    ] = None,
    payments: Annotated[str | None, typer.Option(help="Raw payments, likewise.")] = None,
    no_contacts_yet: Annotated[bool, typer.Option(help="State that no account was ever contacted.")] = False,
    party: Annotated[
        Literal["debtor", "codebtor", "guarantor"] | None,
        typer.Option(help="State whom the accounts' contact points belong to, where the table does not say."),
    ] = None,
    purpose: Annotated[
        Purpose,
        typer.Option(help="What the run is for; it settles texts and stages (docs/purposes.md)."),
    ] = "collection",
    objective: ObjectiveName = "reward",
    levers: Levers = None,
    top_k: Annotated[int, typer.Option(min=1)] = 3,
    explore: Annotated[bool, typer.Option(help="Draw the dispatched action; --no-explore takes the argmax.")] = True,
    seed: Annotated[int, typer.Option()] = 0,
    chunk_rows: Annotated[
        int, typer.Option(min=1, help="Accounts in memory at a time; the plan does not depend on it.")
    ] = CHUNK_ROWS,
    dask: Annotated[
        str | None,
        typer.Option(help="Compute on a cluster: local, or the scheduler, e.g. tcp://10.0.0.5:8786. The same plan."),
    ] = None,
    other_accounts: Annotated[
        bool, typer.Option("--other-accounts", help="The contacts are those of a larger portfolio than the accounts.")
    ] = False,
    dates: Annotated[
        Literal["dmy", "mdy"] | None, typer.Option(help="Order of day and month, where the columns do not tell it.")
    ] = None,
    decimal: Annotated[
        Literal["comma", "point"] | None, typer.Option(help="Decimal sign, where the columns do not tell it.")
    ] = None,
    naive_timezone: Annotated[
        str | None, typer.Option(help="IANA zone of local times without an offset; account = that of each account.")
    ] = None,
    encoding: Encoding = None,
    ids_as_numbers: Annotated[
        bool, typer.Option("--ids-as-numbers", help="Leading zeros of ids say nothing: 00107 and 107 are one account.")
    ] = False,
    no_stop_in: NoStopIn = None,
    overlay: Overlays = None,
    templates: Templates = None,
    offers: Offers = None,
    offered: Offered = None,
    authority: Authority = "automatic",
    without: Without = None,
    segments: SegmentRules = None,
    decision_log: Annotated[
        str | None, typer.Option(help="SQLAlchemy URL: write every decision there, as the service does.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw a half-finished plan away and begin anew.")] = False,
) -> None:
    """Write a plan: for each account the dispatched action and the runners-up, all of them legal at their hour.

    Streams: memory does not grow with the number of accounts. A run that was killed goes on where it stood when the
    same command is given again; a plan half made from other inputs is refused.

    Exit 0: a plan, also one that leaves everybody alone for reasons of the law: there is nothing to do. Exit 2: not
    understood (a table, a unit, one unknown fact that leaves most accounts alone): no plan was written.
    """
    console = wide_console()
    moment = read_instant(as_of)
    model: ContactStrategy | SeedStrategy
    if strategy is not None and strategy.exists():
        model = ContactStrategy.load(strategy)
    else:
        model = SeedStrategy(default_actions(Settings().contact_hours))
        console.print(f"[yellow]no strategy at {strategy}: the seed rules answer[/]", highlight=False)
    order = PlanOrder(
        as_of=moment,
        stopped=stopped_in(decision_log),
        packs=tuple(pack) if pack else None,
        party=party,
        no_contacts_yet=no_contacts_yet,
        top_k=top_k,
        explore=explore,
        seed=seed,
        stated=Stated(dates, decimal, naive_timezone, ids_as_numbers, encoding, no_stop_in=tuple(no_stop_in or ())),
        other_accounts=other_accounts,
        purpose=purpose,
        authority=authority,
        objective=read_objective(objective, levers),
        house=house_packs(without or ()),
        purpose_rules=PURPOSE_PACK not in (without or ()),
        **own_files(overlay, templates, offers, segments),
        record=decision_log is not None,
    )
    given = {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}
    with ExitStack() as stack:
        files = stack.enter_context(on_disk(given, out.parent, no_contacts_yet=no_contacts_yet))
        log = None if decision_log is None else stack.enter_context(DecisionLog.create(decision_log))
        planner, on_progress = stack.enter_context(computed_on(dask)), stack.enter_context(progress_on(console))
        plan = make_plan(
            files, out, model, order, chunk_rows=chunk_rows, restart=restart, planner=planner, on_progress=on_progress,
            log=log, offered=offered_before(offered, offers),
        )  # fmt: skip
    written_order = out.with_name(out.name + ".actions.json")
    catalogue = order.catalogue or default_catalogue()
    about: dict[str, Any] = {"actions": model.actions_.to_dict(), "messages_digest": catalogue.digest,
                             "house": list(order.house), "switched_off": list(order.switched_off),
                             "segments_digest": order.segmentation.digest}  # fmt: skip
    if order.templates:
        about["messages"] = described(catalogue)
    if order.prices is not None:
        about["offers_digest"] = order.prices.digest
    about["objective"] = order.objective.model_dump(mode="json")
    written_order.write_text(json.dumps(about), encoding="utf-8")
    if plan.resumed:
        console.print(f"resumed: {plan.resumed:,} accounts had been planned before", highlight=False)
    console.print(
        f"wrote {out}: {plan.n_accounts:,} accounts, {plan.n_actions:,} ranked actions, "
        f"{plan.idle:,} accounts left alone today",
        highlight=False,
    )
    if plan.logged is not None:
        console.print(f"decision log: {plan.logged:,} new decisions", highlight=False)
    if order.prices is not None:
        console.print(f"offers made: {out}.offers.parquet, for --offered of the next run", highlight=False)
    if plan.states:
        summary = ", ".join(f"{name} {count:,}" for name, count in sorted(plan.states.items()))
        console.print(f"accounts in a state that events made: {summary}", highlight=False)
    if plan.removed:
        most = sorted(plan.removed.items(), key=lambda item: (-item[1], item[0]))[:8]
        summary = ", ".join(f"{rule} {count:,}" for rule, count in most)
        console.print(f"(account, action) pairs removed by rule: {summary}", highlight=False)
    if not order.objective.is_plain:
        console.print(told_objective(order.objective), highlight=False, markup=False)
    tell_switched_off(order, console)
    for note in plan.notes:
        console.print(f"[yellow]note:[/] {note}", highlight=False)


def tell_switched_off(order: PlanOrder, console: Console) -> None:
    """Show which packs of the house do not hold."""
    if order.switched_off:
        console.print(f"[yellow]switched off by name:[/] {', '.join(order.switched_off)}", highlight=False)


def stopped_in(decision_log: str | None) -> tuple[str, ...]:
    """Whom a person stopped all contact with, as the decision log knows it."""
    if decision_log is None:
        return ()
    with DecisionLog.create(decision_log) as log:
        return stopped_ids(log)


@contextmanager
def on_disk(
    given: Mapping[str, str | Path | None], folder: Path, *, no_contacts_yet: bool = False
) -> Iterator[PlanFiles]:
    """Tables as files: those of a database, or one of several in a file, are fetched for the time of the plan."""
    if no_contacts_yet and given["contacts"] is not None:
        raise InvalidInput(
            "--contacts and --no-contacts-yet contradict each other.", column="contacts", mend="Give one."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetched.") as fetched:
        files: dict[str, Path | None] = {}
        for name, source in given.items():
            files[name] = None if source is None else Path(source)
            if source is None or Path(source).is_file():
                continue
            if Path(source).is_dir():  # a folder of Parquet files: one after the other, never all in memory
                files[name] = one_file(Path(source), Path(fetched) / f"{name}.parquet")
                continue
            if "#" not in str(source) and "://" not in str(source):
                raise InvalidInput(f"There is no file {source}.", column="path", mend="Check the path.")
            files[name] = Path(fetched) / f"{name}.parquet"
            write_frame(read_table(source, table=name), Path(fetched) / f"{name}.parquet")
        yield PlanFiles(**files)  # type: ignore[arg-type]


@contextmanager
def computed_on(dask: str | None) -> Iterator[Planner]:
    """Who computes the chunks: this process, or workers."""
    if dask is None:
        yield plan_here
        return
    from recommender.distributed import cluster, planner_on  # an extra

    with cluster(dask) as client:
        yield planner_on(client)


def read_instant(text: str) -> datetime:
    """Read an instant that carries its offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(
            f"{text!r} is not an ISO instant.", column="as-of", mend="Write e.g. 2026-11-23T08:00:00-05:00."
        ) from error
    if moment.tzinfo is None:
        raise InvalidInput(f"{text!r} has no UTC offset.", column="as-of", mend="Write e.g. 2026-11-23T08:00:00-05:00.")
    return moment
