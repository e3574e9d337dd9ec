"""``promote``, ``rollback``, ``models``: who serves, who asked for it, and what there is to choose from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from pipelines.promotion_evidence import PromotionRequest, judge_on_log, judge_report
from pipelines.registry_options import (
    DEFAULT_ARTIFACTS,
    DEFAULT_MODEL,
    DEFAULT_URI,
    Artifacts,
    Model,
    RegistryUri,
)
from pipelines.train import read_log
from recommender.errors import InvalidInput
from recommender.evaluation import GateRules
from recommender.store.registry import CHALLENGER, CHAMPION, Promotion, Registry

REFUSED = 3
"""Exit code of a refused promotion: an answer, not a failure."""

Version = Annotated[str, typer.Argument(help="A version number, 'challenger' or 'latest'.")]
By = Annotated[str, typer.Option("--by", help="Who asks for it; kept with the decision.")]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Why; repeat for more.")]


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
    log: Annotated[
        Path | None, typer.Option(help="Log to judge on: decisions that neither strategy was trained on.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="With --log: judge on decisions from this instant on.")] = None,
    slice_by: Annotated[
        list[str] | None, typer.Option(help="With --log: context column whose slices must not lose; repeat for more.")
    ] = None,
    least_gain: Annotated[
        float, typer.Option(help="The paired lower bound of the gain per decision must lie above it.")
    ] = 0.0,
    claimed_gain: Annotated[
        float | None, typer.Option(help="Gain per decision that is claimed; more than the log supports is refused.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Instead of --log: JSON report of 'evaluate' against the champion, to judge by and to keep."),
    ] = None,
    without_gate: Annotated[
        bool, typer.Option("--without-gate", help="Judge nothing, although somebody serves; needs --reason.")
    ] = False,
    reason: Reasons = None,
    registry_uri: RegistryUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """Make a registered version the champion; services pick it up without a restart.

    With --log it is evaluated against the champion on the same decisions (paired; against the logging policy while
    there is no champion), and the promotion gate decides. With --report the same gate judges a report made before: of
    this version, against the champion. A refusal is stored like an acceptance, with its reasons and the report, and
    ends with exit code 3. Where nobody serves yet, a version may be promoted without being judged; later only with
    --without-gate and a reason.

    Then: python -m pipelines models, or python -m pipelines rollback --by NAME
    """
    console = Console()
    registry = Registry(registry_uri, artifacts, model)
    champion = registry.current(CHAMPION)
    check_how_judged(log, report, champion=champion, without_gate=without_gate, reasons=reason or ())
    with tempfile.TemporaryDirectory(prefix="promotion-") as scratch:
        request = PromotionRequest(registry, version, champion, GateRules(least_gain=least_gain), claimed_gain)
        kept: Path | None = report
        gate: Callable[[], GateOutcome] | None = None
        if report is not None:
            gate = partial(judge_report, request, report)
        elif log is not None:
            kept = Path(scratch) / "evaluation"
            feedback = read_log(log, console)
            if since is not None:
                _, feedback = feedback.split(since)
            gate = partial(judge_on_log, request, feedback, kept, slice_by or (), console)
        reasons = [*(reason or ()), *(["promoted without the gate"] if without_gate else [])]
        done = promote_version(registry, version, by=by, at=datetime.now(UTC), gate=gate, report=kept, reasons=reasons)
    console.print(_sentence(done, model), highlight=False)
    for why in done.reasons:
        console.print(f"  - {why}", highlight=False, markup=False)
    if done.decision == "refused":
        raise typer.Exit(REFUSED)


def check_how_judged(
    log: Path | None, report: Path | None, *, champion: int | None, without_gate: bool, reasons: Sequence[str]
) -> None:
    """Refuse to replace a champion by what nobody judged, unless somebody says so and why.

    Raises
    ------
    InvalidInput
    """
    ways = [log is not None, report is not None, without_gate]
    if sum(ways) > 1:
        raise InvalidInput(
            "--log, --report and --without-gate exclude each other.", column="log", mend="Give one of them."
        )
    if without_gate and not any(reason.strip() for reason in reasons):
        raise InvalidInput(
            "--without-gate needs a reason.", column="reason", mend="Say why nothing is judged: --reason WHY."
        )
    if champion is not None and not any(ways):
        raise InvalidInput(
            f"Version {champion} is champion; what replaces it must be judged.",
            column="log",
            mend="Give --log LOG (evaluated against the champion), --report FILE, or --without-gate --reason WHY.",
        )


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
    champion = registry.current(CHAMPION)
    outcome = None if gate is None else gate()
    if registry.current(CHAMPION) != champion:
        raise InvalidInput(
            f"Version {registry.current(CHAMPION)} became champion while version {champion} was compared with.",
            column="version",
            mend="Ask again: what replaces a champion must be better than that one.",
        )
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
    registry_uri: RegistryUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """Give the champion's place back to the version that served before; repeated, to the one before that."""
    registry = Registry(registry_uri, artifacts, model)
    done = registry.rollback(requested_by=by, at=datetime.now(UTC), reasons=reason or ())
    Console().print(_sentence(done, model), highlight=False)


def models(
    history: Annotated[bool, typer.Option("--history", help="Also list every promotion and rollback.")] = False,
    registry_uri: RegistryUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """List the registered versions, who is champion and who is challenger."""
    console = Console()
    registry = Registry(registry_uri, artifacts, model)
    versions = registry.versions()
    if not versions:
        console.print(
            f"No version of {model} is registered at {registry_uri}: python -m pipelines train LOG --register"
        )
        return
    table = Table("version", "alias", "registered (UTC)", "strategy", "data", "run", title=model)
    for one in versions:
        digests = (one.strategy_digest[:12], one.data_digest[:12])
        at = f"{one.created_at:%Y-%m-%d %H:%M}"
        table.add_row(str(one.version), ", ".join(one.aliases), at, *digests, one.run_id[:12])
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


def _sentence(done: Promotion, model: str) -> str:
    before = "nobody" if done.previous is None else f"version {done.previous}"
    if done.decision == "refused":
        return f"[yellow]refused[/]: version {done.version} of {model}; {before} goes on serving"
    verb = "serves again" if done.kind == "rollback" else "is champion"
    return f"version {done.version} of {model} {verb} (before: {before}), asked for by {done.requested_by}"
