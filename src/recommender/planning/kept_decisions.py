"""The decisions of a plan of a day that waits for somebody's word: kept beside it, and written when it is given.

A plan that is approved later than it was made meets another world. Who decided about its people meanwhile makes the
whole plan stale; whom a person stopped, or who was heard from, is left out of it. So the contacts that go out are
those that the log holds, and no others.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from recommender.actions import ActionSpace
from recommender.intake import id_key
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_standing import ChunkStanding, read_chunk_standing
from recommender.planning.portfolio_read import CONTEXTS, PortfolioValues
from recommender.planning.tomorrow import Tomorrow
from recommender.planning.tomorrow_log import decisions_of_day
from recommender.store.decision_log import (
    DecisionLog,
    DecisionRecord,
    OfferBudget,
    Provenance,
    Seen,
    stopped_ids,
)
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["DECISIONS_KEPT", "LetOut", "keep_tomorrow", "let_out"]

DECISIONS_KEPT = "decisions.jsonl.gz"
"""File beside a plan with its decisions as the log takes them."""

_AT_ONCE = 2_000
_One = TypeVar("_One")
#: Tell how far an earlier contact got, or that a person let this one be: no reason to leave somebody out.
_NO_NEWS = frozenset({"attempted", "not_connected", "delivered", "read", "contact_agreed", "contact_resumed"})
_PLAIN = (
    "decision_id", "account_id", "debtor_id", "action", "propensity", "context", "ranking", "fallback",
    "deterministic", "seed", "purpose",
)  # fmt: skip
_SHARED = ("policy_version", "model_digest", "rule_packs", "holidays_version", "tzdata_version", "code_version")


@dataclass(frozen=True)
class LetOut:
    """What became of a plan's decisions.

    Attributes
    ----------
    new : int
        Decisions that the log did not hold.
    contacts : int
        Contacts of the plan that are in the log now.
    left_out : int
        Contacts that were not written: a person stopped them, or something was heard since.
    """

    new: int
    contacts: int
    left_out: int


def keep_tomorrow(
    made: Tomorrow,
    read: PortfolioValues,
    inputs: PlanInputs,
    order: PlanOrder,
    strategy: ContactStrategy | SeedStrategy,
    folder: Path,
    *,
    budget: OfferBudget | None = None,
) -> None:
    """Keep in ``folder`` what :func:`recommender.planning.log_tomorrow` would write now, for :func:`let_out`.

    Parameters
    ----------
    made, read, inputs, order, strategy, folder, budget
        As there.
    """
    parts = decisions_of_day(made, read, inputs, order, strategy, folder)
    limit = None if budget is None else {
        "currency": budget.currency, "minor": budget.minor, "as_of": budget.as_of.isoformat(),
    }  # fmt: skip
    with gzip.open(folder / DECISIONS_KEPT, "wt", encoding="utf-8", compresslevel=1) as file:

        def line(entry: Mapping[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")

        line({"as_of": order.as_of.isoformat(), "budget": limit})
        told: str | None = None
        for chunk, (records, seen) in zip(inputs.chunks, parts(), strict=True):
            by_kind = {name: {key: sorted(ids) for key, ids in one.items()} for name, one in vars(seen).items()}
            line({"seen": by_kind, "heard": sorted(_heard(inputs.read(chunk).standing).elements())})
            for record in records:
                if record.provenance.digest != told:
                    told = record.provenance.digest
                    line({"provenance": record.provenance.to_row(with_digest=False)})
                line({"record": _plain(record)})
    (folder / CONTEXTS).unlink()


def let_out(log: DecisionLog, path: Path) -> LetOut:
    """Write the decisions of a plan to the decision log: all of its contacts in one transaction, or none.

    With them goes whatever was decided about the same people. Then those who are left alone follow: nobody is
    contacted twice for them, so who decided about them meanwhile stops no plan. It may be asked again, also after it
    was interrupted: the same decisions are found there.

    Parameters
    ----------
    log : DecisionLog
    path : Path
        As :func:`keep_tomorrow` wrote it.

    Returns
    -------
    LetOut

    Raises
    ------
    StaleStanding
        Where somebody decided about the people of a contact since the plan was made, or (``BudgetSpent``) spent the
        budget; nothing was written.
    DecisionConflict
        Where the log holds other decisions under these ids.
    """
    kept = _Kept(path)
    contacted = {str(one.debtor_id) for one in kept.records() if _makes_contact(one)}
    concerned = list(kept.records(contacted))
    out = _left_out(log, kept, concerned)
    going = [one for one in concerned if one.debtor_id not in out]
    names = {name for one in going for name in (one.account_id, str(one.debtor_id))}
    new = log.record(going, seen=kept.seen(names), budget=kept.budget).stored
    contacts = sum(map(_makes_contact, going))
    left_out = sum(map(_makes_contact, concerned)) - contacts
    for some in _in_parts(kept.records(without=contacted), _AT_ONCE):
        new += log.record(some).stored
    return LetOut(new, contacts, left_out)


def _left_out(log: DecisionLog, kept: _Kept, concerned: Collection[DecisionRecord]) -> set[str | None]:
    """Debtors whom a person stopped, or of whom something was heard since the plan was made."""
    stopped = set(map(id_key, stopped_ids(log)))
    out = {
        one.debtor_id for one in concerned if stopped & {id_key(one.account_id), id_key(str(one.debtor_id))}
    }  # fmt: skip
    planned = {one.account_id: one.debtor_id for one in concerned}
    owner = dict(planned)  # also of accounts of the same people that the plan has no decision about
    now: Counter[tuple[str, str, str, str]] = Counter()
    for some in _in_parts(planned, _AT_ONCE):
        accounts = pd.DataFrame({"account_id": some, "debtor_id": [planned[one] for one in some]})
        standing = read_chunk_standing(log, accounts, None, kept.as_of, ())
        now += _heard(standing)
        owner |= {str(one["account_id"]): one["debtor_id"] for one in standing.heard}
    then = Counter({event: n for event, n in kept.heard.items() if event[0] in owner})
    news = [*(now - then), *(then - now)]  # also what was taken back
    return out | {owner[event[0]] for event in news if event[3] not in _NO_NEWS}


def _heard(standing: ChunkStanding) -> Counter[tuple[str, str, str, str]]:
    """Account, moment, channel and word of what was heard."""
    return Counter(
        (str(one["account_id"]), one["sent_at"].isoformat(), str(one["channel"] or ""), str(one["outcome"]))
        for one in standing.heard
    )


class _Kept:
    """Decisions in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.heard: Counter[tuple[str, str, str, str]] = Counter()
        self._debtors: dict[str, frozenset[str]] = {}
        self._accounts: dict[str, frozenset[str]] = {}
        self.budget: OfferBudget | None = None
        for entry in self._lines():
            if "as_of" in entry:
                self.as_of = datetime.fromisoformat(entry["as_of"])
                if (limit := entry["budget"]) is not None:
                    self.budget = OfferBudget(**limit | {"as_of": datetime.fromisoformat(limit["as_of"])})
            elif "seen" in entry:
                self.heard.update((account, at, channel, word) for account, at, channel, word in entry["heard"])
                for mine, told in ((self._debtors, "debtors"), (self._accounts, "accounts")):
                    mine.update((name, frozenset(ids)) for name, ids in entry["seen"][told].items())

    def seen(self, names: Collection[str]) -> Seen:
        """The standing of some accounts and debtors that the plan was made on."""
        parts = [{name: ids for name, ids in one.items() if name in names} for one in (self._debtors, self._accounts)]
        return Seen(*parts)

    def records(
        self, of: Collection[str] | None = None, *, without: Collection[str] = frozenset()
    ) -> Iterator[DecisionRecord]:
        """Decisions about some debtors, or all but those about some."""
        provenance: Provenance | None = None
        for entry in self._lines():
            if "provenance" in entry:
                provenance = _provenance(entry["provenance"])
            row = entry.get("record")
            if row is None or (of is not None and row["debtor_id"] not in of) or row["debtor_id"] in without:
                continue
            assert provenance is not None  # noqa: S101 - its line comes first
            yield _record(row, provenance)

    def _lines(self) -> Iterator[dict[str, Any]]:
        with gzip.open(self._path, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def _in_parts(every: Iterable[_One], size: int) -> Iterator[list[_One]]:
    left = iter(every)
    while some := list(islice(left, size)):
        yield some


def _makes_contact(record: DecisionRecord) -> bool:
    return record.action != record.provenance.actions.no_contact_index


def _plain(record: DecisionRecord) -> dict[str, Any]:
    at = record.contact_at
    return {name: getattr(record, name) for name in _PLAIN} | {
        "decided_at": record.decided_at.isoformat(),
        "contact_at": None if at is None else at.isoformat(),
        "eligible": np.packbits(record.eligible).tobytes().hex(),
    }


def _record(row: Mapping[str, Any], provenance: Provenance) -> DecisionRecord:
    bits = np.frombuffer(bytes.fromhex(row["eligible"]), dtype=np.uint8)
    return DecisionRecord(
        **{name: row[name] for name in _PLAIN},
        decided_at=datetime.fromisoformat(row["decided_at"]),
        contact_at=None if row["contact_at"] is None else datetime.fromisoformat(row["contact_at"]),
        eligible=np.unpackbits(bits, count=len(provenance.actions)).astype(np.bool_),
        provenance=provenance,
    )


def _provenance(row: Mapping[str, Any]) -> Provenance:
    return Provenance(actions=ActionSpace.from_dict(row["action_space"]), **{name: row[name] for name in _SHARED})
