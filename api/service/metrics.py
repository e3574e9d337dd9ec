"""Numbers for Prometheus; each application has its own, so that several may live in one process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})


class Metrics:
    """Counters and histograms of the service."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "recommender_requests", "Requests.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "recommender_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self._decisions = Counter(
            "recommender_decisions",
            "Decisions made, by who made them and what is dispatched (none = NO_CONTACT).",
            ["policy", "channel"],
            registry=self._registry,
        )
        self._removals = Counter(
            "recommender_guardrail_removals",
            "Removed (account, action) pairs; a pair may fail several rules.",
            ["rule"],
            registry=self._registry,
        )
        self._outcomes = Counter("recommender_outcomes", "New outcomes.", registry=self._registry)
        self._shadow = Counter(
            "recommender_shadow_choices",
            "Choices of the challenger beside the champion's: same, other or failed.",
            ["result"],
            registry=self._registry,
        )
        self._children: dict[tuple[str, ...], Any] = {}
        self._log_failures = Counter(
            "recommender_decision_log_failures", "Writes that the decision log refused.", registry=self._registry
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request under its route's pattern, never under its path."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def decided(self, counts: Mapping[tuple[str, str | None], int]) -> None:
        """Count decisions, by policy and channel."""
        for (policy, channel), count in counts.items():
            self._child(self._decisions, policy, "none" if channel is None else channel).inc(count)

    def removals(self, by_rule: Mapping[str, int]) -> None:
        """Count what the guardrails removed."""
        for rule, count in by_rule.items():
            self._child(self._removals, rule).inc(count)

    def _child(self, counter: Counter, *labels: str) -> Any:
        """A labelled counter, looked up once."""
        key = (str(id(counter)), *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = counter.labels(*labels)
        return child

    def outcomes(self, new: int) -> None:
        """Count outcomes that were not known before."""
        self._outcomes.inc(new)

    def shadow(self, result: str, count: int = 1) -> None:
        """Count choices of the challenger."""
        self._shadow.labels(result).inc(count)

    def log_failure(self) -> None:
        """Count a decision log that could not be written."""
        self._log_failures.inc()

    def text(self) -> bytes:
        """Everything in the exposition format: of all workers where they share a folder, else of this process.

        The folder is ``PROMETHEUS_MULTIPROC_DIR``, which prometheus_client reads when it is imported.
        """
        if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)
