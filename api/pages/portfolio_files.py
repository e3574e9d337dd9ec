"""The folder that the pages read: accounts, contacts, segments and stored reports, read again when they change."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from starlette.exceptions import HTTPException

from api.pages.account_facts import account_facts, sampled_accounts
from api.pages.aggregates import KeptTables
from api.pages.ordered_file import write_ordered
from recommender.deciding import Segments, default_segments
from recommender.errors import InvalidInput, RecommenderError
from recommender.intake import id_spellings
from recommender.rules import house_packs, under_house
from recommender.settings import Settings
from recommender.store.files import read_frame

__all__ = ["PortfolioFiles"]

_log = structlog.get_logger(__name__)

_OF_PAYMENTS = ("account_id", "paid_at", "amount_minor")
#: What each stored report holds at least.
_HOLDS: dict[str, dict[str, type]] = {
    "evaluation": {"policy_version": str, "log": dict, "policies": list},
    "drivers": {"policy_version": str, "explanation": dict},
    "rule_costs": {"policy_version": str, "rules": list},
}
_LARGE_FILE = 8 * 2**20


class PortfolioFiles:
    """Files of the portfolio; each may be absent, then it is None.

    Parameters
    ----------
    settings : Settings
        ``portfolio_path`` is a folder with any of: ``accounts.parquet`` (as the verb ``score`` takes them),
        ``contacts.parquet`` (past contacts, as ``score --contacts``), ``payments.parquet`` (``account_id``,
        ``paid_at``, ``amount_minor``, as ``score --payments``), ``segments.toml``, ``evaluation.json``,
        ``drivers.json``, ``rule_costs.json``, ``costs.json``.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._files: dict[str, tuple[float, Any]] = {}
        self._kept: dict[str, tuple[float, Any, Any]] = {}
        self._lock = threading.RLock()
        self._locks: dict[str, threading.RLock] = {}
        self._unordered: set[Path] = set()

    # -- files -----------------------------------------------------------------------------------------------------
    def accounts(self) -> pd.DataFrame | None:
        """Accounts of the portfolio, as scoring takes them."""
        return self._frame("accounts.parquet")

    def account(self, account_id: str) -> pd.DataFrame | None:
        """Facts of one account, of shape (0 or 1, n), with the packs of the house; None without a file of accounts."""
        own = self._rows_of("accounts.parquet", "account_id", account_id, as_written=True)
        if own is None:
            return None
        settings = self.settings
        return under_house(own.head(1).reset_index(drop=True), house_packs(settings.without_packs), settings.packs)

    def contacts_of(self, facts: pd.DataFrame) -> pd.DataFrame | None:
        """Past contacts of the debtor (without one, of the account): caps count over all accounts of a debtor."""
        names = self.columns("contacts.parquet")
        if names is None:
            return None
        owner = "debtor_id" if "debtor_id" in names and "debtor_id" in facts.columns else "account_id"
        return self._rows_of("contacts.parquet", owner, facts[owner].iloc[0])

    def payments_of(self, account_id: str) -> pd.DataFrame | None:
        """Payments of an account; None where the portfolio has no table of payments."""
        names = self.columns("payments.parquet")
        if names is None:
            return None
        if lacking := [one for one in _OF_PAYMENTS if one not in names]:
            _log.error("portfolio file lacks columns", file="payments.parquet", columns=lacking)
            raise HTTPException(503, "payments.parquet of the portfolio cannot be read.")
        return self._rows_of("payments.parquet", "account_id", account_id)

    def some_accounts(self, n: int) -> pd.DataFrame | None:
        """At most ``n`` accounts to compare one with, always the same of a file."""
        path, stamp = self._path("accounts.parquet"), self.stamp("accounts.parquet")
        if path is None:
            return None

        def read() -> pd.DataFrame:
            kept, name = KeptTables(self.kept_in("tables")), f"sample-{n}"
            found = kept.get(name)
            if found is not None and found[0] == {"stamp": stamp}:
                there: pd.DataFrame = found[1]["accounts"]
                return there
            drawn: pd.DataFrame = _read_or_unavailable(path, lambda one: sampled_accounts(one, n))
            with contextlib.suppress(OSError):  # another worker keeps the same
                kept.put(name, {"stamp": stamp}, {"accounts": drawn})
            return drawn

        sample: pd.DataFrame = self.kept(f"{n} accounts", stamp, read)
        return sample

    def account_facts(self, facts: Sequence[str]) -> pd.DataFrame | None:
        """Facts of every account with its segment; see :func:`~api.pages.account_facts.account_facts`."""
        path, segments = self._path("accounts.parquet"), self.segments()
        return None if path is None else _read_or_unavailable(path, lambda one: account_facts(one, segments, facts))

    def accounts_by(self, *names: str) -> pd.DataFrame | None:
        """How many accounts there are of each combination of some columns of the file: the columns and ``n``.

        None without a file that has them.
        """
        path, there = self._path("accounts.parquet"), self.columns("accounts.parquet")
        if path is None or there is None or not names or not set(names) <= set(there):
            return None

        def count() -> pd.DataFrame:
            frame = _read_or_unavailable(path, lambda one: pd.read_parquet(one, columns=[*names]))
            counted: pd.DataFrame = frame.value_counts(dropna=False).rename("n").reset_index()
            return counted

        found: pd.DataFrame = self.kept(f"accounts by {names}", self.stamp("accounts.parquet"), count)
        return found

    def columns(self, name: str) -> list[str] | None:
        """Columns of a Parquet file of the folder; None where there is none."""
        path = self._path(name)
        if path is None:
            return None
        names: list[str] = _read_or_unavailable(path, lambda one: pq.read_schema(one).names)
        return names

    def _rows_of(self, name: str, column: str, value: Any, *, as_written: bool = False) -> pd.DataFrame | None:
        """Rows of a file with an id, however it is spelt there; of a large one no others are read."""
        path = self._path(name)
        if path is None:
            return None
        spelt = [str(value)] if as_written else list(id_spellings([str(value)]))
        if path.stat().st_size < _LARGE_FILE:
            self._forget_copies(path)
            frame = self._frame(name)
            assert frame is not None  # noqa: S101 - it is there
            return frame.loc[frame[column].astype("str").isin(spelt)]

        def read(one: Path) -> pd.DataFrame:
            typed = pq.read_schema(one).field(column).type
            if pa.types.is_dictionary(typed):
                typed = typed.value_type
            return pd.read_parquet(one, filters=[(column, "in", _typed(spelt, typed))])

        ordered = self._ordered(path, column)
        if ordered != path:
            try:
                return read(ordered)
            except FileNotFoundError:  # another worker has made a newer copy in its place
                pass
            except (OSError, ValueError) as error:  # e.g. cut off with the power: made anew at the next page
                _log.warning("a copy in order cannot be read", file=path.name, error=type(error).__name__)
                ordered.unlink(missing_ok=True)
        own: pd.DataFrame = _read_or_unavailable(path, read)
        return own

    def _ordered(self, path: Path, column: str) -> Path:
        """A copy of a large file in the order of a column, kept beside the portfolio: rows of a value lie together.

        Of a file that is in no order every part has to be read for one account. Where nothing may be written, or the
        disk is full, the file itself is given.
        """
        folder = self.kept_in("ordered")
        if folder is None:
            return path
        place = folder / f"{path.stem}-{column}-{path.stat().st_mtime_ns}.parquet"
        with self._lock_of(f"ordered {path.name}"):
            if place in self._unordered:
                return path
            if not place.is_file():
                try:
                    write_ordered(path, column, place)
                except (OSError, ValueError, TypeError) as error:  # not tried again: every page would wait for it
                    _log.warning("a copy in order could not be kept", file=path.name, error=type(error).__name__)
                    self._unordered.add(place)
                    return path
                finally:
                    self._forget_copies(path, column, place)
        return place

    def _forget_copies(self, path: Path, column: str = "*", place: Path | None = None) -> None:
        """Remove copies of what a file was before: they hold rows of people, who may be gone from it."""
        folder = self.kept_in("ordered")
        if folder is None or not folder.is_dir():
            return
        for old in folder.glob(f"{path.stem}-{column}-*.parquet"):
            if old != place:
                old.unlink(missing_ok=True)

    def kept_in(self, name: str) -> Path | None:
        """Folder of what the pages keep for themselves; None where no portfolio is configured or it is read-only."""
        folder = self.settings.portfolio_path
        if folder is None or not folder.is_dir():
            return None
        place = folder / "kept" / name
        there = [one for one in (folder, place.parent, place) if one.exists()]  # another owner may have made them
        return place if all(os.access(one, os.W_OK) for one in there) else None

    def document(self, name: str) -> dict[str, Any] | None:
        """A stored JSON report, e.g. ``evaluation``, ``drivers`` or ``rule_costs``; None where there is none."""
        return self._file(f"{name}.json", lambda path: _document(name, path))  # type: ignore[no-any-return]

    def stamp(self, name: str) -> int:
        """When a file of the folder was last written; 0 where there is none."""
        path = self._path(name)
        return 0 if path is None else path.stat().st_mtime_ns

    def _path(self, name: str) -> Path | None:
        """A file of the folder; None where there is none."""
        folder = self.settings.portfolio_path
        path = None if folder is None else folder / name
        return path if path is not None and path.is_file() else None

    def _frame(self, name: str) -> pd.DataFrame | None:
        frame: pd.DataFrame | None = self._file(name, read_frame)
        return frame

    def _file(self, name: str, read: Callable[[Path], Any]) -> Any:
        """Content of a file of the portfolio folder, read again when it is replaced."""
        path = self._path(name)
        if path is None:
            return None
        stamp = path.stat().st_mtime
        with self._lock:
            cached = self._files.get(name)
            if cached is None or cached[0] != stamp:
                cached = (stamp, _read_or_unavailable(path, read))
                self._files[name] = cached
            return cached[1]

    def kept(self, name: str, key: Any, make: Callable[[], Any]) -> Any:
        """Result of ``make``, computed again when ``key`` differs from the last time."""
        with self._lock_of(name):
            cached = self._kept.get(name)
            if cached is None or cached[1] != key:
                cached = (time.monotonic(), key, make())
                self._kept[name] = cached
            return cached[2]

    def _lock_of(self, name: str) -> threading.RLock:
        """One lock a result: what takes long keeps no other page waiting."""
        with self._lock:
            return self._locks.setdefault(name, threading.RLock())

    # -- segments ----------------------------------------------------------------------------------------------------
    def segments(self) -> Segments:
        """Rules of segments: the folder's own, else those that the service names accounts by."""
        rules = self.segment_rules()
        return default_segments() if rules is None else Segments.from_toml(rules[1], rules[0])

    def segment_rules(self) -> tuple[str, str] | None:
        """Name and TOML of one's own rules of segments; None where those of the package hold."""
        read: str | None = self._file("segments.toml", lambda path: path.read_text(encoding="utf-8"))
        if read is not None:
            return "segments.toml", read
        path = self.settings.segments
        return None if path is None else (str(path), path.read_text(encoding="utf-8"))

    def segment_name(self, label: Callable[[object], str]) -> Callable[[object], str]:
        """Names of segments: as the folder's own rules write them, else the reader's words for those of the package."""
        own = {} if self.segment_rules() is None else {one.id: one.title for one in self.segments().segments}
        return lambda name: own.get(str(name)) or label(name)

    def accounts_stamp(self) -> int:
        """When accounts or their segments were last written."""
        return max(self.stamp("accounts.parquet"), self.stamp("segments.toml"))


