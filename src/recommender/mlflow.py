"""MLflow flavour: ``recommender.mlflow.log_model(strategy)`` and ``recommender.mlflow.load_model(model_uri)``."""

from recommender.extras import needs

with needs("registry"):
    from recommender.store.registry import load_model, log_model

__all__ = ["load_model", "log_model"]
