"""Python blocks of the documents run as they stand, in the order of their page, on small data; TOML and JSON parse."""

import ast
import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])

#: Where something stands for what the reader has (a cluster, a dispatched decision, a run's own numbers), or another
#: test runs the same line: ``experiment`` in tests/proof, own learners in tests/learning, MLflow in tests/store.
OUTLINES = {
    ("evaluation", 1): "experiment(log)",
    ("own-models", 0): "HistGradientBoostingClassifier",
    ("decision-log", 0): "DecisionRecord(...)",
    ("distributed", 0): "spark_udf",
    ("registry", 0): "run_name=...",
    ("registry", 1): "recommender.mlflow.log_model",
    ("registry", 2): "spark_udf",
    ("simulation", 1): "world.respond(decisions)",
    ("updating", 0): "strategy.update(new_decisions)",
}


def blocks(page, kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def parsed(page):
    """What a page's blocks do: all but their comments, which may be Spanish."""
    return [ast.dump(ast.parse(code)) for code in blocks(page, "python")]


@pytest.fixture(scope="module")
def given():
    """What pages assume at hand: a log and what was learnt from it, accounts, the present."""
    from sklearn.linear_model import LogisticRegression

    import recommender
    from recommender.simulation import simulate, simulate_portfolio

    world = simulate(700, seed=5)
    log = world.feedback()
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    accounts = log.context.head(6)
    past, log = log.split(log.time[len(log) // 2])
    strategy = recommender.ContactStrategy(n_jobs=1, random_state=0).fit(past)
    portfolio = simulate_portfolio(40, seed=0, as_of=now)
    names = {name: getattr(recommender, name) for name in recommender.__all__}
    own = {
        "log": log,
        "strategy": strategy,
        "accounts": accounts,
        "now": now,
        "space": log.actions,
        "row": 0,
        "action": 3,
    }
    own |= {"a": 1, "b": 7, "stages": ["early", "late"] * 3, "LogisticRegression": LogisticRegression}
    return {"plain": names | own, "guardrails": {"accounts": portfolio, "contacts": None}}


def small(code):
    """Sizes that show that it runs."""
    return (
        re.sub(r"\b\d{2,3}_000\b", "600", code)
        .replace("sample=1_000", "sample=40")
        .replace("DebtorWorld(2_000", "DebtorWorld(200")
    )


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_python_blocks_run(page, given, tmp_path, monkeypatch):
    if page.stem.startswith("README"):
        return  # tests/test_documents.py runs its ten lines in a process of their own
    english = page.with_name(page.name.replace(".es.md", ".md"))
    if english != page and parsed(english) == parsed(page):
        return  # the test of the English page runs the same, comments aside; what differs in one word is run
    monkeypatch.chdir(tmp_path)
    title = page.stem.removesuffix(".es")  # a page and its Spanish one have the same code
    names = dict(given["plain"]) | given.get(title, {})
    for number, code in enumerate(blocks(page, "python")):
        outline = OUTLINES.get((title, number))
        if outline is not None:
            assert outline in code
            continue
        exec(compile(small(code), f"{page.name} block {number}", "exec"), names)  # noqa: S102


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "toml") or blocks(page, "json")], ids=lambda page: page.stem
)
def test_files_that_are_shown_are_files(page):
    for text in blocks(page, "toml"):
        tomllib.loads(text)
    for text in blocks(page, "json"):
        json.loads(text)


def test_the_settings_of_the_shown_server_are_settings():
    """What an assistant is told to start takes these arguments and variables."""
    from recommender.settings import Settings

    for page in (ROOT / "docs" / "mcp.md", ROOT / "docs" / "mcp.es.md"):
        (server,) = json.loads(blocks(page, "json")[0])["mcpServers"].values()
        names = [name.removeprefix("RECOMMENDER_").lower() for name in server["env"]]
        assert set(names) <= set(Settings.model_fields) and all(
            name.startswith("RECOMMENDER_") for name in server["env"]
        )
        assert (ROOT / "api" / "mcp" / "__main__.py").is_file() and server["args"] == ["-m", "api.mcp"]
        assert Path(server["command"]).name == "python"
