"""A decision is written down when it is made: records of what was decided, and the log that keeps them."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pandas as pd
import structlog

from api.metrics import Metrics
from api.problems import ServiceUnavailable
from api.serving import Served
from recommender import __version__
from recommender.decisions import Decided, with_situation
from recommender.errors import RecommenderError
from recommender.guardrails.loading import rule_books
from recommender.history.columns import protected_names
from recommender.store.decisions import (
    DecisionConflict,
    DecisionLog,
    DecisionRecord,
    LoggedDecision,
    OutcomeReceipt,
    OutcomeRecord,
    Provenance,
    ShadowChoice,
)

__all__ = ["Asked", "Recorder", "decision_records"]

_log = structlog.get_logger(__name__)
_LOCKS = 64
_SITUATION = ("days_past_due", "stage", "balance_minor", "country")


@dataclass(frozen=True)
class Asked:
    """What of a request belongs in the records of its decisions.

    Attributes
    ----------
    as_of : datetime
    seed : int
    request_key : str or None
    positions : sequence of int
        Place of each row in the request.
    features : sequence of set of str
        Names of the features that each account brought.
    """

    as_of: datetime
    seed: int
    request_key: str | None
    positions: Sequence[int]
    features: Sequence[frozenset[str]]


def decision_records(
    accounts: pd.DataFrame,
    decided: Decided,
    rankings: Sequence[Sequence[Mapping[str, Any]]],
    served: Served,
    asked: Asked,
    shadows: Sequence[ShadowChoice | None],
) -> list[DecisionRecord]:
    """One record an account; the propensity is that of what is dispatched: 1 where no chance took part.

    Parameters
    ----------
    accounts : DataFrame
        As they were given to :func:`~recommender.decisions.decide`.
    decided : Decided
    rankings : sequence of sequences of mappings
        Ranked actions as answered, by account.
    served : Served
    asked : Asked
    shadows : sequence of ShadowChoice or None
    """
    first = decided.ranked.loc[decided.ranked["rank"] == 1]
    contexts = _contexts(accounts, served, asked)
    provenances: dict[tuple[str, ...], Provenance] = {}
    records = []
    for row, (account_id, debtor_id, packs, decision_id, probability, fixed, policy) in enumerate(
        zip(
            accounts["account_id"],
            accounts["debtor_id"],
            accounts["packs"],
            first["decision_id"],
            first["propensity"],
            first["deterministic"],
            first["policy"],
            strict=True,
        )
    ):
        key = tuple(packs)
        if key not in provenances:
            provenances[key] = _provenance(decided, served, key)
        records.append(
            DecisionRecord(
                decision_id=decision_id,
                account_id=account_id,
                debtor_id=debtor_id if isinstance(debtor_id, str) else None,
                decided_at=asked.as_of,
                action=int(decided.action[row]),
                propensity=1.0 if fixed else min(1.0, float(probability)),
                eligible=decided.eligibility.mask[row],
                context=contexts[row],
                provenance=provenances[key],
                ranking=rankings[row],
                request_key=asked.request_key,
                request_position=0 if asked.request_key is None else asked.positions[row],
                contact_at=rankings[row][0]["contact_at"],
                fallback=policy == "seed_rules",
                deterministic=bool(fixed),
                seed=asked.seed,
                shadow=shadows[row],
            )
        )
    return records


def _provenance(decided: Decided, served: Served, packs: tuple[str, ...]) -> Provenance:
    """Versions behind the decision of an account under these packs (and those that they bring along)."""
    law = decided.eligibility.provenance
    own = {pack.id for book in rule_books(packs) for pack in book.packs}
    return Provenance(
        policy_version=decided.policy_version,
        actions=decided.actions,
        model_digest=served.digest,
        rule_packs={pack["id"]: pack["digest"] for pack in law.packs if pack["id"] in own},
        holidays_version=law.holidays,
        tzdata_version=law.tzdata,
        code_version=__version__,
    )


def _contexts(accounts: pd.DataFrame, served: Served, asked: Asked) -> list[dict[str, Any]]:
    """Context columns as the model saw them; under the seed rules all that a model could learn from later."""
    frame = with_situation(accounts.reset_index(drop=True), asked.as_of)
    if served.is_model:
        names = [str(name) for name in served.strategy.feature_names_in_]  # type: ignore[union-attr]
        rows = frame.reindex(columns=names).astype(object).to_dict(orient="records")
        return [{str(name): _scalar(value) for name, value in row.items()} for row in rows]
    brought = dict.fromkeys(name for names in asked.features for name in sorted(names))
    protected = set(protected_names(list(brought)))
    kept = [name for name in dict.fromkeys([*_SITUATION, *brought]) if name in frame.columns and name not in protected]
    rows = frame[kept].astype(object).to_dict(orient="records")
    return [
        {
            str(name): _scalar(value)
            for name, value in row.items()
            if name in _SITUATION or name in asked.features[position]
        }
        for position, row in enumerate(rows)
    ]


def _scalar(value: Any) -> Any:
    """What a context may hold; lists as text and dates as ISO, as they are written in tables."""
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


class Recorder:
    """The decision log as the routes use it; without one, decisions are answered and not kept.

    Parameters
    ----------
    url : str or None
    metrics : Metrics

    Raises
    ------
    RecommenderError
        When the log cannot be opened or brought up to date.
    """

    def __init__(self, url: str | None, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log: DecisionLog | None = None
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        if url is not None:
            with self._reached("opened"):
                self._log = DecisionLog.create(url)

    @property
    def keeps(self) -> bool:
        """Whether decisions are written down."""
        return self._log is not None

    def close(self) -> None:
        """Give the connections back."""
        if self._log is not None:
            self._log.close()

    def check(self) -> str | None:
        """Why decisions cannot be written down right now, or None."""
        try:
            if self._log is not None:
                self.get("")
        except RecommenderError as error:
            return str(error)
        return None

    def one_at_a_time(self, request_key: str | None) -> AbstractContextManager[Any]:
        """Hold back a repetition of a request that is still being answered."""
        return nullcontext() if request_key is None or not self.keeps else self._locks[hash(request_key) % _LOCKS]

    def decided_before(self, request_key: str | None) -> list[DecisionRecord]:
        """Decisions of an earlier request with this key."""
        if request_key is None or self._log is None:
            return []
        with self._reached("read"):
            return self._log.by_request_key(request_key)

    def write(self, records: Sequence[DecisionRecord]) -> tuple[dict[str, DecisionRecord], int]:
        """Write decisions down.

        Returns
        -------
        by_id : dict of str to DecisionRecord
            As the log holds them: a decision that was made before is the one of then.
        repeated : int
            How many had been made before.

        Raises
        ------
        DecisionConflict
            When a decision was logged before from other facts.
        ServiceUnavailable
            When the log cannot be written: then nothing was decided.
        """
        batch: dict[str, DecisionRecord] = {}
        for record in records:
            held = batch.setdefault(record.decision_id, record)
            if held is not record and not _same_decision(held, record):
                raise DecisionConflict("decision", [record.decision_id])
        log = self._needed()
        with self._reached("written"):
            try:
                return batch, log.record(batch.values()).repeated
            except DecisionConflict as conflict:
                known = {key: log.get(key) for key in conflict.keys}
                for key, logged in known.items():
                    if logged is None or not _same_decision(logged.decision, batch[key]):
                        raise
                    batch[key] = logged.decision
                rest = log.record(record for key, record in batch.items() if key not in known)
                return batch, rest.repeated + len(known)

    def write_outcomes(self, records: Sequence[OutcomeRecord]) -> OutcomeReceipt:
        """Write outcomes down; those of unknown decisions are kept and reported."""
        log = self._needed()
        with self._reached("written"):
            receipt = log.record_outcomes(records)
        self._metrics.outcomes(receipt.stored)
        return receipt

    def get(self, decision_id: str) -> LoggedDecision | None:
        """A decision with its outcomes."""
        log = self._needed()
        with self._reached("read"):
            return log.get(decision_id)

    def _needed(self) -> DecisionLog:
        if self._log is None:
            raise ServiceUnavailable(
                "This service keeps no decision log. Set RECOMMENDER_DECISION_LOG_URL, e.g. to "
                "sqlite:///models/decisions.db."
            )
        return self._log

    @contextmanager
    def _reached(self, what: str) -> Iterator[None]:
        """Turn whatever the database says into one sentence without its text, which may hold values or secrets."""
        try:
            yield
        except RecommenderError:
            raise
        except Exception as error:
            self._metrics.log_failure()
            _log.error("decision log failed", doing=what, error=type(error).__name__)
            raise ServiceUnavailable(
                f"The decision log cannot be {what} ({type(error).__name__}). A decision that is not written down is "
                "not made: nothing was decided. Retry."
            ) from error


def _same_decision(held: DecisionRecord, again: DecisionRecord) -> bool:
    """Whether two records decide the same from the same facts, whoever asked, however many ranks were wanted.

    A probability may differ in its last digits: sums over other numbers of accounts are taken in another order.
    """
    rounded = math.isclose(held.propensity, again.propensity, rel_tol=1e-9)
    as_held = replace(
        again,
        propensity=held.propensity if rounded else again.propensity,
        request_key=held.request_key,
        request_position=held.request_position,
        ranking=held.ranking,
        shadow=held.shadow,
    )
    return as_held == held
