"""Sixteen further shapes of foreign files: a log without cleaning code, or one message that says what to do."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.quickstart import guess_roles, log_of_file, type_cells
from recommender.quickstart.command import main
from recommender.store.files import read_table
from tests.quickstart import further_shapes as shapes

TO_DO = {
    "action_as_free_text": r"'message' is called like one, but has 900 values: group them .*--action COLUMN",
    "always_the_same": r"'channel' is called like one, but holds one value",
    "no_reward_at_all": r"--reward COLUMN.*join what came of each contact to the file",
}


@pytest.mark.parametrize("shape", shapes.SHAPES, ids=lambda shape: shape.__name__)
def test_a_shape_becomes_a_log_or_says_what_to_do(shape, tmp_path):
    path, reward, action = shapes.written(shape, tmp_path)
    typed = type_cells(read_table(path, table="any"))
    if reward is None or action is None:
        with pytest.raises(InvalidInput, match=TO_DO[shape.__name__]):
            guess_roles(typed)
        return
    roles = guess_roles(typed)
    log, _ = log_of_file(typed, roles)
    assert (roles.reward, tuple(log.actions.factors)) == (reward, action)
    assert len(log) == shapes.N
    assert np.unique(log.reward[log.mature]).size > 1
    afterwards = {"opened", "clicked", "revenue", "visit", "spend", "id", "row_id", "Hora", "sent_sms"}
    assert not afterwards & set(roles.context)


def typed_of(shape, folder):
    return type_cells(read_table(shapes.written(shape, folder)[0], table="any"))


def test_a_day_gets_its_clock(tmp_path):
    """The instant is that of both columns, with hours of the clock in local time; ids group the rows."""
    typed = typed_of(shapes.date_and_hour_apart, tmp_path)
    roles = guess_roles(typed)
    log, _ = log_of_file(typed, roles)
    assert roles.account == "Nro. Obligación"
    assert str(log.time[1]).startswith("2026-02-02T08:23")
    assert set(log.actions.factors["hour"]) == set(range(24))


@pytest.mark.parametrize(
    ("word", "hour"), [("2:35 PM", 14), ("12:05 a. m.", 0), ("12:05 p.m.", 12), ("09:07:59", 9), ("7h15", 7)]
)
def test_clocks_are_read_as_they_are_written(word, hour):
    frame = pd.DataFrame({"fecha": ["2026-02-13", "2026-02-14"] * 20, "hora": [word] * 40})
    assert set(type_cells(frame).frame["fecha"].dt.hour) == {hour}


def test_what_is_no_clock_or_has_two_days_is_left_alone():
    """Hours beyond the day, and two days that no name tells apart."""
    late = pd.DataFrame({"fecha": ["2026-02-13"] * 9, "hora": ["25:10"] * 9})
    assert not type_cells(late).timed
    of_account = pd.DataFrame({"fecha_vencimiento": ["2026-02-13", "2026-03-13"] * 60, "hora": ["10:10"] * 120,
                               "canal": ["sms", "llamada", "sms"] * 40, "pago": [0, 1, 1, 0] * 30})  # fmt: skip
    assert not type_cells(of_account).timed
    assert guess_roles(type_cells(of_account)).time is None
    two = pd.DataFrame({"sent": ["2026-02-13"] * 9, "seen": ["2026-01-13"] * 9, "hora": ["10:10"] * 9})
    assert not type_cells(two).timed
    named = pd.DataFrame({"sent": ["2026-02-13"] * 9, "call date": ["2026-01-13"] * 9, "call time": ["10:10"] * 9})
    assert type_cells(named).timed == ["call date"]


def test_one_hot_columns_are_an_action_only_where_they_say_so(tmp_path):
    """Columns of 0 and 1 that describe the customer, or of which a row has two, are none; a named one is used alone."""
    typed = typed_of(shapes.one_hot_actions, tmp_path)
    frame = typed.frame
    words = np.array(["sms", "email", "call"])[frame[["sent_sms", "sent_email", "sent_call"]].to_numpy().argmax(axis=1)]
    assert frame["sent"].tolist() == words.tolist()
    alone = guess_roles(typed, action=["sent_sms"])
    assert alone.factors == ("sent_sms",)
    assert alone.left_out["sent"] == "is made of columns that were named"
    plain = frame[["sent_sms", "sent_email", "sent_call", "responded"]]
    regions = plain.rename(columns=lambda name: name.replace("sent_", "region_"))
    assert not type_cells(regions).joined
    both = plain.assign(sent_sms=1.0 * (np.arange(len(plain)) % 2 == 0))
    assert not type_cells(both).joined
    fewer_calls = plain.assign(sent_call=plain["sent_call"] * (np.arange(len(plain)) % 2))
    assert set(type_cells(fewer_calls).frame["sent"]) == {"sms", "email", "call", "none"}


@pytest.mark.parametrize(
    ("words", "success"),
    [
        (["EFECTIVA", "NO EFECTIVA"], ["EFECTIVA"]),
        (["unresolved", "resolved"], ["resolved"]),
        (["Si", "NO", "sí", "no"], ["Si", "sí"]),
        (["churn", "no churn"], None),
        (["azul", "rojo"], None),
    ],
)
def test_which_word_is_the_success(words, success):
    """The one that affirms, in all spellings; where neither does, or the affirmed one is unwanted, it is asked for."""
    frame = pd.DataFrame({"channel": ["sms", "call", "sms"] * 40, "outcome": (words * 60)[:120]})
    if success is None:
        with pytest.raises(InvalidInput, match="--success WORD"):
            guess_roles(type_cells(frame))
    else:
        assert set(guess_roles(type_cells(frame)).success) == set(success)


def test_one_message_names_all_that_is_not_known():
    """Words of a language that no list holds: how to name the reward and the action is said in one run, not in two."""
    frame = pd.DataFrame({"Kanava": ["puhelu", "kirje", "puhelu"] * 40, "maksu": [0.0, 12.5, 3.0] * 40})
    with pytest.raises(InvalidInput, match=r"--reward COLUMN.*--action COLUMN.*: Kanava") as told:
        guess_roles(type_cells(frame))
    assert told.value.column == "reward"
    with pytest.raises(InvalidInput, match="--reward COLUMN") as told:
        guess_roles(type_cells(frame), action=["Kanava"])
    assert "--action" not in str(told.value)
    roles = guess_roles(type_cells(frame), reward="maksu", action=["Kanava"])
    assert (roles.reward, roles.factors) == ("maksu", ("Kanava",))


@pytest.mark.parametrize(("start", "text"), [(100, "100"), (90_071_992_547_409_930, "90071992547409930"), (7.5, "7.5")])
def test_ids_are_as_the_file_writes_them(start, text):
    """Whole numbers get no fraction, and very long ones lose no digit."""
    ids = [str(start + number) for number in range(40)] * 3
    frame = pd.DataFrame({"customer_id": ids, "channel": ["sms", "call", "sms"] * 40, "responded": [0, 1, 1, 0] * 30})
    typed = type_cells(frame)
    log, _ = log_of_file(typed, guess_roles(typed))
    assert log.account_ids[0] == text
    assert len(log.account_ids) == 40


def test_levels_keep_what_tells_them_apart():
    """Spellings are one level; signs and digits are not spelling."""
    levels = ["E-mail", "email", "EMAIL ", "1-2", "12", "A+", "A", "<20", ">20"] * 20
    frame = pd.DataFrame({"treatment": levels, "responded": [0, 1, 1] * 60})
    typed = type_cells(frame)
    log, _ = log_of_file(typed, guess_roles(typed))
    assert {"1-2", "12", "A+", "A", "<20", ">20"} < set(log.actions.factors["treatment"])
    assert len(log.actions) == 7


@pytest.mark.parametrize("shape", [shapes.one_hot_actions, shapes.date_and_hour_apart, shapes.money_as_reward])
def test_the_command_goes_from_the_file_to_the_page(shape, tmp_path, capsys):
    path, reward, _ = shapes.written(shape, tmp_path)
    out = tmp_path / "page.html"
    assert main(["quickstart", str(path), "--out", str(out), "--yes", "--jobs", "1"]) == 0
    assert f"reward: {reward}" in capsys.readouterr().out
    assert "What it would earn" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TO_DO)
def test_the_command_ends_with_one_message(name, tmp_path, capsys):
    path, _, _ = shapes.written(getattr(shapes, name), tmp_path)
    assert main(["quickstart", str(path), "--yes"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
