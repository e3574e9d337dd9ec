"""A strategy in an MLflow run of the user's own, and back: the files are native, and loading executes none of them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender.errors import InvalidInput
from recommender.extras import needs
from recommender.store.registry.mlflow_client import quiet
from recommender.store.registry.pyfunc_export import pyfunc_parts
from recommender.strategy import ContactStrategy

if TYPE_CHECKING:
    from recommender.proof import PolicyReport

__all__ = ["load_model", "log_model"]

_NUMBERS = ("value", "ci_low", "ci_high", "effective_sample_size")


def log_model(
    strategy: ContactStrategy,
    name: str = "strategy",
    *,
    report: PolicyReport | None = None,
    registered_model_name: str | None = None,
    **options: Any,
) -> Any:
    """Log a strategy to the active run (a new one where there is none), as MLflow's own flavours do.

    Parameters
    ----------
    strategy : ContactStrategy
        A trained one.
    name : str, default="strategy"
        Of the logged model.
    report : PolicyReport, optional
        Its default row and difference become metrics of the run, its verdict a tag, its page an artefact.
    registered_model_name : str, optional
        Register a version under this name.
    **options
        Further arguments of ``mlflow.pyfunc.log_model``, e.g. ``tags``.

    Returns
    -------
    mlflow.models.model.ModelInfo
        Its ``model_uri`` goes to :func:`load_model`, and to ``mlflow.pyfunc.load_model`` and ``spark_udf``, where
        ``predict`` asks for the mask of the rules.
    """
    with needs("registry"), quiet(), tempfile.TemporaryDirectory(prefix="log-model-") as scratch:
        import mlflow

        parts = pyfunc_parts(strategy.save(Path(scratch) / "strategy"))
        info = mlflow.pyfunc.log_model(name=name, registered_model_name=registered_model_name, **{**parts, **options})
        mlflow.log_params({f"strategy_{key}": str(value) for key, value in strategy.get_params(deep=False).items()})
        mlflow.set_tags({"policy_version": strategy.version_, "data_digest": strategy.trained_on_["digest"]})
        if report is not None:
            row, gap = report.default, report.difference
            metrics = {f"policy_{key}": float(row[key]) for key in _NUMBERS}
            metrics |= {"difference": gap.value, "difference_ci_low": gap.low, "difference_ci_high": gap.high}
            mlflow.log_metrics(metrics)
            mlflow.set_tag("verdict", report.verdict)
            mlflow.log_text(report.to_html(), "policy_report.html")
    return info


def load_model(model_uri: str) -> ContactStrategy:
    """Read a strategy that :func:`log_model` wrote, from its files alone: no code of the model is run.

    Parameters
    ----------
    model_uri : str
        ``models:/...``, ``runs:/...`` or a path.

    Raises
    ------
    InvalidInput
        When the model is of another kind.
    ArtefactError
        When a file is missing or was altered.
    """
    with needs("registry"), quiet():
        import mlflow

        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=model_uri))
    saved = folder / "artifacts" / "strategy"
    if not saved.is_dir():
        raise InvalidInput(
            f"{model_uri} holds no strategy (artifacts/strategy).",
            column="model_uri",
            mend="Give a model that recommender.mlflow.log_model or export_pyfunc wrote.",
        )
    return ContactStrategy.load(saved)
