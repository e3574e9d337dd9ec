"""Files of an agency's own that several verbs take: templates, price list, offers made before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
import typer

from recommender.deciding import OBJECTIVES, Objective
from recommender.errors import InvalidInput
from recommender.store.files import read_table, read_template_sources

__all__ = [
    "Authority",
    "Levers",
    "ObjectiveName",
    "Offered",
    "Offers",
    "Overlays",
    "SegmentRules",
    "Templates",
    "Without",
    "offered_before",
    "own_files",
    "read_objective",
    "told_objective",
]

Overlays = Annotated[list[Path] | None, typer.Option(help="Rule pack of your own (TOML); it can only tighten.")]
Templates = Annotated[
    list[Path] | None,
    typer.Option(help="Your own messages: TOML files, tables, or a folder of them (docs/own-templates.md)."),
]
Offers = Annotated[
    Path | None,
    typer.Option(help="Price list (TOML): offers, their range and the budget (docs/purposes.md)."),
]
Offered = Annotated[
    list[str] | None,
    typer.Option(help="Offers made before: account_id, offer_id, offered_at ...; the last run wrote such a table."),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        help="HOUSE, TRADE or PURPOSE: switch this pack of the house off; all hold beside the law by default."
    ),
]
SegmentRules = Annotated[
    Path | None, typer.Option(help="Your own segments (TOML, docs/segments.md); default: those of the package.")
]
Authority = Annotated[
    Literal["automatic", "agent", "supervisor"], typer.Option(help="Whose word the offers of this run have.")
]

ObjectiveName = Annotated[str, typer.Option(help=f"What is maximised: {', '.join(OBJECTIVES)} (docs/objective.md).")]
Levers = Annotated[
    Path | None, typer.Option(help="Weights, minimum shares and floors (TOML); they are bounded, and logged.")
]


def own_files(
    overlays: Sequence[Path] | None,
    templates: Sequence[Path] | None,
    offers: Path | None = None,
    segments: Path | None = None,
) -> dict[str, Any]:
    """Read them for a :class:`~recommender.planning.PlanOrder`.

    Raises
    ------
    InvalidInput
        For a file that is not there.
    """
    for path in [*(overlays or ()), *(one for one in (offers, segments) if one is not None)]:
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.", column="path", mend="Check the path.")
    return {
        "overlays": tuple(path.read_text(encoding="utf-8") for path in overlays or ()),
        "templates": read_template_sources(templates or ()),
        "offers": None if offers is None else (str(offers), offers.read_text(encoding="utf-8")),
        "segments": None if segments is None else (str(segments), segments.read_text(encoding="utf-8")),
    }


def offered_before(sources: Sequence[str] | None, offers: Path | None) -> list[pd.DataFrame]:
    """Tables of offers made before.

    Raises
    ------
    InvalidInput
        Where there is no price list that they belong to, or a table cannot be read.
    """
    if sources and offers is None:
        raise InvalidInput("--offered is for --offers only.", column="offered", mend="Give the price list too.")
    return [read_table(source, table="offered") for source in sources or ()]


def read_objective(name: str, levers: Path | None) -> Objective:
    """What a run is after, the name before that of the file.

    Raises
    ------
    InvalidInput
        For a file that is not there, and for names and numbers out of bounds.
    """
    if levers is not None and not levers.is_file():
        raise InvalidInput(f"There is no file {levers}.", column="levers", mend="Check the path.")
    text = "" if levers is None else levers.read_text(encoding="utf-8")
    return Objective.from_toml(text, str(levers or "objective"), objective=None if name == "reward" else name)


def told_objective(objective: Objective) -> str:
    """What is maximised and how the business leans on it, in a line."""
    leaning = "; ".join(lever.model_dump_json(exclude_defaults=True) for lever in objective.levers)
    return f"maximised: {objective.name} {leaning}".rstrip()
