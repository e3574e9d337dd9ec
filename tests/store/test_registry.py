"""The registry: runs, versions, champion and challenger, and who asked for which change."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender.errors import ArtefactError, InvalidInput
from recommender.store.registry import CHALLENGER, CHAMPION, Registry, RegistryError, Trial

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder of native files, as the registry sees it: opaque."""
    folder = tmp_path / "saved"
    (folder / "reward").mkdir(parents=True)
    (folder / "strategy.json").write_text('{"format": 1}')
    (folder / "reward" / "model.txt").write_text("tree")
    return folder


@pytest.fixture
def train(registry: Registry, saved: Path) -> Callable[..., int]:
    """Log and register a training; returns its version."""

    def log(**changes: Any) -> int:
        fields: dict[str, Any] = {
            "run_name": "nightly",
            "params": {"policy": "softmax", "trees": {"num_leaves": 31}},
            "metrics": {"value": 0.042},
            "model_card": "# What it is\n",
            "data_digest": "12" * 32,
            "strategy_dir": saved,
            "register": True,
        }
        version = registry.log_training(**(fields | changes)).version
        assert version is not None
        return version

    return log


def test_a_run_keeps_parameters_metrics_plots_and_card(registry: Registry, saved: Path) -> None:
    """Everything that is needed to judge a training can be read back from MLflow."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0, 1])
    report = saved.parent / "report.html"
    report.write_text("<p>report</p>")
    run = registry.log_training(
        run_name="first",
        params={"policy": "softmax", "trees": {"num_leaves": 31}, "long": "x" * 9_000},
        metrics={"value": 0.042, "ess (matched)": 812.0, "unknown": None},
        tags={"git": "abc"},
        artifacts={"plots/weights.png": figure, "report.html": report, "notes/reasons.txt": "because"},
        model_card="# Card",
        data_digest="12" * 32,
    )
    assert run.version is None
    assert registry.current(CHALLENGER) is None
    client = registry._client
    held = client.get_run(run.run_id)
    assert held.info.status == "FINISHED"
    assert held.data.params["trees.num_leaves"] == "31"
    assert held.data.metrics == {"value": 0.042, "ess _matched_": 812.0}
    assert held.data.tags["git"] == "abc"
    assert held.data.tags["data_digest"] == "12" * 32
    assert [given.dataset.digest for given in held.inputs.dataset_inputs] == ["12" * 18]
    kept = Path(client.download_artifacts(run.run_id, "", str(saved.parent)))
    assert (kept / "plots" / "weights.png").read_bytes().startswith(b"\x89PNG")
    assert (kept / "notes" / "reasons.txt").read_text() == "because"
    assert (kept / "model_card.md").read_text() == "# Card"
    assert len(json.loads((kept / "params.json").read_text())["long"]) == 9_000


def test_a_failed_logging_leaves_a_failed_run(registry: Registry) -> None:
    """A run that could not be completed never looks finished."""
    run_id = registry.begin("broken")
    with pytest.raises(InvalidInput, match="not there"):
        registry.log_training(
            run_name="broken",
            params={},
            metrics={},
            model_card="",
            data_digest="0",
            artifacts={"report.html": Path("/nowhere/report.html")},
            run_id=run_id,
        )
    assert registry._client.get_run(run_id).info.status == "FAILED"
    with pytest.raises(InvalidInput, match="leads out"):
        registry.log_training(
            run_name="x", params={}, metrics={}, model_card="", data_digest="0", artifacts={"../x": "text"}
        )
    with pytest.raises(InvalidInput, match="no strategy"):
        registry.log_training(run_name="x", params={}, metrics={}, model_card="", data_digest="0", register=True)


def test_tuning_trials_are_nested_runs(registry: Registry) -> None:
    """Trials hang under the training run, which may still be open."""
    parent = registry.begin("tuned")
    trial = registry.log_trial(parent, Trial(3, {"num_leaves": 15}, 0.031))
    registry.log_trial(parent, Trial(4, {"num_leaves": 7}, None, state="PRUNED"))
    registry.log_training(run_name="tuned", params={}, metrics={}, model_card="", data_digest="0", run_id=parent)
    held = registry._client.get_run(trial)
    assert held.data.tags["mlflow.parentRunId"] == parent
    assert held.data.metrics == {"objective": 0.031}
    assert registry._client.get_run(parent).info.status == "FINISHED"


def test_a_registered_version_is_the_challenger_until_it_is_promoted(
    registry: Registry, train: Callable[..., int]
) -> None:
    """Registering changes nothing for those who are served; promoting moves the alias."""
    assert registry.current() is None
    assert train() == 1
    assert (registry.current(CHAMPION), registry.current(CHALLENGER)) == (None, 1)
    promoted = registry.promote(CHALLENGER, requested_by="ana", decided_at=AT)
    assert (promoted.version, promoted.previous, promoted.decision) == (1, None, "accepted")
    assert (registry.current(CHAMPION), registry.current(CHALLENGER)) == (1, None)
    assert train() == 2
    assert (registry.current(CHAMPION), registry.current(CHALLENGER)) == (1, 2)
    first, second = registry.versions()[::-1]
    assert (first.version, first.aliases) == (1, (CHAMPION,))
    assert (second.version, second.aliases) == (2, (CHALLENGER,))
    assert first.strategy_digest == second.strategy_digest
    assert len(first.strategy_digest) == 64


def test_a_refused_promotion_is_kept_with_its_report_and_changes_nothing(
    registry: Registry, train: Callable[..., int], tmp_path: Path
) -> None:
    """A refusal is a normal outcome: who asked, when, why, and the evidence."""
    registry.promote(train(), requested_by="ana", decided_at=AT)
    train()
    report = tmp_path / "report.json"
    report.write_text('{"verdict": "not proven"}')
    refused = registry.promote(
        "challenger",
        requested_by="luis",
        decided_at=AT + timedelta(hours=1),
        decision="refused",
        reasons=["lower bound -0.002 is not above 0"],
        report=report,
    )
    assert (registry.current(CHAMPION), registry.current(CHALLENGER)) == (1, 2)
    assert registry.history()[-1] == refused
    assert refused.decided_at == AT + timedelta(hours=1)
    kept = Path(registry._client.download_artifacts(refused.run_id, "", str(tmp_path)))
    assert json.loads((kept / "report" / "report.json").read_text())["verdict"] == "not proven"
    assert json.loads((kept / "decision.json").read_text())["requested_by"] == "luis"


def test_rollback_goes_back_step_by_step(registry: Registry, train: Callable[..., int]) -> None:
    """Each rollback restores the champion before, never one that was rolled back; then there is none left."""
    for hours in range(3):
        registry.promote(train(), requested_by="ana", decided_at=AT + timedelta(hours=hours))
    back = registry.rollback(requested_by="luis", at=AT + timedelta(hours=3), reasons=["complaints rose"])
    assert (back.kind, back.version, back.previous) == ("rollback", 2, 3)
    assert registry.current() == 2
    assert registry.rollback(requested_by="luis", at=AT + timedelta(hours=4)).version == 1
    with pytest.raises(RegistryError, match="no earlier champion"):
        registry.rollback(requested_by="luis", at=AT + timedelta(hours=5))
    assert registry.current() == 1
    registry.promote(3, requested_by="ana", decided_at=AT + timedelta(hours=6))
    assert registry.rollback(requested_by="luis", at=AT + timedelta(hours=7)).version == 1
    told = [(event.kind, event.version) for event in registry.history()]
    assert told == [
        ("promotion", 1),
        ("promotion", 2),
        ("promotion", 3),
        ("rollback", 2),
        ("rollback", 1),
        ("promotion", 3),
        ("rollback", 1),
    ]


def test_an_alias_set_by_hand_is_remembered(registry: Registry, train: Callable[..., int]) -> None:
    """A champion chosen in MLflow's own interface is what a later rollback goes back to."""
    train()
    train()
    registry._client.set_registered_model_alias(registry.model_name, CHAMPION, "1")
    registry.promote(2, requested_by="ana", decided_at=AT)
    assert registry.rollback(requested_by="ana", at=AT).version == 1


