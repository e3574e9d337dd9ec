"""Cells of a table on their way to Arrow: kinds that compare alike stay what they were written as."""

import numpy as np
import pandas as pd
import pytest

from recommender.planning.plan_intake import _arrow


@pytest.mark.parametrize(
    ("cells", "kind", "wanted"),
    [
        ([True, 1, False], "string", ["True", "1", "False"]),
        ([7, 7.0], "string", ["7", "7.0"]),
        ([["sms", "call"], ["sms"]], "string", ["['sms', 'call']", "['sms']"]),
        ([True, None, False], "bool", [True, None, False]),
        (["b", None, "a", "b", np.nan, pd.NaT], "string", ["b", None, "a", "b", None, None]),
        ([None, pd.NA], "string", [None, None]),
    ],
)
def test_cells_keep_their_kind(cells, kind, wanted):
    """True is no 1 and 7 is no 7.0 as text; a list is a text of itself; what is empty is null."""
    array = _arrow(pd.Series(cells, dtype=object))
    assert (str(array.type), array.to_pylist()) == (kind, wanted)
