"""The export as ``spark_udf`` calls it: one loaded model, an iterator of frames, any cut of the rows."""

import warnings

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.store.pyfunc_export import export_pyfunc

PARAMS = {"as_of": "2026-11-23T13:00:00+00:00", "top_k": 2}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small strategy that knows accounts by id, exported."""
    rng = np.random.default_rng(3)
    n = 600
    space = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]}, no_contact=True)
    action = rng.integers(0, 4, n)
    log = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in rng.integers(0, 200, n)],
            "sent_at": pd.Timestamp("2026-01-01T12:00Z") + pd.to_timedelta(np.arange(n), unit="h"),
            "stage": rng.choice(["early", "late"], n),
            "overdue": rng.normal(size=n),
            "propensity": 0.25,
        }
    )
    log = pd.concat([log, space.describe(action)], axis=1)
    log["reward"] = (rng.random(n) < 0.2 + 0.4 * (action == 1)).astype(float)
    roles = {"propensity": "propensity", "account": "account_id", "time": "sent_at"}
    feedback = LoggedFeedback.from_frame(log, actions=space, context=["stage", "overdue"], **roles)
    folder = tmp_path_factory.mktemp("export")
    saved = ContactStrategy(n_jobs=1).fit(feedback).save(folder / "saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints
        import mlflow.pyfunc

        return mlflow.pyfunc.load_model(str(export_pyfunc(saved, folder / "export")))


def test_batches_of_an_iterator_give_what_one_frame_gives(exported):
    """Draws hang on the account, not on its place in a partition; the index of a batch plays no part."""
    rng = np.random.default_rng(5)
    n = 90
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in range(n)],
            "stage": rng.choice(["early", "late", "never seen"], n),
            "overdue": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "eligible": rng.choice(["11111", "01101", "00001"], n),
        }
    )

    def batches(size):
        for start in range(0, n, size):
            yield accounts.iloc[start : start + size]  # with the index of the whole, as slices of a partition have

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = exported.predict(accounts, params=PARAMS)
        for size in (1, 7, 64):
            if size == 1:
                parts = [exported.predict(batch, params=PARAMS) for _, batch in zip(range(5), batches(1), strict=False)]
            else:
                parts = [exported.predict(batch, params=PARAMS) for batch in batches(size)]
            found = pd.concat(parts, ignore_index=True)
            told, expected = (frame.astype(object).where(frame.notna(), None) for frame in (found, whole))
            pd.testing.assert_frame_equal(told, expected.head(len(told)), check_exact=True, check_names=False)
    assert whole.loc[accounts["eligible"] == "00001", "channel_1"].isna().all()
    assert whole["channel_1"].notna().sum() > 20
