"""What the pages read: the served strategy, the decision log, the accounts, and the stored reports."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
import structlog
from numpy.typing import NDArray

from api.pages.aggregates import Aggregates, BeingMade
from api.pages.log_pieces import newest_first
from api.pages.log_summary import FACTS, summarised
from api.pages.portfolio_files import PortfolioFiles
from api.service.serving import NO_CHAMPION, NOTHING_LEARNT, Served, Serving
from recommender.errors import RecommenderError
from recommender.evaluation import assign
from recommender.intake import id_spellings
from recommender.settings import Settings
from recommender.store.decision_log import (
    DecisionLog,
    LoggedDecision,
    OutcomeRecord,
    agreed_accounts,
    decisions,
    stopped_ids,
)
from recommender.store.registry import CHALLENGER, Promotion, Registry

__all__ = ["Portfolio"]

_log = structlog.get_logger(__name__)

_FRESH_SECONDS = 30.0
_FRESH_DAYS = 2
_FORMAT = 2
_EVENTS = sa.table("contact_events")
_OUTCOMES = sa.table("outcomes", sa.column("decision_id"), sa.column("outcome"))


class Portfolio(PortfolioFiles):
    """What the managers' pages read; files are read again when they change, the log when it grows.

    Every part may be absent: then it is None or empty, and the page says so.

    Parameters
    ----------
    settings : Settings
    serving : Serving
    patience : float or None
        Seconds that a reader waits for what is made of a long log for the first time; None = until it is there.
    """

    def __init__(self, settings: Settings, serving: Serving, patience: float | None = None) -> None:
        super().__init__(settings)
        self._patience = patience
        self._serving = serving
        self._aggregates = Aggregates(self.kept_in("tables"), patience)
        self._decision_log: DecisionLog | None = None

    def close(self) -> None:
        """Give the connections back."""
        self._aggregates.close()
        if self._decision_log is not None:
            self._decision_log.close()

    # -- what is served --------------------------------------------------------------------------------------------
    @property
    def served(self) -> Served:
        """The strategy in use; ``served.strategy`` answers, ``served.is_model`` says whether anything was learnt."""
        return self._serving.current()

    @property
    def policy_version(self) -> str:
        """Version of the strategy in use."""
        return self.served.strategy.version_

    def model_in_words(self, text: Callable[[str], str]) -> str:
        """Where the strategy in use comes from, in words."""
        served, folder = self.served, self.settings.model_path
        if not served.is_model:
            return text("seed rules (nothing learnt yet)")
        # of a folder its name: where on the server it lies is nobody's business
        return Path(folder).name if folder is not None and served.source == str(folder) else served.source

    @property
    def model_was_refused(self) -> bool:
        """Whether what was saved, or promoted, last cannot be used; why is in the log of the application."""
        return self.served.note not in (None, NOTHING_LEARNT, NO_CHAMPION)

    # -- the decision log ------------------------------------------------------------------------------------------
    @property
    def log(self) -> DecisionLog | None:
        """The decision log, opened at first use."""
        url = self.settings.decision_log_url
        if url is None:
            return None
        with self._lock:
            if self._decision_log is None:
                self._decision_log = DecisionLog(url)
            return self._decision_log

    def decision(self, decision_id: str) -> LoggedDecision | None:
        """A logged decision with its outcomes."""
        return None if self.log is None else self.log.get(decision_id)

    def decision_ids_of(self, account_id: str) -> list[str]:
        """Decisions about an account, newest first."""
        if self.log is None:
            return []
        query = (
            sa.select(decisions.c.decision_id)
            .where(decisions.c.account_id.in_(list(id_spellings([account_id]))))
            .order_by(decisions.c.decided_at.desc(), decisions.c.decision_id)
        )
        with self.log.engine.connect() as connection:
            return [row.decision_id for row in connection.execute(query)]

    def outcomes_of(self, account_id: str, words: Sequence[str]) -> list[OutcomeRecord]:
        """Outcomes of an account that are of some words and stand, oldest first."""
        if self.log is None:
            return []
        query = (  # a join, not "in (select ...)": that would look through the outcomes of everybody
            sa.select(decisions.c.decision_id)
            .join(_OUTCOMES, _OUTCOMES.c.decision_id == decisions.c.decision_id)
            .where(decisions.c.account_id.in_(list(id_spellings([account_id]))), _OUTCOMES.c.outcome.in_([*words]))
            .distinct()
        )
        with self.log.engine.connect() as connection:
            ids = [row.decision_id for row in connection.execute(query)]
        logged = [one for one in map(self.decision, ids) if one is not None]
        heard = [one for some in logged for one in some.outcomes if one.outcome in words]
        return sorted(heard, key=lambda one: one.occurred_at)

    def window(self) -> tuple[datetime, datetime] | None:
        """First and last decision of the log."""
        log = self.log
        if log is None:
            return None

        def ends() -> tuple[datetime, datetime] | None:
            query = sa.select(sa.func.min(decisions.c.decided_at), sa.func.max(decisions.c.decided_at))
            with log.engine.connect() as connection:
                first, last = connection.execute(query).one()
            return None if first is None else (first, last)

        ends_of_log: tuple[datetime, datetime] | None = self.kept("window", self.log_size(), ends)
        return ends_of_log

    def summary(self) -> dict[str, Any] | None:
        """What one pass over the log keeps for all pages; see :func:`~api.pages.log_summary.summarised`.

        Returns
        -------
        dict or None
            With ``version``, which changes whenever it is made. None where there are neither accounts nor a log.
        """
        settings, costs = self.settings, self.document("costs")
        log, stamp = self.log, self.accounts_stamp()
        if log is None and not self.stamp("accounts.parquet"):
            return None

        def read() -> dict[str, Any]:
            accounts = self.account_facts(FACTS)
            pieces = () if log is None else newest_first(log, self.kept_in("facts"), accounts)
            made = summarised(pieces, accounts, self.is_control, costs, settings.holdout_share)
            return {**made, "version": uuid.uuid4().hex}

        rules = self.segments().digest
        key = json.dumps([_FORMAT, stamp, rules, settings.holdout_experiment, settings.holdout_share, costs])
        # a newer file of accounts is read beside the requests, as more decisions are; other rules make other figures
        return self.aggregate("log", key, read, lambda old, new: _but_for_the_file(old) == _but_for_the_file(new))

    def of_summary(self, name: str, key: str, make: Callable[[dict[str, Any]], Any]) -> dict[str, Any] | None:
        """What was made from the summary, kept until there is a newer one.

        Parameters
        ----------
        name, key : str
        make : callable
            Takes the summary.
        """
        summary = self.summary()
        if summary is None:
            return None
        with self._one_at_a_time(name):
            return self._aggregates.of(name, json.dumps([key, summary["version"]]), "[]", lambda: make(summary))

    @contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        """Nobody queues for longer than it has patience."""
        lock = self._lock_of(name)
        if not lock.acquire(timeout=-1.0 if self._patience is None else self._patience):
            raise BeingMade(name)
        try:
            yield
        finally:
            lock.release()

    def stopped(self) -> frozenset[str]:
        """Accounts and debtors that a person stopped all contact with."""
        log = self.log
        if log is None:
            return frozenset()
        key = (self.stamp("reviews.jsonl"), round(time.monotonic() / _FRESH_SECONDS))
        stopped: frozenset[str] = self.kept("stopped", key, lambda: frozenset(stopped_ids(log)))
        return stopped

    def agreed(self) -> frozenset[str]:
        """Accounts that a person looked at and agreed to contact, as it holds now."""
        log = self.log
        if log is None:
            return frozenset()
        key = (self.stamp("reviews.jsonl"), round(time.monotonic() / _FRESH_SECONDS))
        agreed: frozenset[str] = self.kept("agreed", key, lambda: frozenset(agreed_accounts(log, datetime.now(UTC))))
        return agreed

    def aggregate(
        self,
        name: str,
        key: str,
        make: Callable[[], dict[str, Any] | None],
        outlives: Callable[[str, str], bool] = str.__eq__,
    ) -> dict[str, Any] | None:
        """What was made from the log (frames and plain values), found again after a restart.

        Where it takes long to make, the one of before is given while a newer one is made; see :class:`Aggregates`.

        Parameters
        ----------
        name : str
        key : str
            What it depends on besides the log.
        make : callable
        outlives : callable
            Whether what was made for a key may be shown for another one while that is made.
        """
        with self._one_at_a_time(name):
            return self._aggregates.of(name, key, self.log_size(), make, outlives)

    def figures_as_of(self) -> datetime | None:
        """When the oldest of the shown aggregates was made, where newer ones are on their way."""
        return self._aggregates.behind_since()

    def present(self, now: datetime) -> datetime:
        """Moment that what lies ahead begins at: now, or where the data are days old, their end."""
        window = self.window()
        return window[1] if window is not None and (now - window[1]).days >= _FRESH_DAYS else now

    def levels(self) -> dict[str, list[str]]:
        """Stages, products, countries and segments of the decisions in the log."""
        summary = self.summary()
        return {} if summary is None else {name: one for name, one in summary["levels"].items() if one}

    def log_size(self) -> str:
        """Number of decisions, outcomes, events and removals of the log, looked at every half minute.

        Aggregates hang on it.
        """
        log = self.log
        if log is None:
            return ""
        tick = (self.stamp("reviews.jsonl"), round(time.monotonic() / _FRESH_SECONDS))
        size: str = self.kept("size", tick, lambda: json.dumps((*log.count(), _n_events(log), len(log.removals()))))
        return size

    def forget_log(self) -> None:
        """Look at the log again: something was just written to it here."""
        with self._lock:
            self._kept.pop("size", None)

    def is_control(self, debtor_ids: Any) -> NDArray[np.bool_]:
        """Which debtors are of the randomised control group: the old way contacts them, nobody else is to.

        Parameters
        ----------
        debtor_ids : sequence of str, of shape (n,)

        Returns
        -------
        ndarray of bool of shape (n,)
            All False where no control group is configured, and for missing ids.
        """
        ids = pd.Series(debtor_ids, dtype=object)
        experiment, share = self.settings.holdout_experiment, self.settings.holdout_share
        if experiment is None or ids.empty:
            return np.zeros(len(ids), dtype=bool)
        debtors = ids.dropna().unique()
        arms = assign(debtors, experiment, {"policy": 1.0 - share, "holdout": share})
        return np.asarray(ids.map(dict(zip(debtors, arms == "holdout", strict=True))).eq(True), dtype=bool)

    # -- the registry ----------------------------------------------------------------------------------------------
    def promotions(self) -> list[Promotion] | None:
        """Requests to change who serves, oldest first; None without a registry or when it does not answer."""
        uri = self.settings.registry_uri
        if uri is None:
            return None

        def ask() -> list[Promotion] | None:
            try:
                return Registry(uri, self.settings.registry_cache, self.settings.registry_model).history()
            except RecommenderError as error:
                _log.error("registry did not answer", error=type(error).__name__)
                return None

        promotions: list[Promotion] | None = self.kept("promotions", round(time.monotonic() / _FRESH_SECONDS), ask)
        return promotions

    def challenger(self) -> int | None:
        """Version that is registered to serve next; None without one or without a registry."""
        uri = self.settings.registry_uri
        if uri is None:
            return None

        def ask() -> int | None:
            try:
                return Registry(uri, self.settings.registry_cache, self.settings.registry_model).current(CHALLENGER)
            except RecommenderError as error:
                _log.error("registry did not answer", error=type(error).__name__)
                return None

        version: int | None = self.kept("challenger", round(time.monotonic() / _FRESH_SECONDS), ask)
        return version


def _but_for_the_file(key: str) -> Any:
    """A key of the summary without when the accounts were written."""
    told = json.loads(key)
    return told[:1] + told[2:] if isinstance(told, list) else told


def _n_events(log: DecisionLog) -> int:
    with log.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(_EVENTS)).scalar_one())
