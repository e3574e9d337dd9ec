"""``python -m pipelines <verb>``: every verb reads files, calls the library and writes files."""

from __future__ import annotations

import sys
from importlib import import_module

import typer
from rich.console import Console
from rich.markup import escape

from recommender.errors import RecommenderError

VERBS = (
    "simulate",
    "map",
    "ingest",
    "doctor",
    "train",
    "evaluate",
    "backtest",
    "score",
    "plan",
    "registry",
    "privacy",
    "check",
    "packs",
    "messages",
    "demo",
    "demo_site",
    "report",
)

app = typer.Typer(
    help="Learn which contact works for each debtor, prove it, and plan the next ones inside the law.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def build_app() -> typer.Typer:
    """Register the commands of every verb module."""
    for verb in VERBS:
        import_module(f"pipelines.{verb}").register(app)
    return app


def main() -> None:
    """Run a verb; an error of ours, or of a file, is one clear message and exit code 2, not a traceback."""
    build_app()
    try:
        app()
    except RecommenderError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        told = f"{error.filename} cannot be read or written ({error.strerror}). Check the path and the rights to it."
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(told)}", highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
