"""Planted faults are real faults, and the list of them is complete."""

import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.history import build_feedback
from recommender.simulation import FAULT_KINDS, plant_faults, simulate_tables


@pytest.fixture(scope="module")
def tables():
    """Tables with enough payments to hold every kind of fault."""
    return simulate_tables(6_000, days=90, seed=8)


def test_every_kind_is_planted_in_the_share_asked_for(tables):
    """All kinds occur, about three rows in a hundred of every table are at fault, and the original is untouched."""
    before = {name: frame.copy() for name, frame in tables.to_dict().items()}
    faulty = plant_faults(tables, share=0.03, seed=1)
    assert set(faulty.planted["kind"]) == set(FAULT_KINDS)
    assert not faulty.planted.duplicated(["table", "row"]).any()
    for name, frame in tables.to_dict().items():
        pd.testing.assert_frame_equal(frame, before[name])
        of_table = faulty.planted[faulty.planted["table"] == name]
        originals = of_table[of_table["row"] < len(frame)]
        assert len(originals) <= round(0.03 * len(frame)) + 1
        assert len(originals) >= 0.7 * 0.03 * len(frame) - 2  # exact repeats only count as the added row


def test_rows_without_a_fault_are_as_they_were(tables):
    """Outside the planted rows nothing changed but the writing of instants."""
    faulty = plant_faults(tables, seed=2)
    for name, frame in tables.to_dict().items():
        kept = frame.index.difference(faulty.planted.loc[faulty.planted["table"] == name, "row"])
        spoiled = faulty.tables[name].loc[kept].copy()
        for column in frame.columns[frame.dtypes == "datetime64[us, UTC]"]:
            spoiled[column] = pd.to_datetime(spoiled[column], utc=True)
            assert (spoiled[column] == frame.loc[kept, column].dt.floor("s")).all()
            spoiled = spoiled.drop(columns=column)
        pd.testing.assert_frame_equal(spoiled, frame.loc[kept, spoiled.columns], check_dtype=False)


def test_the_contract_check_finds_them_all(tables):
    """Quarantine holds every planted row, and besides them only rows that hang on a quarantined one."""
    faulty = plant_faults(tables, seed=3)
    built = build_feedback(**faulty.tables, actions=tables.actions, as_of=tables.as_of, reward="response")
    both = faulty.planted.merge(built.quarantine, on=["table", "row"], how="outer", indicator=True)
    assert (both["_merge"] != "left_only").all(), both[both["_merge"] == "left_only"]
    assert set(both.loc[both["_merge"] == "right_only", "rule"]) <= {"cascade"}


def test_same_seed_same_faults(tables):
    """Faults are seeded."""
    one, two = plant_faults(tables, seed=5), plant_faults(tables, seed=5)
    pd.testing.assert_frame_equal(one.planted, two.planted)
    assert not one.planted.equals(plant_faults(tables, seed=6).planted)


def test_a_share_out_of_range_is_refused(tables):
    """A share of none or most of the rows is refused."""
    for share in (0.0, 0.5):
        with pytest.raises(InvalidInput, match="share"):
            plant_faults(tables, share=share)
