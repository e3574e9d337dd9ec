"""The first look at a log: check it, learn from a part, judge on the rest, and say all of it on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import MissingExtra
from recommender.history import LoggedFeedback
from recommender.monitoring import Diagnosis, diagnose
from recommender.proof import BASELINES, ExperimentReport, PolicyReport, experiment
from recommender.quickstart.log_of_file import log_of_file
from recommender.quickstart.roles import Ask, Roles, guess_roles
from recommender.quickstart.typed_cells import DayOrder, TypedFrame, type_cells
from recommender.reports import AccountLine, FirstPage, PolicyLine, ValueMap, Words, first_page
from recommender.strategy import ContactStrategy

__all__ = ["FirstLook", "account_lines", "first_look", "policy_lines", "value_map"]

Tell = Callable[[str], None]

_PICTURED = 2_000
_SHOWN_ACCOUNTS, _LOOKED_AT = 10, 500
#: Beside the default estimator; evaluate_policy gives the whole table.
_ESTIMATORS = ("ips", "sndr", "dm")


@dataclass(frozen=True)
class FirstLook:
    """What a first look at a log found.

    Attributes
    ----------
    roles : Roles
    log : LoggedFeedback
    diagnosis : Diagnosis
    result : ExperimentReport
    strategy : ContactStrategy
        The one that was judged (on a part it was not trained on).
    page : FirstPage
        Everything the report shows, as plain data.
    seconds : float
    """

    roles: Roles
    log: LoggedFeedback
    diagnosis: Diagnosis
    result: ExperimentReport
    strategy: ContactStrategy
    page: FirstPage
    seconds: float

    def to_html(self, path: str | PathLike[str] | None = None) -> str:
        """One self-contained page; written to ``path`` when given."""
        return first_page(self.page, path)


def first_look(
    table: Any,
    *,
    name: str = "log",
    dates: DayOrder | None = None,
    ask: Ask | None = None,
    tell: Tell | None = None,
    language: str = "en",
    n_jobs: int | None = 2,
    random_state: int = 0,
    **stated: Any,
) -> FirstLook:
    """Guess the columns of a table of contacts, check it, learn, judge and explain.

    Parameters
    ----------
    table : DataFrame
        Cells as text or typed; see :func:`recommender.store.files.read_table`.
    name : str
        Of the log, for the title.
    dates : {"dmy", "mdy"} or None
        Order of day and month where the file does not say it.
    ask : callable or None
        Asked where a guess would be one of several.
    tell : callable
        Given a line as each step begins.
    language : {"en", "es"}
        Of all that is told; words of the file stay as they are, and so do errors, which are in English.
    n_jobs, random_state
        As for :class:`~recommender.strategy.ContactStrategy`.
    **stated
        Roles that are not to be guessed, as for :func:`guess_roles`.

    Raises
    ------
    InvalidInput
        One message that says what to do.
    """
    began = time.perf_counter()
    tell, t = tell or _in_silence, Words(language)
    typed = type_cells(table, dates)
    roles = guess_roles(typed, ask=ask, **stated)
    sentences = tuple(map(t.of, roles.sentences))
    for line in sentences:
        tell(line)
    log, frame = log_of_file(typed, roles)
    tell(t("checking {n:,} contacts", n=len(log)))
    diagnosis = diagnose(log, subject=name)
    learning = "learning and judging ({actions:d} actions, {columns:d} context columns)"
    tell(t(learning, actions=log.n_actions, columns=log.context.shape[1]))
    result = experiment(
        log,
        ContactStrategy(n_jobs=n_jobs, random_state=random_state),
        estimators=_ESTIMATORS,
        random_state=random_state,
    )
    strategy = result.strategies[0]
    last = frame.tail(min(len(frame), _PICTURED)).reset_index(drop=True)
    tell(t("writing down why"))
    recent = frame.tail(_LOOKED_AT).reset_index(drop=True)
    lines, note = _where_it_matters(strategy, recent, log.action[-len(recent) :], language)
    page = FirstPage(
        title=t("First look at {name}", name=name),
        verdict=result.verdict,
        reasons=_reasons(result, t),
        facts=_facts(log, roles, t),
        taken=sentences,
        left_out={name: t.of(why) for name, why in roles.left_out.items()},
        findings=_findings(diagnosis, roles, typed, t),
        good_for=diagnosis.verdict,
        map=value_map(strategy, last, log, language),
        policies=policy_lines(result.reports, language=language),
        accounts=lines,
        note=note,
        unit="per 1,000 contacts" if log.reward_kind == "binary" else "per contact",
        language=language,
    )
    return FirstLook(roles, log, diagnosis, result, strategy, page, time.perf_counter() - began)


def _findings(diagnosis: Diagnosis, roles: Roles, typed: TypedFrame, t: Words) -> tuple[tuple[str, str, str], ...]:
    """What the doctor found; an hour that was read off a moment without an offset is on that clock by itself."""
    own_clock = roles.hour_from is not None and roles.hour_from not in typed.utc
    told = [one for one in diagnosis.findings if one.code != "hours_on_utc" or not own_clock]
    return tuple((one.grade, t.of(one.what), t.of(one.mend)) for one in told)


def _where_it_matters(
    strategy: ContactStrategy, recent: pd.DataFrame, done: NDArray[np.int64], language: str
) -> tuple[tuple[AccountLine, ...], str]:
    """The accounts, each by one of its contacts, for which most is expected beyond what was done."""
    ranked = strategy.recommend(recent, top_k=1, explore=False)
    best = strategy.actions_.index_of(ranked[list(strategy.actions_.factors)])
    expected, row = strategy.expected_reward(recent), ranked["row"].to_numpy()
    gain = expected[row, best] - expected[row, done[row]]
    most = ranked.iloc[np.argsort(-gain, kind="stable")]
    again = most["account"].notna() & most["account"].duplicated()
    most = most.loc[~again].head(_SHOWN_ACCOUNTS)
    return account_lines(strategy, recent, language, instead=done, ranked=most)


def _facts(log: LoggedFeedback, roles: Roles, t: Words) -> dict[str, str]:
    reward = log.reward[log.mature]
    mean = t.number(f"{reward.mean():.4g}")
    mean = t("{mean} (share of successes)", mean=mean) if log.reward_kind == "binary" else mean
    factors = " x ".join(f"{t.name(name)} {len(levels)}" for name, levels in log.actions.factors.items())
    facts = {
        "contacts": t.number(f"{len(log):,}"),
        "with a known outcome": t.number(f"{len(reward):,}"),
        "mean reward": mean,
        "actions": f"{t.number(f'{log.n_actions:,}')} ({factors})",
        "context columns": t.number(f"{log.context.shape[1]:,}"),
    }
    if log.account is not None:
        facts["accounts"] = t.number(f"{int(log.account.max()) + 1:,}")
    if log.time is not None:
        times = pd.Series(log.time)
        facts["from, to"] = f"{times.min()}, {times.max()}"
    facts["propensities"] = t("estimated" if roles.propensity is None else "as logged")
    return {t(name): fact for name, fact in facts.items()}


def _reasons(result: ExperimentReport, t: Words) -> tuple[str, ...]:
    design = "Design: {design!t}; learnt from {learnt:,}, judged on {judged:,} contacts."
    return (
        t(design, design=result.design, learnt=result.n_trained_on, judged=result.n_judged),
        *(
            t("Against {baseline!t}: {reasons}", baseline=BASELINES[name], reasons=" ".join(map(t.of, report.reasons)))
            for name, report in result.reports.items()
        ),
    )


def policy_lines(
    reports: Mapping[str, PolicyReport], truth: Mapping[str, float] | None = None, *, language: str = "en"
) -> tuple[PolicyLine, ...]:
    """What was done and what the learnt policy would have earned, with the paired difference from each baseline.

    Parameters
    ----------
    reports : mapping of str to PolicyReport
        By the name of the baseline, as in :attr:`~recommender.proof.ExperimentReport.reports`.
    truth : mapping of str to float, optional
        True value of each baseline and of "learnt", in a world where it is known.
    language : {"en", "es"}
    """
    true_values, t = truth or {}, Words(language)
    row = next(iter(reports.values())).default
    lines = [
        PolicyLine(t("the learnt policy"), row["value"], row["ci_low"], row["ci_high"], true_values.get("learnt")),
    ]
    for name, report in reports.items():
        gap = report.difference
        lines.append(
            PolicyLine(
                t(BASELINES[name]), float(report.diagnostics["baseline_value"]), None, None, true_values.get(name),
                report.verdict, gap.value, gap.low, gap.high,
            )
        )  # fmt: skip
    return tuple(lines)


def value_map(strategy: ContactStrategy, accounts: pd.DataFrame, log: LoggedFeedback, language: str = "en") -> ValueMap:
    """Mean expected reward of the levels of the first two factors (the largest two), and how often each was done."""
    actions, t = strategy.actions_, Words(language)
    expected = strategy.expected_reward(accounts).mean(axis=0)
    sizes = sorted(actions.factors, key=lambda name: -len(actions.factors[name]))[:2]
    shown = [name for name in actions.factors if name in sizes]
    table = actions.to_frame().assign(
        expected=expected, times=np.bincount(log.action[log.mature], minlength=len(actions))
    )
    if actions.no_contact_index is not None:
        table = table.drop(index=actions.no_contact_index)
    # Levels of other factors count as often as they were used; where never, evenly.
    table["weight"] = table["times"] + 1e-9
    table["sum"] = table["expected"] * table["weight"]
    summed = table.groupby(shown, sort=False, observed=True)[["sum", "weight", "times"]].sum()
    mean = summed["sum"] / summed["weight"]
    if len(shown) == 1:
        return ValueMap(t.name(shown[0]), "", tuple(map(str, mean.index)), ("",), mean.to_numpy()[:, None],
                        summed["times"].to_numpy()[:, None])  # fmt: skip
    across = max(shown, key=lambda name: len(actions.factors[name]))
    down = next(name for name in shown if name != across)
    order = {name: list(actions.factors[name]) for name in shown}
    grid = _grid(mean, across).reindex(index=order[down], columns=order[across])
    times = _grid(summed["times"], across).reindex(index=order[down], columns=order[across])
    return ValueMap(t.name(down), t.name(across), tuple(map(str, grid.index)), tuple(map(str, grid.columns)),
                    grid.to_numpy(), times.fillna(0).to_numpy())  # fmt: skip


def _grid(values: pd.Series, across: str) -> pd.DataFrame:
    return values.unstack(across)  # noqa: PD010 - every cell is there once: nothing is pivoted or averaged


def account_lines(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    language: str = "en",
    *,
    instead: NDArray[np.int64] | None = None,
    ranked: pd.DataFrame | None = None,
    level: Callable[[str], str] = str,
) -> tuple[tuple[AccountLine, ...], str]:
    """The next-best action of accounts with its reason in words, and a note where reasons cannot be given.

    Parameters
    ----------
    strategy : ContactStrategy
    accounts : DataFrame
    language : {"en", "es"}
    instead : ndarray of int of shape (n_accounts,), optional
        Action that each best one is compared with, e.g. the one that was taken; None = the second best.
    ranked : DataFrame, optional
        Recommendations that were made already; its ``row`` counts the accounts.
    level : callable
        How a level that is a word is told; as it is, where it is the reader's own.
    """
    ranked = strategy.recommend(accounts, top_k=2, explore=False) if ranked is None else ranked
    actions, t = strategy.actions_, Words(language)
    first = ranked.loc[ranked["rank"] == 1].set_index("row")
    accounts = accounts.iloc[first.index].reset_index(drop=True)
    best = actions.index_of(first[list(actions.factors)])
    other = None if instead is None else np.asarray(instead)[first.index]
    reasons, note = _in_words(strategy, accounts, best, other, language)
    expected = strategy.expected_reward(accounts)
    lines = []
    for row, ranked_row in enumerate(first.to_dict(orient="records")):
        name = str(ranked_row["account"]) if not pd.isna(ranked_row["account"]) else t("account {row:d}", row=row + 1)
        lines.append(
            AccountLine(
                name,
                _said(actions, int(best[row]), t, level),
                "" if other is None else _said(actions, int(other[row]), t, level),
                float(ranked_row["expected_reward"]),
                float(ranked_row["lo"]),
                float(ranked_row["hi"]),
                reasons.get(row, ""),
                None if other is None else float(expected[row, other[row]]),
            )
        )
    return tuple(lines), note


def _said(actions: ActionSpace, action: int, t: Words, level: Callable[[str], str]) -> str:
    if action == actions.no_contact_index:
        return t("leave alone")
    factors = actions.describe([action]).iloc[0]
    return ", ".join(level(one) if isinstance(one, str) else f"{t.name(name)} {one}" for name, one in factors.items())


def _in_words(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    best: NDArray[np.int64],
    other: NDArray[np.int64] | None,
    language: str,
) -> tuple[dict[int, str], str]:
    try:
        from recommender.explanation import explain

        if other is None:
            explained = explain(strategy, accounts, top_k=2, language=language)
            return {int(row): " ".join(explained.reasons(int(row), language)[:2]) for row in explained.rows}, ""
        pairs = np.column_stack([best, other])
        explained = explain(strategy, accounts, actions=pairs, language=language)
    except MissingExtra as missing:
        return {}, Words(language)("Reasons in words: {missing}", missing=missing)
    reasons = {}
    for row, (a, b) in enumerate(pairs.tolist()):
        reasons[row] = "" if a == b else " ".join(explained.contrast(a, b, row=row).reasons(language)[:2])
    return reasons, ""


def _in_silence(line: str) -> None:
    """Say nothing."""
