r"""How far the ends of an interval lie from an estimate whose sampling distribution is skewed.

A sum of rare rewards errs low together with its own standard error, so the true value lies further above the estimate
than below it. Both sides are known for sums of Poisson counts, where a skewness of :math:`\gamma` stands for
:math:`1/\gamma^2` events; the two functions here meet those exact limits within 0.1 standard errors down to 4 events:

- on the **long side** (above, where the skewness is positive) the variance itself grows with the mean, by
  :math:`\kappa_3/\kappa_2` a unit as in every exponential family. The score interval, which takes the variance at the
  tested value and not at the estimate, then ends where :math:`t^2 = q^2 (1 + \gamma t)` (Wilson's interval is that of
  a proportion);
- on the **short side** Hall's cubic transformation of the studentised mean is used. Its inverse turns steep on the
  long side, where it would make intervals of amounts twice as wide as they need to be.

References
----------
Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
Morris, "Natural exponential families with quadratic variance functions", Annals of Statistics 1982.
Hall, "On the removal of skewness by transformation", JRSS B 1992.
"""

from __future__ import annotations

import numpy as np

__all__ = ["ends", "quantile_at"]

_LEAST = 1e-8


def ends(quantile: float, skewness: float) -> tuple[float, float]:
    """Distances of the lower and of the upper end from the estimate, in standard errors.

    Parameters
    ----------
    quantile : float
        Of the symmetric reference distribution, e.g. 1.96; positive.
    skewness : float
        Of the estimate.
    """
    size = abs(skewness)
    if size < _LEAST:
        return quantile, quantile
    steep = quantile**2 * size
    long_side = (steep + float(np.sqrt(steep**2 + 4.0 * quantile**2))) / 2.0
    short_side = float(3.0 / size * (np.cbrt(1.0 + size * (quantile - size / 6.0)) - 1.0))
    return (short_side, long_side) if skewness > 0 else (long_side, short_side)


def quantile_at(distance: float, skewness: float) -> float:
    """Quantile whose interval just ends at a value: the inverse of :func:`ends`.

    Parameters
    ----------
    distance : float
        Estimate minus value, in standard errors: positive for a value below the estimate.
    skewness : float
    """
    size, away = abs(skewness), abs(distance)
    if size < _LEAST:
        return away
    if (distance > 0) == (skewness < 0):
        return float(away / np.sqrt(1.0 + size * away))
    return max(0.0, float(size / 6.0 + ((1.0 + size * away / 3.0) ** 3 - 1.0) / size))
