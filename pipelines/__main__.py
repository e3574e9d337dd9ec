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
    "best_hour",
    "registry",
    "privacy",
    "pseudonymise",
    "check",
    "packs",
    "messages",
    "demo",
    "demo_site",
    "report",
)


def _several_verbs() -> None:
    """Keep the verb's name on the command line, even where one verb alone is registered."""


def build_app(asked: str | None = None) -> typer.Typer:
    """Register the commands of the verb asked for, so that none waits for the libraries of another; else of all."""
    app = typer.Typer(
        help="Learn which contact works for each debtor, prove it, and plan the next ones inside the law.",
        callback=_several_verbs,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    module = (asked or "").replace("-", "_")
    for verb in (module,) if module in VERBS else VERBS:
        import_module(f"pipelines.{verb}").register(app)
    return app


def main() -> None:
    """Run a verb; an error of ours, or of a file, is one clear message and exit code 2, not a traceback."""
    app = build_app(next(iter(sys.argv[1:]), None))
    try:
        app()
    except RecommenderError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        message = f"{error.filename} cannot be read or written ({error.strerror}). Check the path and the rights to it."
        Console(stderr=True, soft_wrap=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
