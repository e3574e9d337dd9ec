"""What looking the lock up for known vulnerabilities came to is told, also where nobody could be asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.machine import AUDIT, closing_lines

ROOT = Path(__file__).parents[1]
SAID = {
    "none": ("No known vulnerabilities found", 0, "AUDITED: ", 0),
    "some": ("Found 2 known vulnerabilities in 1 package\nname version id", 1, "Found 2 known vulnerabilities", 1),
    "offline": ("ERROR: connection refused", 1, "NOT AUDITED: uv.lock was not looked up", 0),
}


@pytest.mark.parametrize("case", SAID)
def test_the_audit_says_what_it_came_to(case, tmp_path):
    """By the words of pip-audit, which ends with 1 both where something was found and where it could not ask."""
    text, status, told, expected = SAID[case]
    fake = tmp_path / "pip-audit"
    asked = tmp_path / "asked"
    fake.write_text(
        f"#!/bin/sh\nfor one; do case $one in *.txt) cat $one >>{asked};; esac; done\n"
        f"printf '{text}\\n'\nexit {status}\n"
    )
    fake.chmod(0o755)
    ran = subprocess.run(
        [ROOT / ".ci" / "audit"], env=os.environ | {"PIP_AUDIT": str(fake)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == expected and told in ran.stdout.splitlines()[-1], ran
    listed = asked.read_text().splitlines()
    assert len(listed) > 100 and all("==" in one for one in listed)
    assert any(one.startswith("fastapi==") for one in listed)


def test_the_tests_end_with_what_the_audit_said(monkeypatch):
    monkeypatch.setenv(AUDIT, "NOT AUDITED: nobody could be asked")
    assert closing_lines([]) == ["NOT AUDITED: nobody could be asked"]
    monkeypatch.delenv(AUDIT)
    assert closing_lines([]) == []
