"""Tables of a plan on their way to Arrow: cells stay what they were written as; two spellings of an id are doubted."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.planning.plan_intake import _arrow, open_tables


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


@pytest.mark.parametrize("name", ["account_id", "debtor_id"])
@pytest.mark.parametrize(
    ("ids", "doubted"),
    [
        (["12.345-6", "123456", "7"], True),
        (["ab-1", "AB1", "AB2"], True),
        (["0012-3", "123", "9"], True),
        (["12.345-6", "12.345-7", "12.345-8"], False),
        (["AB-1", "AB-1", "AB-2"], False),
        (["123", "0123", "124"], False),
    ],
)
def test_ids_that_differ_in_their_punctuation_alone_are_doubted(tmp_path, name, ids, doubted):
    """Of accounts as of debtors: what is heard of one may be the other's; zeros in front and equal ids are one id."""
    frame = pd.DataFrame({"account_id": ["A1", "A2", "A3"], "debtor_id": ["D1", "D2", "D3"]}).assign(**{name: ids})
    frame.to_csv(tmp_path / "accounts.csv", index=False)
    opening = (
        nullcontext() if not doubted else pytest.raises(InvalidInput, match=f"{name}.*letter case and punctuation")
    )
    with opening:
        open_tables({"accounts": tmp_path / "accounts.csv"}, tmp_path / "own")
