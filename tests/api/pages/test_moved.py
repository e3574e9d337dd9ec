"""What moved between two periods: every group of facts that rose or fell, the largest first, and through what."""

from __future__ import annotations

import numpy as np
import pytest

from api.pages.moved import moved_sections
from api.pages.rendering import Page
from recommender.explanation import WHOLE
from recommender.settings import Settings


@pytest.mark.parametrize("seed", range(8))
def test_groups_stand_by_the_size_of_their_change_whichever_its_sign(seed):
    """Those of the segment alone; the sentence names the first whose interval leaves nothing out, and only such."""
    rng = np.random.default_rng(seed)
    names = [f"g{n}" for n in range(7)]
    change = np.where(rng.random(7) < 0.2, 0.0, rng.normal(0.0, 0.02, 7))
    wide = rng.choice([0.5, 3.0], 7) * np.abs(change)
    rows = [
        {"dimension": "all", "segment": "all", "group": group, "change": value, "lo": value - half, "hi": value + half,
         "before": 0.1, "now": 0.1 + value, "n_now": 900, "n_before": 800}
        for group, value, half in [(WHOLE, change.sum(), 2.0), *zip(names, change, wide, strict=True)]
    ]  # fmt: skip
    rows += [one | {"segment": "other", "change": 9.0} for one in rows]
    moved = {"rows": [rows[at] for at in rng.permutation(len(rows))], "since": "2026-10-01T00:00:00+00:00",
             "at": "2026-11-01T00:00:00+00:00", "until": "2026-12-01T00:00:00+00:00"}  # fmt: skip
    page = Page("en", Settings(model_path=None))
    (section,) = moved_sections(page, {"moved": moved}, "points", {one: one.upper() for one in names}, "all", "all")
    order = [at for at in np.argsort(-np.abs(change), kind="stable") if abs(change[at]) > 1e-9]
    assert [row[0].value for row in section.table.rows] == [WHOLE, *(names[at] for at in order)]
    bars = [one.text for one in section.draw(760).shapes if one.kind == "text" and one.at[0] == 0]
    assert bars[1:] == [names[at].upper() for at in order]
    clear = [names[at].upper() for at in order if wide[at] < abs(change[at])]
    assert ("Most of it comes from" in section.finding) == bool(clear)
    assert not clear or f"comes from: {clear[0]}," in section.finding
    assert "not known whether" in section.finding
    assert not moved_sections(page, {}, "points", {}, "all", "all")
