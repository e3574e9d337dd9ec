"""What the pages need of each decision, kept as columns beside the portfolio and only added to.

The log keeps a decision as documents; a page about millions of them cannot open each. Parts are appended in the order
of the log; where a decision was erased or came in with an earlier moment, or another log has that address, the parts
no longer agree with the log and are made anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import sqlalchemy as sa
from pydantic_core import from_json

from api.pages.aggregates import write_json
from recommender.store.decision_log import DecisionLog, decisions, provenances

__all__ = ["LOOKED_AT", "LogFacts"]

LOOKED_AT = ("stage", "days_past_due", "product", "country", "balance_minor", "currency")
"""What is kept of the context."""

_FORMAT = 2
_ROWS = 20_000
_AT_ONCE = 500
_OWN = (
    "decision_id", "account_id", "debtor_id", "decided_at", "contact_at", "propensity", "fallback", "deterministic",
)  # fmt: skip
_DOCUMENTS = ("action_factors", "ranking", "context")
_NUMBERS = ("days_past_due", "balance_minor")
_ESTIMATE = ("expected_reward", "lo", "hi", "margin")


class LogFacts:
    """Facts of the decisions of a log.

    Parameters
    ----------
    log : DecisionLog
    folder : Path
        Where parts are kept.
    """

    def __init__(self, log: DecisionLog, folder: Path) -> None:
        self._log, self._folder = log, folder

    @contextlib.contextmanager
    def parts(self) -> Iterator[list[Path]]:
        """Files of the decisions in the order of the log, after adding what is new; nobody changes them meanwhile.

        Each is a frame of ``decision_id``, ``account_id``, ``debtor_id``, ``decided_at`` and ``contact_at`` (UTC),
        ``propensity``, ``fallback``, ``deterministic``, ``policy_version``, the factors of the action,
        :data:`LOOKED_AT`, ``explored``, ``needs_human``, and of the dispatched action ``expected_reward``, ``lo``,
        ``hi`` and ``margin`` (its lead over the best other ranked one).
        """
        with self._locked(self._folder) as folder:
            state = self._state(folder)
            for number, rows in enumerate(self._rows(state["last"]), start=state["parts"]):
                part = _facts(rows)
                path = folder / f"part-{number:06d}.parquet"
                part.to_parquet(path.with_suffix(".new"), index=False)
                path.with_suffix(".new").replace(path)
                last = rows[-1]
                state["last"] = [last["decided_at"].astimezone(UTC).isoformat(), last["decision_id"]]
                state["parts"], state["rows"] = number + 1, state["rows"] + len(part)
                state["ends"].append([last["decision_id"], last["account_id"]])
                write_json(folder / "state.json", state)
            yield [folder / f"part-{number:06d}.parquet" for number in range(state["parts"])]

    @staticmethod
    def read(part: Path) -> pd.DataFrame:
        """Decisions of a file of :meth:`parts`."""
        return pd.read_parquet(part)

    def _state(self, folder: Path) -> dict[str, Any]:
        """Where the parts end; from the beginning where they do not agree with the log."""
        empty = {"format": _FORMAT, "log": _fingerprint(self._log), "last": None, "parts": 0, "rows": 0, "ends": []}
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # none yet, damaged, of another version
            state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            if self._agrees(state, empty, folder):
                return state
        for left in folder.glob("part-*"):  # half-written ones, too: somebody erased may be in them
            left.unlink()
        (folder / "state.json").unlink(missing_ok=True)
        return empty

    def _agrees(self, state: dict[str, Any], empty: dict[str, Any], folder: Path) -> bool:
        """Whether the parts are whole, and of the log as it is: nothing was removed, added before, or replaced."""
        if {name: state[name] for name in ("format", "log")} != {name: empty[name] for name in ("format", "log")}:
            return False
        parts = [pq.read_metadata(folder / f"part-{number:06d}.parquet").num_rows for number in range(state["parts"])]
        if sum(parts) != state["rows"] or len(state["ends"]) != len(parts):
            return False
        if not self._holds(dict(state["ends"])):
            return False
        return state["last"] is None or self._count(state["last"]) == state["rows"]

    def _holds(self, ends: dict[str, str]) -> bool:
        """Whether the log has the decisions that the parts end with, of the same accounts."""
        ids, found = [*ends], {}
        with self._log.engine.connect() as connection:
            for start in range(0, len(ids), _AT_ONCE):
                some = decisions.c.decision_id.in_(ids[start : start + _AT_ONCE])
                query = sa.select(decisions.c.decision_id, decisions.c.account_id).where(some)
                found.update({row.decision_id: row.account_id for row in connection.execute(query)})
        return found == ends

    def _count(self, last: Sequence[str]) -> int:
        query = sa.select(sa.func.count()).select_from(decisions).where(~_after(last))
        with self._log.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def _rows(self, last: Sequence[str] | None) -> Iterator[list[dict[str, Any]]]:
        """Rows of the log after a decision, in its order, some at a time."""
        texts = [sa.cast(decisions.c[name], sa.Text).label(name) for name in _DOCUMENTS]
        own = [decisions.c[name] for name in _OWN]
        wanted = sa.select(*own, *texts, provenances.c.policy_version).join(
            provenances, provenances.c.provenance_digest == decisions.c.provenance_digest
        )
        while True:
            query = wanted.order_by(decisions.c.decided_at, decisions.c.decision_id).limit(_ROWS)
            with self._log.engine.connect() as connection:
                result = connection.execute(query if last is None else query.where(_after(last))).mappings()
                rows = [{**row, **{name: _document(row[name]) for name in _DOCUMENTS}} for row in result]
            if not rows:
                return
            yield rows
            last = (rows[-1]["decided_at"].astimezone(UTC).isoformat(), rows[-1]["decision_id"])

    @contextlib.contextmanager
    def _locked(self, folder: Path) -> Iterator[Path]:
        """One process at a time adds to the parts."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder


