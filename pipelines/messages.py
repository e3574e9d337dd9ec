"""``messages``: check a catalogue of templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recommender.errors import RecommenderError
from recommender.messages import (
    Catalogue,
    default_catalogue,
    described,
    lint_catalogue,
    own_catalogue,
    own_findings,
)
from recommender.store.files import read_template_sources


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    messages = typer.Typer(help="Check and show message templates.", no_args_is_help=True)
    messages.command("lint")(lint)
    messages.command("list")(show_all)
    app.add_typer(messages, name="messages")


def lint(
    catalogue: Annotated[
        list[Path] | None, typer.Argument(help="Files, tables or folders of templates; default: the packaged ones.")
    ] = None,
) -> None:
    """Find threats, court look-alikes, questions why, texts too long or that nobody approved; exit 1 if there are any.

    It is the check that `score`, `plan` and the service make before they use a catalogue.
    """
    chosen = _read(catalogue)
    findings = own_findings(chosen) if catalogue else lint_catalogue(chosen)
    for finding in findings:
        typer.echo(f"{finding.template_id}: {finding.key}: {finding.rule}: {finding.excerpt!r}. {finding.mend}")
    drafts = sum(not one.approved for one in chosen.templates)
    told = f", {drafts} of them drafts" if drafts else ""
    typer.echo(f"{len(chosen)} templates in {', '.join(chosen.languages)}{told}: {len(findings)} findings")
    typer.echo(f"digest {chosen.digest}")
    if findings:
        raise typer.Exit(1)


def show_all(
    catalogue: Annotated[
        list[Path] | None, typer.Argument(help="Files, tables or folders of templates; default: the packaged ones.")
    ] = None,
) -> None:
    """One line a template."""
    for one in described(_read(catalogue)):
        told = [f"{one['id']:45}", one["tone"], f"{'/'.join(one['channels']):12}", "/".join(one["stages"])]
        told += [f"{one['sms_segments']} segments"] if one["sms_segments"] is not None else []
        told += [f"{one['sms_cost_minor']:g} minor units"] if one["sms_cost_minor"] is not None else []
        told += [f"{one['whatsapp_template']} ({one['whatsapp_category']})"] if one["whatsapp_template"] else []
        told += [f"v{one['version']}"] if one["version"] else []
        told += [f"approved by {one['approved_by']}"] if one["approved_by"] else []
        typer.echo(" ".join(told + ([] if one["approved"] else ["draft"])))


def _read(files: list[Path] | None) -> Catalogue:
    if not files:
        return default_catalogue()
    try:
        return own_catalogue(read_template_sources(files), checked=False)
    except (RecommenderError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
