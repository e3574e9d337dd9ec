"""Profiles of sources: how the export of a dialler, a provider or a bank becomes the five tables, as data.

A profile (TOML in ``profiles/``) names the columns that tell the source, and for each table where its cells come from.
Phone numbers and addresses are only looked up, here and now; none is written.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any

import pandas as pd

from recommender.errors import InvalidInput
from recommender.intake.canonical import TableReading
from recommender.intake.export_doubts import odd_figures, unread_columns
from recommender.intake.faults import Stated, refuse_faults
from recommender.intake.ids import id_text
from recommender.intake.told_stops import stop_told
from recommender.intake.vocabulary import canonical_word
from recommender.spelling import by_name, column_forms, plain_word

__all__ = ["Mapped", "Profile", "flat_rows", "map_export", "point_key", "propose_profiles", "source_profiles"]

TABLES = ("accounts", "decisions", "contacts", "outcomes", "payments")
_DROPPED = "-"
#: Calling code (with the mobile sign that some add) -> digits of a number at home.
_CALLING_CODES = {
    "549": (10,), "521": (10,), "57": (10,), "52": (10,), "54": (10,), "55": (10, 11), "58": (10,), "56": (9,),
    "51": (8, 9), "593": (8, 9), "595": (8, 9), "591": (8,), "598": (8,), "507": (8,), "506": (8,), "502": (8,),
    "503": (8,), "504": (8,), "505": (8,), "34": (9,), "1": (10,),
}  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """How one kind of source is read.

    Attributes
    ----------
    name, title : str
    columns : tuple of str
        Columns that the source is known by.
    rows : tuple of str
        For nested JSON: paths to the rows, e.g. ``entry[].changes[].value.statuses[]``.
    zone : str or None
        Clock of its local times; None = the user states it.
    tables : dict
        Table -> column -> where its cells come from.
    words : dict
        Named dictionaries: word of the source -> word here; ``-`` = leaves no trace.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    tables: Mapping[str, Mapping[str, Any]]
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()
    zone: str | None = None

    @classmethod
    def from_toml(cls, text: str, name: str) -> Profile:
        """Read one.

        Raises
        ------
        InvalidInput
            For a table, a dictionary or a kind of cell that is not known.
        """
        document = tomllib.loads(text)
        tables = document.get("tables", {})
        words = {
            key: {plain_word(word): to for word, to in words_of.items()}
            for key, words_of in document.get("words", {}).items()
        }
        for table, columns in tables.items():
            named = [c.get("words") for c in columns.values() if isinstance(c, dict)]
            if table not in TABLES or any(one is not None and one not in words for one in named):
                raise InvalidInput(f"Profile {name!r}: table {table!r} or one of its dictionaries is not known.",
                                   column=name, mend=f"Tables are {', '.join(TABLES)}.")  # fmt: skip
        return cls(
            name,
            document["title"],
            tuple(document["columns"]),
            tables,
            words,
            tuple(document.get("rows", ())),
            document.get("zone"),
        )


@dataclass
class Mapped:
    """What an export becomes.

    Attributes
    ----------
    tables : dict of str to DataFrame
        In the one spelling.
    became : dict of (table, column) to dict
        For columns of words: word of the source -> (word here or None where unmapped, rows).
    faults, doubts : list of str
        Cells that cannot be read; figures that are hard to believe.
    without_account : int
        Rows whose phone number or address belongs to no account.
    """

    tables: dict[str, pd.DataFrame]
    became: dict[tuple[str, str], dict[str, tuple[str | None, int]]]
    faults: list[str]
    doubts: list[str]
    without_account: int

    @property
    def unmapped(self) -> list[str]:
        """Words that nothing here stands for."""
        return [
            f"{table}.{column}: {word!r} ({rows:,} rows)"
            for (table, column), words in self.became.items()
            for word, (to, rows) in words.items()
            if to is None
        ]


@lru_cache(maxsize=1)
def source_profiles() -> dict[str, Profile]:
    """The packaged profiles by name."""
    folder = resources.files("recommender.intake").joinpath("profiles")
    files = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return {
        item.name.removesuffix(".toml"): Profile.from_toml(
            item.read_text(encoding="utf-8"), item.name.removesuffix(".toml")
        )
        for item in files
    }


