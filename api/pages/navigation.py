"""The pages there are, in the order of the menu."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MENU", "Entry"]


def _(message: str) -> str:
    """Mark a text for the catalogue; it is translated where it is shown."""
    return message


@dataclass(frozen=True)
class Entry:
    """A page of the menu.

    Attributes
    ----------
    route : str
        Name of its route; an entry whose route is not there is not shown.
    title : str
    """

    route: str
    title: str


MENU: tuple[Entry, ...] = (
    Entry("home", _("Home")),
    Entry("tomorrow", _("Tomorrow")),
    Entry("results", _("Results")),
    Entry("policy_value", _("Policy value")),
    Entry("explorer", _("What works for whom")),
    Entry("drivers", _("What drives results")),
    Entry("accounts", _("Accounts")),
    Entry("what_if", _("What if")),
    Entry("rule_costs", _("Rule costs")),
    Entry("approvals", _("Approvals")),
    Entry("model_card", _("Model card")),
    Entry("audit", _("Audit")),
)
