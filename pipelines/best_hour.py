"""``best-hour``: when to reach one debtor over one channel in the days ahead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.evaluate import wide_console
from pipelines.own_files import Overlays, Templates, Without, own_files
from pipelines.score import on_disk, read_instant
from recommender.deciding import default_actions
from recommender.planning import PlanOrder, account_week
from recommender.rules import PURPOSE_PACK, Purpose, house_packs
from recommender.settings import Settings
from recommender.store.files import write_frame
from recommender.strategy import ContactStrategy, SeedStrategy


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("best-hour")(run)


def run(
    accounts: Annotated[str, typer.Argument(help="Accounts, as for score.")],
    account: Annotated[str, typer.Option(help="Id of the account.")],
    channel: Annotated[str, typer.Option(help="Channel of the contact, e.g. call.")],
    as_of: Annotated[str, typer.Option(help="Moment of the question with offset, e.g. 2026-11-23T08:00:00-05:00.")],
    strategy: Annotated[Path, typer.Option(help="Saved strategy; without one the seed rules answer.")] = Path(
        "models/strategy"
    ),
    pack: Annotated[list[str] | None, typer.Option(help="Rule pack; without it that of the country.")] = None,
    contacts: Annotated[str | None, typer.Option(help="Past and planned contacts; unknown history denies.")] = None,
    outcomes: Annotated[str | None, typer.Option(help="Raw outcomes, as for score.")] = None,
    payments: Annotated[str | None, typer.Option(help="Raw payments, as for score.")] = None,
    no_contacts_yet: Annotated[bool, typer.Option(help="State that no account was ever contacted.")] = False,
    purpose: Annotated[Purpose, typer.Option(help="What the contact is for.")] = "collection",
    overlay: Overlays = None,
    templates: Templates = None,
    without: Without = None,
    days: Annotated[int, typer.Option(min=1, max=31)] = 7,
    slots: Annotated[int, typer.Option(min=1, help="Best slots named.")] = 5,
    out: Annotated[Path | None, typer.Option(help="Every hour as a table (Parquet or CSV).")] = None,
) -> None:
    """Show every hour of the week ahead: what it is worth, or the rule that closes it; and the best next slots."""
    console = wide_console()
    model: ContactStrategy | SeedStrategy
    if strategy.exists():
        model = ContactStrategy.load(strategy)
    else:
        model = SeedStrategy(default_actions(Settings().contact_hours))
        console.print(f"[yellow]no strategy at {strategy}: the seed rules answer[/]", highlight=False)
    order = PlanOrder(
        as_of=read_instant(as_of),
        packs=tuple(pack) if pack else None,
        no_contacts_yet=no_contacts_yet,
        other_accounts=True,
        house=house_packs(without or ()),
        purpose_rules=PURPOSE_PACK not in (without or ()),
        **own_files(overlay, templates),
        purpose=purpose,
    )
    given = {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}
    with on_disk(given, Path.cwd() if out is None else out.parent, no_contacts_yet=no_contacts_yet) as files:
        week = account_week(files, account, model, order, channel=channel, days=days)
    console.print(week.grid().to_string(), highlight=False, markup=False)
    best = week.best(slots)
    console.print(f"best {len(best)} slots over {channel}, on the debtor's clock:", highlight=False)
    for rank, slot in enumerate(best.to_dict("records"), start=1):
        value = "" if slot["expected_reward"] != slot["expected_reward"] else f"  {slot['expected_reward']:.4g}"
        when = f"{slot['weekday']} {slot['date']} {int(slot['hour']):02d}h"
        console.print(f"{rank}. {when}  {slot['contact_at'].isoformat()}{value}", highlight=False)
    closed = week.hours.loc[~week.hours["legal"], ["rules", "citations"]]
    for rule, count in closed["rules"].str.split(";").explode().value_counts().items():
        console.print(f"closed by {rule}: {count} hours", highlight=False)
    if out is not None:
        write_frame(week.hours, out)
        console.print(f"wrote {out}", highlight=False)
