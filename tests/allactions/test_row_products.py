"""Products by row: right, and the same bits whatever else is in the batch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.allactions.row_products import row_products


@given(st.integers(1, 70), st.integers(1, 40), st.integers(1, 90), st.integers(0, 10_000))
def test_equal_to_the_matrix_product_and_to_each_row_alone(n, n_terms, n_columns, seed):
    """The batch equals the ordinary product to rounding, and each row alone to the bit."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, n_terms)) * (rng.random((n, n_terms)) < 0.5)
    matrix = rng.normal(size=(n_terms, n_columns))
    together = row_products(rows, matrix)
    np.testing.assert_allclose(together, rows @ matrix, rtol=1e-12, atol=1e-12)
    for row in range(n):
        np.testing.assert_array_equal(row_products(rows[row : row + 1], matrix)[0], together[row])
    np.testing.assert_array_equal(row_products(rows, matrix[:, 0]), together[:, 0])
