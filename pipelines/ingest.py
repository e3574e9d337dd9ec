"""``ingest``: from raw tables to a log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from pipelines.factor_levels import FACTORS, action_space, read_actions
from pipelines.stated_options import Encoding, NoStopIn
from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import (
    Attribution,
    BuildReport,
    ContextOf,
    EligibleSets,
    PreparedLog,
    RawTable,
    as_instant,
    prepare_log,
)
from recommender.intake import Stated, canonical_word
from recommender.store.decision_log import DecisionLog, read_feedback_frame
from recommender.store.files import read_table, write_log_parts, write_quarantine

TABLES = ("accounts", "decisions", "contacts", "outcomes", "payments")
Source = Annotated[str | None, typer.Option(help="Parquet or CSV file, or SQLAlchemy URL#table.")]
DayOrder = Annotated[
    Literal["dmy", "mdy"] | None, typer.Option(help="Order of day and month, where the columns do not tell it.")
]
DecimalSign = Annotated[
    Literal["comma", "point"] | None, typer.Option(help="Decimal sign, where the columns do not tell it.")
]
Factors = Annotated[
    list[str] | None,
    typer.Option(
        "--factor", help="Action factor and its levels, e.g. channel=call,sms or hour=8..20; repeat for more."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("ingest")(run)


def run(
    out: Annotated[Path, typer.Option(help="Log to write (Parquet), with <file>.roles.json beside it.")],
    accounts: Source = None,
    decisions: Source = None,
    contacts: Source = None,
    outcomes: Source = None,
    payments: Source = None,
    factor: Factors = None,
    actions: Annotated[
        Path | None, typer.Option(help="JSON with the action space, e.g. the <log>.roles.json of an earlier log.")
    ] = None,
    reward: Annotated[str, typer.Option(help="A rung of the ladder, response, amount, amount_gross or net_value.")] = (
        "right_party_contact"
    ),
    penalty: Annotated[
        list[str] | None,
        typer.Option(help="With --reward net_value: minor units a negative outcome weighs, e.g. opt_out=500; repeat."),
    ] = None,
    window_days: Annotated[float, typer.Option(min=0.0, help="Attribution window.")] = 14.0,
    attribution: Annotated[str, typer.Option(help="account, debtor or last_contact.")] = "account",
    as_of: Annotated[
        str | None, typer.Option(help="Now, for this log (ISO 8601 with offset); default: the clock.")
    ] = None,
    naive_timezone: Annotated[
        str | None, typer.Option(help="IANA zone of instants without an offset; default: that of their account.")
    ] = None,
    dates: DayOrder = None,
    decimal: DecimalSign = None,
    default_timezone: Annotated[str, typer.Option(help="Debtor-local zone of accounts without one.")] = "UTC",
    currency: Annotated[str | None, typer.Option(help="Currency of the strategy.")] = None,
    encoding: Encoding = None,
    trust_snapshot: Annotated[
        bool, typer.Option(help="Accounts hold one row each, in force from its valid_from on.")
    ] = False,
    keep: Annotated[
        list[str] | None, typer.Option(help="Context column to keep although it looks like a leak.")
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Keep decisions of these arms only, e.g. explore of a plan's decisions.parquet; repeat."),
    ] = None,
    quarantine: Annotated[Path | None, typer.Option(help="Folder of rows that broke a contract.")] = None,
    no_stop_in: NoStopIn = None,
    no_contact: Annotated[
        bool | None, typer.Option(help="Whether NO_CONTACT is an action; default: if decided.")
    ] = None,
    from_log: Annotated[
        str | None, typer.Option(help="Instead of tables: SQLAlchemy URL of the service's own decision log.")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Work the context out on a cluster: local, or the scheduler, e.g. tcp://10.0.0.5:8786."),
    ] = None,
    drop_other_spaces: Annotated[
        bool, typer.Option(help="With --from-log: leave out decisions whose action the action space lacks.")
    ] = False,
) -> None:
    """Turn raw tables into a log: contracts, quarantine, context as of each decision, rewards in a window.

    With --from-log, the decisions and outcomes that the scoring API wrote down; a reward is known once its window has
    passed. The action space is that of the latest decision, or the one of --actions.

    Then: python -m pipelines doctor LOG, python -m pipelines train LOG
    """
    console = Console()
    penalties = read_penalties(penalty)
    if from_log is not None:
        if penalties:
            raise InvalidInput(
                "--penalty weighs in logs from raw tables only.",
                column="penalty",
                mend="Leave it out, or give --contacts, --outcomes and --payments instead of --from-log.",
            )
        if dask is not None:
            raise InvalidInput(
                "--dask works out context from raw tables; the decision log holds its own.",
                column="dask",
                mend="Leave it out with --from-log.",
            )
        ingest_decisions(
            from_log,
            out,
            console,
            actions_file=actions,
            reward=reward,
            window_days=window_days,
            as_of=_instant(as_of),
            drop_other_spaces=drop_other_spaces,
        )
        return
    log, folder = prepare_from_sources(
        {
            "accounts": accounts,
            "decisions": decisions,
            "contacts": contacts,
            "outcomes": outcomes,
            "payments": payments,
        },
        console,
        factor=factor,
        actions_file=actions,
        encoding=encoding,
        no_contact=no_contact,
        quarantine=quarantine or out.with_name(out.name + ".quarantine"),
        reward=reward,
        penalties=penalties,
        window_days=window_days,
        attribution=attribution,  # type: ignore[arg-type]
        as_of=as_of or datetime.now(UTC),
        naive_timezone=naive_timezone,
        default_timezone=default_timezone,
        currency=currency,
        snapshot="trust" if trust_snapshot else "leave_out",
        keep=keep or (),
        stated=Stated(dates, decimal, naive_timezone, no_stop_in=tuple(no_stop_in or ())),
        arms=arm or (),
    )
    with console.status("Working out the context of each decision, writing ..."), contexts(dask, log) as context_of:
        write_log_parts(log.parts(context_of=context_of), out, actions=log.actions, roles=log.roles)
    show(log.report, console)
    console.print(f"{log!r}", highlight=False, markup=False)
    console.print(f"log: {out}   quarantine: {folder} ({len(log.quarantine):,} rows)", highlight=False)


@contextmanager
def contexts(dask: str | None, log: PreparedLog) -> Iterator[ContextOf | None]:
    """Who works out the context: this process (None), or workers."""
    if dask is None:
        yield None
        return
    from recommender.distributed import cluster, contexts_on  # an extra

    with cluster(dask) as client:
        yield contexts_on(client, log)


def prepare_from_sources(
    sources: dict[str, str | None],
    console: Console,
    *,
    factor: list[str] | None = None,
    actions_file: Path | None = None,
    encoding: str | None = None,
    no_contact: bool | None = None,
    quarantine: Path | None = None,
    as_of: Any = None,
    reward: str = "right_party_contact",
    window_days: float = 14.0,
    attribution: Attribution = "account",
    naive_timezone: str | None = None,
    default_timezone: str = "UTC",
    currency: str | None = None,
    snapshot: Literal["leave_out", "trust"] = "leave_out",
    keep: Sequence[str] = (),
    penalties: Mapping[str, float] | None = None,
    stated: Stated | None = None,
    arms: Sequence[str] = (),
) -> tuple[PreparedLog, Path | None]:
    """Read the tables one after the other, prepare the log and write the quarantine."""
    if arms and sources.get("decisions") is None:
        raise InvalidInput("--arm needs the decisions table.", column="arm", mend="Give --decisions FILE_OR_URL.")
    if sources.get("contacts") is None:
        raise InvalidInput("The contacts table is missing.", column="contacts", mend="Give --contacts FILE_OR_URL.")
    actions = (
        space_of_sources(sources, factor, no_contact, encoding) if actions_file is None else read_actions(actions_file)
    )
    # Eligible sets are written in the order of an action space: without one they cannot be read.
    unordered = actions_file is None and not factor
    had_sets: list[str] = []

    def read(name: str, source: str) -> pd.DataFrame:
        frame = read_table(source, table=name, encoding=encoding)
        if name == "decisions" and arms:
            frame = _of_arms(frame, arms)
        if name == "contacts" and arms and "decision_id" in frame.columns:  # of other arms: history, no decision's
            kept = read("decisions", str(sources["decisions"]))["decision_id"]
            frame["decision_id"] = frame["decision_id"].where(frame["decision_id"].isin(kept), None)
        if name == "decisions" and unordered and "eligible" in frame.columns:
            had_sets.append(name)
            frame = frame.drop(columns="eligible")
        return frame

    given: dict[str, RawTable | None] = {
        name: None if source is None else partial(read, name, source)
        for name, source in ((name, sources.get(name)) for name in TABLES)
    }
    with console.status("Reading tables, checking, linking ..."):
        log = prepare_log(
            given,
            actions=actions,
            as_of=as_instant(as_of or datetime.now(UTC)),
            reward=reward,
            window_days=window_days,
            attribution=attribution,
            naive_timezone=naive_timezone,
            default_timezone=default_timezone,
            currency=currency,
            rates=None,
            snapshot=snapshot,
            static=(),
            keep=keep,
            penalties=penalties,
            stated=stated,
        )
    if had_sets:
        log.report.notes.append(
            "The eligible sets were not read: they are written in the order of an action space, which is not known "
            "here. Give it with --actions or --factor."
        )
    if quarantine is not None:
        write_quarantine(log.quarantine, log.report.to_dict(), quarantine)
    return log, quarantine


def _of_arms(decisions: pd.DataFrame, arms: Sequence[str]) -> pd.DataFrame:
    """Decisions of some arms: where only one was drawn by chance, only it can be evaluated."""
    if "arm" not in decisions.columns:
        raise InvalidInput.missing_columns(["arm"], list(decisions.columns), role="table 'decisions' (--arm)")
    arm = decisions["arm"].astype("str")
    unknown = sorted(set(arms) - set(arm))
    if unknown:
        raise InvalidInput.in_column(
            "arm", "holds no such arm", values=unknown, mend=f"There are {', '.join(sorted(arm.unique()))}."
        )
    return decisions.loc[arm.isin(list(arms))].reset_index(drop=True)


def space_of_sources(
    sources: Mapping[str, str | None], factor: list[str] | None, no_contact: bool | None, encoding: str | None
) -> ActionSpace:
    """Action space from the factor columns of the decisions (or contacts)."""
    name = "contacts" if sources.get("decisions") is None else "decisions"
    wanted = [text.partition("=")[0] for text in factor] if factor else list(FACTORS)
    frame = read_table(str(sources[name]), table=name, encoding=encoding, columns=wanted)
    for column in ("channel", "tone"):  # LLAMADA and call are one action
        if column in frame.columns and not factor:
            words = {word: canonical_word(column, word) or word for word in frame[column].dropna().unique()}
            frame[column] = frame[column].map(words)
    return action_space({name: frame}, factor, no_contact)


def ingest_decisions(
    url: str,
    out: Path,
    console: Console,
    *,
    actions_file: Path | None,
    reward: str,
    window_days: float,
    as_of: datetime,
    drop_other_spaces: bool,
) -> None:
    """Write the decision log of the service as a log to train on and to evaluate on."""
    with DecisionLog(url) as log:
        space = _latest_space(log, as_of) if actions_file is None else read_actions(actions_file)
        with console.status("Joining decisions with their outcomes ..."):
            frame, roles = read_feedback_frame(
                log, space, reward, window_days, as_of, other_spaces="drop" if drop_other_spaces else "raise"
            )
        orphans = len(log.orphans())
    sets = EligibleSets.of_array(roles["eligible"])
    write_log_parts([(frame, sets)], out, actions=space, roles=roles)
    known = int(frame[roles["reward"]].notna().sum())
    console.print(
        f"{len(frame):,} decisions, {known:,} with a known reward ({reward} within {window_days:g} days), the others "
        f"not mature by {as_of.isoformat()}",
        highlight=False,
    )
    if orphans:
        console.print(f"[yellow]{orphans:,} outcomes name a decision that the log does not hold[/]", highlight=False)
    console.print(f"log: {out}", highlight=False)


def _instant(as_of: str | None) -> datetime:
    """Read an instant with its offset; None is now."""
    try:
        instant = datetime.now(UTC) if as_of is None else datetime.fromisoformat(as_of)
    except ValueError:
        instant = datetime.min  # noqa: DTZ901 - refused below, like any instant without an offset
    if instant.tzinfo is None:
        raise InvalidInput.in_column(
            "as_of", "is no instant with a UTC offset", values=[as_of], mend="Write e.g. 2026-11-22T10:00:00-05:00."
        )
    return instant


def _latest_space(log: DecisionLog, as_of: datetime) -> ActionSpace:
    """Action space of the latest decision, looked for from the end."""
    for days in (1, 30, None):
        since = None if days is None else as_of - timedelta(days=days)
        latest = None
        for rows in log.rows(since, None):
            latest = rows[-1]
        if latest is not None:
            return ActionSpace.from_dict(latest["action_space"])
    raise InvalidInput(
        "The decision log holds no decision.", column="from_log", mend="Check that the service writes to this log."
    )


def show(report: BuildReport, console: Console) -> None:
    """Print counts, reasons, families and notes."""
    counts = Table("table", "rows", "clean", "quarantined", title="Raw tables")
    for row in report.counts.itertuples(index=False):
        counts.add_row(row.table, f"{row.given:,}", f"{row.clean:,}", f"{row.quarantined:,}")
    console.print(counts)
    if len(report.reasons):
        reasons = Table("table", "column", "rule", "rows", title="In quarantine")
        for row in report.reasons.itertuples(index=False):
            reasons.add_row(row.table, row.column, row.rule, f"{row.rows:,}")
        console.print(reasons)
    families = Table("feature family", "columns", title="Context as of each decision")
    for family, names in report.families.items():
        families.add_row(family, ", ".join(names))
    console.print(families)
    for name, why in report.left_out.items():
        console.print(f"[yellow]left out[/] {name}: {why}", highlight=False)
    for note in report.notes:
        console.print(f"[dim]note:[/] {note}", highlight=False)


def read_penalties(given: Sequence[str] | None) -> dict[str, float] | None:
    """Minor units by outcome, from ``opt_out=500`` and the like; None where none was given."""
    penalties: dict[str, float] = {}
    for text in given or ():
        name, _, number = (part.strip() for part in text.partition("="))
        try:
            weight = float(number)
        except ValueError:
            raise InvalidInput(
                f"--penalty {text!r} names no outcome with its minor units.",
                column="penalty",
                mend="Write --penalty opt_out=500 --penalty complaint=2000.",
            ) from None
        if name in penalties:
            raise InvalidInput(
                f"--penalty {name} is given twice.", column="penalty", mend="Give one number for each outcome."
            )
        penalties[name] = weight
    return penalties or None
