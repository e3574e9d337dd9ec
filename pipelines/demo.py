"""``demo``: one story end to end, from a log to the plan of tomorrow, on a portfolio whose truth is known."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipelines import plan
from pipelines.demo_calls import calls_story
from pipelines.demo_redraws import interval_lines, redrawn
from pipelines.evaluate import wide_console
from pipelines.spoken import Language, words_of
from recommender.deciding import decide
from recommender.history import LoggedFeedback
from recommender.proof import BASELINES, OffPolicyEvaluator, PolicyReport
from recommender.quickstart import account_lines, policy_lines, value_map
from recommender.reports import AccountLine, FirstPage, PolicyLine, Words, first_page, map_in_text, policies_in_text
from recommender.rules import house_packs
from recommender.simulation import SimulatedLog, simulate, simulate_portfolio
from recommender.store.files import write_frame
from recommender.strategy import ContactStrategy, seed_rule_scores

_PAST_SHARE = 0.6
_PORTFOLIO = 600
_N_SHOWN = 10
_ESTIMATORS = ("ips", "sndr", "dm")
_CAPACITY = """\
timezone = "America/Bogota"
currency = "COP"
[worth]
per_response = 12_000      # what a response is worth to this agency
[[queue]]
name = "agents"
channels = ["call"]
minutes_per_contact = 6
cost_per_contact = 600
agents = { 9 = 1, 10 = 1, 11 = 1, 14 = 1, 15 = 1 }
[[queue]]
name = "messages"
channels = ["sms", "whatsapp", "email"]
quota = 200
cost_per_contact = 60
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(run)


def run(
    contacts: Annotated[int, typer.Option(min=2_000, help="Simulated past contacts.")] = 60_000,
    out: Annotated[Path, typer.Option(help="Folder for what the demo writes.")] = Path("data/demo"),
    jobs: Annotated[int, typer.Option(help="Threads.")] = 2,
    seed: Annotated[int, typer.Option(help="World, log and portfolio.")] = 2026,
    redraws: Annotated[int, typer.Option(min=0, help="Further logs of the same portfolio to judge on.")] = 20,
    story: Annotated[
        Literal["portfolio", "calls"], typer.Option(help="calls: real ones, whose log refuses to answer.")
    ] = "portfolio",
    language: Language = None,
) -> None:
    """Learn from past contacts, prove what it earns, give reasons, plan tomorrow, and write a report.

    The portfolio is simulated, so that every estimate stands beside its true value.
    """
    t = words_of(language)
    console = wide_console()
    if story == "calls":
        calls_story(console, jobs, seed, t)
        return
    began = time.perf_counter()
    out.mkdir(parents=True, exist_ok=True)

    console.rule(t("1. The log: what was done, and what came of it"))
    world = simulate(contacts, seed=seed, no_contact=True)
    log = world.feedback()
    past, future = log.split(pd.Series(log.time).sort_values().iloc[int(_PAST_SHARE * len(log))])
    facts = tell_the_log(console, world, past, future, t)

    console.rule(t("2. What was learnt from the earlier contacts"))
    strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(past)
    learnt = value_map(strategy, world.contacts.iloc[: len(past)].tail(2_000).reset_index(drop=True), past, t.language)
    learnt = replace(learnt, rows=tuple(map(t.name, learnt.rows)), columns=tuple(map(t.name, learnt.columns)))
    _tell(console, map_in_text(learnt, t.language))
    exploring = "The policy decides for each account; exploring gives up {cost:.1%} of its gain."
    _tell(console, [t(exploring, cost=strategy.exploration_cost_)])

    console.rule(t("3. What it would have earned on the later contacts, which it has not seen"))
    rows = np.arange(len(past), len(log))
    evaluator = OffPolicyEvaluator(future)
    lines, report = judged(world, rows, evaluator, strategy, t)
    page = FirstPage(
        title=t("From a log of contacts to the plan of tomorrow (simulated portfolio)"),
        verdict=report.verdict,
        against="against the policy in use, on contacts that it has not seen",
        reasons=tuple(map(t.of, report.reasons)),
        facts=facts,
        findings=(),
        good_for="",
        map=learnt,
        policies=lines,
        accounts=(),
        unit="per 1,000 contacts",
        language=t.language,
    )
    _tell(console, policies_in_text(page))
    _tell(console, [*page.reasons, *again_and_again(world, rows, evaluator, strategy, redraws, seed, t)])

    console.rule(t("4. Ten accounts inside the law: where it differs most from the trade's advice, and why"))
    as_of = _morning_after(world)
    accounts = simulate_portfolio(_PORTFOLIO, seed=seed, as_of=as_of)
    lately = unanswered_texts(accounts, as_of)
    before = "Each got a text a week ago, which nobody answered: without one, a house rule forbids to call."
    _tell(console, [t(before)])
    shown_accounts, note = ten_accounts(accounts, lately, strategy, as_of, seed, t)
    for one in shown_accounts:
        line = "[bold]{account}[/]: {action} ({expected:.1%} expected), rather than {instead} ({expected_instead:.1%})"
        console.print(t(line, **vars(one)), highlight=False)
        _tell(console, [f"    {one.reason}"] if one.reason else [])

    console.rule(t("5. The plan of tomorrow: five agent hours, 200 messages"))
    saved, table = strategy.save(out / "strategy"), write_frame(accounts, out / "accounts.parquet")
    history = write_frame(lately, out / "contacts.parquet")
    (out / "capacity.toml").write_text(_CAPACITY, encoding="utf-8")
    plan.run(
        accounts=str(table), as_of=as_of.isoformat(), capacity=out / "capacity.toml", out=out / "tomorrow",
        strategy=saved, contacts=str(history), language=t.language,
    )  # fmt: skip

    console.rule(t("Where to click"))
    onwards = where_to_go_on(out, t)
    told = _plan_in_words(out / "tomorrow", t)
    report_path = out / "report.html"
    first_page(replace(page, accounts=shown_accounts, note=note, plan=told, onwards=onwards), report_path)
    console.print(f"{t('open')}    {report_path.resolve().as_uri()}", highlight=False, soft_wrap=True)
    wide = max(14, *(len(what) for what, _ in onwards))
    for what, command in onwards:
        console.print(f"{what:<{wide}} {command}", highlight=False, soft_wrap=True)
    console.print(f"({time.perf_counter() - began:.0f} s)", highlight=False)


