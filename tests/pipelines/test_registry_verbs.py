"""``promote``, ``rollback`` and ``models`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.registry import REFUSED, register
from recommender.errors import InvalidInput
from recommender.store.registry import Registry


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with two versions; the tests of this module follow one another in it."""
    folder = tmp_path_factory.mktemp("registry")
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
    report.write_text(json.dumps({"verdict": "not proven", "reasons": ["lower bound below 0"]}))
    refused = call(place, "promote", "challenger", "--by", "luis", "--report", str(report))
    assert refused.exit_code == REFUSED
    assert "lower bound below 0" in refused.output
    assert "version 1 goes on serving" in refused.output

    report.write_text(json.dumps({"verdict": "better", "reasons": []}))
    accepted = call(place, "promote", "--by", "luis", "--report", str(report))
    assert accepted.exit_code == 0
    assert "version 2 of contact-strategy is champion (before: version 1)" in accepted.output

    back = call(place, "rollback", "--by", "ana", "--reason", "complaints")
    assert back.exit_code == 0
    assert "version 1 of contact-strategy serves again" in back.output
    told = call(place, "models", "--history").output
    for word in ("ana", "luis", "refused", "rollback", "complaints"):
        assert word in told


def test_a_file_that_is_no_report_promotes_nobody(place: Path) -> None:
    """The error names the file and how to write one; nothing is stored."""
    before = len(_registry(place).history())
    wrong = place / "wrong.json"
    for text in ("[1, 2]", "no json", "{}"):
        wrong.write_text(text)
        result = call(place, "promote", "2", "--by", "ana", "--report", str(wrong))
        assert isinstance(result.exception, InvalidInput)
        assert "wrong.json" in str(result.exception)
    assert len(_registry(place).history()) == before


def _registry(place: Path) -> Registry:
    return Registry(f"sqlite:///{place / 'mlflow.db'}", place / "artifacts")
