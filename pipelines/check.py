"""``check``: whether a contact may be made, at an instant, over a channel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from recommender.errors import InvalidInput, RecommenderError
from recommender.intake import TableReading, refuse_faults
from recommender.rules import check_case, check_lines, rule_citations
from recommender.store.files import read_table

DENIED = 3
_CONTACT = ("account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "place")


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
    overlay: Annotated[list[Path] | None, typer.Option(help="Overlay pack (TOML); it can only tighten.")] = None,
    reading: Annotated[list[str] | None, typer.Option(help="Rule id to take in its looser reading.")] = None,
    cases: Annotated[Path | None, typer.Option(help="JSON lines to judge in bulk.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the verdicts of --cases go; default: standard output.")
    ] = None,
) -> None:
    """Check one contact (exit 0 allowed, 3 denied), or many with --cases (exit 0)."""
    try:
        overlays = [path.read_text(encoding="utf-8") for path in overlay or []]
        if cases is not None:
            _bulk(cases, out, overlays, reading or [])
            return
        if not pack or channel is None or at is None:
            raise typer.BadParameter("give --pack, --channel and --at, or --cases")
        case = {
            "id": "check",
            "packs": pack,
            "at": at,
            "channel": channel,
            "purpose": purpose,
            "account": {} if account is None else json.loads(account.read_text(encoding="utf-8")),
            "contacts": None if history is None else _contacts(history),
        }
        verdict = check_case(case, overlays=overlays, readings=reading or [])
    except (RecommenderError, OSError, json.JSONDecodeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    sources = {} if verdict["rules"] == ["input"] else rule_citations(pack)
    lines = [f"allowed: {'yes' if verdict['allowed'] else 'no'}"]
    for rule in verdict["rules"]:
        cited = sources.get(rule, "")
        lines.append(f"rule: {rule}" + (f"  ({cited})" if cited else ""))
    if verdict["rules"] == ["input"]:
        lines.append("The case cannot be read: see docs/guardrails.md for the format.")
    lines.append(f"next allowed: {verdict['next_allowed_at'] or 'not within 60 days'}")
    typer.echo("\n".join(lines))
    if not verdict["allowed"]:
        raise typer.Exit(DENIED)


def _bulk(cases: Path, out: Path | None, overlays: list[str], readings: list[str]) -> None:
    # Split at line feeds only: other separators of Unicode may stand inside a JSON text.
    with cases.open("rb") as lines:
        verdicts = check_lines(lines, overlays=overlays, readings=readings)
        if out is None:
            for verdict in verdicts:
                typer.echo(verdict)
            return
        with out.open("w", encoding="utf-8", newline="\n") as sink:
            for verdict in verdicts:
                sink.write(verdict + "\n")


def _contacts(path: Path) -> list[dict[str, Any]]:
    """Contacts of a table in any spelling, as the format of a case has them; an empty cell is unknown."""
    reading = TableReading("contacts")
    frame = read_table(path, table="contacts")
    reading.observe(frame)
    read = reading.read(frame)
    if "sent_at" not in read:
        raise InvalidInput.missing_columns(["sent_at"], frame.columns.tolist(), role="contact history")
    refuse_faults([reading], 0.0)
    held = [name for name in _CONTACT if name in read]
    rows = []
    for row in read[held].to_dict("records"):
        contact = {str(name): None if pd.isna(value) else value for name, value in row.items()}
        rows.append(contact | {"sent_at": contact["sent_at"].isoformat() if contact["sent_at"] is not None else None})
    return rows