def _typed(spelt: Sequence[str], kind: pa.DataType) -> list[Any]:
    """Those spellings of an id that a column of a type may hold."""
    values = []
    for one in spelt:
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
            values.append(pa.scalar(one).cast(kind).as_py())
    return values


def _document(name: str, path: Path) -> dict[str, Any]:
    """A report that was stored; one that lacks what its page is made of is damaged, or of another version."""
    told = json.loads(path.read_text(encoding="utf-8"))
    held = _HOLDS.get(name, {})
    if not isinstance(told, dict) or not all(isinstance(told.get(one), kind) for one, kind in held.items()):
        raise InvalidInput(
            f"{path.name} holds no such report.", column=", ".join(held) or name,
            mend="Write it anew (pipelines.pages_reports).",
        )  # fmt: skip
    if name == "costs":
        told = {currency: {channel: float(cost) for channel, cost in own.items()} for currency, own in _by(told)}
    return told


def _by(told: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Costs of each currency."""
    for currency, own in told.items():
        if not isinstance(own, dict):
            raise InvalidInput.in_column(
                "costs", "must be channel -> cost of each currency", values=[own], mend='Write {"COP": {"sms": 80}}.'
            )
        yield currency, own


def _read_or_unavailable(path: Path, read: Callable[[Path], Any]) -> Any:
    """Content of a file; one that is damaged makes its page unavailable, and says why to the log alone."""
    try:
        return read(path)
    except (RecommenderError, OSError, ValueError, TypeError) as error:
        _log.error("portfolio file cannot be read", file=path.name, error=type(error).__name__, detail=str(error))
        raise HTTPException(503, f"{path.name} of the portfolio cannot be read.") from error
