"""Small random portfolios, and the many ways in which their facts are written down."""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import random
import warnings
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf

from recommender.intake import Stated

AS_OF = datetime.fromisoformat("2026-11-25T07:30:00-05:00")
ZONE = "America/Bogota"
TABLES = ("accounts", "contacts", "outcomes", "payments")
CHANNELS = ("call", "sms", "whatsapp", "email")
EVENTS = (
    "opt_out", "promise_to_pay", "complaint", "wrong_party", "paid_in_full", "bounced", "dispute", "not_connected",
    "replied", "delivered", "read", "right_party_contact", "opt_in", "promise_kept", "number_invalid",
)  # fmt: skip
_ZEROS_LOST = ("whole numbers", "fractions", "zeros dropped")
_INSTANTS = {"sent_at", "occurred_at", "paid_at"}
_IDS = {"account_id", "debtor_id", "contact_id"}
_WORDS = {
    "call": ("LLAMADA", "Call", "telefono"), "sms": ("SMS", "mensaje de texto", "Mensaje"), "whatsapp": ("WhatsApp", "WSP"),
    "email": ("Correo electrónico", "E-MAIL"), "debtor": ("DEUDOR", "titular"), "creditor": ("collector", "Agencia", "outbound"),
    "sent": ("Enviado", "SENT"), "CO": ("COLOMBIA", "co", "Col"), "es": ("Español", "ES"), "none": ("ninguna", "Ninguno"),
    "opt_out": ("BAJA", "STOP"), "promise_to_pay": ("Promesa de pago", "PTP"), "complaint": ("QUEJA",), "dispute": ("Disputa",),
    "wrong_party": ("Número equivocado",), "paid_in_full": ("Paz y salvo",), "bounced": ("Rebotado",), "read": ("LEÍDO",),
    "not_connected": ("NO CONTESTA", "buzón"), "replied": ("Respondió",), "delivered": ("ENTREGADO",), "opt_in": ("ALTA",),
    "right_party_contact": ("Contacto directo", "RPC"), "promise_kept": ("Promesa cumplida",),
    "number_invalid": ("Fuera de servicio",), "friendly": ("Amable",), "firm": ("FIRME",), "neutral": ("Neutro",),
}  # fmt: skip
_HEADERS = {
    "account_id": "Número de cuenta", "country": "País", "currency": "Moneda", "due_date": "Fecha de vencimiento",
    "channel": "Canal", "outcome": "Resultado", "paid_at": "Fecha de pago", "language": "Idioma", "sent_at": "SENT AT",
}  # fmt: skip


@dataclass(frozen=True)
class Written:
    """Tables on disk in one spelling.

    Attributes
    ----------
    files : dict of str to Path
    stated : Stated
        What the user had to state.
    how : list of str
        What was done to them.
    """

    files: dict[str, Path]
    stated: Stated
    how: list[str]


def portfolio(rng: random.Random, n: int | None = None) -> dict[str, pd.DataFrame]:
    """The truth of ``n`` accounts (a few where not given), every cell as the contract wants it."""
    n = n or rng.randint(4, 9)
    ids = [f"00{100 + 7 * k}" for k in range(n)]
    debtors = [f"D{k if rng.random() < 0.8 else k - k % 10}" for k in range(n)]  # some owe more than one
    due = [(AS_OF - timedelta(days=rng.randint(10, 120))).date().isoformat() for _ in ids]
    accounts = pd.DataFrame(
        {
            "account_id": ids, "debtor_id": debtors, "country": "CO", "timezone": ZONE,
            "balance_minor": [str(rng.randint(20, 900) * 10_000) for _ in ids], "currency": "COP", "due_date": due,
            "party": "debtor", "flags": "none", "language": "es",
            "consented_channels": [";".join(sorted(rng.sample(CHANNELS, rng.randint(1, 3)))) for _ in ids],
        }
    )  # fmt: skip
    times, owners = [], []
    for account in ids:
        for _ in range(rng.randint(0, 3)):
            at = AS_OF.replace(hour=rng.randint(8, 17), minute=rng.randint(0, 59)) - timedelta(days=rng.randint(1, 25))
            times.append(at)
            owners.append(account)
    if not owners:
        times, owners = [AS_OF - timedelta(days=20)], [ids[0]]
    contacts = pd.DataFrame(
        {
            "contact_id": [f"K{k}" for k in range(len(owners))], "account_id": owners,
            "sent_at": [at.isoformat() for at in times], "channel": [rng.choice(CHANNELS) for _ in owners],
            "tone": [rng.choice(["friendly", "firm", "neutral"]) for _ in owners],
            "status": "sent", "initiated_by": "creditor",
        }
    )  # fmt: skip
    told = rng.sample(range(len(owners)), rng.randint(1, len(owners)))
    outcomes = pd.DataFrame(
        {
            "contact_id": [f"K{k}" for k in told],
            "occurred_at": [(times[k] + timedelta(minutes=rng.randint(1, 50))).isoformat() for k in told],
            "outcome": [rng.choice(EVENTS) for _ in told],
        }
    )
    paid = rng.sample(ids, rng.randint(1, 2))
    payments = pd.DataFrame(
        {
            "account_id": paid,
            "paid_at": [(AS_OF - timedelta(days=rng.randint(1, 40), minutes=rng.randint(0, 600))).isoformat() for _ in paid],
            "amount_minor": [str(rng.randint(2, 90) * 10_000) for _ in paid], "currency": "COP",
        }
    )  # fmt: skip
    return {"accounts": accounts, "contacts": contacts, "outcomes": outcomes, "payments": payments}


