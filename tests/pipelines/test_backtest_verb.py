"""The verbs backtest and evaluate --price-of-rules on files."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from pipelines.rule_masks import lever_masks, pack_mask
from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import LoggedFeedback
from recommender.proof.off_policy import OffPolicyEvaluator
from recommender.store.files.log_files import feedback_from_file, read_roles

runner = CliRunner()


@pytest.fixture(scope="module")
def small_log(tmp_path_factory):
    """A simulated log on disk."""
    folder = tmp_path_factory.mktemp("backtest")
    result = runner.invoke(build_app(), ["simulate", "--out", str(folder), "--contacts", "900", "--accounts", "20"])
    assert result.exit_code == 0, result.output
    return folder / "log.parquet"


def test_backtest_writes_table_and_page(small_log, tmp_path):
    """One command: each window and the pooled difference, on screen and in files."""
    table, page = tmp_path / "backtest.csv", tmp_path / "backtest.html"
    arguments = ["backtest", str(small_log), "--splits", "1", "--jobs", "1", "--baseline", "logging"]
    result = runner.invoke(build_app(), [*arguments, "--out", str(table), "--html", str(page)])
    assert result.exit_code == 0, result.output
    assert "against logging" in result.output
    frame = pd.read_csv(table)
    assert frame["window"].astype(str).tolist() == ["1", "pooled"]
    assert frame["difference"].iloc[0] == frame["difference"].iloc[1]
    assert "<table>" in page.read_text(encoding="utf-8")


def test_levers_cover_each_factor_and_never_no_contact():
    """Each channel and each hour block is one lever; those of a factor leave waiting alone."""
    actions = ActionSpace({"channel": ["call", "sms"], "hour": range(7, 20)}, no_contact=True)
    masks = lever_masks(actions)
    assert set(masks) == {
        "without channel call",
        "without channel sms",
        "without hour 7 to 10",
        "without hour 11 to 13",
        "without hour 14 to 16",
        "without hour 17 to 19",
    }
    for factor in ("channel", "hour"):
        removed = np.array([~mask for name, mask in masks.items() if name.startswith(f"without {factor} ")])
        assert (removed.sum(axis=0) == np.append(np.ones(26), 0)).all()


def test_a_pack_is_judged_at_each_decision_by_the_facts_of_the_file(small_log):
    """The mask has a row a decision; facts that the file does not hold deny."""
    frame = pd.read_parquet(small_log)
    log = feedback_from_file(small_log, read_roles(small_log))
    allowed = pack_mask(small_log, log, "CO")
    assert allowed.shape == (len(log), log.n_actions)
    # Consent, attestations and the like are not in this file: nothing is known to be lawful but leaving alone.
    assert not allowed[:, :-1].any()
    assert allowed[:, -1].all()
    prices = OffPolicyEvaluator(log).price_of_rules("uniform", {"pack CO": allowed, "all": np.ones(261, dtype=bool)})
    assert prices["rows_touched"].tolist() == [len(log), 0]
    assert prices["verdict"].iloc[1] == "free"
    assert prices["rows_barred"].tolist() == [0, 0]
    later = str(pd.to_datetime(frame["sent_at"], utc=True).quantile(0.5))
    assert len(pack_mask(small_log, log, "CO", later)) == len(log.split(later)[1])


def test_a_pack_cannot_be_priced_without_account_time_and_channel(small_log):
    """The error says what is missing and what works instead."""
    frame = pd.DataFrame({"arm": [0, 1], "x": [0.0, 1.0], "reward": [0.0, 1.0]})
    log = LoggedFeedback.from_frame(frame, actions=ActionSpace({"arm": [0, 1]}), context=["x"])
    with pytest.raises(InvalidInput, match="--price-of-rules"):
        pack_mask(small_log, log, "CO")


@pytest.mark.parametrize(("initiated_by", "second"), [(None, False), ("creditor", False), ("debtor", True)])
def test_earlier_contacts_of_the_log_count_as_ours_unless_it_says_otherwise(tmp_path, initiated_by, second):
    """Two messages on one day in Colombia: the second is one too many where the first was the creditor's."""
    frame = pd.DataFrame(
        {
            "account_id": ["A1", "A1"],
            "sent_at": pd.to_datetime(["2026-11-17T14:00Z", "2026-11-17T20:00Z"]),
            "channel": ["sms", "sms"],
            "reward": [0.0, 1.0],
            "balance_minor": [50_000, 50_000],
            "country": "CO", "timezone": "America/Bogota", "due_date": "2026-10-01", "party": "debtor", "flags": "",
            "consented_channels": "sms;email",
        }
    )  # fmt: skip
    if initiated_by:
        frame["initiated_by"] = initiated_by
    frame.to_parquet(tmp_path / "log.parquet")
    log = LoggedFeedback.from_frame(
        frame,
        actions=ActionSpace({"channel": ["sms"]}),
        context=["balance_minor"],
        account="account_id",
        time="sent_at",
    )
    assert pack_mask(tmp_path / "log.parquet", log, "CO")[:, 0].tolist() == [True, second]
