"""``doctor``: what a data scientist wants to know of a log before learning from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from pipelines.ingest import DayOrder, DecimalSign, Source, prepare_from_sources
from pipelines.stated_options import Encoding, NoStopIn
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback, read_instants
from recommender.intake import Stated
from recommender.monitoring import Diagnosis, Finding, card_html, check_written_clock, diagnose, diagnose_refusal
from recommender.store.files import feedback_from_file, read_frame, read_roles, roles_path

COLOUR = {"stop": "red", "care": "yellow", "fine": "green"}
#: Share of a table in quarantine that asks for care, and that makes a log unfit.
_CARE, _STOP = 0.01, 0.2
GRADE = {"stop": "STOP", "care": "CARE", "fine": "note"}
Column = Annotated[str | None, typer.Option()]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("doctor")(run)


def run(
    log: Annotated[Path | None, typer.Argument(help="Log as Parquet or CSV; or give raw tables.")] = None,
    accounts: Source = None,
    decisions: Source = None,
    contacts: Source = None,
    outcomes: Source = None,
    payments: Source = None,
    factor: Annotated[
        list[str] | None,
        typer.Option("--factor", help="Factor column of a log, or factor=levels for raw tables; repeat for more."),
    ] = None,
    context: Annotated[list[str] | None, typer.Option("--context", help="Context column; repeat for more.")] = None,
    reward: Annotated[str | None, typer.Option(help="Reward column of a log, or reward of raw tables.")] = None,
    propensity: Column = None,
    account: Column = None,
    time: Column = None,
    cluster: Column = None,
    window_days: Annotated[float, typer.Option(help="Attribution window of raw tables.")] = 14.0,
    as_of: Annotated[str | None, typer.Option(help="Now, for raw tables; default: the clock.")] = None,
    naive_timezone: Annotated[str | None, typer.Option(help="IANA zone of instants without an offset.")] = None,
    dates: DayOrder = None,
    decimal: DecimalSign = None,
    default_timezone: Annotated[str, typer.Option(help="Debtor-local zone of accounts without one.")] = "UTC",
    no_stop_in: NoStopIn = None,
    encoding: Encoding = None,
    actions: Annotated[Path | None, typer.Option(help="JSON with the action space of raw tables.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a one-page card.")] = None,
) -> None:
    """Check a log: contract, leaks, overlap, delay, duplicates, clocks, thin cells; a verdict for each goal.

    Exit 0: there is a verdict, also one that nothing can be learnt or that no reward is known yet. Exit 2: not
    understood (the contract is broken so that no log can be built); the card says why.
    """
    console = Console(stderr=as_json)
    sources = {"accounts": accounts, "decisions": decisions, "contacts": contacts, "outcomes": outcomes}
    sources["payments"] = payments
    if log is None:
        given = _with_contacts(sources)
        try:
            log_of, _ = prepare_from_sources(
                given,
                console,
                factor=factor,
                actions_file=actions,
                encoding=encoding,
                reward=reward or "right_party_contact",
                window_days=window_days,
                as_of=as_of or datetime.now(UTC),
                naive_timezone=naive_timezone,
                default_timezone=default_timezone,
                stated=Stated(dates, decimal, naive_timezone, no_stop_in=tuple(no_stop_in or ())),
            )
            diagnosis = diagnose(LoggedFeedback.from_prepared(log_of), report=log_of.report, subject="raw tables")
        except InvalidInput as error:
            diagnosis = diagnose_refusal(error, subject="raw tables")
    else:
        columns = {"reward": reward, "propensity": propensity, "account": account, "time": time, "cluster": cluster}
        diagnosis = _of_log(log, factor, context, columns, naive_timezone, encoding)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(card_html(diagnosis), encoding="utf-8")
    if as_json:
        typer.echo(json.dumps(diagnosis.to_dict(), indent=1, ensure_ascii=False, default=str))
    else:
        show(diagnosis, console)
        if html is not None:
            console.print(f"card: {html}", highlight=False)
    if any(finding.code == "contract_broken" for finding in diagnosis.findings):
        raise typer.Exit(2)


def show(diagnosis: Diagnosis, console: Console) -> None:
    """Print findings and verdict."""
    table = Table("", "finding", "what was seen", "what to do", title=f"Check-up of {diagnosis.subject}")
    for finding in diagnosis.findings:
        colour = COLOUR[finding.grade]
        table.add_row(f"[{colour}]{GRADE[finding.grade]}[/]", finding.code, finding.what, finding.mend)
    console.print(table)
    console.print(
        f"learn: [bold]{diagnosis.learn}[/]   evaluate: [bold]{diagnosis.evaluate}[/]   "
        f"good for: [bold]{diagnosis.verdict}[/]",
        highlight=False,
    )


def _with_contacts(sources: dict[str, str | None]) -> dict[str, str | None]:
    if sources["contacts"] is None:
        raise InvalidInput(
            "There is nothing to examine.", column="log", mend="Give a log file, or raw tables with --contacts."
        )
    return sources


def _of_log(
    path: Path,
    factor: list[str] | None,
    context: list[str] | None,
    columns: dict[str, str | None],
    naive_timezone: str | None,
    encoding: str | None,
) -> Diagnosis:
    frame = read_frame(path, encoding=encoding)
    zones = frame["timezone"] if "timezone" in frame.columns else None
    findings: list[Finding] = []
    try:
        by_name = bool(factor) or not roles_path(path).is_file()
        time = _time_column(frame, columns) if by_name else read_roles(path).get("time")
        if isinstance(time, str) and time in frame.columns:
            findings += check_written_clock(frame[time], time, zones=zones, naive_timezone=naive_timezone)
            frame = _on_one_clock(frame, time, naive_timezone)
        if by_name:
            feedback = _by_columns(frame, factor or _guessed_factors(frame), context, columns)
        else:
            feedback = feedback_from_file(path)
        findings += _lost_on_the_way(path)
    except InvalidInput as error:
        return diagnose_refusal(error, subject=path.name, more=findings)
    return diagnose(feedback, zones=zones, subject=path.name, more=findings)


def _lost_on_the_way(path: Path) -> list[Finding]:
    """What ``ingest`` set aside when it made the log: a verdict on the rest alone would be one on the lucky rows."""
    report = path.with_name(path.name + ".quarantine") / "report.json"
    if not report.is_file():
        return []
    findings = []
    for row in json.loads(report.read_text(encoding="utf-8"))["tables"]:
        share = row["quarantined"] / max(row["given"], 1)
        if row["quarantined"]:
            grade: Literal["stop", "care", "fine"] = "stop" if share > _STOP else "care" if share > _CARE else "fine"
            findings.append(
                Finding(
                    "quarantine",
                    f"{row['quarantined']:,} of {row['given']:,} {row['table']} ({share:.1%}) are in quarantine.",
                    f"Read {report.parent / (row['table'] + '.quarantine.csv')}: each row has its reason and mend.",
                    grade,
                    grade,
                    {"rows": row["quarantined"], "share": share},
                )
            )
    return findings


def _time_column(frame: pd.DataFrame, columns: dict[str, str | None]) -> str | None:
    return columns["time"] or next((name for name in ("decided_at", "sent_at") if name in frame.columns), None)


def _on_one_clock(frame: pd.DataFrame, time: str, naive_timezone: str | None) -> pd.DataFrame:
    """Text instants read, naive ones on the stated zone; a column that is no instant stays as it is."""
    if not pd.api.types.is_string_dtype(frame[time].dtype):
        return frame
    values = read_instants(frame[time], naive_timezone).values
    return (
        frame.assign(**{time: values.to_numpy(dtype=object)}).astype({time: values.dtype})
        if values.notna().all()
        else frame
    )


def _by_columns(
    frame: pd.DataFrame, factor: list[str], context: list[str] | None, columns: dict[str, str | None]
) -> LoggedFeedback:
    """Build the log from named columns; a column with the name of its role needs no naming."""
    usual: dict[str, tuple[str, ...]] = {
        "reward": ("reward",),
        "propensity": ("propensity",),
        "account": ("account_id",),
        "cluster": ("debtor_id",),
    }
    usual["time"] = ("decided_at", "sent_at")
    roles: dict[str, Any] = {
        role: given or next((name for name in usual[role] if name in frame.columns), None)
        for role, given in columns.items()
    }
    roles["reward"] = roles["reward"] or "reward"
    taken = {*factor, *(name for name in roles.values() if name), "decision_id", "known_at", "policy_version"}
    names = context or [str(name) for name in frame.columns if name not in taken]
    return LoggedFeedback.from_frame(frame, actions=factor, context=names, **roles)


def _guessed_factors(frame: pd.DataFrame) -> list[str]:
    if factors := [name for name in ("channel", "hour", "tone") if name in frame.columns]:
        return factors
    raise InvalidInput(
        "It is not known which columns are the action.",
        column="factor",
        mend="Name them: --factor channel --factor hour.",
    )