def spell(rng: random.Random, truth: dict[str, pd.DataFrame], folder: Path) -> Written:
    """Write the tables down in a spelling of their own each; what no cell can tell is stated."""
    folder.mkdir(parents=True, exist_ok=True)
    how: list[str] = []
    dates = rng.choice(["dmy", "mdy"])
    comma = rng.random() < 0.5
    state = rng.random() < 0.7
    files = {}
    of_accounts = _way(rng, "account_id")
    if of_accounts in _ZEROS_LOST and rng.random() < 0.8:
        of_accounts = "as it is"
    for name in TABLES:
        frame = truth[name].copy()
        for column in frame.columns.tolist():
            way = _way(rng, column)
            if column == "account_id" and name == "accounts":
                way = of_accounts
            elif column == "account_id" and name == "contacts" and of_accounts in _ZEROS_LOST:
                way = "as it is"  # an export that lost its zeros everywhere is another portfolio
            how.append(f"{name}.{column}: {way}")
            frame[column] = _spelt(rng, frame[column], way, dates, comma=comma)
        if rng.random() < 0.3:
            frame = frame.rename(columns={c: _HEADERS.get(c, c.upper()) for c in frame.columns})
            how.append(f"{name}: Spanish header")
        if name != "accounts" and rng.random() < 0.4:
            frame = frame.sample(frac=1.0, random_state=rng.randint(0, 9)).reset_index(drop=True)
        elif name == "accounts" and rng.random() < 0.15:
            frame = pd.concat([frame, frame.tail(2)], ignore_index=True)
            how.append("accounts: two rows twice")
        if rng.random() < 0.3:
            frame = frame[rng.sample(frame.columns.tolist(), len(frame.columns))]
        files[name] = _write(rng, frame, folder, name, how)
    stated = Stated()
    if state:
        stated = Stated(dates, "comma" if comma else "point", ZONE, of_accounts not in _ZEROS_LOST, "cp1252")
    return Written(files, stated, how)


def _way(rng: random.Random, column: str) -> str:
    if rng.random() < 0.45:
        return "as it is"
    if column in _IDS:
        ways = ["blanks", "quoted"]
        if column == "account_id":
            ways += ["whole numbers", "fractions", "zeros dropped"]
        return rng.choice(ways)
    if column in _INSTANTS:
        return rng.choice(["UTC", "local", "local d/m/y am/pm", "epoch s", "epoch ms", "compact", "typed", "typed local",
                           "local day named", "ISO offset without colon"])  # fmt: skip
    if column == "due_date":
        return rng.choice(["d/m/y", "serial", "day named", "typed", "d-m-y", "compact date", "with midnight"])
    if column.endswith("_minor"):
        return rng.choice(["thousands and decimals", "thousands", "float", "number", "currency sign", "decimals"])
    if column == "consented_channels":
        return rng.choice(["pipes", "words", "commas", "JSON list"])
    return rng.choice(["words", "blanks", "upper"])


