"""Plans that managers ask for: made one at a time beside the requests, kept as folders, approved by name."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import structlog

from api.pages.account_facts import write_accounts_of
from api.pages.appended_lines import append_line
from api.pages.page_data import Portfolio
from api.pages.plan_release import Refusal, not_going_out, of_stopped, release
from api.pages.plan_terms import offers_in_money
from recommender.errors import InvalidInput, RecommenderError
from recommender.messages import Catalogue, default_catalogue, own_catalogue
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanInputs,
    PlanOrder,
    about_plan,
    ask_log,
    budget_in_log,
    keep_tomorrow,
    logged_offers,
    plan_day,
    settle_offers,
    write_tomorrow,
)
from recommender.rules import house_packs
from recommender.store.decision_log import stopped_ids
from recommender.store.files import read_template_sources

__all__ = ["Busy", "MadePlan", "PlanDesk", "PlanRequest"]

_log = structlog.get_logger(__name__)

_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_CHUNK_ROWS = 20_000
_KEPT = 10
_SILENT_SECONDS = 600.0
_WRITTEN_EVERY_SECONDS = 0.3


class Busy(Exception):
    """A plan is being made; the next one waits."""


class _Stopped(Exception):
    """The application ends."""


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is asked for.

    Attributes
    ----------
    source : str
        Country of the accounts, ``""`` for all, ``"upload"`` for a file.
    upload : Path or None
        The file; removed once it was read.
    capacity : CapacityOrder
    as_of : aware datetime
    party : str or None
    no_contacts_yet : bool
    """

    source: str
    capacity: CapacityOrder
    as_of: datetime
    upload: Path | None = None
    party: str | None = None
    no_contacts_yet: bool = False


@dataclass(frozen=True)
class MadePlan:
    """A finished plan as it is shown.

    Attributes
    ----------
    plan_id : str
    contacts, arms : DataFrame
        Contacts without those that a person stopped since.
    about : dict
        See :func:`recommender.planning.about_plan`; also ``source``, ``asked_by``, ``made_at``.
    approval : dict or None
        ``by``, ``at``, ``note``; ``contacts`` and ``left_out`` where it was written to the decision log.
    """

    plan_id: str
    contacts: pd.DataFrame
    arms: pd.DataFrame
    about: dict[str, Any]
    approval: dict[str, Any] | None


