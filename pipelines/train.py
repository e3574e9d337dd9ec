"""``train``: from a log to a saved strategy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.registry_options import DEFAULT_ARTIFACTS, DEFAULT_MODEL, DEFAULT_URI, Artifacts, Model, RegistryUri
from pipelines.stated_options import Encoding
from pipelines.training_record import metrics_of, model_card, parameters_of, rewards_by_level, tuning_metrics
from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback, protected_names
from recommender.intake import kind_of_name, personal_columns
from recommender.store.files import feedback_from_file, read_frame, read_roles
from recommender.store.registry import Registry
from recommender.strategy import ContactStrategy

if TYPE_CHECKING:
    from pipelines.tuning_run import TunedRun
    from recommender.learning import ActionTrees, BoostTrees

LogFile = Annotated[Path, typer.Argument(help="Log as Parquet or CSV, with <file>.roles.json beside it.")]
Factors = Annotated[list[str] | None, typer.Option("--factor", help="Action factor column; repeat for more.")]
Contexts = Annotated[list[str] | None, typer.Option("--context", help="Context column; repeat for more.")]
Column = Annotated[str | None, typer.Option()]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("train")(run)


def read_log(
    path: Path,
    console: Console,
    *,
    factor: list[str] | None = None,
    context: list[str] | None = None,
    reward: str | None = None,
    propensity: str | None = None,
    account: str | None = None,
    time: str | None = None,
    cluster: str | None = None,
    encoding: str | None = None,
) -> LoggedFeedback:
    """Read a log by the roles beside it, or by the ones given; what is protected or contact data is left out."""
    if factor:
        frame = read_frame(path, encoding=encoding)
        given = {"propensity": propensity, "account": account, "time": time, "cluster": cluster}
        taken = {*factor, reward or "reward", *(name for name in given.values() if name)}
        roles: dict[str, Any] = {
            "actions": ActionSpace.from_frame(frame, factor).to_dict(),
            "context": context or [name for name in frame.columns if name not in taken],
            "reward": reward or "reward",
            **given,
        }
    else:
        roles = read_roles(path)
    named = [name for name in roles["context"] if kind_of_name(name) != "plain"]
    personal = personal_columns(read_frame(path, named, encoding=encoding)) if named else []
    for what, names in (("protected attributes", protected_names(roles["context"])), ("contact data", personal)):
        if names:
            console.print(f"[yellow]left out as {what}:[/] {', '.join(names)}", highlight=False)
            roles["context"] = [name for name in roles["context"] if name not in names]
            roles["categorical"] = [name for name in roles.get("categorical") or [] if name not in names]
    return feedback_from_file(path, roles, encoding=encoding)


@contextmanager
def boosted_on(dask: str | None, minutes: float, console: Console) -> Iterator[BoostTrees | None]:
    """Who grows the boosted members: this process (None), or workers, who tell what they did."""
    if dask is None:
        yield None
        return
    from recommender.distributed import (
        boost_on_cluster,
        cluster,  # an extra
    )

    grown: list[ActionTrees] = []
    with cluster(dask) as client:

        def boost(*rows: Any, rounds: int, **settings: Any) -> ActionTrees:
            n, workers = len(rows[0]), len(client.nthreads())
            console.print(f"boosting {rounds:,} rounds on {n:,} rows and {workers} workers", highlight=False)
            grown.append(boost_on_cluster(client, *rows, rounds=rounds, deadline=60 * minutes, **settings))
            return grown[-1]

        yield boost
    if not grown:
        console.print("[yellow]nothing boosted on the cluster:[/] trees carry no weight in the blend", highlight=False)


def _updated(path: Path, new: LoggedFeedback, console: Console) -> ContactStrategy:
    """A saved strategy with new decisions in it; says what it goes on from and when a fit is due."""
    strategy = ContactStrategy.load(path)
    before = strategy.version_
    strategy.update(new)
    nights = strategy.trained_on_["updates"]
    due = strategy.refit_due_
    console.print(
        f"went on from {before} with {nights[-1]['n_mature']:,} decisions (update {len(nights)} since the last fit)\n"
        + (f"[yellow]fit the whole log again:[/] {due}" if due else "no fit on the whole log is due"),
        highlight=False,
    )
    return strategy


def run(
    log: LogFile,
    out: Annotated[Path, typer.Option(help="Directory of the saved strategy.")] = Path("models/strategy"),
    until: Annotated[str | None, typer.Option(help="Train on decisions before this instant only.")] = None,
    policy: Annotated[str, typer.Option(help="softmax, epsilon, thompson or greedy.")] = "softmax",
    epsilon: Annotated[float, typer.Option(help="Share of decisions spread evenly: the floor.")] = 0.05,
    jobs: Annotated[int, typer.Option(help="Threads; the result does not depend on it.")] = 2,
    seed: Annotated[int, typer.Option()] = 0,
    factor: Factors = None,
    context: Contexts = None,
    reward: Column = None,
    propensity: Column = None,
    account: Column = None,
    time: Column = None,
    cluster: Column = None,
    encoding: Encoding = None,
    update: Annotated[
        Path | None,
        typer.Option(help="Go on from this saved strategy with a log of new decisions, at a fraction of a fit's cost."),
    ] = None,
    register_version: Annotated[
        bool, typer.Option("--register", help="Keep the run in the registry and make the strategy the challenger.")
    ] = False,
    run_name: Annotated[str | None, typer.Option(help="Name of the run; default: the log's name.")] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Search for better tree settings first.")] = False,
    tune_minutes: Annotated[float, typer.Option(help="Time budget of the search.")] = 20.0,
    tune_trials: Annotated[int, typer.Option(help="Trials in all, those of earlier sessions included.")] = 30,
    tune_rows: Annotated[int, typer.Option(help="Decisions that a trial learns from and is judged on.")] = 30_000,
    study: Annotated[Path | None, typer.Option(help="Journal of the search; default: OUT.study.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the search in the journal.")] = False,
    dask: Annotated[
        str | None,
        typer.Option(help="Boost on every row on a cluster: local, or the scheduler, e.g. tcp://10.0.0.5:8786."),
    ] = None,
    dask_minutes: Annotated[
        float, typer.Option(min=0.1, help="After so long the workers are restarted and boosting begins anew.")
    ] = 60.0,
    registry_uri: RegistryUri = DEFAULT_URI,
    artifacts: Artifacts = DEFAULT_ARTIFACTS,
    model: Model = DEFAULT_MODEL,
) -> None:
    """Learn a strategy from a log of past contacts and save it (plain files, no pickle).

    With --register the parameters, metrics, data digest and model card are kept too, and the strategy becomes the
    challenger; what is served does not change. With --tune the trials of the search are kept as runs under it.
    With --update LOG holds new decisions only; policy, epsilon and seed stay those of the strategy. It says when a fit
    on the whole log is due.
    With --dask the boosted members see every decision of a long log, not the sample that the others learn from.

    Then: python -m pipelines evaluate LOG --strategy models/strategy, or promote --log LOG --by NAME
    """
    console = Console()
    if dask is not None:
        import recommender.distributed  # noqa: F401 - says at once, not after a search, that the extra is missing
    feedback = read_log(
        log,
        console,
        factor=factor,
        context=context,
        reward=reward,
        propensity=propensity,
        account=account,
        time=time,
        cluster=cluster,
        encoding=encoding,
    )
    if until is not None:
        feedback, _ = feedback.split(until)
    console.print(str(feedback), highlight=False)
    registry, name = Registry(registry_uri, artifacts, model), run_name or log.name.partition(".")[0]
    tuned: TunedRun | None = None
    if resume and not tune:
        raise typer.BadParameter("--resume goes on with a search: add --tune")
    if update is not None and (tune or dask is not None):
        raise typer.BadParameter("--update goes on with a fit: --tune and --dask need the whole log")
    if tune:
        from pipelines.tuning_run import close, tune_log  # Optuna is loaded only by those who tune

        journal = study or out.with_name(out.name + ".study")
        tuned = tune_log(
            feedback,
            registry,
            console,
            study=journal,
            resume=resume,
            minutes=tune_minutes,
            trials=tune_trials,
            rows=tune_rows,
            jobs=jobs,
            seed=seed,
            run_name=name,
        )
    if update is not None:
        strategy = _updated(update, feedback, console)
    else:
        with boosted_on(dask, dask_minutes, console) as boost, console.status("Learning ..."):
            strategy = ContactStrategy(
                policy=policy,  # type: ignore[arg-type]
                epsilon=epsilon,
                n_jobs=jobs,
                random_state=seed,
                tree_settings=None if tuned is None else tuned.result.settings,
            ).fit(feedback, boost=boost)
    path = strategy.save(out)
    console.print(
        f"saved {path} (version {strategy.version_}); exploring gives up {strategy.exploration_cost_:.1%} of the "
        f"modelled gain\nnext: python -m pipelines evaluate {log} --strategy {path}",
        highlight=False,
    )
    if register_version or tuned is not None:
        metrics = metrics_of(strategy, feedback) | ({} if tuned is None else tuning_metrics(tuned.result))
        kept = registry.log_training(
            run_name=name,
            params=parameters_of(strategy, feedback, log=str(log), until=until),
            metrics=metrics,
            model_card=model_card(strategy, metrics, run_name=name),
            data_digest=feedback.digest,
            tags={"policy_version": strategy.version_},
            artifacts={"plots/rewards_by_level.png": rewards_by_level(feedback)}
            | ({} if tuned is None else {"tuning.txt": tuned.described}),
            strategy_dir=path,
            register=register_version,
            run_id=None if tuned is None else tuned.run_id,
        )
        if tuned is not None:
            close(journal)
        if kept.version is not None:
            console.print(
                f"registered as version {kept.version} of {model}: the challenger\n"
                "next: python -m pipelines promote --log LATER_LOG --by NAME",
                highlight=False,
            )
