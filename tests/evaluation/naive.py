"""A second, row-by-row implementation of every estimator, as slow and as plain as the formulas on paper."""

from __future__ import annotations

import math


def weights(log):
    return [log["pi"][i][log["action"][i]] / log["propensity"][i] for i in range(len(log["reward"]))]


def model_values(log):
    return [sum(p * q for p, q in zip(log["pi"][i], log["q"][i], strict=True)) for i in range(len(log["reward"]))]


def residuals(log):
    return [log["reward"][i] - log["q"][i][log["action"][i]] for i in range(len(log["reward"]))]


def mean(values):
    return math.fsum(values) / len(values)


def weighted_mean(weight, values):
    return math.fsum(w * v for w, v in zip(weight, values, strict=True)) / math.fsum(weight)


def dm(log):
    return mean(model_values(log))


def ips(log):
    return mean([w * r for w, r in zip(weights(log), log["reward"], strict=True)])


def snips(log):
    return weighted_mean(weights(log), log["reward"])


def dr(log):
    return dm(log) + mean([w * e for w, e in zip(weights(log), residuals(log), strict=True)])


def sndr(log):
    return dm(log) + weighted_mean(weights(log), residuals(log))


def switch_dr(log, threshold):
    kept = [w if w <= threshold else 0.0 for w in weights(log)]
    return dm(log) + mean([w * e for w, e in zip(kept, residuals(log), strict=True)])


def dros(log, shrinkage):
    shrunk = [shrinkage * w / (w * w + shrinkage) for w in weights(log)]
    return dm(log) + mean([w * e for w, e in zip(shrunk, residuals(log), strict=True)])


def clipped_ips(log, threshold):
    return mean([min(w, threshold) * r for w, r in zip(weights(log), log["reward"], strict=True)])


def clipped_snips(log, threshold):
    return weighted_mean([min(w, threshold) for w in weights(log)], log["reward"])


def clipped_dr(log, threshold):
    kept = [min(w, threshold) for w in weights(log)]
    return dm(log) + mean([w * e for w, e in zip(kept, residuals(log), strict=True)])


def marginal(log, cells):
    out = []
    for i, a in enumerate(log["action"]):
        top = sum(log["pi"][i][b] for b in range(len(cells)) if cells[b] == cells[a])
        bottom = sum(log["mu"][i][b] for b in range(len(cells)) if cells[b] == cells[a])
        out.append(top / bottom)
    return out


def anchored_marginal(log, cells):
    out = []
    for i, a in enumerate(log["action"]):
        own, known = log["mu"][i][a], log["propensity"][i]
        top = sum(log["pi"][i][b] for b in range(len(cells)) if cells[b] == cells[a])
        mates = sum(log["mu"][i][b] for b in range(len(cells)) if cells[b] == cells[a] and b != a)
        out.append(top / (known + (1 - known) * mates / (1 - own)))
    return out


def mips(log, cells):
    return mean([w * r for w, r in zip(marginal(log, cells), log["reward"], strict=True)])


def factored_dr(log, cells):
    return dm(log) + mean([w * e for w, e in zip(marginal(log, cells), residuals(log), strict=True)])


def cluster_standard_error(values, clusters):
    """CR2: each cluster's sum of deviations, over the square root of what its share leaves of it."""
    centre = mean(values)
    totals, rows = {}, {}
    for value, cluster in zip(values, clusters, strict=True):
        totals[cluster] = totals.get(cluster, 0.0) + value - centre
        rows[cluster] = rows.get(cluster, 0) + 1
    n = len(values)
    return math.sqrt(math.fsum(total**2 / (1 - rows[label] / n) for label, total in totals.items())) / n


def effective_sample_size(weight):
    return math.fsum(weight) ** 2 / math.fsum(w * w for w in weight)
