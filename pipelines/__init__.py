"""The verbs: read, call the library, write. Run them with ``python -m pipelines <verb>``."""
