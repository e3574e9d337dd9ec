"""``promote``, ``rollback`` and ``models`` from the command line."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.registry import REFUSED, promote_version, register
from recommender.errors import InvalidInput
from recommender.evaluation import evaluate
from recommender.evaluation.gate import GateDecision
from recommender.simulation import simulate
from recommender.store.files.artefact_folder import folder_digest
from recommender.store.files.log_files import write_log
from recommender.store.registry import Registry


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, empty_mlflow_db: Path) -> Path:
    """A registry with two versions; the tests of this module follow one another in it."""
    folder = tmp_path_factory.mktemp("registry")
    copy_database(empty_mlflow_db, folder / "mlflow.db")
    (folder / "saved").mkdir()
    (folder / "saved" / "strategy.json").write_text("{}")
    registry = Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
    for run_name in ("first", "second"):
        registry.log_training(
            run_name=run_name,
            params={},
            metrics={},
            model_card=f"# {run_name}",
            data_digest="12" * 32,
            strategy_dir=folder / "saved",
            register=True,
        )
    return folder


def copy_database(source: Path, target: Path) -> None:
    """A copy that holds what was committed."""
    with closing(sqlite3.connect(source)) as held, closing(sqlite3.connect(target)) as copy:
        held.backup(copy)


def call(place: Path, *words: str) -> Result:
    """Run a verb on the registry."""
    app = typer.Typer()
    register(app)
    where = ["--tracking-uri", f"sqlite:///{place / 'mlflow.db'}", "--artifacts", str(place / "artifacts")]
    return CliRunner().invoke(app, [*words, *where], env={"COLUMNS": "160"})


def test_the_verbs_lead_from_versions_to_a_champion_and_back(place: Path) -> None:
    """List, promote plainly, promote on a good report, be refused on a bad one, roll back; all of it is kept."""
    listed = call(place, "models")
    assert listed.exit_code == 0
    assert "challenger" in listed.output
    assert "Nobody is champion yet" in listed.output

    assert call(place, "promote", "1").exit_code == 2, "--by is required"
    plain = call(place, "promote", "1", "--by", "ana", "--reason", "first of all")
    assert plain.exit_code == 0
    assert "version 1 of contact-strategy is champion" in plain.output

    report = place / "report.json"
    write_report(report, place, gain=0.0)
    refused = call(place, "promote", "challenger", "--by", "luis", "--report", str(report))
    assert refused.exit_code == REFUSED
    assert "paired lower bound of the gain" in refused.output
    assert "version 1 goes on serving" in refused.output

    write_report(report, place, gain=0.2)
    accepted = call(place, "promote", "--by", "luis", "--report", str(report))
    assert accepted.exit_code == 0
    assert "version 2 of contact-strategy is champion (before: version 1)" in accepted.output

    back = call(place, "rollback", "--by", "ana", "--reason", "complaints")
    assert back.exit_code == 0
    assert "version 1 of contact-strategy serves again" in back.output
    told = call(place, "models", "--history").output
    for word in ("ana", "luis", "refused", "rollback", "complaints"):
        assert word in told


def write_report(path: Path, place: Path, gain: float, **subject: str) -> None:
    """A report as ``evaluate --json`` writes it, of a uniform log in which one of two actions is better by a gain."""
    rng = np.random.default_rng(0)
    action = rng.integers(0, 2, 4000)
    found = evaluate(
        reward=(rng.random(4000) < 0.3 + gain * action).astype(float),
        action=action,
        propensity=np.full(4000, 0.5),
        propensity_logged=np.ones(4000, dtype=bool),
        expected_reward=np.full((4000, 2), 0.3),
        action_probabilities=np.tile([0.1, 0.9], (4000, 1)),
        baseline_probabilities=np.tile([0.9, 0.1], (4000, 1)),
        factor_codes=np.arange(2)[:, None],
        cluster=np.arange(4000),
        rng=rng,
    )
    saved = folder_digest(place / "saved")
    about = {"strategy_digest": saved, "baseline": "saved", "baseline_digest": saved} | subject
    path.write_text(json.dumps(found.to_dict() | {"subject": about}))


@pytest.mark.parametrize(
    ("words", "subject", "told"),
    [
        ([], {"strategy_digest": "0" * 64}, "judges another strategy"),
        ([], {"baseline": "logging", "baseline_digest": ""}, "compares with logging"),
        (["--claimed-gain", "0.9"], {}, "claimed gain of +0.9 exceeds"),
        (["--least-gain", "0.5"], {}, "must lie above +0.5"),
    ],
    ids=["stranger", "other baseline", "overclaimed", "too little"],
)
def test_a_good_report_of_something_else_promotes_nobody(
    place: Path, words: list[str], subject: dict[str, str], told: str
) -> None:
    """The whole gate judges a report: whose it is, against whom, and what is claimed; the refusal is kept."""
    champion = _registry(place).current()
    assert champion is not None
    other = "2" if champion == 1 else "1"
    write_report(place / "report.json", place, gain=0.2, **subject)
    result = call(place, "promote", other, "--by", "eva", "--report", str(place / "report.json"), *words)
    assert result.exit_code == REFUSED, (result.output, result.exception)
    event = _registry(place).history()[-1]
    assert (event.decision, event.requested_by) == ("refused", "eva")
    assert any(told in reason for reason in event.reasons)
    assert _registry(place).current() == champion


def test_a_champion_that_changes_meanwhile_stops_a_promotion(place: Path) -> None:
    """What was judged against the one that no longer serves is not promoted."""
    registry = _registry(place)
    champion = registry.current()
    other = 2 if champion == 1 else 1

    def gate() -> GateDecision:
        registry.promote(other, requested_by="eva", decided_at=datetime.now(UTC))
        return GateDecision(accepted=True, reasons=(), checks={})

    with pytest.raises(InvalidInput, match="became champion while"):
        promote_version(registry, other, by="ana", at=datetime.now(UTC), gate=gate)
    assert registry.history()[-1].requested_by == "eva"
    registry.rollback(requested_by="eva", at=datetime.now(UTC))


def test_a_file_that_is_no_report_promotes_nobody(place: Path) -> None:
    """The error names the file and how to write one; nothing is stored."""
    before = len(_registry(place).history())
    wrong = place / "wrong.json"
    for text in ("[1, 2]", "no json", "{}", json.dumps({"verdict": "better", "reasons": []})):
        wrong.write_text(text)
        result = call(place, "promote", "2", "--by", "ana", "--report", str(wrong))
        assert isinstance(result.exception, InvalidInput)
        assert "wrong.json" in str(result.exception)
    assert len(_registry(place).history()) == before


def _registry(place: Path) -> Registry:
    return Registry(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts")


def test_a_champion_is_not_replaced_by_what_nobody_judged(place: Path) -> None:
    """Without a log or a report it takes an explicit word and a reason, which are kept."""
    champion = _registry(place).current()
    other = "2" if champion == 1 else "1"
    for words, told in (
        ([], "must be judged"),
        (["--without-gate"], "needs a reason"),
        (["--without-gate", "--reason", " "], "needs a reason"),
        (["--without-gate", "--reason", "x", "--report", "r.json"], "exclude each other"),
    ):
        result = call(place, "promote", other, "--by", "ana", *words)
        assert isinstance(result.exception, InvalidInput)
        assert told in str(result.exception)
    assert _registry(place).current() == champion
    done = call(place, "promote", other, "--by", "ana", "--without-gate", "--reason", "the champion leaks memory")
    assert done.exit_code == 0, done.output
    event = _registry(place).history()[-1]
    assert (event.version, event.requested_by) == (int(other), "ana")
    assert event.reasons == ("the champion leaks memory", "promoted without the gate")


def test_the_gate_judges_challenger_and_champion_on_one_log(
    strategy: Any, saved_strategy: Path, empty_mlflow_db: Path, tmp_path: Path
) -> None:
    """What is not proven better is refused with its report and changes nothing; once it is proven, it serves."""
    copy_database(empty_mlflow_db, tmp_path / "mlflow.db")
    registry = _registry(tmp_path)
    log = tmp_path / "later.parquet"
    later = simulate(500, seed=1, logger="uniform", no_contact=True).fresh_accounts(1_200)
    roles = {
        "context": later.context,
        "categorical": later.categorical,
        "reward": "reward",
        "propensity": "propensity",
        "account": "account_id",
        "time": "sent_at",
        "cluster": "debtor_id",
    }
    write_log(later.contacts, log, actions=later.actions, roles=roles)

    def register(path: Path) -> None:
        told: dict[str, Any] = {"run_name": "r", "params": {}, "metrics": {}, "model_card": "", "data_digest": "0"}
        registry.log_training(**told, strategy_dir=path, register=True)

    register(saved_strategy)
    first = call(tmp_path, "promote", "--by", "ana", "--reason", "the first")
    assert first.exit_code == 0, first.output
    other = type(strategy).from_files(strategy.to_files()).set_params(epsilon=0.5)
    other.__dict__.pop("version_", None)
    register(other.save(tmp_path / "other"))
    refused = call(tmp_path, "promote", "--by", "luis", "--log", str(log), "--slice-by", "stage")
    assert refused.exit_code == REFUSED, (refused.output, refused.exception)
    assert "version 1 goes on serving" in refused.output
    event = registry.history()[-1]
    assert (event.decision, event.requested_by, event.version) == ("refused", "luis", 2)
    kept = Path(registry._client.download_artifacts(event.run_id, "report/evaluation", str(tmp_path)))
    assert {path.name for path in kept.iterdir()} == {"report.json", "report.html", "gate.json"}
    gate = json.loads((kept / "gate.json").read_text())
    assert not gate["accepted"] and gate["reasons"] == list(event.reasons)
    sliced = json.loads((kept / "report.json").read_text())["slices"]  # in which nobody may lose
    assert {one["slice"] for one in sliced} == {"stage"}
    assert registry.current() == 1

    # A log in which what the challenger prefers succeeds: now it is better, provably.
    worse = type(strategy).from_files(strategy.to_files()).set_params(epsilon=0.9)
    worse.__dict__.pop("version_", None)
    register(worse.save(tmp_path / "worse"))
    assert call(tmp_path, "promote", "--by", "ana", "--without-gate", "--reason", "to be beaten").exit_code == 0
    later = simulate(500, seed=1, logger="uniform", no_contact=True).fresh_accounts(7_000)
    feedback = later.feedback()
    preferred = strategy.log_probabilities(feedback)[range(len(feedback)), feedback.action]
    lucky = np.random.default_rng(0).random(len(preferred)) < 0.2  # rewards about as high as the model promises
    write_log(
        later.contacts.assign(reward=((preferred > np.quantile(preferred, 0.8)) & lucky).astype("int64")),
        log,
        actions=later.actions,
        roles=roles,
    )
    accepted = call(tmp_path, "promote", "2", "--by", "luis", "--log", str(log))
    assert accepted.exit_code == 0, accepted.output
    assert registry.current() == 2
