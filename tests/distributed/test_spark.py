"""The exported strategy on a real, small Spark: the ranking of one frame, whatever the partitions."""

import os
import shutil
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recommender.store.registry.pyfunc_export import export_pyfunc
from tests.store.small_strategy import saved_strategy

PEER = Path(__file__).parents[2] / "benchmarks" / "peers" / "spark"
BORROWED = [str(place) for place in PEER.glob(".venv/lib/python3*/site-packages") if (place / "pyspark").is_dir()]

pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java on this machine"),
    pytest.mark.skipif(
        not BORROWED and find_spec("pyspark") is None,
        reason="there is no PySpark: uv sync in benchmarks/peers/spark",
    ),
]


def test_a_spark_udf_ranks_as_one_frame_does(tmp_path, made_once):
    """Five partitions on two cores give each account what one call gives; nothing hangs on the order of rows."""
    rng = np.random.default_rng(3)
    saved = saved_strategy(tmp_path / "saved", made_once)
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{number}" for number in range(200)],
            "stage": rng.choice(["early", "late", "never seen"], 200),
            "overdue": np.where(rng.random(200) < 0.2, np.nan, rng.normal(size=200)),
            "eligible": rng.choice(["11111", "01101", "00001"], 200),
        }
    )
    accounts.to_parquet(tmp_path / "accounts.parquet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints
        import mlflow.pyfunc

        export = export_pyfunc(saved, tmp_path / "export")
        expected = mlflow.pyfunc.load_model(str(export)).predict(
            accounts, params={"as_of": "2026-11-23T13:00:00+00:00", "top_k": 1}
        )
    # PySpark is pure Python: its folder comes last, so that nothing of this environment is hidden
    entries = os.environ | {
        "PYTHONPATH": os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), *BORROWED]),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    script = Path(__file__).with_name("spark_ranking.py")
    done = subprocess.run(
        [sys.executable, str(script), str(export), str(tmp_path / "accounts.parquet"), str(tmp_path / "plan.parquet")],
        env=entries,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "200 accounts ranked in 5 partitions" in done.stdout
    plan = pd.read_parquet(tmp_path / "plan.parquet").set_index("account_id").loc[accounts["account_id"]]
    assert plan["channel_1"].nunique() == 2
    for name in ("channel_1", "hour_1"):
        here = expected[name].astype(object).where(expected[name].notna(), None)
        there = plan[name].astype(object).where(plan[name].notna(), None)
        assert [None if one is None else str(one) for one in here] == there.tolist(), name
    for name in ("propensity_1", "expected_reward_1"):
        np.testing.assert_array_equal(plan[name].to_numpy(), expected[name].to_numpy(dtype=float), err_msg=name)
