"""``messages``: check a catalogue of templates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recommender.errors import RecommenderError
from recommender.messages import Catalogue, default_catalogue, lint_catalogue, sample_text, sms_length


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    messages = typer.Typer(help="Check and show message templates.", no_args_is_help=True)
    messages.command("lint")(lint)
    messages.command("list")(show_all)
    app.add_typer(messages, name="messages")


def lint(
    catalogue: Annotated[list[Path] | None, typer.Argument(help="Catalogue files; default: the packaged ones.")] = None,
) -> None:
    """Find threats, court look-alikes, questions why, and texts that are too long; exit 1 when there are any."""
    chosen = _read(catalogue)
    findings = lint_catalogue(chosen)
    for finding in findings:
        typer.echo(f"{finding.template_id}: {finding.rule}: {finding.excerpt!r}. {finding.mend}")
    typer.echo(f"{len(chosen)} templates in {', '.join(chosen.languages)}: {len(findings)} findings")
    if findings:
        raise typer.Exit(1)


def show_all(
    catalogue: Annotated[list[Path] | None, typer.Argument(help="Catalogue files; default: the packaged ones.")] = None,
) -> None:
    """One line a template."""
    for template in _read(catalogue).templates:
        segments = f" {sms_length(sample_text(template)).segments} segments" if "sms" in template.channels else ""
        typer.echo(
            f"{template.id:45} {template.tone} {'/'.join(template.channels):12} {'/'.join(template.stages)}{segments}"
        )


def _read(files: list[Path] | None) -> Catalogue:
    if not files:
        return default_catalogue()
    try:
        return Catalogue.from_toml({str(path): path.read_text(encoding="utf-8") for path in files})
    except (RecommenderError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
