"""What the doctor and the quarantine say is explained in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_finding_is_documented():
    """docs/data-flow.md lists every code that the doctor can give."""
    said = (ROOT / "docs" / "data-flow.md").read_text(encoding="utf-8")
    sources = (ROOT / "src" / "recommender" / "monitoring").glob("*.py")
    codes = {
        code for path in sources for code in re.findall(r'Finding\(\s*"([a-z_]+)"', path.read_text(encoding="utf-8"))
    }
    assert len(codes) > 25
    assert not {code for code in codes if f"`{code}`" not in said}


def test_every_quarantine_rule_is_documented():
    """data/README.md lists every rule that a row can break."""
    said = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    folder = ROOT / "src" / "recommender" / "history"
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("contract_check.py", "linking.py"))
    first = "unknown|unreadable|unlikely|ambiguous|duplicate|naive|wrong|after|before|other|negative|not_a"
    rules = set(re.findall(rf'"((?:{first})_[a-z_]+)"', text))
    assert len(rules) > 12
    assert not {rule for rule in rules if f"`{rule}`" not in said}
