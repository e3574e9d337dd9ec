"""``recommender quickstart your.csv``: the console script of the wheel; standard library and core requirements only."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from recommender.errors import RecommenderError
from recommender.quickstart.first_look import FirstLook, first_look
from recommender.reports import LANGUAGES, Words, language_of, map_in_text, policies_in_text
from recommender.store.files import read_table

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; errors are one message and exit code 2.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.

    Returns
    -------
    int
        Exit code.
    """
    chosen = _parser().parse_args(arguments)
    try:
        _run(chosen)
    except RecommenderError as error:
        sys.stderr.write(f"Error: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"Error: {error.filename} cannot be read or written ({error.strerror}). Check the path.\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(Words(chosen.language or language_of(os.environ))("Stopped; nothing was written.") + "\n")
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="recommender", description="Learn which contact works, and prove it.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    quick = verbs.add_parser(
        "quickstart",
        help="from a file of past contacts to a report",
        description="Guesses the columns of a file of past contacts, checks it, learns, judges on what was not seen, "
        "and writes one HTML page. What is guessed wrong is stated with the options.",
    )
    quick.add_argument("file", type=Path, help="CSV, TSV, XLSX, Parquet or JSON lines; one row a contact")
    quick.add_argument("--reward", help="column that tells whether a contact succeeded, or what it earned")
    quick.add_argument("--success", action="append", default=[], help="word of it that is a success; repeat")
    quick.add_argument("--action", action="append", default=[], help="column of what was chosen; repeat")
    quick.add_argument("--account", help="column of the account")
    quick.add_argument("--time", help="column of the moment")
    quick.add_argument("--propensity", help="column of the logged probability of the action")
    quick.add_argument("--leave-out", action="append", default=[], help="column that is not to be used; repeat")
    quick.add_argument("--dates", choices=("dmy", "mdy"), help="order of day and month")
    quick.add_argument("--encoding", help="of a CSV file that is not Unicode, e.g. cp1252")
    quick.add_argument(
        "--language", choices=LANGUAGES, help="of all that is told; default: that of LC_ALL, LC_MESSAGES, LANG"
    )
    quick.add_argument("--out", type=Path, default=Path("quickstart.html"), help="page to write")
    quick.add_argument("--model", type=Path, help="folder for the learnt strategy")
    quick.add_argument("--jobs", type=int, default=2, help="threads")
    quick.add_argument("--yes", action="store_true", help="never ask: take the guess, or say what to state")
    return parser


def _run(chosen: argparse.Namespace) -> None:
    t = Words(chosen.language or language_of(os.environ))
    asks = sys.stdin.isatty() and sys.stdout.isatty() and not chosen.yes
    look = first_look(
        read_table(chosen.file, table="file", encoding=chosen.encoding),
        name=chosen.file.name,
        dates=chosen.dates,
        ask=partial(_ask, t) if asks else None,
        tell=_tell,
        language=t.language,
        n_jobs=chosen.jobs,
        reward=chosen.reward,
        success=chosen.success,
        action=chosen.action,
        account=chosen.account,
        time=chosen.time,
        propensity=chosen.propensity,
        leave_out=chosen.leave_out,
    )
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    look.to_html(chosen.out)
    if chosen.model is not None:
        look.strategy.save(chosen.model)
    _summary(look, chosen, t)


def _summary(look: FirstLook, chosen: argparse.Namespace, t: Words) -> None:
    page = look.page
    for name, why in page.left_out.items():
        _tell(t("left out: {name} {why}", name=name, why=why))
    _tell("")
    for line in map_in_text(page.map, page.language):
        _tell(line)
    _tell("")
    for line in policies_in_text(page):
        _tell(line)
    _tell(t("good for: {goals!t}; verdict: {verdict!t}", goals=page.good_for, verdict=page.verdict))
    for one in page.accounts[:3]:
        rather = t("{action} rather than {instead}", action=one.action, instead=one.instead)
        _tell(f"  {one.account}: {rather if one.instead else one.action}. {one.reason}".rstrip())
    _tell(f"\n{chosen.out.resolve().as_uri()}  ({look.seconds:.0f} s)")
    if chosen.model is not None:
        _tell(t("strategy: {folder} (ContactStrategy.load)", folder=chosen.model))


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _ask(t: Words, question: str, columns: Sequence[str]) -> str | None:
    _tell(t(question))
    for number, name in enumerate(columns, 1):
        _tell(f"  {number}  {name}")
    said = input(t("number or name (empty: none of them): ")).strip()
    if said.isdigit() and 1 <= int(said) <= len(columns):
        return columns[int(said) - 1]
    return said or None
