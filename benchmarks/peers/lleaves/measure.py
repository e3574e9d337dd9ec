"""CPU time of lleaves against Booster.predict on the same rows, interleaved in one process; prints JSON."""

import json
import statistics
import sys
import time

import lightgbm
import lleaves
import numpy as np


def main(model_path: str, rows_path: str, repeats: int) -> None:
    rows = np.load(rows_path)
    booster = lightgbm.Booster(model_file=model_path)
    compiled = lleaves.Model(model_file=model_path)
    begin = time.process_time()
    compiled.compile(raw_score=True)
    compile_seconds = time.process_time() - begin
    sides = {
        "lightgbm": lambda: booster.predict(rows, raw_score=True, num_threads=1),
        "lleaves": lambda: compiled.predict(rows, n_jobs=1),
    }
    results = {name: side() for name, side in sides.items()}
    taken = {name: [] for name in sides}
    for _ in range(repeats):
        for name, side in sides.items():
            begin = time.process_time()
            side()
            taken[name].append((time.process_time() - begin) / len(rows))
    print(
        json.dumps(
            {
                "compile_seconds": compile_seconds,
                "worst_difference": float(np.abs(results["lightgbm"] - results["lleaves"]).max()),
                **{f"{name}_seconds_a_row": statistics.median(values) for name, values in taken.items()},
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
