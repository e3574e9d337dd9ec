"""Every benchmark can be run quickly, and none hides a package of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
# One process for all of them: each alone would import lightgbm anew.
ASK_EACH = """
import contextlib, io, runpy, sys
for script in sys.argv[1:]:
    sys.argv, said = [script, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code == 0 and "--quick" in said.getvalue():
            continue
    raise SystemExit(f"{script} does not know --quick: {said.getvalue()[-500:]}")
"""


def test_no_script_hides_a_package():
    """A script's folder comes first on the path: a file named like a package would be imported in its place."""
    root = FOLDER.parent
    packages = {path.parent.name for folder in (root, root / "src") for path in folder.glob("*/__init__.py")}
    taken = packages | set(sys.stdlib_module_names)
    assert not [path.name for path in FOLDER.glob("*.py") if path.stem in taken]


def test_every_script_starts_and_knows_quick():
    """Each finds its imports and options; ``make bench`` runs every script with --quick."""
    scripts = sorted(path for path in FOLDER.glob("*.py") if "ArgumentParser(" in path.read_text(encoding="utf-8"))
    assert len(scripts) > 10
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n{ASK_EACH}", *scripts],
        capture_output=True, text=True, check=False, cwd=FOLDER.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.proof
@pytest.mark.parametrize(
    "script",
    [
        path.name
        for path in sorted(FOLDER.glob("[!q]*.py"))
        if '"--quick"' in (text := path.read_text(encoding="utf-8")) or "add_quick(" in text
    ],
)
def test_every_script_runs_to_its_end(script):
    """As ``make bench`` runs it; two had died on changed signatures that ``--help`` does not see."""
    done = subprocess.run(
        [sys.executable, FOLDER / script, "--quick"], capture_output=True, text=True, check=False, cwd=FOLDER.parent
    )
    assert done.returncode == 0, done.stderr[-2_000:]
