"""``demo-site``: a simulated portfolio with everything that the managers' pages show, made once."""

from __future__ import annotations

import copy
import json
import shutil
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Console

from pipelines.demo_weeks import (
    COUNTRIES,
    FIRST_DAY,
    HOLDOUT_EXPERIMENT,
    HOLDOUT_SHARE,
    live_through,
    local_money,
)
from pipelines.pages_reports import drivers_document, evaluation_document, moved_document, rule_costs_document
from pipelines.training_record import metrics_of, model_card, parameters_of
from recommender.evaluation import decide as ask_gate
from recommender.history import LoggedFeedback
from recommender.proof import OffPolicyEvaluator
from recommender.simulation import DebtorWorld, simulate
from recommender.store.decision_log import DecisionLog
from recommender.store.files import write_frame
from recommender.store.registry import Registry
from recommender.strategy import ContactStrategy

__all__ = ["DONE", "register", "run"]

DONE = "site.json"
"""Written last: with it the site is whole, and it holds the settings that serve it."""

_FORMAT = 8


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo-site")(run)


def run(
    out: Annotated[Path, typer.Option(help="Folder of the site.")] = Path("data/demo/site"),
    contacts: Annotated[int, typer.Option(min=2_000, help="Past contacts to learn from.")] = 16_000,
    accounts: Annotated[int, typer.Option(min=200, help="Accounts of each country.")] = 3_000,
    weeks: Annotated[int, typer.Option(min=1, max=12, help="Weeks of decisions after the training.")] = 6,
    seed: Annotated[int, typer.Option()] = 7,
    until: Annotated[str | None, typer.Option(help="Week that the data end in, e.g. 2026-11-20; today's.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Make it anew although it is there.")] = False,
) -> None:
    """Make a portfolio in two countries with a randomised control group, ready for `make serve`.

    A strategy is trained, evaluated and promoted, a challenger is judged by the gate, and weeks of decisions with
    outcomes, payments and complaints are written to a decision log. Everything is simulated.
    """
    console = Console()
    if not again and _is_whole(out):
        console.print(f"{out} is there already (made anew with --again)", highlight=False)
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    began = time.process_time()

    def tell(what: str) -> None:
        console.print(f"[{time.process_time() - began:5.0f} CPU s] {what}", highlight=False, markup=False)

    tell("simulating past contacts")
    later = _later(weeks, until)
    past, future = _past_and_future(contacts, seed, later)
    tell(f"learning from {len(past):,} contacts")
    champion = ContactStrategy(epsilon=0.1, n_jobs=1, random_state=seed).fit(past)
    registry = Registry(f"sqlite:///{out}/mlflow.db", out / "artifacts", "contact-strategy")
    _register(registry, champion, past, out / "strategies" / "first", "spring campaign")
    tell("evaluating the strategy on later contacts")
    evaluator = OffPolicyEvaluator(future, random_state=seed)
    evaluation = evaluation_document(evaluator, champion, slice_by=("stage", "country"))
    _write(out / "evaluation.json", evaluation)
    report = _kept(out / "evaluation_report", evaluation["policies"][0]["report"])
    decided_at = _end(future) + timedelta(hours=16)
    gate = evaluation["gate"]
    why = gate["reasons"] if gate["accepted"] else ["nobody served yet, so the gate was not asked"]
    registry.promote(
        "challenger",
        requested_by="ana.ruiz",
        decided_at=decided_at,
        decision="accepted",
        reasons=["first strategy learnt from our own contacts", *why],
        report=report,
    )
    tell("a challenger that explores more asks the gate")
    bolder = copy.deepcopy(champion).set_params(epsilon=0.5)
    bolder.__dict__.pop("version_", None)
    _register(registry, bolder, past, out / "strategies" / "second", "half of the contacts at random")
    judged = evaluator.evaluate(bolder, baseline=champion)
    answer = ask_gate(judged)
    registry.promote(
        "challenger",
        requested_by="luis.ortega",
        decided_at=decided_at + timedelta(days=9),
        decision="accepted" if answer.accepted else "refused",
        reasons=answer.reasons,
        report=_kept(out / "challenger_report", judged.to_dict()),
    )
    tell("price of levers and rules")
    _write(out / "rule_costs.json", rule_costs_document(evaluator, champion))

    tell(f"{weeks} weeks in {', '.join(COUNTRIES)}")
    with DecisionLog.create(f"sqlite:///{out}/decisions.db") as log:
        lived = live_through(champion, log, n_accounts=accounts, weeks=weeks, seed=seed, tell=tell, later=later)
    write_frame(lived.accounts, out / "accounts.parquet")
    write_frame(lived.contacts, out / "contacts.parquet")
    _write(out / "costs.json", lived.costs)
    tell("what drives results")
    drivers = drivers_document(champion, lived.accounts, as_of=lived.as_of, contacts=lived.contacts, seed=seed)
    with DecisionLog(f"sqlite:///{out}/decisions.db", read_only=True) as log:
        drivers["moved"] = moved_document(champion, log, lived.accounts, seed=seed)
    _write(out / "drivers.json", drivers)
    _write(
        out / DONE,
        {
            "format": _FORMAT,
            "environment": {
                "RECOMMENDER_REGISTRY_URI": f"sqlite:///{out}/mlflow.db",
                "RECOMMENDER_REGISTRY_CACHE": str(out / "cache"),
                "RECOMMENDER_DECISION_LOG_URL": f"sqlite:///{out}/decisions.db",
                "RECOMMENDER_PORTFOLIO_PATH": str(out),
                "RECOMMENDER_HOLDOUT_EXPERIMENT": HOLDOUT_EXPERIMENT,
                "RECOMMENDER_HOLDOUT_SHARE": str(HOLDOUT_SHARE),
            },
        },
    )
    tell(f"wrote {out}; next: make serve")


