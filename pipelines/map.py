"""``map``: an export of a dialler, a provider or a bank as the five tables; a dry run first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import typer
from rich.table import Table

from pipelines.evaluate import wide_console
from pipelines.stated_options import NoStopIn
from recommender.errors import InvalidInput
from recommender.intake import (
    Mapped,
    Profile,
    Stated,
    flat_rows,
    map_export,
    plain_word,
    point_key,
    propose_profiles,
    source_profiles,
)
from recommender.store.files import json_documents, read_table, write_frame

_SHOWN = 40


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("map")(run)


def run(
    export: Annotated[Path | None, typer.Argument(help="Export: CSV, XLSX, JSON lines, Parquet.")] = None,
    profile: Annotated[str | None, typer.Option(help="Packaged profile, or a TOML file; default: proposed.")] = None,
    phones: Annotated[
        Path | None, typer.Option(help="Table of account_id and phone (or email): looked up here, never written.")
    ] = None,
    naive_timezone: Annotated[str | None, typer.Option(help="IANA zone of the source's local times.")] = None,
    dates: Annotated[Literal["dmy", "mdy"] | None, typer.Option(help="Order of day and month.")] = None,
    decimal: Annotated[Literal["comma", "point"] | None, typer.Option(help="Decimal sign.")] = None,
    word: Annotated[list[str] | None, typer.Option(help="Further word, e.g. 'YA PAGO=paid'; repeat.")] = None,
    scale: Annotated[float | None, typer.Option(help="Minor units that one unit of an amount is worth.")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a CSV file that is not Unicode, e.g. cp1252.")] = None,
    no_stop_in: NoStopIn = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the tables to write; without it a dry run.")] = None,
) -> None:
    """Show what an export becomes (a dry run), and write it with --out. Without an export, list the profiles.

    Exit 2 where a word of the source is unmapped or an amount is hard to believe: nothing is written then.
    """
    console = wide_console()
    if export is None:
        listed = Table("profile", "source", title="Packaged profiles")
        for one in source_profiles().values():
            listed.add_row(one.name, one.title)
        console.print(listed)
        return
    chosen, frame = _read(export, profile, encoding)
    console.print(f"{export}: profile {chosen.name} ({chosen.title})", highlight=False)
    mapped = map_export(
        frame,
        chosen,
        phones=None if phones is None else _points(phones, encoding),
        stated=Stated(dates, decimal, naive_timezone, no_stop_in=tuple(no_stop_in or ())),
        words=dict(text.rsplit("=", 1) for text in word or ()),
        scale=scale,
    )
    for line in _told(mapped):
        console.print(line, highlight=False, markup=False)
    if problems := [*(f"unmapped: {one}" for one in mapped.unmapped), *mapped.doubts]:
        raise InvalidInput(
            "Nothing is written: " + " ".join(problems),
            column="outcome" if mapped.unmapped else "scale",
            mend="Map each word with --word 'WORD=outcome' (words in data/README.md; '-' leaves no trace)."
            if mapped.unmapped
            else "",
        )
    if out is None:
        console.print("dry run: nothing was written; give --out FOLDER", highlight=False)
        return
    for name, table in mapped.tables.items():
        path = out / f"{name}.parquet"
        whole = pd.concat([pd.read_parquet(path), table], ignore_index=True) if path.is_file() else table
        write_frame(whole.drop_duplicates(ignore_index=True), path)
        console.print(f"wrote {path}: {len(whole):,} rows", highlight=False)


def _read(export: Path, name: str | None, encoding: str | None = None) -> tuple[Profile, pd.DataFrame]:
    frame = read_table(export, table="export", encoding=encoding)
    if name is None:
        proposed = propose_profiles(frame.columns)
        if not proposed:
            raise InvalidInput(
                f"No packaged profile fits the columns of {export}: {', '.join(map(str, frame.columns[:20]))}.",
                column="profile",
                mend="Write one (docs/exports.md) and name it with --profile FILE.toml.",
            )
        name = proposed[0][0]
    packaged = source_profiles()
    if name in packaged:
        chosen = packaged[name]
    elif Path(name).is_file():
        chosen = Profile.from_toml(Path(name).read_text(encoding="utf-8"), Path(name).stem)
    else:
        raise InvalidInput(
            f"There is no profile {name!r}.", column="profile", mend=f"Use one of {', '.join(packaged)}."
        )
    if chosen.rows:
        frame = flat_rows(json_documents(export), chosen.rows)
    return chosen, frame


def _points(path: Path, encoding: str | None = None) -> dict[str, str]:
    """Contact point -> account; a point of several accounts is looked up for none of them."""
    frame = read_table(path, table="phones", encoding=encoding)
    named = {plain_word(str(name)): name for name in frame.columns}
    if "account_id" not in named:
        raise InvalidInput.missing_columns(["account_id"], frame.columns.tolist(), role="table 'phones'")
    accounts_of: dict[str, set[str]] = {}
    for name in frame.columns:
        if name != named["account_id"]:
            for point, account in zip(frame[name], frame[named["account_id"]], strict=True):
                if (key := point_key(point)) is not None:
                    accounts_of.setdefault(key, set()).add(str(account))
    return {point: next(iter(accounts)) for point, accounts in accounts_of.items() if len(accounts) == 1}


def _told(mapped: Mapped) -> list[str]:
    lines = []
    for (table, column), words in mapped.became.items():
        for word, (to, rows) in sorted(words.items(), key=lambda item: -item[1][1])[:_SHOWN]:
            said = "UNMAPPED" if to is None else "left out" if to == "-" else to
            lines.append(f"  {table}.{column}: {word!r} -> {said} ({rows:,} rows)")
    lines += [
        f"  {name}: {len(table):,} rows, columns {', '.join(table.columns)}" for name, table in mapped.tables.items()
    ]
    if mapped.without_account:
        lines.append(f"  {mapped.without_account:,} rows have a phone number or address of no account: left out")
    return lines + [f"  {fault}" for fault in mapped.faults]
