"""A decision is written down when it is made: the log as the routes use it."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import structlog

from api.service.decided_records import same_decision
from api.service.metrics import Metrics
from api.service.problems import ServiceUnavailable
from recommender.errors import RecommenderError
from recommender.store.decision_log import (
    ContactEvent,
    DecisionConflict,
    DecisionLog,
    DecisionPage,
    DecisionRecord,
    LoggedDecision,
    OfferBudget,
    OutcomeReceipt,
    OutcomeRecord,
    Removal,
    Seen,
    Standing,
    Whose,
    debtor_export,
    decisions_page,
)

__all__ = ["DecisionsDiffer", "Recorder"]

_log = structlog.get_logger(__name__)
_LOCKS = 64
_PROBE_SECONDS = 1.0


class DecisionsDiffer(Exception):
    """Decisions that were made before, from other facts or with other contacts planned; nothing was written."""

    def __init__(self, logged: dict[str, DecisionRecord]) -> None:
        super().__init__(f"{len(logged)} decisions differ from those in the log")
        self.logged = logged


class Recorder:
    """The decision log as the routes use it; without one, decisions are answered and not kept.

    Parameters
    ----------
    url : str or None
    metrics : Metrics
    read_only : bool, default=False
        Only read: the log must be there, and the database refuses writes.

    Raises
    ------
    RecommenderError
        When the log cannot be opened or brought up to date.
    """

    def __init__(self, url: str | None, metrics: Metrics, *, read_only: bool = False) -> None:
        self._metrics = metrics
        self._log: DecisionLog | None = None
        self._worker = f"{socket.gethostname()[:40]}:{os.getpid()}"
        self._prober = ThreadPoolExecutor(1, "log-probe")
        self._probe: Future[str | None] | None = None
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        if url is not None:
            with self._reached("opened"):
                self._log = DecisionLog(url, read_only=True) if read_only else DecisionLog.create(url)

    @property
    def keeps(self) -> bool:
        """Whether decisions are written down."""
        return self._log is not None

    def close(self) -> None:
        """Give the connections back."""
        self._prober.shutdown(wait=False, cancel_futures=True)
        if self._log is not None:
            self._log.close()

    async def trouble(self, now: datetime) -> str | None:
        """Why decisions cannot be written down right now, or None: a row is written to find out.

        Asked on a thread of its own that is waited for a second only: a database that hangs must not silence this.
        """
        if self._log is None:
            return None
        if self._probe is None or self._probe.done():
            self._probe = self._prober.submit(self._prove, now)
        probe = asyncio.wrap_future(self._probe)
        done, _ = await asyncio.wait([probe], timeout=_PROBE_SECONDS)
        if not done:
            return f"The decision log has not answered for {_PROBE_SECONDS:g} s."
        return probe.result()

    def _prove(self, now: datetime) -> str | None:
        try:
            with self._reached("written"):
                self._needed().prove_writable(self._worker, now)
        except RecommenderError as error:
            return str(error)
        return None

    @contextmanager
    def one_at_a_time(self, request_key: str | None, seconds: float) -> Iterator[None]:
        """Hold back a repetition of a request that is still being answered.

        Raises
        ------
        ServiceUnavailable
            When that takes longer than this repetition may wait.
        """
        if request_key is None or not self.keeps:
            yield
            return
        lock = self._locks[hash(request_key) % _LOCKS]
        if not lock.acquire(timeout=seconds):
            raise ServiceUnavailable("The same request is still being answered. Retry.")
        try:
            yield
        finally:
            lock.release()

    def claim_key(self, key_digest: str, body_digest: str, at: datetime) -> str:
        """Claim an idempotency key for a body; the digest of the body that it stands for."""
        log = self._needed()
        with self._reached("written"):
            return log.claim_key(key_digest, body_digest, at)

    def release_key(self, key_digest: str, body_digest: str) -> None:
        """Give a claim back; where that cannot be written the key stays with its body, which may be sent again."""
        try:
            with self._reached("written"):
                self._needed().release_key(key_digest, body_digest)
        except ServiceUnavailable:
            return

    def decided_before(self, request_key: str | None) -> list[DecisionRecord]:
        """Decisions of an earlier request with this key."""
        if request_key is None or self._log is None:
            return []
        with self._reached("read"):
            return self._log.by_request_key(request_key)

    def standing(
        self,
        debtors: Iterable[str],
        since: datetime,
        accounts: Mapping[str, str],
        offers: OfferBudget | None = None,
    ) -> Standing:
        """What is planned, sent, known and, where asked, offered of some debtors; nothing where no log is kept."""
        if self._log is None:
            return Standing()
        with self._reached("read"):
            return self._log.standing(debtors, since, accounts, offers=offers)

    def known_debtors(self, accounts: Sequence[str]) -> dict[str, str]:
        """Debtor of accounts that were decided about before, where one was named."""
        if self._log is None or not accounts:
            return {}
        with self._reached("read"):
            return self._log.known_debtors(accounts)

    def take_turns(self, name: str, limit: int, seconds: float, wanted: int) -> int:
        """Take turns of a caller from the counters that all workers share; what the database raises is raised."""
        return self._needed().take_turns(name, limit=limit, seconds=seconds, wanted=wanted, now=time.time())

    def events_of(self, decision_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """What became of some decisions, in the order it was told."""
        log = self._needed()
        with self._reached("read"):
            return log.events_of(decision_ids)

    def write_events(self, events: Sequence[ContactEvent], told_at: datetime, seen: Seen | None = None) -> None:
        """Write down what became of contacts.

        Raises
        ------
        StaleStanding
            When something about one of the debtors was written since ``seen`` was read.
        """
        log = self._needed()
        with self._reached("written"):
            log.record_events(events, seen=seen, told_at=told_at)

    def take_back(self, events: Sequence[ContactEvent], told_at: datetime) -> int:
        """Take back decisions that reached nobody; how many these were."""
        log = self._needed()
        with self._reached("written"):
            return log.record_undelivered(events, told_at=told_at)

    def write(
        self,
        records: Sequence[DecisionRecord],
        seen: Seen,
        events: Sequence[ContactEvent] = (),
        budget: OfferBudget | None = None,
    ) -> tuple[dict[str, DecisionRecord], int]:
        """Write decisions down.

        Parameters
        ----------
        records : sequence of DecisionRecord
        seen : Seen
            Standing of the debtors that the decisions were made on.
        events : sequence of ContactEvent
            What is taken back or delivered at last with them.
        budget : OfferBudget or None
            What their offers may cost with all others.

        Returns
        -------
        by_id : dict of str to DecisionRecord
            As the log holds them: a decision that was made before is the one of then.
        repeated : int
            How many had been made before.

        Raises
        ------
        DecisionConflict
            When a request holds two decisions of one id.
        DecisionsDiffer
            When decisions were logged before that are not the same; the caller decides whether the facts are.
        StaleStanding
            When somebody decided about one of the debtors meanwhile, or spent the budget of the offers.
        ServiceUnavailable
            When the log cannot be written: then nothing was decided.
        """
        batch: dict[str, DecisionRecord] = {}
        for record in records:
            first = batch.setdefault(record.decision_id, record)
            if first is not record and not same_decision(first, record):
                raise DecisionConflict("decision", [record.decision_id])
        log = self._needed()
        with self._reached("written"):
            try:
                return batch, log.record(batch.values(), seen=seen, events=events, budget=budget).repeated
            except DecisionConflict as conflict:
                known = {key: log.get(key) for key in conflict.keys}
                if not all(known.values()):
                    raise
                other = {
                    key: logged.decision
                    for key, logged in known.items()
                    if logged is not None and not same_decision(logged.decision, batch[key])
                }
                if other:
                    raise DecisionsDiffer(other) from conflict
                batch |= {key: logged.decision for key, logged in known.items() if logged is not None}
                rest = log.record(
                    (record for key, record in batch.items() if key not in known), seen=seen, events=events,
                    budget=budget,
                )  # fmt: skip
                return batch, rest.repeated + len(known)

    def write_outcomes(self, records: Sequence[OutcomeRecord], owners: Mapping[str, Whose]) -> OutcomeReceipt:
        """Write outcomes down; those of unknown decisions act on whom ``owners`` names, or are kept and reported."""
        log = self._needed()
        with self._reached("written"):
            receipt = log.record_outcomes(records, owners=owners)
        self._metrics.outcomes(receipt.stored)
        return receipt

    def get(self, decision_id: str) -> LoggedDecision | None:
        """A decision with its outcomes."""
        log = self._needed()
        with self._reached("read"):
            return log.get(decision_id)

    def newest(self) -> dict[str, datetime | None]:
        """When the last decision was made and the last outcome happened."""
        log = self._needed()
        with self._reached("read"):
            return log.newest()

    def record_of(self, decision_id: str) -> DecisionRecord:
        """A decision that is known to be in the log."""
        logged = self.get(decision_id)
        if logged is None:
            raise ServiceUnavailable("A decision was erased while it was read. Nothing was decided. Retry.")
        return logged.decision

    def page(self, **asked: Any) -> DecisionPage:
        """Decisions, newest first; see :func:`recommender.store.decision_log.decisions_page`."""
        log = self._needed()
        with self._reached("read"):
            return decisions_page(log, **asked)

    def export(self, debtor_id: str) -> dict[str, Any]:
        """Everything about a debtor."""
        log = self._needed()
        with self._reached("read"):
            return debtor_export(log, debtor_id)

    def forget(self, debtor_id: str, requested_by: str, at: datetime) -> Removal:
        """Erase everything about a debtor."""
        log = self._needed()
        with self._reached("written"):
            return log.erase(requested_by=requested_by, at=at, debtor_id=debtor_id)

    def decided_at(self, decision_ids: Sequence[str]) -> dict[str, datetime]:
        """When these decisions were made; those that the log does not hold are left out."""
        log = self._needed()
        with self._reached("read"):
            return log.decided_at(decision_ids)

    def whose_are(self, decision_ids: Sequence[str]) -> dict[str, Whose]:
        """Account and debtor of some decisions; those that nothing is known of are left out."""
        log = self._needed()
        with self._reached("read"):
            return log.whose_are(decision_ids)

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
        except (RecommenderError, DecisionsDiffer):
            raise
        except Exception as error:
            self._metrics.log_failure()
            _log.error("decision log failed", doing=what, error=type(error).__name__)
            raise ServiceUnavailable(
                f"The decision log cannot be {what} ({type(error).__name__}). A decision that is not written down is "
                "not made: nothing was decided. Retry."
            ) from error
