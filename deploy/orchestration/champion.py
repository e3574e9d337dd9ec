"""Print the folder of the strategy that serves, fetched from the registry; a rollback is felt at once."""

import os
import sys
from pathlib import Path

from recommender.errors import RecommenderError
from recommender.store.registry import CHAMPION, Registry


def main() -> int:
    """Fetch it, or say on standard error why there is none."""
    registry = Registry(
        os.environ.get("REGISTRY_URI", "sqlite:///models/mlflow.db"),
        os.environ.get("REGISTRY_ARTIFACTS", "models/artifacts"),
        "contact-strategy",
    )
    try:
        folder = registry.fetch(CHAMPION, Path(os.environ.get("FETCHED", "models/fetched")))
    except RecommenderError as error:
        sys.stderr.write(f"{error}\nTrain and promote one first: deploy/orchestration/weekly.sh\n")
        return 2
    sys.stdout.write(f"{folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
