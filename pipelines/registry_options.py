"""Where the registry is: the options that every verb of it shares."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["DEFAULT_ARTIFACTS", "DEFAULT_MODEL", "DEFAULT_URI", "Artifacts", "Model", "RegistryUri"]

DEFAULT_URI = "sqlite:///models/mlflow.db"
DEFAULT_ARTIFACTS = "models/artifacts"
DEFAULT_MODEL = "contact-strategy"

RegistryUri = Annotated[str, typer.Option("--registry-uri", "--tracking-uri", help="MLflow tracking and registry URI.")]
Artifacts = Annotated[str, typer.Option(help="Folder or URI where new records keep their files.")]
Model = Annotated[str, typer.Option(help="Name of the registered model.")]
