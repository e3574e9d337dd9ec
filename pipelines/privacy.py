"""``python -m pipelines forget | export-debtor | retain``: what people and the calendar ask of the decision log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from recommender.store.decision_log import DecisionLog, Removal, debtor_export
from recommender.store.files import drop_page_copies

Url = Annotated[str, typer.Option("--log", envvar="RECOMMENDER_DECISION_LOG_URL", help="URL of the decision log.")]
Portfolio = Annotated[
    Path | None,
    typer.Option(
        "--portfolio",
        envvar="RECOMMENDER_PORTFOLIO_PATH",
        help="Folder of the managers' pages, whose copies of the log (kept/) are deleted with it.",
    ),
]
By = Annotated[str, typer.Option("--requested-by", help="Who handles the request: an operator, not the data subject.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("forget")(forget)
    app.command("export-debtor")(export_debtor)
    app.command("retain")(retain)


def forget(
    debtor_id: Annotated[str, typer.Argument(help="Whose data to erase.")],
    log: Url,
    requested_by: By,
    portfolio: Portfolio = None,
) -> None:
    """Erase everything that the decision log, and the pages' copies of it, hold about one debtor."""
    with DecisionLog(log) as opened:
        _show(opened.erase(requested_by=requested_by, at=datetime.now(UTC), debtor_id=debtor_id))
    drop_page_copies(portfolio)


def export_debtor(
    debtor_id: Annotated[str, typer.Argument(help="Whose data to give out.")],
    log: Url,
    out: Annotated[Path | None, typer.Option(help="JSON file; default: standard output.")] = None,
) -> None:
    """Give everything that the decision log holds about one debtor, as JSON."""
    with DecisionLog(log) as opened:
        text = json.dumps(debtor_export(opened, debtor_id), indent=2, ensure_ascii=False)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def retain(
    days: Annotated[int, typer.Option(min=1, help="Decisions older than this many days are deleted.")],
    log: Url,
    requested_by: By,
    portfolio: Portfolio = None,
) -> None:
    """Delete decisions of that age with their outcomes and events (retention)."""
    now = datetime.now(UTC)
    with DecisionLog(log) as opened:
        _show(opened.purge(now - timedelta(days=days), requested_by=requested_by, at=now))
    drop_page_copies(portfolio)


def _show(removal: Removal) -> None:
    Console().print(f"{removal.decisions:,} decisions and {removal.outcomes:,} outcomes were deleted", highlight=False)
