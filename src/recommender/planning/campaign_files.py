"""Campaign files of a plan: what diallers and gateways load, by adapters that are data.

Contact points are read from the agency's own file when a campaign is written, and go nowhere else.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recommender.errors import InvalidInput
from recommender.intake import id_key
from recommender.messages import Catalogue, default_catalogue
from recommender.planning.campaign_adapters import Adapter, MissingValues, cell_of, packaged_adapters
from recommender.planning.local_files import ids_of, local_table

__all__ = ["PEOPLE", "not_of_campaigns", "read_contact_points", "write_campaigns"]

#: List of the contacts that a person looks at before anything is sent.
PEOPLE = "people.csv"
_HIGHEST_RANK = 99
_WRITTEN = "campaign-files.json"
_POINTS = {
    "account_id": "",
    "phone": "telefono celular movil tel numero_telefono numero_de_telefono numero_celular phone_number mobile cel",
    "phone_code": "indicativo codigo_pais codigo_de_pais prefijo country_code lada",
    "email": "correo correo_electronico e_mail mail direccion_de_correo",
    "first_name": "nombre nombres primer_nombre name given_name",
    "last_name": "apellido apellidos surname family_name",
}
_FORMULA = re.compile(r"^[=+\-@\t\r]")


def read_contact_points(path: Path) -> pd.DataFrame:
    """The agency's file: ``account_id`` and whatever the adapters ask for (phone, email, names), all as text.

    Rows are under the keys of their accounts: 00107 of the portfolio is 107 here.
    """
    role = f"contact file {path}"
    table = local_table(path, role, _POINTS)
    table = table.assign(account_id=ids_of(table, role))
    twice = table["account_id"].duplicated()
    if twice.any():
        raise InvalidInput.in_column(
            "account_id",
            "is repeated in the contact file",
            values=table.loc[twice, "account_id"],
            rows=twice.to_numpy().nonzero()[0].tolist(),
            mend="Keep one row an account.",
        )
    return table.set_index("account_id")


def write_campaigns(
    contacts: pd.DataFrame,
    folder: Path,
    points: pd.DataFrame | None,
    adapters: Mapping[str, Adapter] | None = None,
    options: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> tuple[dict[str, int], dict[str, int]]:
    """Write a file a queue (and hour) for the system of its channel.

    Contacts of accounts that a person must look at first stand in a list for people (:data:`PEOPLE`) and in no file
    that a system loads.

    Parameters
    ----------
    contacts : DataFrame
        Of a plan.
    folder : Path
        Files are readable by their owner only; those of the last plan are removed first.
    points : DataFrame or None
        From :func:`read_contact_points`; without it only plain lists are written.
    adapters : mapping of name to Adapter, optional
        First that serves a channel wins; None = the packaged ones.
    options : mapping, optional
        Values that an adapter asks for, e.g. ``list_id``, and variables of messages that are the same for everybody,
        e.g. ``creditor``; a column of that name in the contact file comes first.
    catalogue : Catalogue, optional
        Whose templates the plan names; None = the packaged one.

    Returns
    -------
    written, left_out : dict
        Rows of each file; contacts of each queue that have no contact point, or lack a variable without which their
        system refuses the message (then the queue's name is followed by the variables).

    Raises
    ------
    InvalidInput
        When a debtor stands in two queues at once, or a value is longer than its system keeps.
    """
    known = packaged_adapters() if adapters is None else dict(adapters)
    _refuse_two_at_once(contacts)
    texts = default_catalogue() if catalogue is None else catalogue
    by_person = np.zeros(len(contacts), dtype=bool)
    if "needs_human" in contacts.columns:
        by_person = contacts["needs_human"].fillna(True).to_numpy(dtype=bool)  # unknown: a person looks
    files: dict[str, tuple[list[dict[str, Any]], Adapter]] = {}
    left_out: dict[str, int] = {}
    for (queue, channel), part in contacts.loc[~by_person].groupby(["queue", "channel"], sort=True):
        name, adapter = _serving(known, str(channel), points is not None)
        for label, hour in _split(part, adapter):
            rows, lost = _rows(hour, adapter, points, options or {}, texts)
            for why, count in lost.items():
                left_out[f"{queue}{why}"] = left_out.get(f"{queue}{why}", 0) + count
            file_name = f"{_file_name(f'{queue}-{channel}{label}-{name}')}.{adapter.extension}"
            if file_name.casefold() in map(str.casefold, files):  # queues that differ in signs, or in capitals, only
                file_name = f"{len(files)}-{file_name}"
            files[file_name] = rows, adapter
    if by_person.any():
        plain = packaged_adapters()["plain"]
        files[PEOPLE] = _rows(contacts.loc[by_person], plain, None, {}, texts)[0], plain
    folder.mkdir(parents=True, exist_ok=True)
    _remove_last(folder)
    written: dict[str, int] = {}
    for name, (rows, adapter) in files.items():
        _write_private(folder / name, _text(rows, adapter))
        written[name] = len(rows)
        _write_private(folder / _WRITTEN, json.dumps(written, indent=1))
    return written, left_out


def not_of_campaigns(
    contacts: pd.DataFrame,
    folder: Path,
    points: pd.DataFrame | None,
    adapters: Mapping[str, Adapter] | None = None,
    options: Mapping[str, str] | None = None,
    catalogue: Catalogue | None = None,
) -> list[str]:
    """Compare the campaign files of a folder with those that the plan makes now, byte by byte.

    Parameters
    ----------
    contacts, folder, points, adapters, options, catalogue
        As for :func:`write_campaigns` when they were written.

    Returns
    -------
    list of str
        Files that are missing, changed, or of another plan.
    """
    with tempfile.TemporaryDirectory(prefix="campaigns.") as name:
        again = Path(name)
        write_campaigns(contacts, again, points, adapters, options, catalogue)
        due = {path.name: path.read_bytes() for path in again.iterdir()}
    there = {path.name: path for path in folder.iterdir()} if folder.is_dir() else {}
    wrong = [f"campaigns: {name} is missing" for name in sorted(due.keys() - there.keys())]
    wrong += [f"campaigns: {name} is not made by this plan" for name in sorted(there.keys() - due.keys())]
    return wrong + [
        f"campaigns: {name} is not what the plan makes of these contact points"
        for name in sorted(due.keys() & there.keys())
        if there[name].read_bytes() != due[name]
    ]


def _refuse_two_at_once(contacts: pd.DataFrame) -> None:
    """A debtor who is called and written to in the same minute would be in two queues at once."""
    if "debtor" not in contacts.columns:
        return
    twice = contacts["contact_at"].notna() & contacts.duplicated(["debtor", "contact_at"], keep=False)
    if twice.any():
        raise InvalidInput.in_column(
            "debtor",
            "stands in two queues at once",
            values=contacts.loc[twice, "debtor"],
            rows=np.flatnonzero(twice).tolist(),
            mend="Plan again; nothing was written.",
        )


def _remove_last(folder: Path) -> None:
    """Remove the files of the last plan: a debtor whom the new one moves must not stand in two queues."""
    last = folder / _WRITTEN
    if last.is_file():
        for name in json.loads(last.read_text(encoding="utf-8")):
            (folder / Path(name).name).unlink(missing_ok=True)
        last.unlink()


def _serving(known: Mapping[str, Adapter], channel: str, with_points: bool) -> tuple[str, Adapter]:
    for name, adapter in known.items():
        if (channel in adapter.channels or "*" in adapter.channels) and (with_points or adapter.needs is None):
            return name, adapter
    raise InvalidInput.in_column(
        "channel", "has no adapter", values=[channel], mend="Add an adapter with channels = ['*']."
    )


def _split(part: pd.DataFrame, adapter: Adapter) -> Iterator[tuple[str, pd.DataFrame]]:
    if adapter.split == "day":
        yield "", part
        return
    for instant, hour in part.groupby("contact_at", sort=True):
        yield f"-{pd.Timestamp(str(instant)):%Y%m%dT%H%MZ}", hour


def _rows(
    part: pd.DataFrame,
    adapter: Adapter,
    points: pd.DataFrame | None,
    options: Mapping[str, str],
    catalogue: Catalogue,
) -> tuple[list[dict[str, Any]], Counter[str]]:
    plan = part.assign(
        contact_at=part["contact_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        rank=(_HIGHEST_RANK + 1 - part["priority"]).clip(lower=0),  # greater is dialled first
    ).astype("str")
    plan = plan.mask(part.isna().reindex(columns=plan.columns, fill_value=False).to_numpy(), "")
    points_of: dict[str, dict[str, str]] = {}
    if points is not None:
        mine = points.loc[points.index.intersection(part["account_id"].astype("str").map(id_key))].fillna("")
        points_of = {str(name): row for name, row in mine.to_dict("index").items()}
    rows: list[dict[str, Any]] = []
    lost: Counter[str] = Counter()
    for contact in plan.to_dict("records"):
        point = points_of.get(id_key(contact["account_id"]), {})
        if adapter.needs is not None and not point.get(adapter.needs, "").strip():
            lost[""] += 1
            continue
        template = catalogue.get(contact.get("template_id", ""))
        registered = None if template is None else template.whatsapp_template
        contact["whatsapp_template"] = registered or contact.get("template_id", "")
        if template is not None:
            contact["template_language"] = template.language
        try:
            cells = {column.name: cell_of(column, contact, point, options, template) for column in adapter.column}
        except MissingValues as error:
            lost[f" (no value for {', '.join(error.names)})"] += 1
            continue
        rows.append({name: cell for name, cell in cells.items() if cell is not None})
    return rows, lost


def _text(rows: list[dict[str, Any]], adapter: Adapter) -> str:
    if adapter.format == "jsonl":
        return "".join(json.dumps(_nested(row), ensure_ascii=False) + "\n" for row in rows)
    buffer = io.StringIO()
    names = [column.name for column in adapter.column]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    exact = {column.name for column in adapter.column if column.keep != "all"}
    # a name that begins like a formula must not run in the spreadsheet that somebody opens the list with
    writer.writerows(
        {k: f"'{v}" if k not in exact and _FORMULA.match(v) else v for k, v in row.items()} for row in rows
    )
    return buffer.getvalue()


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for path, value in row.items():
        *way, last = path.split(".")
        inner = out
        for name in way:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return out


def _file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)


def _write_private(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