def tell_the_log(
    console: Console, world: SimulatedLog, past: LoggedFeedback, future: LoggedFeedback, t: Words
) -> dict[str, str]:
    """Counts, and the trap: who is called is not who is written to."""
    frame = world.contacts.iloc[: len(past)]
    by = frame.assign(channel=frame["channel"].fillna(t("(no contact)"))).groupby("channel", observed=True)
    table = Table(title=t("Earlier contacts by channel: the raw rates mislead"), title_justify="left")
    for name in ("channel", "contacts", "responded", "days past due (mean)"):
        table.add_column(t(name), justify="left" if name == "channel" else "right")
    means = by.agg(n=("reward", "size"), rate=("reward", "mean"), due=("days_past_due", "mean"))
    for channel, row in means.sort_values("n", ascending=False).iterrows():
        figures = (f"{row['n']:,.0f}", f"{row['rate']:.1%}", f"{row['due']:.0f}")
        table.add_row(t.name(str(channel)), *map(t.number, figures))
    console.print(table)
    _tell(console, [t("Hard debtors are called and easy ones are written to: a raw rate says whom, not what works.")])
    facts = {
        "earlier contacts (teach)": t.number(f"{len(past):,}"),
        "later contacts (judge)": t.number(f"{len(future):,}"),
        "actions": t("{n:,} (channel x hour x tone, or none)", n=past.n_actions),
        "context columns": t.number(f"{past.context.shape[1]:,}"),
        "propensities": t("as logged"),
    }
    facts = {t(name): value for name, value in facts.items()}
    _tell(console, ["   ".join(f"{name}: {value}" for name, value in facts.items())])
    return facts


def judged(
    world: SimulatedLog, rows: NDArray[np.int64], evaluator: OffPolicyEvaluator, strategy: ContactStrategy, t: Words
) -> tuple[tuple[PolicyLine, ...], PolicyReport]:
    """The learnt policy against what was done and what is simpler, each beside its true value."""
    target = evaluator.probabilities(strategy)
    assert target is not None  # noqa: S101 - a strategy's, which is no logging policy
    truth = {"learnt": world.value(target, rows)}
    reports = {}
    for name in BASELINES:
        base = evaluator.probabilities(name)
        truth[name] = world.logging_value(rows) if base is None else world.value(base, rows)
        reports[name] = evaluator.evaluate(strategy, name, _ESTIMATORS)
    return policy_lines(reports, truth, language=t.language), reports["logging"]


