"""The demo runs from the log to the report, on a log too small to prove anything."""

import pandas as pd

from pipelines.demo import run


def test_the_story_ends_in_a_report_and_a_plan(tmp_path, capsys):
    """Every chapter is told; the page, the plan and the strategy are there; what cannot be proven is not claimed."""
    run(contacts=2_000, out=tmp_path, jobs=1, seed=1, redraws=1, story="portfolio")
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
