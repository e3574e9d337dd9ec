"""Who serves: aliases of a registered model, and the record of every request to change them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from recommender.errors import InvalidInput
from recommender.store.decision_log import utc_instant
from recommender.store.files import stage
from recommender.store.registry.mlflow_client import RegistryError, quiet

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Decision",
    "Promotion",
    "aliases",
    "ensure_model",
    "experiment_id",
    "history",
    "promote",
    "resolve",
    "rollback",
    "search_versions",
    "version_of_alias",
]

CHAMPION = "champion"
CHALLENGER = "challenger"
Decision = Literal["accepted", "refused"]

_STACK = "champions"  # tag of the registered model: versions that served, oldest first, the champion last
_REMEMBERED = 100
_LONGEST_TAG = 4_000
_PAGE = 200


@dataclass(frozen=True)
class Promotion:
    """A request to change the champion and what became of it.

    Attributes
    ----------
    kind : {"promotion", "rollback"}
    version : int
        The version asked for; in a rollback the one that serves again.
    previous : int or None
        Champion before the request.
    requested_by : str
    decided_at : datetime
        UTC.
    decision : {"accepted", "refused"}
    reasons : tuple of str
    run_id : str
        MLflow run that holds ``decision.json`` and the report.
    """

    kind: Literal["promotion", "rollback"]
    version: int
    previous: int | None
    requested_by: str
    decided_at: datetime
    decision: Decision
    reasons: tuple[str, ...]
    run_id: str


def promote(
    client: Any,
    model_name: str,
    artifact_root: str,
    version: int,
    *,
    requested_by: str,
    decided_at: datetime,
    decision: Decision,
    reasons: Sequence[str],
    report: Path | None,
) -> Promotion:
    """See :meth:`recommender.store.registry.Registry.promote`."""
    if decision not in ("accepted", "refused"):
        raise InvalidInput.in_column(
            "decision", "must be 'accepted' or 'refused'", values=[decision], mend="Pass the outcome of the gate."
        )
    stack = _champions(client, model_name)
    previous = stack[-1] if stack else None
    moment = utc_instant("decided_at", decided_at)
    promotion = Promotion("promotion", version, previous, requested_by, moment, decision, tuple(reasons), "")
    run_id = _open_record(client, model_name, artifact_root, promotion, report)
    if decision == "accepted":
        if previous != version:
            stack.append(version)
        # The alias first: were we killed in between, what it names is taken for a promotion by hand and remembered.
        client.set_registered_model_alias(model_name, CHAMPION, str(version))
        _remember(client, model_name, stack)
        if version_of_alias(client, model_name, CHALLENGER) == version:
            client.delete_registered_model_alias(model_name, CHALLENGER)
    client.set_terminated(run_id)
    return Promotion(**(vars(promotion) | {"run_id": run_id}))


def rollback(
    client: Any, model_name: str, artifact_root: str, *, requested_by: str, at: datetime, reasons: Sequence[str]
) -> Promotion:
    """See :meth:`recommender.store.registry.Registry.rollback`."""
    stack = _champions(client, model_name)
    there = {int(one.version) for one in search_versions(client, model_name)}
    earlier = [version for version in stack[:-1] if version in there]
    if not earlier:
        raise RegistryError(
            f"{model_name} has no earlier champion to go back to. Promote a version instead: "
            f"there are {sorted(there) or 'none'}."
        )
    moment = utc_instant("at", at)
    promotion = Promotion("rollback", earlier[-1], stack[-1], requested_by, moment, "accepted", tuple(reasons), "")
    run_id = _open_record(client, model_name, artifact_root, promotion, None)
    # The memory first: were we killed in between, the champion still serves and is still the last one remembered.
    _remember(client, model_name, earlier)
    client.set_registered_model_alias(model_name, CHAMPION, str(earlier[-1]))
    client.set_terminated(run_id)
    return Promotion(**(vars(promotion) | {"run_id": run_id}))


def history(client: Any, model_name: str) -> list[Promotion]:
    """See :meth:`recommender.store.registry.Registry.history`."""
    experiment = client.get_experiment_by_name(_experiment_of_record(model_name))
    if experiment is None:
        return []
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment.experiment_id], max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    records = [(run.info.start_time, _from_tags(run)) for run in runs if "promotion.kind" in run.data.tags]
    return [record for _, record in sorted(records, key=lambda pair: (pair[1].decided_at, pair[0]))]


# -- versions and aliases ------------------------------------------------------------------------------------------
def version_of_alias(client: Any, model_name: str, alias: str) -> int | None:
    """Version behind an alias; None when nobody holds it."""
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_model_version_by_alias(model_name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise RegistryError(f"The registry did not answer ({error.error_code}): {error.message}") from error


def search_versions(client: Any, model_name: str) -> list[Any]:
    """All versions of a model, as MLflow describes them."""
    versions: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{model_name}'", max_results=_PAGE, page_token=token)
        versions += page
        token = page.token
        if not token:
            return versions


def aliases(client: Any, model_name: str) -> dict[str, int]:
    """Version behind each alias of a model."""
    model = _model(client, model_name)
    return {} if model is None else {alias: int(version) for alias, version in model.aliases.items()}


def resolve(client: Any, model_name: str, alias_or_version: str | int) -> int:
    """See :meth:`recommender.store.registry.Registry.resolve`."""
    wanted = str(alias_or_version)
    there = sorted(int(one.version) for one in search_versions(client, model_name))
    if wanted == "latest" and there:
        return there[-1]
    version = int(wanted) if wanted.isdecimal() else version_of_alias(client, model_name, wanted)
    if version is None or version not in there:
        named = aliases(client, model_name)
        raise RegistryError(
            f"There is no version {wanted!r} of {model_name}. Registered versions: {there or 'none'}; aliases: "
            f"{named or 'none'}."
        )
    return version


def experiment_id(client: Any, name: str, artifact_root: str) -> str:
    """Id of an experiment, created where there is none."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=f"{artifact_root}/{name}"))
        except MlflowException:  # another process was faster
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    return str(experiment.experiment_id)


