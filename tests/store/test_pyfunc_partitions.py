"""The export as ``spark_udf`` calls it: one loaded model, an iterator of frames, any cut of the rows."""

import warnings

import numpy as np
import pandas as pd
import pytest

from recommender.store.registry.pyfunc_export import export_pyfunc
from tests.store.small_strategy import saved_strategy

PARAMS = {"as_of": "2026-11-23T13:00:00+00:00", "top_k": 2}


@pytest.fixture(scope="module")
def exported(tmp_path_factory, made_once):
    """A small strategy that knows accounts by id, exported."""
    folder = tmp_path_factory.mktemp("export")
    saved = saved_strategy(folder / "saved", made_once)
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