def propose_profiles(columns: Iterable[object]) -> list[tuple[str, float]]:
    """Profiles that a file may be of, the likeliest first, with the share of their columns that it has."""
    named = by_name(columns)
    shares = [
        (profile.name, sum(_column(named, name) is not None for name in profile.columns) / len(profile.columns))
        for profile in source_profiles().values()
    ]
    return sorted(
        [one for one in shares if one[1] >= 0.5], key=lambda one: (-one[1], -len(source_profiles()[one[0]].columns))
    )


def flat_rows(documents: Iterable[Any], paths: Iterable[str]) -> pd.DataFrame:
    """Rows of nested JSON documents: the objects at the end of each path, their values under dotted names."""
    wanted = list(paths)
    rows: list[dict[str, Any]] = []
    for document in documents:
        for path in wanted:
            rows += [{"_path": path, **_flat(one)} for one in _walk(document, path.split("."))]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})


def map_export(
    frame: pd.DataFrame,
    profile: Profile,
    *,
    phones: Mapping[str, str] | None = None,
    stated: Stated | None = None,
    words: Mapping[str, str] | None = None,
    scale: float | None = None,
) -> Mapped:
    """Turn an export into tables.

    Parameters
    ----------
    frame : DataFrame
        As read, cells as text.
    profile : Profile
    phones : mapping of contact point to account id, optional
        As :func:`point_key` writes them.
    stated : Stated, optional
        Clock, order of day and month, decimal sign; the clock of the profile serves where none is stated.
    words : mapping, optional
        Further words of the source -> words here; they go before those of the profile.
    scale : float, optional
        Minor units that one unit of the source's amounts is worth, in place of the profile's.

    Raises
    ------
    InvalidInput
        Columns that are not there; more than one cell in twenty that cannot be read.
    """
    named = by_name(frame.columns)
    further = {plain_word(word): to for word, to in (words or {}).items()}
    chosen = stated or Stated()
    chosen = Stated(chosen.dates, chosen.decimal, chosen.timezone or profile.zone, no_stop_in=chosen.no_stop_in)
    mapped = Mapped({}, {}, [], [], 0)
    readings = []
    for table, columns in profile.tables.items():
        cells = {
            column: _cells(frame, named, spec, profile, (table, column), mapped, further, phones or {})
            for column, spec in columns.items()
            if column not in ("when", "once")
        }
        raw = pd.DataFrame(cells, index=frame.index)
        keep = pd.Series(True, index=raw.index)
        if "when" in columns:
            keep &= _when(frame, named, columns["when"])
        for column in ("account_id", "outcome"):
            keep &= raw[column].notna() if column in raw else True
        raw = raw.loc[keep].reset_index(drop=True)
        reading = TableReading(table, chosen)
        reading.observe(raw)
        clean = reading.read(raw)
        for column, spec in columns.items():
            factor = scale or spec.get("scale") if isinstance(spec, dict) and "scale" in spec else None
            if factor and column in clean:
                clean[column] = (clean[column].astype("float64") * factor).round()
        if (key := columns.get("once")) is not None:  # several rows tell of one contact: it was sent at the first
            order = "sent_at" if "sent_at" in clean else key
            clean = clean.sort_values(order, kind="stable").drop_duplicates(key)
        mapped.tables[table] = clean.reset_index(drop=True)
        readings.append(reading)
    mapped.faults = refuse_faults([reading for reading in readings if reading.n_rows], 0.05)
    if "outcomes" in mapped.tables and "contacts" in mapped.tables:
        known = mapped.tables["contacts"]["contact_id"]
        outcomes = mapped.tables["outcomes"]
        mapped.tables["outcomes"] = outcomes.loc[outcomes["contact_id"].isin(known)].reset_index(drop=True)
    mapped.doubts = [*unread_columns(frame, profile.name, profile.tables, chosen), *odd_figures(mapped.tables)]
    return mapped


def point_key(value: Any) -> str | None:
    """What a phone number (its digits at home, without the country's code) or an address is compared by."""
    text = str(value).strip().casefold() if value is not None and value == value else ""
    if "@" in text:
        return text
    digits = re.sub(r"\D", "", text.removeprefix("whatsapp:")).lstrip("0")
    for code, lengths in _CALLING_CODES.items():
        if digits.startswith(code) and len(digits) - len(code) in lengths:
            return digits[len(code) :]
    return digits[-10:] if len(digits) >= 7 else None


