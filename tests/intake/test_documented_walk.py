"""The walk of ``docs/exports.md``: every command of the page, from the exports that the project makes to a plan."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app

ROOT = Path(__file__).parents[2]
PAGES = ("docs/exports.md", "docs/exports.es.md")


def commands(page, folder):
    """Arguments of each command of the page's first block, its output under ``folder``."""
    block = re.search(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)[1]
    lines = block.replace("\\\n", " ").splitlines()
    names = dict(pair.split("=", 1) for pair in re.split(r";\s*", lines[0]))
    assert names["O"].startswith("data/"), "what a walk writes is not tracked"
    names = {"E": str(ROOT / names["E"]), "O": str(folder)}
    told = []
    for line in filter(None, map(str.strip, lines[1:])):
        for name, value in names.items():
            line = line.replace(f"${name}", value)
        words = shlex.split(line, comments=True)
        assert words[:3] == ["python", "-m", "pipelines"], line
        told.append(words[3:])
    return told


def test_both_pages_walk_the_same_way(tmp_path):
    """The Spanish page gives the commands of the English one."""
    assert commands(PAGES[0], tmp_path) == commands(PAGES[1], tmp_path)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agency")
    app, answers = build_app(), []
    for words in commands(PAGES[0], folder):
        answer = CliRunner().invoke(app, words)
        assert answer.exit_code == 0, (words, answer.output, answer.exception)
        answers.append((words, answer.output))
    return folder, answers


def test_the_walk_is_of_every_verb(walked):
    """``map`` of every source, then ``ingest``, ``doctor``, ``train``, ``score``; a dry run writes nothing."""
    _, answers = walked
    verbs = [words[0] for words, _ in answers]
    assert verbs[-4:] == ["ingest", "doctor", "train", "score"]
    assert verbs.count("map") == 9
    assert "dry run" in answers[1][1]


def test_its_figures_are_those_of_the_page(walked):
    """Rows of each table, none in quarantine, the accounts of the plan, the channels that rest."""
    folder, answers = walked
    text = " ".join((ROOT / PAGES[0]).read_text(encoding="utf-8").split())
    told = re.search(
        r"It gives (\d+) accounts, ([\d,]+) contacts, ([\d,]+) outcomes and (\d+) payments, nothing in quarantine, "
        r"and a plan of (\d+) accounts, (\d+) of them with a channel that rests after three failures",
        text,
    )
    figures = [int(number.replace(",", "")) for number in told.groups()]
    tables = [pd.read_parquet(folder / f"{name}.parquet") for name in ("accounts", "contacts", "outcomes", "payments")]
    assert figures[:4] == [len(table) for table in tables]
    assert "(0 rows)" in answers[-4][1]
    plan = pd.read_parquet(folder / "plan.parquet")
    assert plan["account"].nunique() == figures[4]
    resting = re.findall(r"\bfailed (\d+)", answers[-1][1])
    assert sum(map(int, resting)) == figures[5], answers[-1][1]
