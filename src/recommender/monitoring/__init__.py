"""Is it still true: the doctor of a log, and what watches a strategy in service."""
