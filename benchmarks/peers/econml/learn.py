"""Train EconML's DRPolicyForest on a log with a coarse action set and score the coarse actions.

Reads ``log.parquet`` (context columns, ``__action`` as coarse code, ``__reward``), ``test.parquet`` and
``settings.json`` (``n_actions``, ``seed``) from a folder; writes ``scores.npy`` of shape (n_test, n_actions), the
predicted value of each coarse action, and ``seconds.json`` with the CPU seconds of fitting and predicting.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from econml.policy import DRPolicyForest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor


def design(log, test):
    """Context as numbers: medians for missing values (marked), the commonest thirty categories as indicators."""
    columns = []
    for name in test.columns:
        both = pd.concat([log[name], test[name]], ignore_index=True)
        if pd.api.types.is_numeric_dtype(both) and not pd.api.types.is_bool_dtype(both):
            values = both.astype(float)
            columns.append(values.fillna(log[name].astype(float).median()).to_numpy())
            if values.isna().any():
                columns.append(values.isna().to_numpy(dtype=float))
        else:
            text = both.astype(str)
            common = text[: len(log)].value_counts().index[:30]
            columns.extend((text == level).to_numpy(dtype=float) for level in common)
    table = np.column_stack(columns)
    return table[: len(log)], table[len(log) :]


def main(folder):
    warnings.simplefilter("ignore")
    folder = Path(folder)
    log, test = pd.read_parquet(folder / "log.parquet"), pd.read_parquet(folder / "test.parquet")
    settings = json.loads((folder / "settings.json").read_text())
    context = [name for name in log.columns if not name.startswith("__")]
    X, X_test = design(log[context], test[context])
    # an arm that was never logged cannot be estimated: it keeps the worst value of the row
    present, code = np.unique(log["__action"].to_numpy(), return_inverse=True)
    start = time.process_time()
    forest = DRPolicyForest(
        model_regression=RandomForestRegressor(
            n_estimators=100, min_samples_leaf=20, n_jobs=1, random_state=settings["seed"]
        ),
        model_propensity=RandomForestClassifier(
            n_estimators=100, min_samples_leaf=20, n_jobs=1, random_state=settings["seed"]
        ),
        n_estimators=400,
        max_depth=6,
        min_samples_leaf=20,
        min_propensity=0.01,
        cv=2,
        n_jobs=1,
        random_state=settings["seed"],
    )
    forest.fit(log["__reward"].to_numpy(float), code, X=X)
    fitted = time.process_time()
    value = np.asarray(forest.predict_value(X_test)).reshape(len(X_test), -1)
    value = np.column_stack([np.zeros(len(X_test)), value])[:, -len(present) :]
    scores = np.repeat(value.min(axis=1, keepdims=True) - 1.0, settings["n_actions"], axis=1)
    scores[:, present] = value
    np.save(folder / "scores.npy", scores)
    told = {"fit": fitted - start, "predict": time.process_time() - fitted}
    (folder / "seconds.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
