"""Alembic migrations of the decision log, run from code by :mod:`recommender.store.decision_log.migration`."""