def _is_whole(out: Path) -> bool:
    marker = out / DONE
    return marker.is_file() and json.loads(marker.read_text(encoding="utf-8")).get("format") == _FORMAT


def _later(weeks: int, until: str | None) -> timedelta:
    """Whole weeks by which the simulated calendar is moved, so that its last week is the one before a day."""
    ends = pd.Timestamp(DebtorWorld(1).date).date() + timedelta(days=FIRST_DAY + 7 * weeks)
    day = datetime.now(UTC).date() if until is None else date.fromisoformat(until)
    return timedelta(weeks=max(0, (day - ends).days // 7))


def _past_and_future(contacts: int, seed: int, later: timedelta) -> tuple[LoggedFeedback, LoggedFeedback]:
    """Logged contacts of the two countries, cut by time: to learn from, and to judge on."""
    log = simulate(2 * contacts, seed=seed, no_contact=True)
    here = np.flatnonzero(log.contacts["country"].isin(list(COUNTRIES)).to_numpy())[:contacts]
    frame = local_money(log.contacts.iloc[here].reset_index(drop=True))
    frame["sent_at"] = frame["sent_at"] + later
    whole = LoggedFeedback.from_frame(
        frame,
        actions=log.actions,
        context=list(log.context),
        categorical=list(log.categorical),
        reward="reward",
        propensity="propensity",
        account="account_id",
        time="sent_at",
        cluster="debtor_id",
    )
    at = frame["sent_at"].sort_values().iloc[int(0.6 * len(frame))]
    return whole.split(at)


def _end(log: LoggedFeedback) -> Any:
    return pd.to_datetime(pd.Series(log.time), utc=True).max().to_pydatetime()


def _register(registry: Registry, strategy: ContactStrategy, log: LoggedFeedback, folder: Path, name: str) -> None:
    metrics = metrics_of(strategy, log)
    registry.log_training(
        run_name=name,
        params=parameters_of(strategy, log),
        metrics=metrics,
        model_card=model_card(strategy, metrics, run_name=name),
        data_digest=log.digest,
        tags={"policy_version": strategy.version_},
        strategy_dir=strategy.save(folder),
        register=True,
    )


def _kept(folder: Path, report: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "report.json", report)
    return folder


def _write(path: Path, document: Any) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, allow_nan=False), encoding="utf-8")
