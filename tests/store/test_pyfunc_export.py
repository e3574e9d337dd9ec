"""The export for other shops: an MLflow model around the native files, ranking only what the mask allows."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.store.files.artefact_folder import folder_digest
from recommender.store.registry.pyfunc_export import export_pyfunc

AS_OF = "2026-03-02T12:00:00+00:00"


@pytest.fixture(scope="module")
def strategy() -> ContactStrategy:
    """A small strategy over text and number columns."""
    rng = np.random.default_rng(3)
    n = 600
    space = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]}, no_contact=True)
    action = rng.integers(0, 4, n)
    log = pd.concat([pd.DataFrame({"stage": rng.choice(["early", "late"], n), "overdue": rng.normal(size=n)}),
                     space.describe(action)], axis=1)  # fmt: skip
    log["reward"] = (rng.random(n) < 0.2 + 0.4 * (action == 1)).astype(float)
    log["propensity"] = 0.25
    feedback = LoggedFeedback.from_frame(log, actions=space, context=["stage", "overdue"], propensity="propensity")
    return ContactStrategy(n_jobs=1).fit(feedback)


def test_the_export_ranks_as_the_strategy_does(
    strategy: ContactStrategy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Loaded by MLflow with pickle forbidden, it gives the strategy's ranks and obeys the mask."""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    saved = strategy.save(tmp_path / "saved")
    export = export_pyfunc(saved, tmp_path / "export")
    assert capfd.readouterr() == ("", "")
    assert not (export / "uv.lock").exists(), "MLflow copies the lock file of the current folder unless told not to"
    assert folder_digest(export / "artifacts" / "strategy") == folder_digest(saved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(str(export))
        accounts = pd.DataFrame({"stage": ["early", "late", "never seen"], "overdue": [0.1, np.nan, 2.0]})
        masks = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 1]], dtype=bool)
        masked = accounts.assign(eligible=["11111", "00101", "00001"])
        long = model.predict(masked, params={"layout": "long", "as_of": AS_OF, "explore": False})
        wide = model.predict(masked, params={"as_of": AS_OF, "explore": False})
        with pytest.raises(Exception, match="guardrails"):
            model.predict(accounts)
        with pytest.raises(Exception, match="5 characters"):
            model.predict(accounts.assign(eligible="1"))
        free = model.predict(accounts, params={"without_guardrails": True, "as_of": AS_OF})
    ours = strategy.recommend(accounts, eligible=masks, as_of=pd.Timestamp(AS_OF).to_pydatetime(), explore=False)
    np.testing.assert_array_equal(long["row"], ours["row"])
    np.testing.assert_allclose(long["expected_reward"], ours["expected_reward"])
    assert long["channel"].isna().tolist() == ours["channel"].isna().tolist()
    assert len(wide) == 3
    assert wide["channel_1"].tolist()[0] == ours[ours["row"] == 0]["channel"].iloc[0]
    assert wide.loc[1, ["channel_1", "channel_2"]].isna().sum() == 1
    assert wide.loc[2, ["channel_1", "hour_1"]].isna().all()
    assert wide.loc[2, "propensity_1"] == 1.0
    assert pd.isna(wide.loc[2, "propensity_2"])
    assert len(free) == 3