def _spelt(rng: random.Random, cells: pd.Series, way: str, dates: str, *, comma: bool) -> Any:
    day = "%d/%m/%Y" if dates == "dmy" else "%m/%d/%Y"
    at = local = None
    if cells.name in _INSTANTS and way != "as it is":
        at = pd.to_datetime(cells, utc=True)
        local = at.dt.tz_convert(ZONE)
    match way:
        case "as it is":
            return cells
        case "blanks":
            return [f" {value}  " for value in cells]
        case "quoted":
            return [f"'{value}" for value in cells]
        case "whole numbers":
            return cells.astype(int)
        case "fractions":
            return cells.astype(float)
        case "zeros dropped":
            return [value.lstrip("0") for value in cells]
        case "UTC":
            return at.dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        case "local":
            return local.dt.strftime("%Y-%m-%d %H:%M:%S")
        case "local d/m/y am/pm":
            return local.dt.strftime(f"{day} %I:%M:%S %p").str.replace("AM", "a. m.").str.replace("PM", "p. m.")
        case "epoch s":
            return [int(value.timestamp()) for value in at]
        case "epoch ms":
            return [int(value.timestamp() * 1000) for value in at]
        case "compact":
            return local.dt.strftime("%Y%m%d%H%M%S")
        case "typed" if at is not None:
            return at
        case "typed local":
            return local.dt.tz_localize(None)
        case "local day named":
            return [f"{v.day} de {_MONTHS[v.month - 1]} de {v.year} {v:%H:%M:%S}" for v in local]
        case "ISO offset without colon":
            return local.dt.strftime("%Y-%m-%dT%H:%M:%S%z")
    days = pd.to_datetime(cells) if cells.name == "due_date" else None
    match way:
        case "d/m/y":
            return days.dt.strftime(day)
        case "d-m-y":
            return days.dt.strftime(day.replace("/", "-"))
        case "serial":
            return (days - pd.Timestamp("1899-12-30")).dt.days
        case "day named":
            return [f"{v.day}-{_MONTHS[v.month - 1][:3]}-{v.year}" for v in days]
        case "typed":
            return days
        case "compact date":
            return days.dt.strftime("%Y%m%d")
        case "with midnight":
            return days.dt.strftime("%Y-%m-%d 00:00:00")
    group, point = (".", ",") if comma else (",", ".")
    match way:
        case "thousands and decimals":
            return [f"{int(value):,}.00".replace(",", "§").replace(".", point).replace("§", group) for value in cells]
        case "thousands":
            return [f"{int(value):,}".replace(",", group) for value in cells]
        case "decimals":
            return [f"{value}{point}00" for value in cells]
        case "float":
            return cells.astype(float)
        case "number":
            return cells.astype(int)
        case "currency sign":
            return [f"$ {value}" for value in cells]
        case "pipes":
            return cells.str.replace(";", "|")
        case "commas":
            return cells.str.replace(";", ", ")
        case "JSON list":
            return ['["' + value.replace(";", '", "') + '"]' for value in cells]
        case "upper":
            return cells.str.upper()
    return [";".join(rng.choice(_WORDS.get(item, (item,))) for item in value.split(";")) for value in cells]


_MONTHS = ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
           "noviembre", "diciembre")  # fmt: skip


def _write(rng: random.Random, frame: pd.DataFrame, folder: Path, name: str, how: list[str]) -> Path:
    kind = rng.choice(["csv", "csv", "csv", "parquet", "jsonl", "arrow", "xlsx", "duckdb"])
    typed = any(isinstance(t, pd.DatetimeTZDtype) for t in frame.dtypes)
    if kind == "xlsx" and typed:
        kind = "parquet"
    how.append(f"{name}: {kind}")
    path = folder / f"{name}.{kind}"
    match kind:
        case "csv":
            separator, encoding = (
                rng.choice([",", ";", "\t", "|"]),
                rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
            )
            how.append(f"{name}: {separator!r} {encoding}")
            frame.to_csv(path, index=False, sep=separator, encoding=encoding)
        case "parquet":
            frame.to_parquet(path)
        case "jsonl":
            frame.to_json(path, orient="records", lines=True, force_ascii=False, date_format="iso")
        case "arrow":
            pf.write_feather(_arrow(frame), path)
        case "xlsx":
            workbook(frame, path)
        case "duckdb":
            with duckdb.connect(str(path)) as book:
                book.register("given", _arrow(frame))
                book.execute(f"CREATE TABLE {name} AS SELECT * FROM given")  # noqa: S608
    return path


def _arrow(frame: pd.DataFrame) -> pa.Table:
    with warnings.catch_warnings():  # pyarrow asks instants for .values, which pandas 3.1 warns of
        warnings.simplefilter("ignore", DeprecationWarning)
        return pa.Table.from_pandas(frame, preserve_index=False)


def workbook(frame: pd.DataFrame, path: Path) -> None:
    """A workbook as a program writes one: texts inline, numbers and days as numbers."""
    ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'

    def cell(value: Any) -> str:
        if isinstance(value, pd.Timestamp):
            serial = (value - pd.Timestamp("1899-12-30")) / pd.Timedelta(days=1)
            return f'<c s="1"><v>{serial!r}</v></c>'
        if isinstance(value, int | float):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(str(value))}</t></is></c>'

    rows = [frame.columns.tolist(), *frame.astype(object).to_numpy().tolist()]
    lines = "".join(f"<row>{''.join(cell(value) for value in row)}</row>" for row in rows)
    parts = {
        "xl/workbook.xml": f'<workbook {ns} xmlns:r="r"><sheets><sheet name="A" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet {ns}><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"<worksheet {ns}><sheetData>{lines}</sheetData></worksheet>",
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in parts.items():
            archive.writestr(place, text)
