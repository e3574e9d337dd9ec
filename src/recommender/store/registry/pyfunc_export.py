"""Write a saved strategy as an MLflow pyfunc for shops that run Spark; never loaded by this project's services."""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recommender.store.registry.mlflow_client import quiet

__all__ = ["export_pyfunc", "pyfunc_parts"]


def export_pyfunc(strategy_dir: Path, into: Path) -> Path:
    """Write an MLflow model folder around the native files of a strategy.

    Parameters
    ----------
    strategy_dir : Path
        Folder written by ``ContactStrategy.save``.
    into : Path
        A folder that does not exist yet.

    Returns
    -------
    Path
        ``into``, for ``mlflow.pyfunc.load_model`` and ``mlflow.pyfunc.spark_udf``. The native files lie unchanged in
        ``into/artifacts/strategy``.
    """
    with quiet(), tempfile.TemporaryDirectory(prefix="pyfunc-") as scratch:
        import mlflow.pyfunc

        # MLflow names the artefact folder after its source.
        source = Path(scratch) / "strategy"
        shutil.copytree(strategy_dir, source)
        mlflow.pyfunc.save_model(path=str(into), **pyfunc_parts(source))
    return into


def pyfunc_parts(strategy_dir: Path) -> dict[str, Any]:
    """What MLflow makes a model of: code from a file, the native files, the signature; nothing pickled."""
    return {
        "python_model": str(Path(__file__).with_name("pyfunc_model.py")),
        "artifacts": {"strategy": str(strategy_dir)},
        "signature": _signature(strategy_dir),
        "pip_requirements": [_this_package()],
    }


def _signature(strategy_dir: Path) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    from recommender.strategy import ContactStrategy

    strategy = ContactStrategy.load(strategy_dir)
    numbers_or_text = {
        str(name): "string" if name in strategy.categorical_ else "double" for name in strategy.feature_names_in_
    }
    account = strategy.names_.get("account")
    extra = dict.fromkeys([account, "timezone", "eligible"] if account else ["timezone", "eligible"], "string")
    columns: list[Any] = [ColSpec(kind, name, required=False) for name, kind in (extra | numbers_or_text).items()]
    params = [
        ParamSpec("top_k", DataType.long, 3),
        ParamSpec("as_of", DataType.string, ""),
        ParamSpec("explore", DataType.boolean, True),
        ParamSpec("seed", DataType.long, 0),
        ParamSpec("layout", DataType.string, "wide"),
        ParamSpec("without_guardrails", DataType.boolean, False),
    ]
    return ModelSignature(inputs=Schema(columns), params=ParamSchema(params))


def _this_package() -> str:
    try:
        return f"recommender=={version('recommender')}"
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "recommender"
