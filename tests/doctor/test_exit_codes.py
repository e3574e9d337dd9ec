"""``doctor`` ends with 0 where it has a verdict and with 2 where it did not understand, whichever way the log comes."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app

CONTACTS = pd.DataFrame(
    {"contact_id": [f"K{n}" for n in range(40)], "account_id": [f"A{n}" for n in range(40)],
     "sent_at": [f"2026-11-{n % 20 + 1:02d}T1{n % 8}:00:00Z" for n in range(40)], "channel": ["sms", "call"] * 20}
)  # fmt: skip
OUTCOMES = pd.DataFrame(
    {
        "contact_id": CONTACTS["contact_id"],
        "occurred_at": "2026-11-22T10:00:00Z",
        "outcome": ["delivered", "replied"] * 20,
    }
)
LOG = pd.DataFrame(
    {"channel": ["sms", "call"] * 20, "reward": [0.0, 1.0] * 20, "decided_at": CONTACTS["sent_at"], "x": 1.0}
)


def told(tmp_path, *asked):
    result = CliRunner().invoke(build_app("doctor"), ["doctor", *map(str, asked), "--json"])
    return result.exit_code, {finding["code"] for finding in json.loads(result.stdout)["findings"]}


@pytest.mark.parametrize(
    ("change", "as_of", "code", "finding"),
    [
        ({}, "2027-03-01T00:00:00Z", 0, None),
        ({"sent_at": "2026-11-20T10:00:00Z"}, "2026-11-23T00:00:00Z", 0, "not_mature"),
        ({"channel": "paloma"}, "2027-03-01T00:00:00Z", 2, "contract_broken"),
        ({"sent_at": "ayer"}, "2027-03-01T00:00:00Z", 2, "contract_broken"),
    ],
)
def test_raw_tables(change, as_of, code, finding, tmp_path):
    """Young is not broken."""
    CONTACTS.assign(**change).to_csv(tmp_path / "contacts.csv", index=False)
    OUTCOMES.to_csv(tmp_path / "outcomes.csv", index=False)
    asked = ("--contacts", tmp_path / "contacts.csv", "--outcomes", tmp_path / "outcomes.csv",
             "--factor", "channel=sms,call", "--reward", "replied", "--as-of", as_of)  # fmt: skip
    ended, codes = told(tmp_path, *asked)
    assert ended == code
    assert finding is None or finding in codes


@pytest.mark.parametrize(("change", "code"), [({}, 0), ({"reward": None}, 0), ({"reward": "mucho"}, 2)])
def test_a_log(change, code, tmp_path):
    """The same of a file."""
    LOG.assign(**change).to_csv(tmp_path / "log.csv", index=False)
    assert told(tmp_path, tmp_path / "log.csv", "--factor", "channel")[0] == code
