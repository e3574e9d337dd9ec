"""House rules that a machine can keep: imports, names, what importing drags along, what the docs must mention."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py")) + sorted((ROOT / "api").rglob("*.py"))
SOURCES += sorted((ROOT / "pipelines").rglob("*.py"))


def test_import_directions_hold():
    """The contracts of pyproject.toml: one direction, heavy libraries in one room each."""
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_without_a_meaning_in_its_name():
    """utils, helpers, common, core, base, constants and models name nothing."""
    meaningless = {"utils", "util", "helpers", "helper", "common", "core", "base", "constants", "models", "misc"}
    assert not [path for path in SOURCES if path.stem in meaningless]


def test_no_pickle_anywhere():
    """Nothing that executes code when loading is imported."""
    forbidden = re.compile(r"^\s*(import|from) (pickle|cloudpickle|joblib|dill|shelve|marshal)\b", re.MULTILINE)
    assert not [path for path in SOURCES if forbidden.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("verb", ["packs", "messages", "check"])
def test_a_verb_waits_for_no_library_of_another(verb):
    """The command line loads the verb that was asked for."""
    load = f"import sys; from pipelines.__main__ import build_app; build_app({verb!r})"
    code = f"{load}; sys.exit(bool({{'mlflow', 'sqlalchemy', 'lightgbm'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


@pytest.fixture(scope="module")
def imported():
    """What a fresh process holds once it imported the library, and once it asked for the strategy."""
    code = "import sys, recommender; print(*sys.modules); recommender.ContactStrategy; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    return [set(line.split()) for line in told.splitlines()]


@pytest.mark.parametrize("heavy", ["mlflow", "shap", "fastapi", "matplotlib.pyplot", "dask", "sqlalchemy"])
def test_importing_the_library_does_not_drag_heavy_libraries_along(heavy, imported):
    """A notebook or a worker pays only for what it uses."""
    assert all("recommender" in held and heavy not in held for held in imported)


@pytest.mark.parametrize("late", ["recommender.intake", "recommender.history.build", "numba"])
def test_the_strategy_comes_without_what_reads_raw_tables(late, imported):
    """Who learns from a log or opens a strategy pays neither for intake nor for the compiler."""
    assert "recommender.strategy" in imported[1] - imported[0]
    assert late not in imported[1]


def test_every_setting_and_route_is_documented():
    """Settings fields and API routes appear in docs/."""
    from api.main import create_app
    from recommender.settings import Settings

    told = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    missing = [name for name in Settings.model_fields if f"`{name}`" not in told]
    paths = create_app(Settings(model_path=None)).openapi()["paths"]
    missing += [path for path in paths if path not in told]
    assert not missing


def test_the_readme_commands_exist():
    """The two commands of the README are targets of the Makefile."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", readme, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert not [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)]


def test_no_test_starts_a_loop_in_its_worker():
    """Playwright leaves its own running there: which tests share a worker with those of the pages is chance."""
    starts = re.compile(r"\b(?:asyncio|anyio)\.run\(|run_until_complete")
    found = [
        file.relative_to(ROOT) for file in (ROOT / "tests").rglob("*.py") if starts.search(file.read_text("utf-8"))
    ]
    assert sorted(map(str, found)) == ["tests/own_loop.py", "tests/test_house.py"]


def test_a_worker_of_the_tests_keeps_to_one_thread(monkeypatch):
    """Whatever the process that starts it has set for itself, which the worker inherits."""
    for name, value in {"PYTEST_XDIST_WORKER": "gw0", "OMP_NUM_THREADS": "2"}.items():
        monkeypatch.setenv(name, value)
    runpy.run_path(str(ROOT / "tests" / "conftest.py"))
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_every_public_name_resolves():
    """Each name of the public interface can be imported from the top, and nothing else pretends to be there."""
    import recommender

    for name in recommender.__all__:
        assert getattr(recommender, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        recommender.astrology  # noqa: B018


@pytest.mark.parametrize(
    ("left_out", "turned"), [({}, True), ({"ignore": ["tests/browser"]}, False), ({"ignore_glob": ["*browser"]}, False)]
)
def test_every_worker_leaves_out_what_one_does(left_out, turned, request, monkeypatch):
    """Pytest ignores nothing that is named: a worker that names all folders would collect what the others do not."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    conftest = request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))
    told = SimpleNamespace(ignore=None, ignore_glob=None)
    told.__dict__.update(left_out)
    config = SimpleNamespace(args=[str(ROOT / "tests")], option=told)
    conftest.pytest_configure(config)
    assert (len(config.args) > 1) is turned


@pytest.mark.parametrize("face", ["recommender", "recommender.history"])
def test_names_that_come_late_are_listed(face):
    """Before any of them was asked for: who looks for a name with ``dir`` or the tab key finds it."""
    code = f"import {face} as face; print(set(face.__all__) - set(dir(face)), [hasattr(face, x) for x in face.__all__])"
    told = subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert told.startswith("set()") and "False" not in told
