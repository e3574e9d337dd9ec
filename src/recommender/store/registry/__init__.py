"""Trained strategies, challengers and champions, on MLflow."""

from recommender.extras import needs

with needs("registry"):
    from recommender.store.registry.flavour import (
        load_model,
        log_model,
    )
    from recommender.store.registry.mlflow_client import RegistryError
    from recommender.store.registry.promotions import (
        CHALLENGER,
        CHAMPION,
        Promotion,
    )
    from recommender.store.registry.strategies import (
        Registry,
        Trial,
    )

__all__ = [
    "CHALLENGER",
    "CHAMPION",
    "Promotion",
    "Registry",
    "RegistryError",
    "Trial",
    "load_model",
    "log_model",
]
