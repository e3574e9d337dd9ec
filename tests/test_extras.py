"""With the core alone everything needed to learn, evaluate and recommend is there; the rest names its extra."""

import subprocess
import sys
import tomllib
from pathlib import Path

from recommender.errors import MissingExtra

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OPTIONAL = ["babel", "shap", "optuna", "matplotlib", "duckdb", "highspy", "sqlalchemy", "alembic", "mlflow", "dask"]
OPTIONAL += [
    "distributed",
    "typer",
    "rich",
    "pydantic_settings",
    "fastapi",
    "structlog",
    "prometheus_client",
    "psycopg",
]

# A meta path that does not find what the extras bring: a core installation without making one.
CORE_ONLY = f"""
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, NotInstalled())
"""


def run(code):
    """Run code where only the core is installed."""
    return subprocess.run([sys.executable, "-c", CORE_ONLY + code], capture_output=True, text=True, check=False)


def test_the_core_learns_evaluates_and_keeps_the_law():
    """Every room that these need is imported, a rule pack is read, a log simulated."""
    done = run("""
from recommender import ActionSpace, ContactStrategy, LoggedFeedback, OffPolicyEvaluator, evaluate_policy
import recommender.deciding, recommender.monitoring, recommender.reports, recommender.store.files
import recommender.quickstart.command
from recommender.rules import load_pack
from recommender.simulation import simulate
assert load_pack("CO")
log = simulate(60, seed=1).feedback()
assert len(log.reward) == 60
""")
    assert done.returncode == 0, done.stderr[-1500:]


ASKED = {
    "explain": "import recommender; recommender.explain",
    "planning": "import recommender.planning",
    "store": "import recommender.store.decision_log",
    "registry": "import recommender.store.registry",
    "distributed": "import recommender.distributed",
    "tuning": "from recommender.proof import tuning; tuning.optuna.create_study",
    "plots": "from recommender.reports import draw_step_bars as draw; draw(None)",
}


def test_what_is_missing_names_its_extra():
    """One error with the command that mends it, and the extra exists."""
    done = run(f"""
from recommender.errors import MissingExtra
for extra, code in {ASKED!r}.items():
    try:
        exec(code, {{}})
    except MissingExtra as missing:
        assert f'pip install "recommender[{{extra}}]"' in str(missing), (extra, str(missing))
    else:
        raise SystemExit(f"{{extra}}: nothing was missing")
""")
    assert done.returncode == 0, done.stderr[-1500:]
    assert set(ASKED) < set(PROJECT["optional-dependencies"])


def test_all_holds_every_extra():
    """``recommender[all]`` brings what each extra brings."""
    extras = PROJECT["optional-dependencies"]

    def held(name):
        within = [
            part.removeprefix("recommender[").rstrip("]").split(",") for part in extras[name] if "recommender[" in part
        ]
        return {name}.union(*(held(inner) for part in within for inner in part))

    assert held("all") == set(extras)


def test_the_error_crosses_a_process_boundary():
    """It keeps library and extra."""
    made, (kind, arguments) = MissingExtra("optuna", "tuning"), MissingExtra("optuna", "tuning").__reduce__()
    assert str(kind(*arguments)) == str(made)
    assert isinstance(made, ImportError)