def test_promoting_the_champion_again_is_recorded_but_not_remembered_twice(
    registry: Registry, train: Callable[..., int]
) -> None:
    """A rollback after a double promotion goes to the version before, not to the same one."""
    registry.promote(train(), requested_by="ana", decided_at=AT)
    registry.promote(train(), requested_by="ana", decided_at=AT)
    registry.promote(2, requested_by="ana", decided_at=AT)
    assert len(registry.history()) == 3
    assert registry.rollback(requested_by="ana", at=AT).version == 1


def test_what_is_fetched_is_what_was_registered_and_nothing_else(
    registry: Registry, train: Callable[..., int], saved: Path, tmp_path: Path
) -> None:
    """Only the native files come down; an intact copy is used again, a damaged one replaced."""
    train()
    place = registry.fetch(CHALLENGER, tmp_path / "cache")
    assert place == tmp_path / "cache" / "contact-strategy-v1"
    files = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert files == {"strategy.json", "reward/model.txt"}
    assert (place / "reward" / "model.txt").read_text() == "tree"
    (place / "reward" / "model.txt").write_text("altered")
    assert (registry.fetch("1", tmp_path / "cache") / "reward" / "model.txt").read_text() == "tree"
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"contact-strategy-v1"}


def test_altered_artefacts_are_refused(registry: Registry, train: Callable[..., int], tmp_path: Path) -> None:
    """A strategy changed in the artefact store after registering is never served."""
    train()
    held = next((tmp_path / "artefacts").rglob("model.txt"))
    held.write_text("someone else's tree")
    with pytest.raises(ArtefactError, match="altered"):
        registry.fetch(1, tmp_path / "cache")
    assert not (tmp_path / "cache" / "contact-strategy-v1").exists()
    held.unlink()
    held.symlink_to("/etc/hostname")
    with pytest.raises(ArtefactError):
        registry.fetch(1, tmp_path / "cache")


