"""``packs``: list, show, compare and test the rule packs, and write their page."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from recommender.errors import RecommenderError
from recommender.reports import GENERATED_FROM_HERE, describe_pack, describe_packs
from recommender.rules import (
    Pack,
    check_in_force,
    load_pack,
    pack_digest,
    pack_ids,
    pack_warnings,
    parse_pack,
    run_examples,
)

PAGES = (Path("docs/guardrails.md"), Path("docs/guardrails.es.md"))


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    packs = typer.Typer(help="List, show, compare and test the rule packs.", no_args_is_help=True)
    packs.command("list")(show_all)
    packs.command("show")(show)
    packs.command("diff")(diff)
    packs.command("test")(run_tests)
    packs.command("docs")(docs)
    app.add_typer(packs, name="packs")


def show_all() -> None:
    """One line a pack, and what is due for review."""
    today = datetime.now(UTC).date()
    chosen = [load_pack(pack) for pack in pack_ids()]
    for pack in chosen:
        typer.echo(
            f"{pack.id:6} {pack.pack_version:10} {pack.kind:12} reviewed {pack.reviewed_on} "
            f"{pack_digest(pack)[:12]}  {pack.title}"
        )
    for warning in pack_warnings(chosen, today):
        typer.echo(f"warning: {warning}", err=True)
    check_in_force(chosen, today)


def show(pack: Annotated[str, typer.Argument(help="Pack id, or path of a TOML file.")]) -> None:
    """Rules, citations, sources and open questions of a pack."""
    typer.echo(describe_pack(_read(pack)))


def diff(
    first: Annotated[str, typer.Argument(help="Pack id or path.")],
    second: Annotated[str, typer.Argument(help="Pack id or path.")],
) -> None:
    """What differs between two packs, rule by rule."""
    one, other = (describe_pack(_read(pack)).splitlines() for pack in (first, second))
    typer.echo("\n".join(difflib.unified_diff(one, other, first, second, lineterm="", n=0)) or "no difference")


def run_tests(packs: Annotated[list[str] | None, typer.Argument(help="Ids or paths; default: all.")] = None) -> None:
    """Run the examples that the packs carry; exit 1 when one disagrees."""
    failed = 0
    for name in packs or pack_ids():
        results = run_examples(_read(name))
        wrong = [result for result in results if not result.agrees]
        failed += len(wrong)
        typer.echo(f"{name:6} {len(results) - len(wrong)}/{len(results)} examples agree")
        for result in wrong:
            typer.echo(
                f"  {result.case.name}: stated {'allowed' if result.case.allowed else result.case.rules},"
                f" judged {'allowed' if result.allowed else result.rules}"
            )
    if failed:
        raise typer.Exit(1)


def docs(
    page: Annotated[
        list[Path] | None, typer.Option(help="Page whose generated part is rewritten; in Spanish if it ends in .es.md.")
    ] = None,
) -> None:
    """Rewrite the generated part of the page about guardrails, in English and in Spanish."""
    for path in page or PAGES:
        written = path.read_text(encoding="utf-8").split(GENERATED_FROM_HERE)[0]
        packs = describe_packs(language="es" if path.name.endswith(".es.md") else "en")
        path.write_text(f"{written}{GENERATED_FROM_HERE}\n\n{packs}", encoding="utf-8")
        typer.echo(f"wrote {path}")


def _read(name: str) -> Pack:
    path = Path(name)
    try:
        return parse_pack(path.read_text(encoding="utf-8"), origin=name) if path.suffix == ".toml" else load_pack(name)
    except (RecommenderError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
