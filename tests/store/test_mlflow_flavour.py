"""The flavour: a strategy in a run of the user's own, and the same strategy back."""

import shutil
import warnings

import numpy as np
import pytest

from recommender import OffPolicyEvaluator
from recommender.errors import ArtefactError, InvalidInput


@pytest.fixture(scope="module")
def logged(strategy, simulated_log, empty_mlflow_db, tmp_path_factory):
    """A run with a strategy and its report; the tracking place of before comes back."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow 3.17 uses what SQLAlchemy 2.1 deprecates
        import mlflow

        import recommender.mlflow as flavour

        place = tmp_path_factory.mktemp("flavour")
        shutil.copy(empty_mlflow_db, place / "mlflow.db")
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(f"sqlite:///{place / 'mlflow.db'}")
        mlflow.create_experiment("flavour", artifact_location=(place / "artefacts").as_uri())
        mlflow.set_experiment("flavour")
        uniform = np.full((len(simulated_log), simulated_log.n_actions), 1 / simulated_log.n_actions)
        report = OffPolicyEvaluator(simulated_log).evaluate(uniform, estimators=())
        with mlflow.start_run() as run:
            info = flavour.log_model(strategy, report=report)
        yield flavour, info, mlflow.get_run(run.info.run_id), report
        mlflow.set_tracking_uri(before)


def test_the_strategy_comes_back_to_the_bit(logged, strategy, simulated_log):
    """Same version, same values; nothing of the model's code is run to load it."""
    flavour, info, _, _ = logged
    back = flavour.load_model(info.model_uri)
    accounts = simulated_log.context.head(5)
    assert back.version_ == strategy.version_
    np.testing.assert_array_equal(back.expected_reward(accounts), strategy.expected_reward(accounts))


def test_the_run_tells_what_a_reader_looks_for(logged, strategy):
    """Parameters, metrics with their interval, verdict, digest of the data; a signature with the model."""
    _, info, run, report = logged
    assert run.data.params["strategy_policy"] == "softmax"
    assert run.data.metrics["policy_value"] == pytest.approx(report.default["value"])
    assert run.data.metrics["policy_ci_low"] <= run.data.metrics["policy_ci_high"]
    assert run.data.tags["verdict"] == report.verdict
    assert run.data.tags["data_digest"] == strategy.trained_on_["digest"]
    assert "eligible" in info.signature.inputs.input_names()


def test_an_altered_or_foreign_model_is_refused(logged, strategy, tmp_path):
    """A changed file breaks its digest; a folder of another kind is named."""
    flavour, _, _, _ = logged
    (tmp_path / "other").mkdir()
    with pytest.raises(InvalidInput, match="holds no strategy"):
        flavour.load_model(str(tmp_path / "other"))
    saved = strategy.save(tmp_path / "model" / "artifacts" / "strategy")
    file = next(path for path in saved.iterdir() if path.suffix == ".npz")
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(ArtefactError):
        flavour.load_model(str(tmp_path / "model"))
