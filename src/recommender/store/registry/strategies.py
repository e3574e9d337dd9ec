"""The registry of trained strategies, on MLflow: runs, versions, champion and challenger."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.errors import ArtefactError, InvalidInput
from recommender.store.files import folder_digest, move_into_place, stage
from recommender.store.registry import promotions
from recommender.store.registry.mlflow_client import RegistryError, folder_uri, open_client, quiet
from recommender.store.registry.promotions import CHALLENGER, CHAMPION, Decision, Promotion

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Promotion",
    "Registry",
    "RegistryError",
    "RunRecord",
    "TrainedVersion",
    "Trial",
]

_STRATEGY = "model/artifacts/strategy"
_BATCH = 100
_LONGEST_PARAM = 500
_LONGEST_DESCRIPTION = 5_000


@dataclass(frozen=True)
class RunRecord:
    """A logged training run and the version registered from it, if any."""

    run_id: str
    version: int | None


@dataclass(frozen=True)
class TrainedVersion:
    """A registered version."""

    version: int
    aliases: tuple[str, ...]
    run_id: str
    created_at: datetime
    strategy_digest: str
    data_digest: str


@dataclass(frozen=True)
class Trial:
    """One tuning trial, logged as a nested run."""

    number: int
    params: Mapping[str, Any]
    value: float | None
    state: str = "COMPLETE"


class Registry:
    """Training runs, registered versions and who serves.

    Thread-safe. The MLflow database is opened (or created, several seconds once) at first use.

    Parameters
    ----------
    tracking_uri : str
        e.g. ``sqlite:///models/mlflow.db``, ``postgresql://...`` or the URL of a tracking server.
    artifact_root : str or Path
        Folder or URI that new experiments keep their artefacts in.
    model_name : str, default="contact-strategy"
        Registered model; also the experiment of its training runs.
    """

    def __init__(self, tracking_uri: str, artifact_root: str | Path, model_name: str = "contact-strategy") -> None:
        if not re.fullmatch(r"[\w.-]+", model_name):
            raise InvalidInput.in_column(
                "model_name", "may hold letters, digits, '_', '-' and '.'", values=[model_name], mend="Rename it."
            )
        self.tracking_uri = tracking_uri
        self.artifact_root = folder_uri(artifact_root)
        self.model_name = model_name
        self._lock = threading.RLock()
        self._opened: Any = None

    @property
    def _client(self) -> Any:
        # No cached_property: that of Python 3.11 has one lock for all, and a registry that is away held up others.
        with self._lock:
            if self._opened is None:
                self._opened = open_client(self.tracking_uri)
            return self._opened

    # -- training runs ---------------------------------------------------------------------------------------------
    def begin(self, run_name: str, tags: Mapping[str, str] | None = None) -> str:
        """Open a training run, e.g. to hang tuning trials under it; :meth:`log_training` ends it. Returns its id."""
        experiment = promotions.experiment_id(self._client, self.model_name, self.artifact_root)
        return str(self._client.create_run(experiment, run_name=run_name, tags=dict(tags or {})).info.run_id)

    def fail(self, run_id: str) -> None:
        """Mark a begun run as failed."""
        self._client.set_terminated(run_id, status="FAILED")

    def log_trial(self, run_id: str, trial: Trial) -> str:
        """Log a tuning trial as a run nested under ``run_id``; returns the trial's run id."""
        parent = self._client.get_run(run_id).info
        tags = {"mlflow.parentRunId": run_id, "trial.state": trial.state}
        nested = self._client.create_run(parent.experiment_id, run_name=f"trial-{trial.number:04d}", tags=tags)
        metrics = {} if trial.value is None else {"objective": trial.value}
        self._log_batches(nested.info.run_id, trial.params, metrics, {})
        self._client.set_terminated(nested.info.run_id, status="FAILED" if trial.state == "FAIL" else "FINISHED")
        return str(nested.info.run_id)

    def log_training(
        self,
        *,
        run_name: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | None],
        model_card: str,
        data_digest: str,
        tags: Mapping[str, str] | None = None,
        artifacts: Mapping[str, Path | str | Figure] | None = None,
        strategy_dir: Path | None = None,
        register: bool = False,
        export: bool = False,
        run_id: str | None = None,
    ) -> RunRecord:
        """Log one training with everything needed to judge and repeat it.

        Parameters
        ----------
        run_name : str
        params : mapping
            Nested mappings are flattened with dots; the whole is kept in ``params.json`` too.
        metrics : mapping of str to float or None
            None is left out.
        model_card : str
            Markdown; kept as ``model_card.md`` and, shortened, as the version's description.
        data_digest : str
            ``LoggedFeedback.digest`` of the training data.
        tags : mapping of str to str, optional
        artifacts : mapping of str to Path, str or matplotlib Figure, optional
            Name in the run -> file or folder to copy, text to write, or figure to draw.
        strategy_dir : Path or None
            Folder written by ``ContactStrategy.save``.
        register : bool, default=False
            Register the strategy as a new version and make it the challenger.
        export : bool, default=False
            Keep an MLflow pyfunc around the same files, for ``mlflow.pyfunc.spark_udf`` in other shops. What this
            project serves never loads it.
        run_id : str or None
            A run from :meth:`begin` to complete.

        Returns
        -------
        RunRecord

        Raises
        ------
        InvalidInput
            When something is to be registered or exported without ``strategy_dir``, or an artefact is not there.
        """
        if (register or export) and strategy_dir is None:
            raise InvalidInput(
                "There is no strategy to register or export.",
                column="strategy_dir",
                mend="Save it and pass its folder.",
            )
        run = self.begin(run_name) if run_id is None else run_id
        with self._ended(run), tempfile.TemporaryDirectory(prefix="training-run-") as scratch:
            folder = Path(scratch) / "run"
            stage({"model_card.md": model_card, "params.json": _as_json(params), **(artifacts or {})}, folder)
            digest = None
            if strategy_dir is not None:
                digest = folder_digest(Path(strategy_dir))
                self._stage_strategy(Path(strategy_dir), folder, export=export)
            all_tags = {**(tags or {}), "data_digest": data_digest, **({"strategy_digest": digest} if digest else {})}
            self._log_batches(run, params, metrics, all_tags)
            with quiet():
                self._log_dataset(run, data_digest)
                self._client.log_artifacts(run, str(folder))
            version = self._register(run, str(digest), data_digest, model_card) if register else None
        return RunRecord(run, version)

    @contextmanager
    def _ended(self, run_id: str) -> Iterator[None]:
        """End the run: finished, or failed when the body raises."""
        try:
            yield
        except BaseException:
            self.fail(run_id)
            raise
        self._client.set_terminated(run_id)

    def _stage_strategy(self, strategy_dir: Path, folder: Path, *, export: bool) -> None:
        if export:
            from recommender.store.registry.pyfunc_export import export_pyfunc

            export_pyfunc(strategy_dir, folder / "model")
        else:
            shutil.copytree(strategy_dir, folder / _STRATEGY)

    def _log_batches(
        self, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float | None], tags: Mapping[str, str]
    ) -> None:
        """Log in the largest batches that MLflow takes: each is a transaction of its own."""
        from mlflow.entities import Metric, Param, RunTag

        started = self._client.get_run(run_id).info.start_time  # MLflow wants an instant on each point
        named_params = [Param(_key(name), str(value)[:_LONGEST_PARAM]) for name, value in _flat(params).items()]
        points = [Metric(_key(name), float(value), started, 0) for name, value in metrics.items() if value is not None]
        named = [RunTag(key, value) for key, value in tags.items()]
        while named_params or points or named:
            self._client.log_batch(run_id, metrics=points[:_BATCH], params=named_params[:_BATCH], tags=named[:_BATCH])
            named_params, points, named = named_params[_BATCH:], points[_BATCH:], named[_BATCH:]

    def _log_dataset(self, run_id: str, data_digest: str) -> None:
        from mlflow.entities import Dataset, DatasetInput

        # MLflow's column is 36 wide; the whole digest is a tag of the run.
        dataset = Dataset(name="logged-feedback", digest=data_digest[:36], source_type="log", source="{}")
        self._client.log_inputs(run_id, [DatasetInput(dataset)])

    def _register(self, run_id: str, digest: str, data_digest: str, model_card: str) -> int:
        promotions.ensure_model(self._client, self.model_name)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/model"
        created = self._client.create_model_version(
            self.model_name,
            source,
            run_id,
            tags={"strategy_digest": digest, "data_digest": data_digest},
            description=model_card[:_LONGEST_DESCRIPTION],
        )
        version = int(created.version)
        self._client.set_registered_model_alias(self.model_name, CHALLENGER, str(version))
        return version

    # -- versions --------------------------------------------------------------------------------------------------
    def current(self, alias: str = CHAMPION) -> int | None:
        """Version behind an alias, None when nobody holds it; one indexed query, fit for polling.

        Raises
        ------
        RegistryError
            When the registry cannot be reached: then it is unknown, not None.
        """
        return promotions.version_of_alias(self._client, self.model_name, alias)

    def resolve(self, alias_or_version: str | int) -> int:
        """Version number of ``"champion"``, ``"challenger"``, ``7``, ``"7"`` or ``"latest"``.

        Raises
        ------
        RegistryError
            When there is no such version; names those that exist.
        """
        return promotions.resolve(self._client, self.model_name, alias_or_version)

    def versions(self) -> list[TrainedVersion]:
        """All registered versions, newest first."""
        aliases = promotions.aliases(self._client, self.model_name)
        versions = []
        for model_version in promotions.search_versions(self._client, self.model_name):
            version = int(model_version.version)
            names = tuple(sorted(alias for alias, number in aliases.items() if number == version))
            created_at = datetime.fromtimestamp(model_version.creation_timestamp / 1000, UTC)
            digests = (model_version.tags.get("strategy_digest", ""), model_version.tags.get("data_digest", ""))
            versions.append(TrainedVersion(version, names, model_version.run_id, created_at, *digests))
        return sorted(versions, key=lambda model_version: model_version.version, reverse=True)

    def fetch(self, alias_or_version: str | int, into: Path) -> Path:
        """Download the native strategy files of a version, and nothing else of it.

        Nothing is loaded or executed. The files must have the digest that was registered; they appear under ``into``
        all at once, so a reader never sees half a strategy. A copy that is there and intact is used again.

        Returns
        -------
        Path
            ``into/<model name>-v<version>``, for ``ContactStrategy.load``.

        Raises
        ------
        RegistryError
            When there is no such version.
        ArtefactError
            When the files are not those that were registered.
        """
        version = self.resolve(alias_or_version)
        model_version = self._client.get_model_version(self.model_name, str(version))
        expected = model_version.tags.get("strategy_digest")
        if not expected:
            raise ArtefactError(
                f"Version {version} of {self.model_name} has no strategy digest: it was not registered by "
                "Registry.log_training. Refusing to fetch it."
            )
        target = Path(into) / f"{self.model_name}-v{version}"
        if target.is_dir():
            if folder_digest(target) == expected:
                return target
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
            fetched = self._download(model_version.run_id, version, scratch)
            if folder_digest(fetched) != expected:
                raise ArtefactError(
                    f"The files of version {version} of {self.model_name} were altered since they were registered: "
                    "their SHA-256 is another one. Refusing to serve them; train and register again."
                )
            move_into_place(fetched, target)
        return target

    def _download(self, run_id: str, version: int, into: str) -> Path:
        from mlflow.exceptions import MlflowException

        try:
            with quiet():
                return Path(self._client.download_artifacts(run_id, _STRATEGY, into))
        except (MlflowException, OSError) as error:
            raise ArtefactError(
                f"The files of version {version} of {self.model_name} cannot be read from the artefact store: {error}"
            ) from error

    # -- who serves ------------------------------------------------------------------------------------------------
    def promote(
        self,
        alias_or_version: str | int,
        *,
        requested_by: str,
        decided_at: datetime,
        decision: Decision = "accepted",
        reasons: Sequence[str] = (),
        report: Path | None = None,
    ) -> Promotion:
        """Store the outcome of a request to serve a version; when accepted, make it the champion.

        A refusal is a normal outcome: it is stored like an acceptance, with who asked, when, why and the report.
        """
        with self._lock:
            version = self.resolve(alias_or_version)
            return promotions.promote(
                self._client,
                self.model_name,
                self.artifact_root,
                version,
                requested_by=requested_by,
                decided_at=decided_at,
                decision=decision,
                reasons=reasons,
                report=report,
            )

    def rollback(self, *, requested_by: str, at: datetime, reasons: Sequence[str] = ()) -> Promotion:
        """Give the champion's place back to the one before; repeated, to the one before that.

        Raises
        ------
        RegistryError
            When there is no earlier champion.
        """
        with self._lock:
            return promotions.rollback(
                self._client, self.model_name, self.artifact_root, requested_by=requested_by, at=at, reasons=reasons
            )

    def history(self) -> list[Promotion]:
        """Accepted and refused promotions and rollbacks, oldest first."""
        return promotions.history(self._client, self.model_name)


def _key(name: str) -> str:
    """Name in the letters that MLflow allows."""
    return re.sub(r"[^\w.\-/ ]", "_", name)


def _flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in params.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat


def _as_json(params: Mapping[str, Any]) -> str:
    return json.dumps(params, indent=1, sort_keys=True, default=str, ensure_ascii=False)
