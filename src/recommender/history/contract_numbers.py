"""Numbers of a raw table against its contract: money in whole minor units, probabilities, ranges."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.tables import Column

__all__ = ["broken_units", "check_range", "check_unit"]

_FEW_ROWS = 10
_MOST_IN_ANOTHER_UNIT = 0.05


def broken_units(numbers: NDArray[np.float64], column: Column) -> NDArray[np.bool_]:
    """Where an amount of money owed or paid is no whole number of minor units; a price may be a part of one."""
    if column.name not in ("balance_minor", "amount_minor"):
        return np.zeros(len(numbers), dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(numbers - np.round(numbers)) > 1e-6)


def check_unit(numbers: NDArray[np.float64], column: Column, table: str) -> None:
    """Refuse probabilities and money in another unit: to set some aside would keep wrong ones, chosen by size."""
    broken = np.flatnonzero(broken_units(numbers, column))
    if broken.size > max(_FEW_ROWS, _MOST_IN_ANOTHER_UNIT * len(numbers)):
        raise InvalidInput.in_column(
            column.name,
            f"of table {table!r} holds a fraction in {broken.size:,} of {len(numbers):,} rows, "
            "and minor units are whole: these are perhaps whole units",
            values=numbers[broken[:3]],
            rows=broken.tolist(),
            mend="Multiply it by 100, or map the export: python -m pipelines map.",
        )
    if column.name == "amount_minor" and column.above:
        negative = np.flatnonzero(numbers < 0)
        if negative.size > 1 and 2 * negative.size > np.isfinite(numbers).sum():
            raise InvalidInput.in_column(
                column.name,
                f"of table {table!r} is negative in {negative.size:,} of {len(numbers):,} rows, and a "
                "negative amount takes a payment back",
                values=numbers[negative[:3]],
                rows=negative.tolist(),
                mend="Write what was received as positive amounts (python -m pipelines map EXPORT --scale -1).",
            )
    above = numbers > 1
    if column.kind == "probability" and above.sum() > max(_FEW_ROWS, _MOST_IN_ANOTHER_UNIT * len(numbers)):
        raise InvalidInput.in_column(
            column.name,
            f"of table {table!r} exceeds 1 in {int(above.sum()):,} of {len(numbers):,} rows: it is no "
            "probability, perhaps a percentage",
            values=numbers[above][:3],
            mend="Divide it by 100 if it is one, or leave the column out: propensities are then estimated.",
        )


def check_range(numbers: NDArray[np.float64], column: Column, fault: Any) -> None:
    """Set aside numbers that lie outside of what their column can hold."""
    with np.errstate(invalid="ignore"):
        if column.kind == "probability":
            fault((numbers <= 0) | (numbers > 1), "outside_0_1", "lies outside (0, 1]",
                  "It is the probability of the action that was taken; leave it empty if unknown.")  # fmt: skip
        elif column.minimum is not None and column.above:
            fault(numbers == column.minimum, "no_amount", f"is {column.minimum:g}",
                  "Leave out what moved no money; a negative amount takes a payment back.")  # fmt: skip
        elif column.minimum is not None:
            fault(numbers < column.minimum, "negative_amount", f"must be at least {column.minimum:g}",
                  "Correct the sign in the source system.")  # fmt: skip
