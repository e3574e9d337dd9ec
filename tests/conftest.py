"""Shared logs with known truth; small, so that the quick tests stay quick."""

import atexit
import gc
import os
from pathlib import Path

import pytest

# Workers of pytest-xdist share the cores already; no result depends on the number of threads. A worker inherits the
# environment of the process that starts it, which has read this file before: what stands there is not asked.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
else:
    os.environ.setdefault("OMP_NUM_THREADS", "2")

# What a machine speaks changes no test.
os.environ["LC_ALL"] = "C.UTF-8"

from hypothesis import settings

from tests.machine import closing_lines
from tests.made_once import MadeOnce

settings.register_profile("quick", deadline=None, print_blob=True)
settings.load_profile("quick")


# What was imported and collected lives as long as its process: looking through it again and again for circles took a
# tenth of the CPU time of a test. Circles that tests leave behind are still found, in larger portions.
gc.disable()
_ALLOCATIONS = 50_000

_HERE = Path(__file__).parent

# Folders whose tests share what takes long to make: a demo portfolio with its server, an explained portfolio.
_ONE_WORKER = ("browser", "explanation")

# Files whose tests share nothing, each longer than most files.
_ONE_BY_ONE = ("tests/notebooks/test_notebooks.py", "tests/test_documents.py")

# What takes longest goes first, so that no worker is left alone with it at the end; those that need the shared strategy
# stand apart, since the second to ask for it would wait for the first.
_FIRST = (
    "browser",
    "tests/notebooks/test_notebooks.py",
    "explanation",
    "tests/planning/test_tomorrow.py",
    "tests/test_documents.py",
    "tests/intake/test_one_door.py",
    "tests/pipelines/test_tables_chain.py",
    "tests/pipelines/test_closed_loop.py",
    "tests/intake/test_documented_walk.py",
    "tests/pipelines/test_evaluate_verb.py",
    "tests/distributed",
    "tests/api/test_registry_serving.py",
    "tests/statistics",
    "tests/pipelines",
    "tests/store",
)


def _scope_of(nodeid):
    """What a test runs together with: its file, its folder, or nothing."""
    file = nodeid.split("::", 1)[0]
    if file in _ONE_BY_ONE:
        return nodeid
    folder = file.split("/")[-2] if "/" in file else ""
    return folder if folder in _ONE_WORKER else file


def pytest_configure(config):
    """
    Every second worker collects from the other end: each compiles half of the tests and finds the rest compiled.

    Not where something is left out: of what is named one by one, pytest leaves nothing out.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    whole = [Path(one).resolve() for one in config.args] == [_HERE] and not (
        config.option.ignore or config.option.ignore_glob
    )
    if whole and int(worker.removeprefix("gw")) % 2:
        parts = [one for one in _HERE.iterdir() if one.is_dir() or one.name.startswith("test_")]
        config.args[:] = sorted((str(one) for one in parts if not one.name.startswith("__")), reverse=True)


def pytest_collection_modifyitems(items):
    """Longest first, else by file, whatever order they were collected in; within a file as they stand there."""

    def rank(item):
        scope = _scope_of(item.nodeid)
        first = next((at for at, name in enumerate(_FIRST) if scope.startswith(name)), len(_FIRST))
        return first, item.nodeid.partition("::")[0]

    items.sort(key=rank)


def pytest_collection_finish():
    """Set what lives on aside, once."""
    gc.collect()
    gc.freeze()
    # Given back at the very end, after pytest has looked for circles five times: what is never collected reads as
    # leaked when extensions of C++ end.
    atexit.register(gc.unfreeze)
    gc.set_threshold(_ALLOCATIONS, *gc.get_threshold()[1:])
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of a file (or of such a folder) in one worker, so that what they share is made once."""
    from xdist.scheduler import LoadFileScheduling

    class ByWhatIsShared(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return _scope_of(nodeid)

    config.option.loadscopereorder = False  # the order of the collection stands: by length, not by number of tests
    return ByWhatIsShared(config, log)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter):
    """Close with one loud line for each program whose want kept tests from running."""
    yield
    for line in closing_lines(terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(line, red=True, bold=True)


@pytest.fixture(scope="session")
def simulated():
    """A simulated log of 3,000 contacts with its truth."""
    from recommender.simulation import simulate

    return simulate(3_000, seed=1, no_contact=True)


@pytest.fixture(scope="session")
def simulated_log(simulated):
    """The same as checked feedback."""
    return simulated.feedback()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """What all workers of a run share: ``made_once(name, make)``, see :class:`tests.made_once.MadeOnce`."""
    return MadeOnce(tmp_path_factory)


@pytest.fixture(scope="session")
def strategy(made_once, simulated_log):
    """A strategy trained on the simulated log."""
    from recommender import ContactStrategy

    return made_once("strategy", lambda: ContactStrategy(n_jobs=2, random_state=0).fit(simulated_log))


@pytest.fixture(scope="session")
def saved_strategy(strategy, tmp_path_factory):
    """The strategy on disk."""
    return strategy.save(tmp_path_factory.mktemp("strategy") / "strategy")


@pytest.fixture(scope="session")
def empty_mlflow_db(made_once):
    """An initialised MLflow database, made once: making it takes several seconds."""
    from recommender.store.registry import Registry

    def make():
        assert Registry(f"sqlite:///{place}", place.parent / "artefacts").current() is None

    place = made_once.folder / "empty-mlflow.db"
    return made_once.made_at(place, make)


@pytest.fixture
def registry(empty_mlflow_db, tmp_path):
    """An empty registry of its own for each test, in ``mlflow.db`` and ``artefacts`` of its ``tmp_path``."""
    import sqlite3
    from contextlib import closing

    from recommender.store.registry import Registry

    place = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(empty_mlflow_db)) as source, closing(sqlite3.connect(place)) as target:
        source.backup(target)
    return Registry(f"sqlite:///{place}", tmp_path / "artefacts")


@pytest.fixture(scope="session")
def demo_site(made_once):
    """A small demo portfolio with everything that the managers' pages show."""
    from pipelines.demo_site import run

    out = made_once.folder / "demo-site"
    given = {"contacts": 2_000, "accounts": 520, "weeks": 2, "seed": 7, "until": "2025-08-01"}
    return made_once.made_at(out, lambda: run(out=out, **given, again=True))