class PlanDesk:
    """Plans in ``<portfolio folder>/plans``.

    Parameters
    ----------
    portfolio : Portfolio
    """

    def __init__(self, portfolio: Portfolio) -> None:
        self._portfolio = portfolio
        folder = portfolio.settings.portfolio_path
        self.folder = None if folder is None else folder / "plans"
        self._lock = threading.Lock()
        self._working: threading.Thread | None = None
        self._ends = threading.Event()

    def close(self) -> None:
        """Stop what is being made."""
        self._ends.set()
        if self._working is not None:
            self._working.join(timeout=30)

    # -- asking ----------------------------------------------------------------------------------------------------
    def ask(self, request: PlanRequest, by: str) -> str:
        """Begin a plan.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        Busy
            While another one is being made.
        """
        if self.folder is None:
            raise Busy
        with self._lock:
            if self._working is not None and self._working.is_alive():
                raise Busy
            self.folder.mkdir(exist_ok=True)
            plan_id = self._new_id()
            self._tell(plan_id, state="working", done=0, of=0)
            self._working = threading.Thread(target=self._make, args=(plan_id, request, by), daemon=True)
            self._working.start()
        return plan_id

    def refused(self, problem: str) -> str:
        """Write down why a plan was not begun; gives the id that :meth:`status` tells it for."""
        plan_id = self._new_id()
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
            self._tell(plan_id, state="failed", problem=problem, mend="")
        return plan_id

    def refused_for(self, error: RecommenderError) -> str:
        """The same for an error of the engine, whose text is English: what it is about is kept with it."""
        plan_id = self._new_id()
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
            self._tell(plan_id, state="failed", **_about(error))
        return plan_id

    @staticmethod
    def _new_id() -> str:
        return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"

    def _make(self, plan_id: str, request: PlanRequest, by: str) -> None:
        assert self.folder is not None  # noqa: S101 - asked for only where there is one
        last_written = [0.0]

        def progress(done: int, of: int) -> None:
            if self._ends.is_set():
                raise _Stopped
            if time.monotonic() - last_written[0] > _WRITTEN_EVERY_SECONDS:
                last_written[0] = time.monotonic()
                self._tell(plan_id, state="working", done=done, of=of)

        try:
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{plan_id}.") as name:
                work = Path(name)
                about = self._planned(work, plan_id, request, progress)
                about |= {"source": request.source, "asked_by": by, "made_at": datetime.now(UTC).isoformat()}
                made, actions = about.pop("_made"), about.pop("_actions")
                write_tomorrow(work / "plan", made, actions, about)
                (work / "plan").replace(self.folder / plan_id)
            self._tell(plan_id, state="done")
            self._forget_old()
        except RecommenderError as error:  # nothing took the place of the last plan
            self._tell(plan_id, state="failed", **_about(error))
        except _Stopped:
            self._tell(plan_id, state="failed", problem="The application was stopped.", mend="Plan again.", column="")
        except Exception as error:
            _log.exception("a plan failed", plan=plan_id, error=type(error).__name__)
            self._tell(plan_id, state="failed", problem="", mend="")
            raise
        finally:
            if request.upload is not None:
                request.upload.unlink(missing_ok=True)

    def _planned(self, work: Path, plan_id: str, request: PlanRequest, progress: Any) -> dict[str, Any]:
        folder = self._portfolio.settings.portfolio_path
        assert folder is not None  # noqa: S101
        strategy = self._portfolio.served.strategy
        accounts = request.upload or folder / "accounts.parquet"
        if request.upload is None and request.source:
            accounts = work / "accounts.parquet"
            write_accounts_of(folder / "accounts.parquet", request.source, accounts)
        contacts, payments = folder / "contacts.parquet", folder / "payments.parquet"
        inputs = PlanInputs.prepare(
            work / "inputs",
            accounts=accounts,
            contacts=contacts if contacts.is_file() and not request.no_contacts_yet else None,
            outcomes=None,
            payments=payments if payments.is_file() and request.upload is None else None,
            as_of=request.as_of,
            chunk_rows=_CHUNK_ROWS,
            other_accounts=True,
            no_contacts_yet=request.no_contacts_yet,
        )
        served, log = self._portfolio.served, self._portfolio.log
        settings = self._portfolio.settings
        prices = served.offers
        order = PlanOrder(
            request.as_of,
            packs=None,
            party=request.party,
            no_contacts_yet=request.no_contacts_yet,
            seed=settings.seed,
            house=house_packs(settings.without_packs),
            purpose_rules=bool(settings.purpose_packs),
            templates=read_template_sources(settings.templates),
            stopped=() if log is None else stopped_ids(log),
            segments=self._portfolio.segment_rules(),
            objective=served.decider.objective,
            offers=None if prices is None else (str(settings.offers), prices.text),
            authority=settings.authority,
            record=log is not None,
            run=plan_id,
        )
        offered: list[pd.DataFrame] = []
        if log is not None:  # what any process wrote down acts on the plan
            ask_log(log, inputs, order, strategy)
            offered = logged_offers(log, inputs, order, strategy)
        inputs.noted(settle_offers(inputs, strategy, order, offered, packs=request.capacity.packs))
        (work / "plan").mkdir()
        made, read = plan_day(
            inputs, strategy, order, request.capacity, work / "plan", Appointments.none(), on_progress=progress
        )
        about = about_plan(made, read, order, strategy)
        about["own_texts"] = bool(order.templates)
        if log is not None:
            budget = budget_in_log(order.prices, (), offered, order.as_of)
            keep_tomorrow(made, read, inputs, order, strategy, work / "plan", budget=budget)
        if prices is not None:
            about["offers"] = offers_in_money(made.contacts, prices.prices, offered, request.as_of)
        return about | {"_made": made, "_actions": strategy.actions_}

    # -- reading ---------------------------------------------------------------------------------------------------
    def catalogue_of(self, made: MadePlan) -> Catalogue:
        """Texts that a plan names.

        Raises
        ------
        InvalidInput
            When the texts are no longer those that it was made with.
        """
        sources = read_template_sources(self._portfolio.settings.templates)
        catalogue = own_catalogue(sources) if sources else default_catalogue()
        if made.about["messages_digest"] != catalogue.digest:
            raise InvalidInput(
                "The texts of messages have changed since this plan was made.", column="templates", mend="Plan again."
            )
        return catalogue

    def status(self, plan_id: str) -> dict[str, Any] | None:
        """``state`` (working, done, failed) with ``done`` and ``of``, or ``problem`` and ``mend``; None for no plan."""
        path = self._status_file(plan_id)
        if path is None or not path.is_file():
            return None
        status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if status["state"] == "working" and time.time() - path.stat().st_mtime > _SILENT_SECONDS:
            return {"state": "failed", "problem": "", "mend": ""}
        return status

    def finished(self) -> list[str]:
        """Ids of finished plans, newest first."""
        if self.folder is None or not self.folder.is_dir():
            return []
        return sorted((one.name for one in self.folder.iterdir() if _ID.fullmatch(one.name)), reverse=True)

    def read(self, plan_id: str) -> MadePlan | None:
        """A finished plan."""
        if self.folder is None or not _ID.fullmatch(plan_id) or not (self.folder / plan_id).is_dir():
            return None
        path = self.folder / plan_id

        def load() -> MadePlan:
            about = json.loads((path / "about.json").read_text(encoding="utf-8"))
            contacts, arms = (pd.read_parquet(path / f"{name}.parquet") for name in ("plan", "arms"))
            approval = self.approvals().get(plan_id)
            is_stopped = of_stopped(contacts, stopped)
            gone = not_going_out(self._portfolio.log, contacts, approval) & ~is_stopped
            about |= {"stopped_since": int(is_stopped.sum()), "gone_since": int(gone.sum())}
            left = contacts.loc[~(is_stopped | gone)].reset_index(drop=True)
            return MadePlan(plan_id, left, arms, about, approval)

        stopped = self._portfolio.stopped()
        key = (plan_id, len(self.approvals()), stopped, self._portfolio.log_size())
        plan: MadePlan = self._portfolio.kept("plan", key, load)
        return plan

    # -- approving -------------------------------------------------------------------------------------------------
    def approve(self, plan_id: str, by: str, note: str) -> Refusal | None:
        """Write down who let a plan go out, and its decisions in the decision log; on disk when this returns.

        Returns
        -------
        str or None
            Why it was not approved; None also where it was before.
        """
        if self.folder is None or self.read(plan_id) is None or plan_id in self.approvals():
            return None
        log = self._portfolio.log
        entry: dict[str, Any] = {"plan": plan_id, "by": by, "at": datetime.now(UTC).isoformat(), "note": note[:500]}
        if log is not None:
            written = release(log, self.folder / plan_id, self._portfolio.served.offers)
            if isinstance(written, str):
                return written
            entry |= {"contacts": written.contacts, "left_out": written.left_out}
        append_line(self.folder / "approvals.jsonl", entry)
        self._portfolio.forget_log()
        return None

    def read_now(self, plan_id: str) -> MadePlan | None:
        """A finished plan by what the log says at this moment."""
        self._portfolio.forget_log()
        return self.read(plan_id)

    def approvals(self) -> dict[str, dict[str, Any]]:
        """Who let which plan go out, by plan, as :attr:`MadePlan.approval`; of two at once the first."""
        path = None if self.folder is None else self.folder / "approvals.jsonl"
        if path is None or not path.is_file():
            return {}
        approvals = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {one["plan"]: one for one in reversed(approvals)}

    def _forget_old(self) -> None:
        """Keep the approved plans and the newest of the others."""
        approved = self.approvals()
        if self.folder is not None:
            for path in sorted(self.folder.glob("*.status.json"))[: -5 * _KEPT]:
                path.unlink(missing_ok=True)
        for plan_id in [one for one in self.finished() if one not in approved][_KEPT:]:
            if self.folder is not None:
                shutil.rmtree(self.folder / plan_id, ignore_errors=True)

    def _status_file(self, plan_id: str) -> Path | None:
        return None if self.folder is None or not _ID.fullmatch(plan_id) else self.folder / f"{plan_id}.status.json"

    def _tell(self, plan_id: str, **status: Any) -> None:
        path = self._status_file(plan_id)
        if path is not None:
            new = path.with_suffix(".new")
            new.write_text(json.dumps(status), encoding="utf-8")
            new.replace(path)


def _about(error: RecommenderError) -> dict[str, Any]:
    """What an error says and what it is about, for readers of any language."""
    rows = [int(row) for row in getattr(error, "rows", ()) or ()][:5]
    return {
        "problem": getattr(error, "problem", str(error)),
        "mend": getattr(error, "mend", "") or "",
        "column": getattr(error, "column", None) or "",
        "rows": rows,
    }
