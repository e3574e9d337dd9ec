"""``promote``, ``rollback``, ``models``: who serves, who asked for it, and what there is to choose from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from recommender.errors import InvalidInput
from recommender.store.registry import CHALLENGER, CHAMPION, Promotion, Registry

REFUSED = 3
"""Exit code of a refused promotion: an answer, not a failure."""

Version = Annotated[str, typer.Argument(help="A version number, 'challenger' or 'latest'.")]
By = Annotated[str, typer.Option("--by", help="Who asks for it; kept with the decision.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Why; repeat for more.")]
TrackingUri = Annotated[str, typer.Option(help="MLflow tracking and registry URI.")]
Artifacts = Annotated[str, typer.Option(help="Folder or URI where new records keep their files.")]
Model = Annotated[str, typer.Option(help="Name of the registered model.")]

DEFAULT_URI = "sqlite:///models/mlflow.db"
DEFAULT_ARTIFACTS = "models/artifacts"
DEFAULT_MODEL = "contact-strategy"


class GateOutcome(Protocol):
    """What a promotion gate answers."""

    @property
    def accepted(self) -> bool:
        """Whether the version may serve."""

    @property
    def reasons(self) -> Sequence[str]:
        """Why, or why not."""


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("promote")(promote)
    app.command("rollback")(rollback)
    app.command("models")(models)


def promote(
    version: Version = CHALLENGER,
    *,
    by: By,
    report: Annotated[
        Path | None,
        typer.Option(help="Evaluation report (JSON) to judge by and to keep; without one nothing is judged."),
    ] = None,
    reason: Reasons = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """Make a registered version the champion; services pick it up without a restart.

    With --report, the version is promoted only when the report's verdict is "better". A refusal is stored like an
    acceptance, with its reasons and the report, and ends with exit code 3.

    Then: python -m pipelines models, or python -m pipelines rollback --by NAME
    """
    console = Console()
    registry = Registry(tracking_uri, artifacts, model)
    gate = None if report is None else (lambda: read_verdict(report))
    done = promote_version(
        registry, version, by=by, at=datetime.now(UTC), gate=gate, report=report, reasons=reason or ()
    )
    console.print(_sentence(done, model), highlight=False)
    for why in done.reasons:
        console.print(f"  - {why}", highlight=False, markup=False)
    if done.decision == "refused":
        raise typer.Exit(REFUSED)


def promote_version(
    registry: Registry,
    version: str | int,
    *,
    by: str,
    at: datetime,
    gate: Callable[[], GateOutcome] | None = None,
    report: Path | None = None,
    reasons: Sequence[str] = (),
) -> Promotion:
    """Ask the gate, where there is one, then store its answer and act on it.

    Parameters
    ----------
    registry : Registry
    version : str or int
    by : str
    at : datetime
    gate : callable returning a GateOutcome, optional
        None promotes without judging.
    report : Path, optional
        Kept with the decision.
    reasons : sequence of str
        The requester's; the gate's follow them.
    """
    registry.resolve(version)  # a version that is not there is an error, before anything is judged
    outcome = None if gate is None else gate()
    return registry.promote(
        version,
        requested_by=by,
        decided_at=at,
        decision="accepted" if outcome is None or outcome.accepted else "refused",
        reasons=[*reasons, *(() if outcome is None else outcome.reasons)],
        report=report,
    )


def rollback(
    by: By,
    reason: Reasons = None,
    tracking_uri: TrackingUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """Give the champion's place back to the version that served before; repeated, to the one before that."""
    registry = Registry(tracking_uri, artifacts, model)
    done = registry.rollback(requested_by=by, at=datetime.now(UTC), reasons=reason or ())
    Console().print(_sentence(done, model), highlight=False)


def models(
    history: Annotated[bool, typer.Option("--history", help="Also list every promotion and rollback.")] = False,
    tracking_uri: TrackingUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """List the registered versions, who is champion and who is challenger."""
    console = Console()
    registry = Registry(tracking_uri, artifacts, model)
    versions = registry.versions()
    if not versions:
        console.print(
            f"No version of {model} is registered at {tracking_uri}: python -m pipelines train LOG --register"
        )
        return
    table = Table("version", "alias", "registered (UTC)", "strategy", "data", "run", title=model)
    for held in versions:
        digests = (held.strategy_digest[:12], held.data_digest[:12])
        at = f"{held.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(held.version), ", ".join(held.aliases), at, *digests, held.run_id[:12])
    console.print(table)
    if history:
        table = Table("decided (UTC)", "what", "version", "before", "by", "decision", "reasons")
        for event in registry.history():
            before = "" if event.previous is None else str(event.previous)
            at = f"{event.decided_at:%Y-%m-%d %H:%M}"
            who = (event.requested_by, event.decision, "; ".join(event.reasons))
            table.add_row(at, event.kind, str(event.version), before, *who)
        console.print(table)
    elif registry.current(CHAMPION) is None:
        console.print("Nobody is champion yet: python -m pipelines promote challenger --by NAME")


class _Verdict:
    """A report's verdict as a gate's answer."""

    def __init__(self, verdict: str, reasons: Sequence[str]) -> None:
        self.accepted = verdict == "better"
        self.reasons = (f"verdict of the report: {verdict}", *reasons)


def read_verdict(report: Path) -> GateOutcome:
    """Judge by the verdict that an evaluation report holds.

    Raises
    ------
    InvalidInput
        When there is no such file or it is no evaluation report.
    """
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        return _Verdict(str(told["verdict"]), [str(reason) for reason in told.get("reasons", [])])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{report} is not an evaluation report with a verdict ({error!r}).",
            column="report",
            mend="Write one with: python -m pipelines evaluate LOG --strategy DIR --json report.json",
        ) from error


def _sentence(done: Promotion, model: str) -> str:
    before = "nobody" if done.previous is None else f"version {done.previous}"
    if done.decision == "refused":
        return f"[yellow]refused[/]: version {done.version} of {model}; {before} goes on serving"
    verb = "serves again" if done.kind == "rollback" else "is champion"
    return f"version {done.version} of {model} {verb} (before: {before}), asked for by {done.requested_by}"
