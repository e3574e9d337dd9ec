"""What ``plan`` says of the plan that it made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console

from recommender.planning import CapacityOrder, Tomorrow, contacts_by_slot, priced_hours
from recommender.reports import Words

__all__ = ["tell_plan"]


def tell_plan(
    made: Tomorrow, limits: CapacityOrder, about: dict[str, Any], out: Path, console: Console, t: Words
) -> None:
    """Say what a plan is worth, what binds it, and what it could not keep."""
    unit, rules = about["unit"], about["rules_in_money"]
    digits = 2 if unit.startswith("p_") else 0  # chances are small sums

    def say(line: str) -> None:
        console.print(t.of(line), highlight=False)

    say(
        f"wrote {out}: {len(made.contacts):,} contacts for {len(made.arms):,} accounts, worth "
        f"{made.contacts['value'].sum():,.{digits}f} {unit}; the policy lacks at most {100 * made.plan.gap:.4f} % of "
        "the best possible (proven)"
    )
    if (days := about["days"]) > 1:
        by_day = made.contacts.groupby("day").agg(contacts=("value", "size"), value=("value", "sum"))
        by_day_text = ", ".join(
            f"{day}: {one.contacts:,.0f} worth {one.value:,.{digits}f}" for day, one in by_day.iterrows()
        )
        say(f"days 1 to {days} (day: contacts), of which day 1 is decided: {by_day_text}")
    if "replaced" in about:
        changes = ", ".join(f"{name.replace('_', ' ')} {n:,}" for name, n in about["replaced"].items()
                             if isinstance(n, int))  # fmt: skip
        say(f"of the plan in force: {changes}")
    if made.contacts["expected"].notna().any():
        low, middle, high = (made.contacts[name].sum() for name in ("expected_low", "expected", "expected_high"))
        say(
            f"expected payments of those contacted: {middle:,.0f} {about['money']} ({low:,.0f} to {high:,.0f} if the "
            "strategy errs the same way for everybody)"
        )
    for line in contacts_by_slot(made, digits):
        say(line)
    for line in priced_hours(made, limits, unit, digits):
        say(line)
    for rule, (low, middle, high) in sorted(rules.items(), key=lambda item: -item[1][1])[:8]:
        if middle < 0.5 * 10**-digits:
            continue
        amounts = f"{middle:,.{digits}f} {unit} ({low:,.{digits}f} to {high:,.{digits}f})"
        say(f"rule {rule} holds back {amounts}")
    if made.contacts.empty:
        say("[red]nobody is contacted[/]: see the notes")
    for lost in made.unplaced[:5]:
        say(f"[yellow]appointment not kept:[/] {lost['account_id']} {lost['at']}: {lost['why']}")
    for note in about["notes"]:
        say(f"[yellow]note:[/] {note}")
