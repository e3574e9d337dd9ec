"""The verb evaluate on files: what it prints, prices and writes."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.strategy import ContactStrategy

runner = CliRunner()


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A strategy of the earlier half of a simulated log, evaluated and priced on the later half."""
    folder = tmp_path_factory.mktemp("evaluated")
    app, log = build_app(), folder / "log.parquet"
    made = runner.invoke(app, ["simulate", "--out", str(folder), "--contacts", "600", "--accounts", "20"])
    assert made.exit_code == 0, made.output
    middle = str(pd.read_parquet(log, columns=["sent_at"])["sent_at"].quantile(0.5))
    trained = runner.invoke(app, ["train", str(log), "--out", str(folder / "model"), "--until", middle, "--jobs", "1"])
    assert trained.exit_code == 0, trained.output
    arguments = ["evaluate", str(log), "--strategy", str(folder / "model"), "--since", middle, "--price-of-rules"]
    arguments += ["--pack", "CO", "--slice-by", "stage", "--baseline", "logging", "--baseline", "best_constant"]
    told = runner.invoke(app, [*arguments, "--json", str(folder / "r.json"), "--html", str(folder / "r.html")])
    assert told.exit_code == 0, told.output
    return folder, " ".join(told.output.split())


def test_evaluate_tells_the_cost_of_exploring(evaluated):
    """The share of the modelled gain that the strategy's exploring gives up, as training stored it."""
    folder, told = evaluated
    share = ContactStrategy.load(folder / "model").exploration_cost_
    assert f"exploring gives up {share:.1%} of the modelled gain" in told


def test_every_lever_and_pack_is_priced_on_screen_and_in_files(evaluated):
    """Each channel, block of hours, tone and the pack has a line in the table, on the page and in the JSON."""
    folder, told = evaluated
    page = (folder / "r.html").read_text(encoding="utf-8")
    report = json.loads((folder / "r.json").read_text(encoding="utf-8"))
    priced = {line["rule"]: line for line in report["prices"]}
    assert all(line["ci_low"] <= line["value_lost"] <= line["ci_high"] for line in priced.values())
    for rule in ("without channel sms", "without hour 8 to 11", "pack CO"):
        assert rule in told
        assert rule in page
        assert rule in priced
    assert "pack CO allows no contact at all in" in told
    assert "all of them: Refused: the effective sample size" in told
    assert "against logging" in told
    assert "against best_constant" in told