def ensure_model(client: Any, model_name: str) -> None:
    """Create the registered model where there is none."""
    from mlflow.exceptions import MlflowException

    if _model(client, model_name) is None:
        try:
            client.create_registered_model(model_name)
        except MlflowException:  # another process was faster
            if _model(client, model_name) is None:
                raise


def _model(client: Any, model_name: str) -> Any | None:
    from mlflow.exceptions import MlflowException

    try:
        return client.get_registered_model(model_name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _champions(client: Any, model_name: str) -> list[int]:
    """Versions that served, the champion last; an alias that was set by hand counts as a promotion."""
    model = _model(client, model_name)
    stack = [int(version) for version in json.loads(model.tags.get(_STACK, "[]"))] if model is not None else []
    champion = version_of_alias(client, model_name, CHAMPION)
    if champion is not None and (not stack or stack[-1] != champion):
        stack.append(champion)
    return stack


def _remember(client: Any, model_name: str, stack: list[int]) -> None:
    client.set_registered_model_tag(model_name, _STACK, json.dumps(stack[-_REMEMBERED:]))


# -- the record ----------------------------------------------------------------------------------------------------
def _experiment_of_record(model_name: str) -> str:
    return f"{model_name}.promotions"


def _open_record(client: Any, model_name: str, artifact_root: str, promotion: Promotion, report: Path | None) -> str:
    """Write down a request before anything changes; the run stays unfinished if the change fails."""
    if not promotion.requested_by.strip():
        raise InvalidInput(
            "requested_by is empty.", column="requested_by", mend="Name who asks; it is kept with the decision."
        )
    experiment = experiment_id(client, _experiment_of_record(model_name), artifact_root)
    with tempfile.TemporaryDirectory(prefix="promotion-") as scratch, quiet():
        whole = asdict(promotion) | {"decided_at": promotion.decided_at.isoformat(), "model": model_name}
        del whole["run_id"]
        artifacts: dict[str, Path | str] = {"decision.json": json.dumps(whole, indent=1, ensure_ascii=False)}
        if report is not None:
            artifacts[f"report/{Path(report).name}"] = Path(report)
        stage(artifacts, Path(scratch))
        name = f"{promotion.kind}-v{promotion.version}-{promotion.decision}"
        run_id = str(client.create_run(experiment, run_name=name, tags=_to_tags(promotion)).info.run_id)
        client.log_artifacts(run_id, scratch)
    return run_id


def _to_tags(promotion: Promotion) -> dict[str, str]:
    reasons = list(promotion.reasons)
    while len(json.dumps(reasons)) > _LONGEST_TAG:
        reasons = [*reasons[:-2], "(more in decision.json)"]
    return {
        "promotion.kind": promotion.kind,
        "promotion.version": str(promotion.version),
        "promotion.previous": "" if promotion.previous is None else str(promotion.previous),
        "promotion.requested_by": promotion.requested_by,
        "promotion.decided_at": promotion.decided_at.isoformat(),
        "promotion.decision": promotion.decision,
        "promotion.reasons": json.dumps(reasons),
    }


def _from_tags(run: Any) -> Promotion:
    tags = {key.removeprefix("promotion."): value for key, value in run.data.tags.items()}
    return Promotion(
        kind=tags["kind"],
        version=int(tags["version"]),
        previous=int(tags["previous"]) if tags["previous"] else None,
        requested_by=tags["requested_by"],
        decided_at=datetime.fromisoformat(tags["decided_at"]),
        decision=tags["decision"],
        reasons=tuple(json.loads(tags["reasons"])),
        run_id=str(run.info.run_id),
    )
