"""``check``: whether a contact may be made, at an instant, over a channel."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from pipelines.stated_options import NoStopIn
from recommender.errors import InvalidInput, RecommenderError
from recommender.intake import (
    Stated,
    TableReading,
    account_zones,
    day_told,
    doubt_statuses,
    doubt_told_contacts,
    doubt_unread_stops,
    refuse_faults,
    refuse_no_contacts,
    renamed_columns,
)
from recommender.rules import FLAGS, TOLD_FLAGS, check_case, check_lines, rule_citations
from recommender.store.files import read_table

DENIED = 3
_CONTACT = ("account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "place", "promise_date",
            "callback_at")  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("check")(check)


def check(
    pack: Annotated[list[str] | None, typer.Option(help="Rule pack; repeat to intersect several.")] = None,
    channel: Annotated[str | None, typer.Option(help="call, sms, whatsapp, email, ivr, letter or visit.")] = None,
    at: Annotated[str | None, typer.Option(help="Instant with a UTC offset, e.g. 2026-11-22T10:00:00-05:00.")] = None,
    purpose: Annotated[str, typer.Option(help="What the contact is for.")] = "collection",
    account: Annotated[
        Path | None, typer.Option(help="JSON object of the account; without it, all is unknown.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="Contacts (CSV, Parquet, XLSX, JSON lines); without it, nobody knows them.")
    ] = None,
    no_contacts_yet: Annotated[
        bool, typer.Option("--no-contacts-yet", help="State that the debtor was never contacted.")
    ] = False,
    overlay: Annotated[list[Path] | None, typer.Option(help="Overlay pack (TOML); it can only tighten.")] = None,
    reading: Annotated[list[str] | None, typer.Option(help="Rule id to take in its looser reading.")] = None,
    no_stop_in: NoStopIn = None,
    cases: Annotated[Path | None, typer.Option(help="JSON lines to judge in bulk.")] = None,
    every_event: Annotated[
        bool,
        typer.Option(
            "--every-event", help="With --cases: wrong_party, not_connected and unknown outcomes stop as in a plan."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where the verdicts of --cases go; default: standard output.")
    ] = None,
) -> None:
    """Check one contact (exit 0 allowed, 3 denied), or many with --cases (exit 0).

    Account and history are read as ``score`` reads them, and what their events say stops as it does in a plan. A line
    of --cases is the format of docs/guardrails.md: there ``wrong_party`` and ``not_connected`` are what the laws count.
    """
    try:
        overlays = [path.read_text(encoding="utf-8") for path in overlay or []]
        if cases is not None:
            _bulk(cases, out, overlays, reading or [], every_event=every_event)
            return
        if not pack or channel is None or at is None:
            raise typer.BadParameter("give --pack, --channel and --at, or --cases")
        if no_contacts_yet and history is not None:
            raise typer.BadParameter("--history and --no-contacts-yet contradict each other: give one")
        stated = Stated(no_stop_in=tuple(no_stop_in or ()), no_contacts_yet=no_contacts_yet)
        case = {
            "id": "check",
            "packs": pack,
            "at": at,
            "channel": channel,
            "purpose": purpose,
            "account": {} if account is None else (facts := _account(account, stated, at)),
            "contacts": []
            if no_contacts_yet
            else None
            if history is None
            else _contacts(history, facts if account else {}, stated),
        }
        verdict = check_case(case, overlays=overlays, readings=reading or [], every_event=True)
    except (RecommenderError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    sources = {} if verdict["rules"] == ["input"] else rule_citations(pack)
    lines = [f"allowed: {'yes' if verdict['allowed'] else 'no'}"]
    for rule in verdict["rules"]:
        cited = sources.get(rule, "")
        lines.append(f"rule: {rule}" + (f"  ({cited})" if cited else ""))
    if verdict["rules"] == ["input"]:
        lines.append(f"The case cannot be read: {verdict['field']} {verdict['problem']}.")
    lines.append(f"next allowed: {verdict['next_allowed_at'] or 'not within 60 days'}")
    typer.echo("\n".join(lines))
    if not verdict["allowed"]:
        raise typer.Exit(DENIED)


def _bulk(cases: Path, out: Path | None, overlays: list[str], readings: list[str], *, every_event: bool) -> None:
    # Split at line feeds only: other separators of Unicode may stand inside a JSON text.
    with cases.open("rb") as lines:
        verdicts = check_lines(lines, overlays=overlays, readings=readings, every_event=every_event)
        if out is None:
            for verdict in verdicts:
                typer.echo(verdict)
            return
        with out.open("w", encoding="utf-8", newline="\n") as sink:
            for verdict in verdicts:
                sink.write(verdict + "\n")


def _account(path: Path, stated: Stated, at: str) -> dict[str, Any]:
    """Facts of an account in any spelling, as the format of a case has them."""
    document = json.loads(path.read_bytes())  # in any Unicode encoding
    if not isinstance(document, dict):
        raise InvalidInput(f"{path} holds no JSON object.", column="account", mend="Write one account as an object.")
    frame = pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in document.items()})
    frame = frame.rename(columns=renamed_columns(frame.columns, "accounts"))
    reading = TableReading("accounts", stated)
    reading.observe(frame)
    read = reading.read(frame)
    doubt_unread_stops(reading, frame)
    doubt_told_contacts(reading, frame)
    doubt_statuses(reading, frame, read, day_told(at))
    _say(refuse_faults([reading], 0.0))
    facts = {str(name): read[name].iloc[0] if name in reading.columns else document[name] for name in read}
    for name, value in facts.items():
        if name in ("consented_channels", "channels_consented", "flags") and isinstance(value, str):
            facts[name] = [item for item in value.split(";") if item]
        elif name in reading.columns and (value is None or value != value):
            facts[name] = None
        elif isinstance(value, np.generic):
            facts[name] = value.item()
    raised = [name for name in FLAGS if facts.get(name) is True]
    if raised or all(facts.get(name) is False for name in TOLD_FLAGS):
        facts["flags"] = [*(facts.get("flags") or []), *raised]
    return facts | {"consented_channels": facts.get("consented_channels", facts.get("channels_consented"))}


def _say(notes: list[str]) -> None:
    """What was read otherwise than it stands, and stops nothing."""
    for note in notes:
        typer.echo(f"note: {note}", err=True)


def _contacts(path: Path, account: dict[str, Any], stated: Stated) -> list[dict[str, Any]]:
    """Contacts of a table in any spelling, as the format of a case has them; an empty cell is unknown."""
    reading = TableReading("contacts", stated)
    frame = read_table(path, table="contacts")
    refuse_no_contacts(len(frame), path)
    reading.observe(frame)
    zone = account_zones(pd.DataFrame({name: [account.get(name)] for name in ("timezone", "country")})).iloc[0]
    read = reading.read(frame, pd.Series([zone] * len(frame), dtype=object))
    doubt_unread_stops(reading, frame)
    if "sent_at" not in read:
        raise InvalidInput.missing_columns(["sent_at"], frame.columns.tolist(), role="contact history")
    _say(refuse_faults([reading], 0.0))
    names = [name for name in _CONTACT if name in read]
    rows = []
    for row in read[names].to_dict("records"):
        contact = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        rows.append(
            {name: value.isoformat() if isinstance(value, datetime) else value for name, value in contact.items()}
        )
    return rows
