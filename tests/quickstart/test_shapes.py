"""Files of strangers become a log without a line of cleaning code, or one message says what to state."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.quickstart import guess_roles, log_of_file, type_cells
from recommender.quickstart.command import main
from recommender.quickstart.first_look import _where_it_matters
from recommender.store.files import read_table
from tests.quickstart.shapes import SHAPES, N, written


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_becomes_a_log_or_says_what_to_state(shape, tmp_path):
    """Reward and action are what a reader would take for them; nothing known afterwards or personal is context."""
    path, reward, action = written(shape, tmp_path)
    typed = type_cells(read_table(path, table="any"))
    if reward is None or action is None:
        with pytest.raises(InvalidInput, match=r"--(reward|action) COLUMN"):
            guess_roles(typed)
        return
    roles = guess_roles(typed)
    log, _ = log_of_file(typed, roles)
    assert roles.reward == reward
    assert tuple(log.actions.factors) == action
    assert len(log) == N
    assert np.unique(log.reward).size > 1
    held = {name.casefold() for name in roles.context}
    assert not held & {"duration", "spend", "visit", "phone_number", "cédula", "sex", "lead_id", "row", "notes"}


def test_what_was_asked_for_can_be_stated(tmp_path):
    """The message of a shape that cannot be guessed is enough to go on."""
    path, _, _ = written(next(shape for shape in SHAPES if shape.__name__ == "job_training"), tmp_path)
    typed = type_cells(read_table(path, table="any"))
    log, _ = log_of_file(typed, guess_roles(typed, reward="re78", action=["treat"]))
    assert log.reward_kind == "amount"
    assert log.actions.factors["treat"] == (0, 1)


def test_a_question_is_asked_where_somebody_answers(tmp_path):
    """With a person at hand the columns that may be meant are offered."""
    path, _, _ = written(next(shape for shape in SHAPES if shape.__name__ == "coupons"), tmp_path)
    typed = type_cells(read_table(path, table="any"))
    asked = []

    def ask(question, columns):
        asked.append((question, list(columns)))
        return "coupon"

    assert guess_roles(typed, ask=ask).factors == ("coupon",)
    assert "coupon" in asked[0][1]


def test_dates_of_two_readings_are_not_guessed(tmp_path):
    """Days up to twelve only: the order is asked for, and then used."""
    path = tmp_path / "open.csv"
    rows = [f"0{day}/0{month}/2026,{channel},{(day + month) % 2}" for day in range(1, 10) for month in range(1, 10)
            for channel in ("sms", "call")]  # fmt: skip
    path.write_text("fecha,canal,pago\n" + "\n".join(rows), encoding="utf-8")
    frame = read_table(path, table="any")
    typed = type_cells(frame)
    with pytest.raises(InvalidInput, match="--dates dmy"):
        log_of_file(typed, guess_roles(typed))
    said = type_cells(frame, "dmy")
    log, _ = log_of_file(said, guess_roles(said))
    assert str(log.time[1])[:10] == "2026-01-01"
    assert str(log.time[-1])[:10] == "2026-09-09"


def test_the_command_writes_a_page(tmp_path, capsys):
    """From a CSV to a page with the log, what was learnt, what it would earn and accounts with reasons."""
    path, _, _ = written(next(shape for shape in SHAPES if shape.__name__ == "uplift_anonymous"), tmp_path)
    out = tmp_path / "page.html"
    assert main(["quickstart", str(path), "--out", str(out), "--model", str(tmp_path / "model"), "--yes"]) == 0
    told = capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "action: treatment" in told
    assert out.as_uri() in told
    for heading in ("What the log is", "What was learnt", "What it would earn", "Accounts, with reasons"):
        assert heading in page
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    assert (tmp_path / "model").is_dir()


def test_the_command_says_one_thing_to_do(tmp_path, capsys):
    """A file that is not there, and one whose reward is unknown, end with code 2 and a message."""
    assert main(["quickstart", str(tmp_path / "none.csv")]) == 2
    assert "Check the path" in capsys.readouterr().err
    path, _, _ = written(next(shape for shape in SHAPES if shape.__name__ == "job_training"), tmp_path)
    assert main(["quickstart", str(path), "--yes"]) == 2
    assert "--reward COLUMN" in capsys.readouterr().err


def test_each_account_is_told_once(strategy, simulated):
    """A debtor with many contacts fills no list alone."""
    recent = pd.concat([simulated.contacts.tail(6)] * 3, ignore_index=True)
    done = strategy.actions_.index_of(recent)
    lines, _ = _where_it_matters(strategy, recent, done, "en")
    told = [line.account for line in lines]
    assert len(told) == len(set(told)) == recent["account_id"].nunique()


def test_who_had_the_best_contact_already_stands_last(strategy, simulated):
    """What matters is what is expected beyond what was done, and not who answers anyway."""
    recent = simulated.contacts.drop_duplicates("account_id").tail(8).reset_index(drop=True)
    ranked = strategy.recommend(recent, top_k=1, explore=False).sort_values("row")
    best = strategy.actions_.index_of(ranked[list(strategy.actions_.factors)])
    expected = strategy.expected_reward(recent)
    had = expected[np.arange(8), best] >= np.median(expected[np.arange(8), best])  # those who answer most
    done = np.where(had, best, expected.argmin(axis=1))
    lines, _ = _where_it_matters(strategy, recent, done, "en")
    assert 2 <= had.sum() <= 6
    assert {line.account for line in lines[: int((~had).sum())]} == set(recent["account_id"][~had].astype(str))
