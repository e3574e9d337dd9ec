"""What a user states of a source, for every verb that reads one; nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Encoding", "NoStopIn"]

Encoding = Annotated[str | None, typer.Option(help="Of CSV files that are not Unicode, e.g. cp1252.")]

NoStopIn = Annotated[
    list[str] | None,
    typer.Option(
        "--no-stop-in",
        help="Column that says no stop and tells no contact, whatever its name and cells; repeat for more.",
    ),
]