def _after(last: Sequence[str]) -> sa.ColumnElement[bool]:
    moment = datetime.fromisoformat(last[0])
    return sa.or_(
        decisions.c.decided_at > moment,
        sa.and_(decisions.c.decided_at == moment, decisions.c.decision_id > last[1]),
    )


def _fingerprint(log: DecisionLog) -> str:
    """Which log it is, and how often something was taken out of it: as many may have come in since."""
    url = log.engine.url
    return f"{url.get_backend_name()}:{url.host or ''}/{url.database or ''} {len(log.removals())}"


def _facts(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Columns of some rows of the log."""
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in (*_OWN, "policy_version")})
    for name in ("decided_at", "contact_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True).dt.as_unit("us")
    factors = dict.fromkeys(name for row in rows for name in row["action_factors"])
    for name in factors:
        frame[name] = [row["action_factors"].get(name) for row in rows]
    rankings = [_ranked(row["ranking"]) for row in rows]
    for name in ("explored", *_ESTIMATE):
        frame[name] = np.array([one[name] for one in rankings], dtype=np.float64)
    frame["needs_human"] = np.array([one["needs_human"] for one in rankings], dtype=bool)
    for name in LOOKED_AT:
        frame[name] = [row["context"].get(name) for row in rows]
    for name in _NUMBERS:
        frame[name] = pd.to_numeric(frame[name], errors="coerce").astype(np.float64)
    return frame


def _document(text: str | None) -> Any:
    """A document of the log; read by the quicker of two readers, since there are three a decision."""
    return None if text is None else from_json(text)


def _ranked(ranking: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """What was expected of the dispatched action, the first, and whether another was expected to bring more."""
    listed = list(ranking or ())
    first = listed[0] if listed else {}
    names = ("expected_reward", "lo", "hi")
    numbers = {name: math.nan if first.get(name) is None else float(first[name]) for name in names}
    values = [float(one["expected_reward"]) for one in listed if one.get("expected_reward") is not None]
    rest = [float(one["expected_reward"]) for one in listed[1:] if one.get("expected_reward") is not None]
    known = len(values) >= 2 and len(values) == len(listed)
    return {
        **numbers,
        "margin": numbers["expected_reward"] - max(rest) if rest else math.nan,
        "explored": float(values[0] < max(values[1:])) if known else math.nan,
        "needs_human": bool(first.get("needs_human")),
    }