def test_a_version_of_other_making_is_not_fetched(
    registry: Registry, train: Callable[..., int], tmp_path: Path
) -> None:
    """A version without our digest may hold anything."""
    train()
    client = registry._client
    held = client.get_model_version(registry.model_name, "1")
    client.create_model_version(registry.model_name, held.source, held.run_id)
    with pytest.raises(ArtefactError, match="no strategy digest"):
        registry.fetch("latest", tmp_path / "cache")


@pytest.mark.parametrize("wanted", ["champion", "9", "nobody", "latest", "'; DROP TABLE x; --"])
def test_an_unknown_version_names_those_that_exist(registry: Registry, wanted: str) -> None:
    """The error says what is registered."""
    with pytest.raises(RegistryError, match="none"):
        registry.resolve(wanted)


def test_requests_without_a_name_or_zone_are_refused(registry: Registry, train: Callable[..., int]) -> None:
    """Each change names who asked and when."""
    train()
    with pytest.raises(InvalidInput, match="requested_by"):
        registry.promote(1, requested_by=" ", decided_at=AT)
    with pytest.raises(InvalidInput, match="time zone"):
        registry.promote(1, requested_by="ana", decided_at=AT.replace(tzinfo=None))
    with pytest.raises(InvalidInput, match="accepted"):
        registry.promote(1, requested_by="ana", decided_at=AT, decision="maybe")  # type: ignore[arg-type]
    assert registry.current() is None


def test_many_long_reasons_stay_readable(registry: Registry, train: Callable[..., int]) -> None:
    """What does not fit MLflow's tags is in the artefact."""
    train()
    reasons = [f"slice {number}: " + "x" * 300 for number in range(40)]
    refused = registry.promote(1, requested_by="ana", decided_at=AT, decision="refused", reasons=reasons)
    (told,) = registry.history()
    assert told.reasons[0] == reasons[0]
    assert told.reasons[-1] == "(more in decision.json)"
    assert refused.reasons == tuple(reasons)


def test_mlflow_stays_quiet(registry: Registry, train: Callable[..., int], capfd: pytest.CaptureFixture[str]) -> None:
    """No progress bars, notes or warnings reach the user's terminal."""
    train()
    registry.promote(1, requested_by="ana", decided_at=AT)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("kind", ["a folder", "not a database", "a server that is down"])
def test_a_registry_that_is_away_is_said_at_once_and_no_password_with_it(tmp_path, kind):
    """MLflow alone would try for a minute, and its error shows the address whole."""
    (tmp_path / "bad.db").write_bytes(b"the disk is broken" * 1_000)
    uri = {
        "a folder": f"sqlite:///{tmp_path}",
        "not a database": f"sqlite:///{tmp_path / 'bad.db'}",
        "a server that is down": "postgresql+psycopg://ana:secret@127.0.0.1:9/registry",
    }[kind]
    with pytest.raises(RegistryError, match=r"does not answer .*Check the address") as refused:
        Registry(uri, tmp_path).current()
    assert "secret" not in str(refused.value)


def test_a_database_of_another_mlflow_names_the_mend(registry: Registry) -> None:
    """It answers; what it needs is an upgrade, and that is said."""
    with closing(sqlite3.connect(registry.tracking_uri.removeprefix("sqlite:///"))) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.commit()
    with pytest.raises(RegistryError, match=r"schema of another MLflow.*mlflow db upgrade"):
        Registry(registry.tracking_uri, registry.artifact_root).current()


def test_rollback_goes_to_the_last_champion_that_is_still_there(registry: Registry, train: Callable[..., int]) -> None:
    """A version deleted since is passed over: the alias never names one that nobody can load."""
    for hours in range(3):
        registry.promote(train(), requested_by="ana", decided_at=AT + timedelta(hours=hours))
    registry._client.delete_model_version(registry.model_name, "2")
    assert registry.rollback(requested_by="luis", at=AT + timedelta(hours=3)).version == 1
    assert registry.current() == 1
