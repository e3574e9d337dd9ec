"""``plan``: tomorrow's contacts under limited capacity, with a certificate, and the files that diallers load."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.console import Console

from pipelines.evaluate import wide_console
from pipelines.ingest import DayOrder, DecimalSign
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
from pipelines.plan_told import tell_plan
from pipelines.score import on_disk, read_instant, stopped_in, tell_switched_off
from pipelines.spoken import QuietLanguage
from pipelines.stated_options import Encoding, NoStopIn
from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.intake import Stated
from recommender.messages import Catalogue, own_catalogue
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    PortfolioValues,
    SentToday,
    Tomorrow,
    about_plan,
    ask_log,
    budget_in_log,
    check_plan_objective,
    compare_plans,
    log_tomorrow,
    logged_offers,
    not_of_campaigns,
    offers_of_plan,
    packaged_adapters,
    people_of_plan,
    plan_day,
    put_in_place,
    read_adapter,
    read_capacity,
    read_contact_points,
    settle_offers,
    verify_folder,
    with_changes,
    write_campaigns,
    write_tomorrow,
)
from recommender.reports import Words
from recommender.rules import PURPOSE_PACK, Purpose, house_packs
from recommender.settings import Settings
from recommender.store.decision_log import DecisionLog
from recommender.store.files import read_template_sources
from recommender.strategy import ContactStrategy, SeedStrategy

_CHUNK_ROWS = 20_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("plan")(run)


def run(
    accounts: Annotated[str | None, typer.Argument(help="Accounts, from any source that `score` reads.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Moment of the plan with offset, e.g. 2026-11-23T06:00:00-05:00.")
    ] = None,
    capacity: Annotated[Path, typer.Option(help="Agents, quotas, costs, minimums, arms.")] = Path("capacity.toml"),
    out: Annotated[
        Path, typer.Option(help="Folder of the plan; the plan that is there stays until the new one is finished.")
    ] = Path("data/tomorrow"),
    strategy: Annotated[Path, typer.Option(help="Saved strategy; the seed rules where there is none.")] = Path(
        "models/strategy"
    ),
    contacts: Annotated[str | None, typer.Option(help="Past and planned contacts; unknown history denies.")] = None,
    outcomes: Annotated[str | None, typer.Option(help="Raw outcomes, for a model trained on raw tables.")] = None,
    payments: Annotated[str | None, typer.Option(help="Raw payments, for a model trained on raw tables.")] = None,
    appointments: Annotated[
        Path | None, typer.Option(help="Callbacks and promises: account_id, at, channel, kind (callback, promise).")
    ] = None,
    no_contacts_yet: Annotated[bool, typer.Option(help="State that no account was ever contacted.")] = False,
    party: Annotated[
        Literal["debtor", "codebtor", "guarantor"] | None,
        typer.Option(help="State whom the accounts' contact points belong to, where the table does not say."),
    ] = None,
    dates: DayOrder = None,
    decimal: DecimalSign = None,
    naive_timezone: Annotated[
        str | None, typer.Option(help="IANA zone of local times without an offset; account = that of each account.")
    ] = None,
    ids_as_numbers: Annotated[bool, typer.Option("--ids-as-numbers", help="Leading zeros of ids say nothing.")] = False,
    encoding: Encoding = None,
    no_stop_in: NoStopIn = None,
    other_accounts: Annotated[
        bool, typer.Option(help="The contacts hold those of accounts that are not in this portfolio, too.")
    ] = False,
    days: Annotated[
        int, typer.Option(min=1, max=7, help="Plan so many days as one; the first is carried out, the rest is outlook.")
    ] = 1,
    replaces: Annotated[
        Path | None,
        typer.Option(help="Plan in force: keep what it sent, and plan the rest of its day again from --as-of on."),
    ] = None,
    decision_log: Annotated[
        str | None,
        typer.Option(help="SQLAlchemy URL: what the decision log knows acts on the plan; its decisions go there."),
    ] = None,
    purpose: Annotated[
        Purpose, typer.Option(help="What the plan is for; it settles texts and stages (docs/purposes.md).")
    ] = "collection",
    objective: ObjectiveName = "reward",
    levers: Levers = None,
    overlay: Overlays = None,
    templates: Templates = None,
    offers: Offers = None,
    offered: Offered = None,
    authority: Authority = "automatic",
    without: Without = None,
    segments: SegmentRules = None,
    scenario: Annotated[
        list[Path] | None, typer.Option(help="Changes to capacity.toml: planned as well and compared, not written.")
    ] = None,
    contact_file: Annotated[
        Path | None, typer.Option(help="The agency's own account_id, phone, email ... for campaign files only.")
    ] = None,
    campaigns: Annotated[Path | None, typer.Option(help="Folder for campaign files.")] = None,
    adapter: Annotated[list[Path] | None, typer.Option(help="Adapters of your own; they come first.")] = None,
    list_id: Annotated[str, typer.Option(help="Dialler list that the call files are for.")] = "",
    fill: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=VALUE: variable of messages that is the same for everybody, e.g. creditor=Banco; a column of "
            "the contact file comes first."
        ),
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
    verify: Annotated[
        Path | None,
        typer.Option(
            help="Only check a finished plan: its files, limits, values and proven gap; with --campaigns (and the "
            "--contact-file, --adapter, --list-id, --fill and --templates of the run) its campaign files, too."
        ),
    ] = None,
    language: QuietLanguage = "en",
) -> None:
    """Plan tomorrow: who is contacted how and when so that scarce agents and messages bring the most, inside the law.

    Writes a folder with one row a contact, the arm of every account, and a certificate: no plan within the limits can
    be worth more than its bound. ``--verify FOLDER`` checks all of that without trusting whoever made it.

    Exit 0: a plan, also one without a contact because the law or the capacity leaves none: there is nothing to do.
    Exit 2: not understood (a table, a unit, one unknown fact that leaves most accounts alone): no plan was written.
    """
    console = wide_console()
    if verify is not None:
        texts = own_catalogue(read_template_sources(templates)) if templates else None
        wrong = verify_folder(verify, texts)
        if campaigns is not None:
            wrong += not_of_campaigns(*_for_campaigns(
                verify, campaigns, contact_file, adapter, _named_values(fill or []) | {"list_id": list_id}, texts
            ))  # fmt: skip
        _verified(verify, wrong, console)
        return
    if accounts is None or as_of is None:
        raise InvalidInput("A plan needs accounts and --as-of.", column="accounts", mend="Give both, or --verify.")
    if contact_file is not None and campaigns is None:
        raise InvalidInput("--contact-file is for --campaigns only.", column="campaigns", mend="Give a folder.")
    given = [appointments, contact_file, capacity]
    for path in [*given, *(scenario or []), *(adapter or [])]:
        if path is not None and not path.is_file():
            raise InvalidInput(f"There is no file {path}.", column="path", mend="Check the path.")
    fixed = _named_values(fill or [])
    order = PlanOrder(
        as_of=read_instant(as_of),
        party=party,
        no_contacts_yet=no_contacts_yet,
        seed=seed,
        purpose=purpose,
        authority=authority,
        objective=read_objective(objective, levers),
        house=house_packs(without or ()),
        purpose_rules=PURPOSE_PACK not in (without or ()),
        **own_files(overlay, templates, offers, segments),
        record=decision_log is not None,
        stopped=stopped_in(decision_log),
    )
    model: ContactStrategy | SeedStrategy
    if strategy.exists():
        model = ContactStrategy.load(strategy)
    else:
        model = SeedStrategy(default_actions(Settings().contact_hours))
        console.print(f"[yellow]no strategy at {strategy}: the seed rules answer[/]", highlight=False)
    check_plan_objective(order.objective, model)
    due = Appointments.none() if appointments is None else Appointments.read(appointments, order.as_of, days)
    limits = read_capacity(capacity)
    out.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.")))
        log = None if decision_log is None else stack.enter_context(DecisionLog.create(decision_log))
        tables = {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}
        inputs = PlanInputs.prepare(
            work / "inputs",
            **vars(stack.enter_context(on_disk(tables, work, no_contacts_yet=no_contacts_yet))),
            as_of=order.as_of,
            chunk_rows=_CHUNK_ROWS,
            stated=Stated(dates, decimal, naive_timezone, ids_as_numbers, encoding, no_stop_in=tuple(no_stop_in or ())),
            other_accounts=other_accounts,
            no_contacts_yet=no_contacts_yet,
            channels=model.actions_.factors.get("channel", ()),
        )
        if replaces is None and days == 1 and SentToday.is_under_way(out, order.as_of):
            replaces = out
            console.print(
                f"[yellow]{out} is a plan of this day that has begun: what it sent stays, the rest of its day is "
                "planned again (as with --replaces)[/]",
                highlight=False,
            )  # fmt: skip
        sent = None if replaces is None else SentToday.read(replaces, inputs, order.as_of, limits, log)
        if log is not None:
            ask_log(log, inputs, order, model, sent)
        told, logged = offered_before(offered, offers), logged_offers(log, inputs, order, model, sent)
        inputs.noted(settle_offers(inputs, model, order, [*told, *logged], packs=limits.packs, days=days))
        made = _planned(inputs, model, order, limits, due, work / "plan", days, sent)
        for path in scenario or []:
            changed = with_changes(capacity, path)
            other = _planned(inputs, model, replace(order, record=False), changed, due, work / "scenario", days, sent)
            _tell_difference(path, made[0], other[0], order.seed, console)
            shutil.rmtree(work / "scenario")
        about = about_plan(*made, order, model, sent)
        if log is not None:
            budget = budget_in_log(order.prices, told, logged, order.as_of)
            new = log_tomorrow(log, *made, inputs, order, model, work / "plan", sent, budget=budget)
            console.print(f"decision log: {new:,} new decisions", highlight=False)
        people_of_plan(made[1]).to_parquet(work / "plan" / "people.parquet", index=False)
        if order.prices is not None:
            first_day = made[0].contacts.loc[made[0].contacts["day"] == 1]
            offers_of_plan(first_day, order.prices).to_parquet(work / "plan" / "offers.parquet", index=False)
        write_tomorrow(work / "plan", made[0], model.actions_, about)
        put_in_place(work / "plan", out)
    if not order.objective.is_plain:
        console.print(told_objective(order.objective), highlight=False, markup=False)
    tell_switched_off(order, console)
    tell_plan(made[0], limits, about, out, console, Words(language))
    if campaigns is not None:
        points = None if contact_file is None else read_contact_points(contact_file)
        own = {path.stem: read_adapter(path) for path in adapter or []}
        written, lost = write_campaigns(
            made[0].contacts.loc[made[0].contacts["day"] == 1],
            campaigns,
            points,
            own | packaged_adapters(),
            fixed | {"list_id": list_id},
            order.catalogue,
        )
        console.print(
            f"wrote {len(written)} campaign files to {campaigns}: {sum(written.values()):,} rows", highlight=False
        )
        for queue, count in lost.items():
            why = "are left out" if queue.endswith(")") else "have no contact point in the file"
            console.print(f"[yellow]{queue}: {count:,} contacts {why}[/]", highlight=False)


def _named_values(given: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` options."""
    wrong = [one for one in given if not one.partition("=")[0].strip() or "=" not in one]
    if wrong:
        raise InvalidInput.in_column("fill", "is not NAME=VALUE", values=wrong, mend="Write e.g. creditor=Banco.")
    return {name.strip(): value for name, _, value in (one.partition("=") for one in given)}


