"""``score``: rank the next-best legal actions of every account."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from recommender.cold_start import SeedStrategy
from recommender.decisions import decide, default_actions
from recommender.errors import InvalidInput
from recommender.settings import Settings
from recommender.store.log_files import read_frame, write_frame
from recommender.strategy import ContactStrategy

_CHUNK = 20_000


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("score")(run)


def run(
    accounts: Annotated[Path, typer.Argument(help="Accounts as Parquet or CSV.")],
    as_of: Annotated[str, typer.Option(help="Moment of the decision with offset, e.g. 2026-11-23T08:00:00-05:00.")],
    out: Annotated[Path, typer.Option(help="Plan to write (Parquet or CSV).")] = Path("data/plan.parquet"),
    strategy: Annotated[Path | None, typer.Option(help="Saved strategy; without one the seed rules answer.")] = Path(
        "models/strategy"
    ),
    pack: Annotated[list[str] | None, typer.Option(help="Rule pack of accounts that name none; repeat to add.")] = None,
    contacts: Annotated[Path | None, typer.Option(help="Past and planned contacts; unknown history denies.")] = None,
    no_contacts_yet: Annotated[bool, typer.Option(help="State that no account was ever contacted.")] = False,
    top_k: Annotated[int, typer.Option(min=1)] = 3,
    explore: Annotated[bool, typer.Option(help="Draw the dispatched action; --no-explore takes the argmax.")] = True,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write a plan: for each account the dispatched action and the runners-up, all of them legal at their hour."""
    console = Console()
    moment = read_instant(as_of)
    frame = read_frame(accounts)
    if no_contacts_yet and contacts is not None:
        raise InvalidInput(
            "--contacts and --no-contacts-yet contradict each other.", column="contacts", mend="Give one."
        )
    history = read_frame(contacts) if contacts else None
    if no_contacts_yet:
        history = pd.DataFrame(columns=["account_id", "sent_at", "channel", "initiated_by", "outcome", "status"])
    model: ContactStrategy | SeedStrategy
    if strategy is not None and strategy.exists():
        model = ContactStrategy.load(strategy)
    else:
        model = SeedStrategy(default_actions(Settings().contact_hours))
        console.print(f"[yellow]no strategy at {strategy}: the seed rules answer[/]", highlight=False)
    parts = []
    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("rank", total=len(frame))
        for start in range(0, len(frame), _CHUNK):
            part = frame.iloc[start : start + _CHUNK].reset_index(drop=True)
            decided = decide(
                part,
                strategy=model,
                as_of=moment,
                packs=pack or ["CO"],
                contacts=history,
                top_k=top_k,
                explore=explore,
                seed=seed,
            )
            parts.append(decided.ranked.assign(row=decided.ranked["row"] + start))
            progress.advance(task, len(part))
    plan = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    write_frame(plan, out)
    first = plan.loc[plan["rank"] == 1] if len(plan) else plan
    idle = int(first[next(iter(model.actions_.factors))].isna().sum()) if len(first) else 0
    console.print(
        f"wrote {out}: {len(frame):,} accounts, {len(plan):,} ranked actions, {idle:,} accounts left alone today",
        highlight=False,
    )


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