def _cells(
    frame: pd.DataFrame, named: Mapping[str, Any], spec: Any, profile: Profile, target: tuple[str, str], mapped: Mapped,
    further: Mapping[str, str], phones: Mapping[str, str],
) -> pd.Series:  # fmt: skip
    source = {"column": spec} if isinstance(spec, str) else dict(spec)
    n = len(frame)
    if "value" in source:
        return pd.Series([source["value"]] * n, index=frame.index, dtype=object)
    if "row" in source:
        return pd.Series([f"{source['row']}{number}" for number in range(n)], index=frame.index, dtype=object)
    looked_up = source.get("lookup", ())
    looked_up = [looked_up] if isinstance(looked_up, str) else list(looked_up)
    sources = source.get("columns") or ([source["column"]] if "column" in source else looked_up)
    present = [column for name in sources if (column := _column(named, name)) is not None]
    if not present:
        if source.get("optional"):
            return pd.Series([None] * n, index=frame.index, dtype=object)
        raise InvalidInput.missing_columns(sources, frame.columns.tolist(), role=f"profile {profile.name!r}")
    if looked_up:  # a message is from the debtor or to the debtor: the first point that somebody here has
        account = pd.Series([None] * n, index=frame.index, dtype=object)
        for name in present:
            account = account.where(account.notna(), frame[name].map(lambda value: phones.get(point_key(value) or "")))
        mapped.without_account += int(account.isna().sum()) if target == ("contacts", "account_id") else 0
        return account.astype(object)
    cells = frame[present[0]].astype(object)
    for name in present[1:]:
        blank = cells.isna() | (cells.astype(str).str.strip() == "")
        joined = cells.astype(str) + " " + frame[name].astype(str)
        cells = cells.mask(blank, frame[name]) if source.get("first") else joined
    if "split" in source:
        cells = cells.map(lambda value: None if value is None else str(value).split(source["split"])[0])
    if "words" not in source:
        return cells
    dictionary = profile.words[source["words"]]
    became = mapped.became.setdefault(target, {})
    counts = cells.dropna().astype(str).value_counts(sort=False)
    for word, rows in counts.items():
        plain = plain_word(str(word))
        to = further.get(plain, dictionary.get(plain)) or source.get("otherwise")
        to = to or (canonical_word(target[1], word) if target[1] == "outcome" else None)
        became[str(word)] = (to, int(rows))
    answers = {word: None if to in (None, _DROPPED) else to for word, (to, _) in became.items()}
    read = cells.map(lambda value: None if value is None or value != value else answers[str(value)]).astype(object)
    return _said_beside(read, frame, named, source, profile)


def _said_beside(
    read: pd.Series, frame: pd.DataFrame, named: Mapping[str, Any], source: Mapping[str, Any], profile: Profile
) -> pd.Series:
    """Outcomes with what another column says beside them: the debtor's words, the provider's code."""
    said = _column(named, source["stop"]) if "stop" in source else None
    if said is not None:  # what a debtor writes is only looked at for a stop, and not kept
        stops = frame[said].map(lambda text: _stop_of(text) if isinstance(text, str) else None)
        read = read.mask(stops.notna().to_numpy() & (read == "replied").to_numpy(dtype=bool), stops)
    coded = source.get("codes")  # a code of the provider that says more than its word
    if coded is not None and (code := _column(named, coded["column"])) is not None:
        meant = frame[code].map(lambda value: profile.words[coded["words"]].get(plain_word(str(id_text(value)))))
        read = read.mask(meant.notna().to_numpy(), meant)
    return read


def _column(named: Mapping[str, Any], name: str) -> Any:
    """The column of an export that a profile means, however the export writes its name; None where it has none."""
    return next((named[form] for form in column_forms(name) if form in named), None)


def _stop_of(text: str) -> str | None:
    word = canonical_word("outcome", text)
    return word if word in ("opt_out", "opt_out_all") else stop_told(plain_word(text))


def _when(frame: pd.DataFrame, named: Mapping[str, Any], rule: Mapping[str, Any]) -> pd.Series:
    column = _column(named, rule["column"])
    if column is None:
        return pd.Series(bool(rule.get("absent", False)), index=frame.index)
    written = frame[column].astype(str).map(plain_word)
    chosen = written.isin([plain_word(str(word)) for word in rule.get("is", rule.get("not", ()))])
    return chosen if "is" in rule else ~chosen


def _walk(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    name, many = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    child = value.get(name) if isinstance(value, dict) else None
    for one in (child if isinstance(child, list) else []) if many else ([] if child is None else [child]):
        yield from _walk(one, steps[1:])


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, child in value.items():
        if isinstance(child, dict):
            flat |= _flat(child, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = (
                json.dumps(child) if isinstance(child, list) else None if child is None else str(child)
            )
    return flat
