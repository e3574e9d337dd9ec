"""A log that another program wrote says what the plain one says: separators, encodings, decimal commas, workbooks."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.errors import InvalidInput
from recommender.store.files import read_frame
from tests.intake.spellings import workbook

N = 300
RNG = np.random.default_rng(3)
LOG = pd.DataFrame(
    {
        "account_id": [f"C{k % 40}" for k in range(N)],
        "sent_at": [f"2026-10-{1 + k % 28:02d}T15:05:00Z" for k in range(N)],
        "channel": RNG.choice(["sms", "call"], N),
        "product": ["Crédito" if k % 2 else "tarjeta" for k in range(N)],
        "reward": RNG.choice([0.5, 1.0, 0.0], N),
        "propensity": 0.5,
    }
)


def with_commas(frame):
    return frame.assign(
        **{name: frame[name].map(lambda one: str(one).replace(".", ",")) for name in ("reward", "propensity")}
    )


WRITTEN = {
    "semicolon.csv": lambda path: path.write_text(with_commas(LOG).to_csv(sep=";", index=False), encoding="utf-8"),
    "tab.csv": lambda path: path.write_text(LOG.to_csv(sep="\t", index=False), encoding="utf-8"),
    "wide.csv": lambda path: path.write_bytes(LOG.to_csv(sep="\t", index=False).encode("utf-16")),
    "commas.csv": lambda path: path.write_bytes(LOG.to_csv(index=False).encode("utf-16")),
    "packed.csv.gz": lambda path: path.write_bytes(
        gzip.compress(with_commas(LOG).to_csv(sep=";", index=False).encode())
    ),
    "latin.csv": lambda path: path.write_bytes(with_commas(LOG).to_csv(sep=";", index=False).encode("cp1252")),
    "plain latin.csv": lambda path: path.write_bytes(LOG.to_csv(index=False).encode("cp1252")),
    "packed.csv.xz": lambda path: path.write_bytes(
        lzma.compress(with_commas(LOG).to_csv(sep=";", index=False).encode())
    ),
    "packed.tsv.bz2": lambda path: path.write_bytes(bz2.compress(LOG.to_csv(sep="\t", index=False).encode())),
    "book.xlsx": lambda path: workbook(LOG, path),
}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("ending", ["csv.packed", "csv.gz", "xz"])
def test_a_packed_log_that_is_torn_is_refused_in_words(tmp_path, pack, ending):
    """Whatever packed it and whatever it is called."""
    whole = pack(LOG.to_csv(index=False).encode())
    (tmp_path / f"log.{ending}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_frame(tmp_path / f"log.{ending}")


@pytest.mark.parametrize("name", WRITTEN)
def test_a_foreign_log_is_the_plain_one(tmp_path, name):
    """Cell by cell, whole and by columns; what is not Unicode is refused with the encoding to state."""
    LOG.to_csv(tmp_path / "plain.csv", index=False)
    WRITTEN[name](path := tmp_path / name)
    encoding = "cp1252" if "latin" in name else None
    told = read_frame(path, encoding=encoding)
    pd.testing.assert_frame_equal(told, read_frame(tmp_path / "plain.csv"))
    some = read_frame(path, ["channel", "reward"], encoding=encoding)
    pd.testing.assert_frame_equal(some, told[["channel", "reward"]])
    if encoding is not None:
        with pytest.raises(InvalidInput, match="--encoding cp1252"):
            read_frame(path)


def test_the_doctor_says_the_same_of_it(tmp_path):
    """Verdict and findings, beside the name of the file."""
    asked = ["doctor", "--factor", "channel", "--json"]
    LOG.to_csv(tmp_path / "plain.csv", index=False)
    right = json.loads(CliRunner().invoke(build_app("doctor"), [*asked, str(tmp_path / "plain.csv")]).stdout)
    WRITTEN["latin.csv"](path := tmp_path / "latin.csv")
    done = CliRunner().invoke(build_app("doctor"), [*asked, "--encoding", "cp1252", str(path)])
    assert done.exit_code == 0 and json.loads(done.stdout)["findings"] == right["findings"]
    refused = CliRunner().invoke(build_app("doctor"), [*asked, str(path)])
    assert isinstance(refused.exception, InvalidInput) and "--encoding cp1252" in str(refused.exception)


def test_words_with_commas_stay_words(tmp_path):
    """Only a column that is numbers throughout becomes numbers."""
    frame = LOG.assign(product=["1,5 cuotas" if k else "0,5" for k in range(N)])
    (tmp_path / "a.csv").write_text(with_commas(frame).to_csv(sep=";", index=False), encoding="utf-8")
    told = read_frame(tmp_path / "a.csv")
    assert told["product"].tolist() == frame["product"].tolist() and told["reward"].tolist() == frame["reward"].tolist()
