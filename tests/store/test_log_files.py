"""A log on disk: written in pieces, read back as the same feedback, in today's format and in the earlier one."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback
from recommender.history.eligible_sets import EligibleSets
from recommender.store.files.log_files import feedback_from_file, read_roles, roles_path, write_log, write_log_parts

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]}, no_contact=True)
N = 200


@pytest.fixture(scope="module")
def held():
    """A log with eligible sets, a NO_CONTACT row, a float32 column and instants."""
    rng = np.random.default_rng(3)
    action = rng.integers(0, len(SPACE), N)
    eligible = rng.random((N, len(SPACE))) < 0.6
    eligible[np.arange(N), action] = True
    frame = SPACE.describe(action).assign(
        account_id=[f"a{i % 17}" for i in range(N)],
        decided_at=pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(N), unit="h"),
        balance=rng.normal(size=N),
        count=rng.integers(0, 9, N).astype(np.float32),
        product=rng.choice(["card", "loan"], N),
        reward=rng.integers(0, 2, N).astype(float),
    )
    roles = {"context": ["balance", "count", "product"], "reward": "reward", "account": "account_id"}
    roles |= {"time": "decided_at", "categorical": ["product"]}
    return frame, roles, eligible


def want(held):
    frame, roles, eligible = held
    return LoggedFeedback.from_frame(frame, actions=SPACE, eligible=eligible, **roles)


def parts(held, rows):
    frame, _, eligible = held
    for start in range(0, len(frame), rows):
        part = frame.iloc[start : start + rows].reset_index(drop=True)
        yield part, EligibleSets.of_array(eligible[start : start + rows])


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz"])
@pytest.mark.parametrize("rows", [30, N])
def test_pieces_read_back_as_the_log(tmp_path, held, name, rows):
    """Parquet and CSV, in one piece or many, give feedback of the same digest, eligible sets included."""
    path = write_log_parts(parts(held, rows), tmp_path / name, actions=SPACE, roles=held[1])
    back = feedback_from_file(path)
    assert back.digest == want(held).digest
    np.testing.assert_array_equal(back.eligible, held[2])
    assert read_roles(path)["eligible"] == "eligible"
    assert not list(tmp_path.glob(".*.part"))


def test_boolean_columns_of_earlier_logs_are_read(tmp_path, held):
    """A log whose eligible set is one boolean column an action still reads."""
    frame, roles, eligible = held
    names = [f"eligible_{action:04d}" for action in range(len(SPACE))]
    path = write_log(
        pd.concat([frame, pd.DataFrame(eligible, columns=names)], axis=1),
        tmp_path / "log.parquet",
        actions=SPACE,
        roles={**roles, "eligible": names},
    )
    assert feedback_from_file(path).digest == want(held).digest


def test_half_a_log_is_no_log(tmp_path, held):
    """When a piece fails, nothing is written and an earlier log stays."""
    path = write_log_parts(parts(held, N), tmp_path / "log.parquet", actions=SPACE, roles=held[1])
    before = path.read_bytes()

    def broken():
        yield from parts(held, 50)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write_log_parts(broken(), path, actions=SPACE, roles=held[1])
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["log.parquet", "log.parquet.roles.json"]
    assert json.loads(roles_path(path).read_text(encoding="utf-8"))["format"] == 1


def test_other_tools_may_have_written_the_sets_as_plain_text(tmp_path, held):
    """The eligible column may be plain text, and the frame itself is readable by anyone."""
    path = write_log_parts(parts(held, 60), tmp_path / "log.parquet", actions=SPACE, roles=held[1])
    frame = pd.read_parquet(path)
    frame.assign(eligible=frame["eligible"].astype("str")).to_parquet(path)
    assert feedback_from_file(path).digest == want(held).digest
    assert set("".join(frame["eligible"].astype("str"))) == {"0", "1"}


@pytest.mark.parametrize("name", ["log.parquet", "log.csv", "log.csv.gz"])
def test_ids_keep_their_zeros_in_every_kind_of_file(tmp_path, held, name):
    """``007`` and ``7`` are two accounts in a CSV file, too."""
    frame, roles, _ = held
    frame = frame.assign(account_id=np.resize(["007", "7", "0007", "1e3", "1000"], N))
    path = write_log(frame, tmp_path / name, actions=SPACE, roles=roles)
    back = feedback_from_file(path)
    assert len(np.unique(back.account)) == 5
    assert back.digest == LoggedFeedback.from_frame(frame, actions=SPACE, **roles).digest


@pytest.mark.parametrize(("separator", "encoding"), [(";", None), ("\t", None), (",", "cp1252"), (";", "cp1252")])
def test_ids_keep_their_zeros_in_files_of_other_programs(tmp_path, held, separator, encoding):
    """Other separators, other encodings: what an id is does not hang on them."""
    frame, roles, _ = held
    plain = {name: value for name, value in roles.items() if name != "eligible"}
    frame = frame.assign(account_id=np.resize(["007", "7", "0007", "1e3", "1000"], N), note="Teléfono")
    file = tmp_path / "log.csv"
    frame.to_csv(file, index=False, sep=separator, encoding=encoding or "utf-8")
    back = feedback_from_file(file, plain | {"actions": SPACE.to_dict()}, encoding=encoding)
    assert len(np.unique(back.account)) == 5
