"""What a caller says of columns that nobody reads; apart from :mod:`pipelines.own_files`, which loads the learners."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["NoStopIn"]

NoStopIn = Annotated[
    list[str] | None,
    typer.Option("--no-stop-in", help="Column that says no stop, whatever its name and cells; repeat for more."),
]
