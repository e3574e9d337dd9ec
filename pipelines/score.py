"""``score``: rank the next-best legal actions of every account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipelines.evaluate import wide_console
from recommender.cold_start import SeedStrategy
from recommender.decisions import debtor_rounds, decide, default_actions, planned_contacts
from recommender.errors import InvalidInput
from recommender.guardrails import packs_of_place
from recommender.history import context_as_of
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
    pack: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule pack for every account; without it each falls under its country's, CO if it names none."
        ),
    ] = None,
    contacts: Annotated[Path | None, typer.Option(help="Past and planned contacts; unknown history denies.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="Raw outcomes, for a model trained on raw tables.")] = None,
    payments: Annotated[Path | None, typer.Option(help="Raw payments, for a model trained on raw tables.")] = None,
    no_contacts_yet: Annotated[bool, typer.Option(help="State that no account was ever contacted.")] = False,
    party: Annotated[
        Literal["debtor", "codebtor", "guarantor"] | None,
        typer.Option(help="State whom the accounts' contact points belong to, where the table does not say."),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1)] = 3,
    explore: Annotated[bool, typer.Option(help="Draw the dispatched action; --no-explore takes the argmax.")] = True,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Write a plan: for each account the dispatched action and the runners-up, all of them legal at their hour."""
    console = wide_console()
    moment = read_instant(as_of)
    frame = current_states(read_frame(accounts), moment)
    if pack is None and "packs" not in frame.columns and "country" in frame.columns:
        frame = frame.assign(packs=packs_by_place(frame))
    elif pack is not None:
        frame = frame.drop(columns="packs", errors="ignore")
    if party is not None and "party" not in frame.columns:
        frame = frame.assign(party=party)
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
    if isinstance(model, ContactStrategy):
        frame = with_context(frame, model, moment, history, outcomes, payments)
    if not len(frame):
        raise InvalidInput(f"{accounts} holds no account to plan for.", column="accounts", mend="Give at least one.")
    if history is not None:
        history, strangers = with_debtors(history, frame)
        if strangers:
            console.print(f"[yellow]note:[/] {strangers:,} contacts belong to no account given", highlight=False)
    parts = []
    removed: Counter[str] = Counter()
    notes: dict[str, None] = {}
    columns = (TextColumn("ranking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("rank", total=len(frame))
        for rows in chunks_by_debtor(frame):
            chunk = frame.iloc[rows].reset_index(drop=True)
            known = None if history is None else of_debtors(history, chunk)
            turn = debtor_rounds(chunk)
            for number in range(int(turn.max()) + 1):
                place = np.flatnonzero(turn == number)
                part = chunk.iloc[place].reset_index(drop=True)
                decided = decide(
                    part,
                    strategy=model,
                    as_of=moment,
                    packs=pack or ["CO"],
                    contacts=None if known is None else of_debtors(known, part),
                    top_k=top_k,
                    explore=explore,
                    seed=seed,
                )
                if known is not None:  # what is planned for a debtor counts for the debtor's other accounts
                    planned = planned_contacts(decided, part, moment)
                    known = pd.concat([known, planned], ignore_index=True) if len(planned) else known
                parts.append(decided.ranked.assign(row=rows[place][decided.ranked["row"].to_numpy()]))
                removed.update({rule: count for rule, count in decided.eligibility.counts().items() if count})
                notes |= dict.fromkeys(decided.eligibility.provenance.warnings)
                if decided.missing_features:
                    notes[f"features taken as missing: {', '.join(decided.missing_features)}"] = None
                progress.advance(task, len(part))
    plan = pd.concat(parts, ignore_index=True).sort_values(["row", "rank"], ignore_index=True)
    write_frame(plan, out)
    first = plan.loc[plan["rank"] == 1] if len(plan) else plan
    idle = int(first[next(iter(model.actions_.factors))].isna().sum()) if len(first) else 0
    console.print(
        f"wrote {out}: {len(frame):,} accounts, {len(plan):,} ranked actions, {idle:,} accounts left alone today",
        highlight=False,
    )
    if removed:
        told = ", ".join(f"{rule} {count:,}" for rule, count in removed.most_common(8))
        console.print(f"(account, action) pairs removed by rule: {told}", highlight=False)
    for note in notes:
        console.print(f"[yellow]note:[/] {note}", highlight=False)


def chunks_by_debtor(accounts: pd.DataFrame) -> Iterator[NDArray[np.int64]]:
    """Positions of accounts in chunks; the accounts of a debtor are never spread over two."""
    if "debtor_id" not in accounts.columns:
        order, codes = np.arange(len(accounts)), np.arange(len(accounts))
    else:
        named = accounts["debtor_id"].astype(object)
        alone = pd.Series([f"\0{position}" for position in range(len(accounts))], index=named.index, dtype=object)
        codes = pd.factorize(named.where(named.notna(), alone))[0]
        order = np.argsort(codes, kind="stable")
        codes = codes[order]
    ends = np.flatnonzero(np.append(np.diff(codes) != 0, True)) + 1
    start = 0
    while start < len(order):
        later = ends[ends <= start + _CHUNK]
        end = int(later[-1]) if len(later) and later[-1] > start else int(ends[ends > start][0])
        yield np.sort(order[start:end])
        start = end


def with_debtors(contacts: pd.DataFrame, accounts: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Name the debtor of each contact by its account; also count the contacts of accounts that are not given."""
    account = contacts["account_id"].astype(str)
    strange = ~account.isin(accounts["account_id"].astype(str))
    if "debtor_id" not in accounts.columns:
        return contacts, int(strange.sum())
    owner = (
        accounts.assign(_key=accounts["account_id"].astype(str)).drop_duplicates("_key").set_index("_key")["debtor_id"]
    )
    debtor = account.map(owner)
    if "debtor_id" in contacts.columns:
        debtor = debtor.fillna(contacts["debtor_id"])
    return contacts.assign(debtor_id=debtor), int((strange & debtor.isna()).sum())


def of_debtors(contacts: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Contacts of the given accounts and of their debtors' other accounts."""
    mine = contacts["account_id"].astype(str).isin(accounts["account_id"].astype(str))
    if "debtor_id" in contacts.columns and "debtor_id" in accounts.columns:
        mine |= contacts["debtor_id"].isin(accounts["debtor_id"].dropna())
    return contacts.loc[mine].reset_index(drop=True)


def packs_by_place(accounts: pd.DataFrame) -> list[list[str]]:
    """Rule packs of each account by its country and subdivision."""
    subdivision = accounts["subdivision"] if "subdivision" in accounts.columns else pd.Series(None, accounts.index)
    places = [
        (country if isinstance(country, str) else None, part if isinstance(part, str) else None)
        for country, part in zip(accounts["country"], subdivision, strict=True)
    ]
    packs = {place: packs_of_place(*place, ("CO",)) for place in set(places)}
    return [packs[place] for place in places]


def with_context(
    accounts: pd.DataFrame,
    strategy: ContactStrategy,
    as_of: datetime,
    contacts: pd.DataFrame | None,
    outcomes: Path | None,
    payments: Path | None,
) -> pd.DataFrame:
    """Add the context that ``ingest`` derives from raw tables, as of now, where the model wants it.

    The same function made the training log, so a feature means the same in both.
    """
    missing = [str(name) for name in strategy.feature_names_in_ if name not in accounts.columns]
    if not missing or contacts is None or not {"contact_id", "account_id"} <= set(contacts.columns):
        return accounts
    context = context_as_of(
        accounts if "valid_from" in accounts.columns else None,
        contacts,
        read_frame(outcomes) if outcomes else None,
        read_frame(payments) if payments else None,
        actions=strategy.actions_,
        as_of=as_of,
        account_ids=accounts["account_id"].tolist(),
    )
    found = [name for name in missing if name in context.columns]
    return pd.concat([accounts.reset_index(drop=True), context[found].reset_index(drop=True)], axis=1)


def current_states(accounts: pd.DataFrame, as_of: datetime) -> pd.DataFrame:
    """The state of each account that holds at ``as_of``, from a change history (``valid_from``); else as it is."""
    if "valid_from" not in accounts.columns:
        return accounts
    since = pd.to_datetime(accounts["valid_from"], utc=True)
    held = accounts.loc[since <= pd.Timestamp(as_of)]
    latest = held.assign(_since=since.loc[held.index]).sort_values("_since", kind="stable")
    return latest.drop_duplicates("account_id", keep="last").drop(columns="_since").reset_index(drop=True)


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
