"""What importing costs: CPU of ``recommender.ContactStrategy`` against pandas, scikit-learn and lightgbm alone.

    python benchmarks/imports.py [--runs 5]

Each import is a process of its own (user and system time of the child), sides interleaved; quote the ratio of medians.
``coverage``, a development tool that numba imports where it is installed, is hidden from every side: no user pays it.
Modules come from their bytecode, as installed ones do, whatever ``PYTHONDONTWRITEBYTECODE`` says of this machine.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

from quick import add_quick

SIDES = {
    "pandas, scikit-learn, lightgbm": "import pandas, sklearn, lightgbm",
    "recommender": "import recommender",
    "recommender.ContactStrategy": "import recommender; from recommender import ContactStrategy",
    "... and numba beside the three": "import pandas, sklearn, lightgbm, numba",
}


def cpu_seconds(code: str, bytecode: str) -> float:
    """CPU of a fresh interpreter that runs ``code``."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", f"import sys; sys.modules['coverage'] = None; {code}"]
    before = os.times()
    subprocess.run(command, check=True, env=kept | {"PYTHONPYCACHEPREFIX": bytecode})
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    add_quick(parser, runs=1)
    runs = parser.parse_args().runs
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as bytecode:
        for code in SIDES.values():
            cpu_seconds(code, bytecode)
        for _ in range(runs):
            for side, code in SIDES.items():
                found[side].append(cpu_seconds(code, bytecode))
    peer = statistics.median(next(iter(found.values())))
    for side, seconds in found.items():
        middle = statistics.median(seconds)
        print(f"{side:32s} {middle:6.2f} CPU s  x{middle / peer:.2f}  ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
