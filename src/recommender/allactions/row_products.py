"""Matrix products whose rows do not depend on the company they keep."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .machine_code import compiled

__all__ = ["row_products"]


def row_products(rows: NDArray[Any], matrix: NDArray[Any]) -> NDArray[np.float64]:
    """``rows @ matrix``, each row summed in one fixed order.

    A BLAS chooses its kernel, and with it the order of the sums, by the number of rows: an account scored alone would
    differ in the last bits from the same account in a batch. Zeros of ``rows`` are skipped, so sparse rows are cheap.

    Parameters
    ----------
    rows : ndarray of shape (n, n_terms)
    matrix : ndarray of shape (n_terms, n_columns) or (n_terms,)

    Returns
    -------
    ndarray of shape (n, n_columns) or (n,)
    """
    left = np.ascontiguousarray(rows, dtype=np.float64)
    if matrix.ndim == 1:
        return np.asarray(_products(left, np.ascontiguousarray(matrix[:, None], dtype=np.float64))[:, 0])
    return np.asarray(_products(left, np.ascontiguousarray(matrix, dtype=np.float64)))


@compiled
def _products(rows: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    n, n_terms = rows.shape
    n_columns = matrix.shape[1]
    out = np.zeros((n, n_columns))
    for i in range(n):
        for k in range(n_terms):
            factor = rows[i, k]
            if factor != 0.0:
                for j in range(n_columns):
                    out[i, j] += factor * matrix[k, j]
    return out