def _planned(
    inputs: PlanInputs,
    model: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    limits: CapacityOrder,
    due: Appointments,
    folder: Path,
    days: int,
    sent: SentToday | None,
) -> tuple[Tomorrow, PortfolioValues]:
    folder.mkdir()
    return plan_day(inputs, model, order, limits, folder, due, days=days, sent=sent)


def _for_campaigns(
    plan: Path,
    folder: Path,
    contact_file: Path | None,
    adapter: list[Path] | None,
    options: dict[str, str],
    texts: Catalogue | None,
) -> tuple[Any, ...]:
    """What campaign files are made from: contacts of the first day, contact points, adapters, options, texts."""
    contacts = pd.read_parquet(plan / "plan.parquet")
    points = None if contact_file is None else read_contact_points(contact_file)
    own = {path.stem: read_adapter(path) for path in adapter or []}
    return contacts.loc[contacts["day"] == 1], folder, points, own | packaged_adapters(), options, texts


def _verified(folder: Path, wrong: list[str], console: Console) -> None:
    for finding in wrong:
        console.print(f"[red]{finding}[/]", highlight=False)
    if wrong:
        raise InvalidInput(f"{folder} is not what it claims: {len(wrong)} findings.", column="verify")
    console.print(f"{folder}: every limit is kept and the gap is what the certificate says", highlight=False)


def _tell_difference(path: Path, base: Tomorrow, other: Tomorrow, seed: int, console: Console) -> None:
    difference = compare_plans(base, other, seed=seed)
    console.print(
        f"scenario {path.stem}: value {difference.value:+,.0f} ({difference.low:+,.0f} to {difference.high:+,.0f}), "
        f"contacts {difference.contacts:+,}"
        + "".join(f", {queue} {n:+,}" for queue, n in difference.by_queue.items() if n)
        + "".join(f", arm {arm} {value:+,.0f}" for arm, value in difference.by_arm.items() if abs(value) >= 1),
        highlight=False,
    )
