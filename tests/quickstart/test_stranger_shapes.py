"""Fourteen shapes that are no table of contacts at first sight: turned into one, or a message that says what to do."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.quickstart import guess_roles, log_of_file, type_cells
from recommender.quickstart.command import main
from recommender.store.files import read_table
from tests.quickstart import stranger_shapes as shapes

TO_DO = {
    "events_of_a_provider": r"'message_id' has up to 4 rows.*Keep one row a message_id.*pipelines map",
    "totals_of_a_test": r"Each row counts many contacts \('visitors', 'conversions'\).*Export one row a contact",
    "codes_of_a_bank": r"'COD_RESPUESTA' is text.*--success WORD",
    "intervals_of_a_centre": r"counts many contacts \('Offered'.*Export one row a contact",
    "words_of_a_spreadsheet": r"--encoding cp1252",
    "one_and_two": r"'paid' holds 1 and 2.*--success 1 or --success 2",
}
SAID = {
    "words_of_a_spreadsheet": ({"encoding": "cp1252"}, {}),
    "one_and_two": ({}, {"success": ["1"]}),
    "codes_of_a_bank": ({}, {"success": ["PP"]}),
}


def read(shape, folder, **reading):
    path, reward, action = shapes.written(shape, folder)
    return type_cells(read_table(path, table="any", **reading)), reward, action


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_becomes_a_log_or_says_what_to_do(shape, tmp_path):
    if shape.__name__ in TO_DO:
        with pytest.raises(InvalidInput, match=TO_DO[shape.__name__]):
            guess_roles(read(shape, tmp_path)[0])
        return
    typed, reward, action = read(shape, tmp_path)
    roles = guess_roles(typed)
    log, _ = log_of_file(typed, roles)
    assert (roles.reward, tuple(log.actions.factors)) == (reward, action)
    assert 0.05 < log.reward[log.mature].mean() < 0.4
    assert not {"duration", "Talk Time", "Clicked At"} & set(roles.context)


@pytest.mark.parametrize("name", SAID)
def test_what_the_message_says_is_enough(name, tmp_path):
    """The options that it names make a log of the file."""
    reading, told = SAID[name]
    typed, _, _ = read(getattr(shapes, name), tmp_path, **reading)
    log, _ = log_of_file(typed, guess_roles(typed, **told))
    assert len(log) == shapes.N and 0.1 < log.reward.mean() < 0.6


def test_attempts_side_by_side_are_the_attempts_one_by_one(tmp_path):
    """Every attempt that was made is a row, with what its debtor's row says; in the order in which they were made."""
    path, _, _ = shapes.written(shapes.attempts_in_columns, tmp_path)
    wide = pd.read_csv(path)
    typed = type_cells(read_table(path, table="any"))
    want = []
    for row in wide.to_dict("records"):
        for number in (1, 2, 3):
            channel, result = row[f"attempt_{number}_channel"], row[f"attempt_{number}_result"]
            want += [(row["loan_id"], channel, result == "yes", number)] if isinstance(channel, str) else []
    log, table = log_of_file(typed, guess_roles(typed))
    got = zip(table["(account)"].astype(int), table["attempt_channel"], log.reward == 1, table["attempt"], strict=True)
    assert [tuple(row) for row in got] == want
    assert any("one row an attempt" in line for line in typed.told)


def test_numbered_measures_are_no_attempts():
    """Bills and payments of six months, embeddings, prices a person, answers of a survey: left as they are."""
    rng = np.random.default_rng(2)
    wide = pd.DataFrame(
        {f"{stem}{n}": rng.normal(size=60).round(3) for stem in ("BILL_AMT", "PAY_AMT", "f") for n in (1, 2, 3)}
    )
    wide["channel"], wide["paid"] = rng.choice(["sms", "call"], 60), rng.integers(0, 2, 60)
    typed = type_cells(wide.astype(str))
    assert len(typed.frame) == 60 and not typed.told
    asked = pd.DataFrame({"action_1": rng.choice(["a", "b"], 60), "action_2": rng.choice(["a", "b"], 60), "paid": 1})
    assert len(type_cells(asked).frame) == 60  # choices without answers of their own


def test_what_lies_after_the_contact_is_no_context(tmp_path):
    """Moments that some rows have, all after the contact, came of it; due dates, which all rows have, are known."""
    rng = np.random.default_rng(4)
    sent = pd.Timestamp("2026-02-02 08:00") + pd.to_timedelta(np.arange(400), unit="h")
    answered = rng.random(400) < 0.3
    frame = pd.DataFrame(
        {
            "sent_at": sent,
            "channel": rng.choice(["sms", "call"], 400),
            "responded": rng.integers(0, 2, 400),
            "due_date": sent + pd.Timedelta(days=9),
            "clicked_at": (sent + pd.Timedelta(hours=1)).where(answered),
            "closed_on": (sent + pd.Timedelta(days=3)).where(answered),
            "last_paid": (sent - pd.Timedelta(days=3)).where(answered),
        }
    )
    roles = guess_roles(type_cells(frame))
    assert roles.reward == "responded" and set(roles.context) == {"due_date", "last_paid"}
    assert roles.left_out["clicked_at"] == "is another outcome"
    assert roles.left_out["closed_on"] == "lies after the contact"


def test_counts_of_a_person_are_no_totals():
    """Calls and contacts before now are features of one person: the outcome beside them has two values."""
    rng = np.random.default_rng(5)
    calls = rng.integers(0, 9, 300)
    frame = pd.DataFrame({"calls": calls, "contacts": rng.binomial(calls, 0.5), "answered": rng.integers(0, 2, 300)})
    frame["channel"] = rng.choice(["sms", "call"], 300)
    assert guess_roles(type_cells(frame)).reward == "answered"


def test_statuses_of_an_account_are_no_events():
    """An account's contacts repeat their status: each of them is a contact."""
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({"account_id": rng.integers(0, 30, 300), "paid": rng.integers(0, 2, 300)})
    frame["status"] = rng.choice(["sent", "delivered", "failed"], 300)
    frame["channel"] = rng.choice(["sms", "call"], 300)
    assert guess_roles(type_cells(frame)).factors == ("channel",)


def test_the_command_goes_from_attempts_in_columns_to_the_page(tmp_path, capsys):
    path, _, _ = shapes.written(shapes.attempts_in_columns, tmp_path)
    assert main(["quickstart", str(path), "--yes", "--out", str(tmp_path / "p.html"), "--jobs", "1"]) == 0
    assert "one row an attempt" in capsys.readouterr().out and (tmp_path / "p.html").stat().st_size > 5_000