def again_and_again(
    world: SimulatedLog,
    rows: NDArray[np.int64],
    evaluator: OffPolicyEvaluator,
    strategy: ContactStrategy,
    n_logs: int,
    seed: int,
    t: Words,
) -> list[str]:
    """What the interval is worth: the same decisions drawn again, and how often the truth is inside."""
    if n_logs == 0:
        return []
    target = np.asarray(evaluator.probabilities(strategy))
    truth = world.value(target, rows)
    drawn = list(redrawn(world, rows, evaluator, target, n_logs, seed + 99))
    n_holding = sum(one.holds(truth) for one in drawn)
    return [
        "",
        t(
            "Is such an interval right? The same portfolio, drawn {n_logs:d} times again (| truth, : policy in use):",
            n_logs=n_logs,
        ),
        *interval_lines(drawn, truth, world.logging_value(rows), t),
        t(
            "{n_holding:d} of {n_logs:d} intervals hold the true value; 95 % promise 19 of 20 ({page}).",
            n_holding=n_holding,
            n_logs=n_logs,
            page=t("docs/evaluation-coverage.md"),
        ),
    ]


def unanswered_texts(accounts: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """One text message an account, a week before, delivered and not answered."""
    return pd.DataFrame(
        {
            "contact_id": [f"C-{account}" for account in accounts["account_id"]],
            "account_id": accounts["account_id"],
            "debtor_id": accounts["debtor_id"],
            "sent_at": as_of - timedelta(days=7) + timedelta(hours=4),
            "channel": "sms",
            "initiated_by": "creditor",
            "outcome": "delivered",
            "status": "sent",
        }
    )


def ten_accounts(
    accounts: pd.DataFrame,
    contacts: pd.DataFrame,
    strategy: ContactStrategy,
    as_of: pd.Timestamp,
    seed: int,
    t: Words,
) -> tuple[tuple[AccountLine, ...], str]:
    """Where the learnt policy, inside the rules that the plan keeps, expects most beyond what the trade would do."""
    decided = decide(accounts, strategy=strategy, as_of=as_of, packs=["CO", *house_packs()], contacts=contacts,
                     top_k=1, explore=False, seed=seed)  # fmt: skip
    idle = strategy.actions_.no_contact_index
    first = decided.ranked.loc[decided.ranked["rank"] == 1]
    chosen = strategy.actions_.index_of(first[list(strategy.actions_.factors)])
    advice = np.where(decided.eligibility.mask, seed_rule_scores(accounts, strategy.actions_), -1.0)
    advice[:, idle] = -1.0
    instead = advice.argmax(axis=1)
    expected, row = strategy.expected_reward(accounts), first["row"].to_numpy()
    gain = np.where(chosen == idle, -np.inf, expected[row, chosen] - expected[row, instead[row]])
    ranked = first.iloc[np.argsort(-gain, kind="stable")[:_N_SHOWN]]
    return account_lines(strategy, accounts, t.language, instead=instead, ranked=ranked, level=t.name)


def where_to_go_on(out: Path, t: Words) -> tuple[tuple[str, str], ...]:
    """What a reader may do next, as commands."""
    return (
        (t("your own log"), t("recommender quickstart your.csv")),
        (t("pages and API"), t("make serve, then http://127.0.0.1:8000/en/")),
        (t("serve this one"), f"RECOMMENDER_MODEL_PATH={out / 'strategy'} make serve"),
        (t("check the plan"), f"python -m pipelines plan --verify {out / 'tomorrow'}"),
        (t("second story"), t("python -m pipelines demo --story calls (real calls, and why a log may refuse)")),
        (t("notebooks"), "notebooks/01_first_recommendation.ipynb"),
    )


def _plan_in_words(folder: Path, t: Words) -> tuple[str, ...]:
    placed = pd.read_parquet(folder / "plan.parquet")
    proof = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    counts = placed["queue"].value_counts().sort_index().items()
    queues = ", ".join(f"{t.name(str(name))} {t.number(f'{count:,}')}" for name, count in counts)
    gap = float(proof["gap"]) if "gap" in proof else float("nan")
    worth = "Worth {worth:,.0f} COP after costs; none within the limits exceeds it by {gap:.4%}."
    return (
        t("{n:,} contacts for {accounts:,} accounts: {queues}.", n=len(placed), accounts=_PORTFOLIO, queues=queues),
        t(worth, worth=placed["value"].sum(), gap=gap),
        t("Files: {folder} (plan, arms, decisions, certificate).", folder=folder),
    )


def _morning_after(world: SimulatedLog) -> pd.Timestamp:
    last = world.contacts["sent_at"].max()
    day = (last + timedelta(days=1)).normalize() + timedelta(hours=11)  # six in the morning in Bogota
    while day.weekday() > 4:
        day += timedelta(days=1)
    return day.to_pydatetime()


def _tell(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False)
