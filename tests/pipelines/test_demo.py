"""The demo runs from the log to the report, on a log too small to prove anything."""

import re

import pandas as pd

from pipelines.demo import run
from tests.quickstart.spanish_reading import english_words, read_page


def test_the_story_ends_in_a_report_and_a_plan(tmp_path, capsys):
    """Every chapter is told; the page, the plan and the strategy are there; what cannot be proven is not claimed."""
    run(contacts=2_000, out=tmp_path, jobs=1, seed=1, redraws=1, story="portfolio", language="en")
    told = capsys.readouterr().out
    for chapter in ("1. The log", "2. What was learnt", "3. What it would", "4. Ten accounts", "5. The plan"):
        assert chapter in told
    assert "of 1 intervals hold the true value" in told
    assert (tmp_path / "report.html").as_uri() in told.replace("\n", "")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for heading in ("What was learnt", "What it would earn", "Accounts, with reasons", "Tomorrow", "Where to go on"):
        assert heading in page
    assert page.count('<tr><th scope="row">PA') == 10
    assert len(pd.read_parquet(tmp_path / "tomorrow" / "plan.parquet")) > 50
    assert (tmp_path / "strategy").is_dir()


def test_the_story_is_told_in_spanish(tmp_path, capsys, monkeypatch):
    """A Spanish terminal hears every chapter in Spanish, down to the lines of the plan; ids of rules are names."""
    monkeypatch.setenv("LC_ALL", "es_CO.UTF-8")
    run(contacts=2_000, out=tmp_path, jobs=1, seed=1, redraws=1, story="portfolio")
    told, _, onwards = capsys.readouterr().out.partition("Dónde hacer clic")
    assert "5. El plan de mañana" in told
    assert "--language es" in onwards
    told = re.sub(r"(floor|house|co|trade|purpose)-[a-z-]+|/[^ ]*", " ", told.replace(str(tmp_path), " "))
    assert english_words(told) == set()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="es">' in page
    assert english_words(re.sub(r"/[^ ]*", " ", read_page(page))) == set()
