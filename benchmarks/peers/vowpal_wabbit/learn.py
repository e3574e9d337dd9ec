"""Train Vowpal Wabbit on a log and score every action: logistic S-learner with factor interactions, and cb modes.

Reads ``log.parquet`` (context columns, ``__f0``.. factor levels, ``__reward``, ``__propensity``, ``__action``),
``test.parquet`` and ``actions.parquet`` from a folder; writes ``scores.npy`` of shape (n_test, n_actions).
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import vowpalwabbit as vw


def escape(value):
    return str(value).replace(" ", "_").replace(":", "_").replace("|", "_")


def context_lines(frame, means, spreads):
    parts = [""] * len(frame)
    for j, name in enumerate(frame.columns):
        values = frame[name]
        if pd.api.types.is_numeric_dtype(values):
            scaled = ((values.astype(float) - means[name]) / spreads[name]).clip(-4, 4).to_numpy()
            parts = [p if np.isnan(v) else f"{p} c{j}:{v:.4g}" for p, v in zip(parts, scaled, strict=True)]
        else:
            parts = [f"{p} c{j}={escape(v)}" for p, v in zip(parts, values, strict=True)]
    return parts


def main(folder):
    folder = Path(folder)
    log, test, actions = (pd.read_parquet(folder / f"{name}.parquet") for name in ("log", "test", "actions"))
    settings = json.loads((folder / "settings.json").read_text())
    context = [c for c in log.columns if not c.startswith("__")]
    numeric = [c for c in context if pd.api.types.is_numeric_dtype(log[c])]
    means, spreads = log[numeric].mean(), log[numeric].std().replace(0, 1).fillna(1)
    space = "abdefg"[: actions.shape[1]]
    action_text = ["".join(f" |{n} {escape(v)}" for n, v in zip(space, row, strict=True)) for row in actions.to_numpy()]
    lines, test_lines = context_lines(log[context], means, spreads), context_lines(test[context], means, spreads)
    pairs = [f"c{n}" for n in space] + [a + b for i, a in enumerate(space) for b in space[i + 1 :]]
    if settings["mode"] == "logistic":
        options = "--loss_function logistic --link logistic -b 20 --quiet " + " ".join(f"-q {p}" for p in pairs)
        model = vw.Workspace(options + f" -l {settings['rate']}")
        for text, a, r in zip(lines, log["__action"], log["__reward"], strict=True):
            model.learn(f"{1 if r > 0 else -1} |c{text}{action_text[a]}")
        scores = np.array([[model.predict(f"|c{text}{a}") for a in action_text] for text in test_lines])
    else:
        model = vw.Workspace(
            f"--cb {len(actions)} --cb_type {settings['mode']} -b 22 --quiet -l {settings['rate']}"
        )
        for text, a, r, p in zip(lines, log["__action"], log["__reward"], log["__propensity"], strict=True):
            model.learn(f"{a + 1}:{-r}:{p} |c{text}")
        chosen = np.array([int(model.predict(f"|c{text}")) - 1 for text in test_lines])
        scores = np.eye(len(actions))[chosen]
    np.save(folder / "scores.npy", scores)


if __name__ == "__main__":
    main(sys.argv[1])
