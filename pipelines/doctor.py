"""``doctor``: what a data scientist wants to know of a log before learning from it."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
