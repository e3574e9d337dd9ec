"""Rules in the reader's words: what each one says, where it holds, and the law behind it; its id stays a small code."""

from __future__ import annotations

import re
from dataclasses import dataclass

from api.pages.rendering import Page

__all__ = ["RuleWords", "citation_in_words", "rule_in_words"]

_HOUSE = ("floor", "house", "trade", "purpose")
_UNSEEN = ", not seen"
_STATES = ", events become states"


@dataclass(frozen=True)
class RuleWords:
    """A rule as a manager reads it.

    Attributes
    ----------
    name : str
        What it says, with a capital.
    where : str
        Where it holds: a country, or that it is of the house.
    rule : str
        Its id.
    """

    name: str
    where: str
    rule: str

    @property
    def text(self) -> str:
        """Name and where it holds."""
        return f"{self.name} ({self.where})" if self.where else self.name


def rule_in_words(page: Page, rule: str) -> RuleWords:
    """Words of a rule id as :meth:`recommender.rules.Eligibility.rules` gives it."""
    words = _words(page)
    head, _, rest = rule.partition("-")
    if rule in words:
        return RuleWords(words[rule], "", rule)
    if head in _HOUSE:
        where = page.text("everywhere") if head == "floor" else page.text("rule of the house")
    elif re.fullmatch("[a-z]{2}", head):
        part, _, further = rest.partition("-")
        where = page.country(head.upper())
        if re.fullmatch("[a-z]{2}", part) and further:  # a state: us-ma-…, br-sp-…
            where, rest = f"{where}, {part.upper()}", further
    else:
        return RuleWords(page.text("Rule of your own: {rule}", rule=rule), "", rule)
    if rest.startswith("stop-"):
        flag = rest.removeprefix("stop-").replace("-", "_")
        return RuleWords(page.text("No contact while: {flag}", flag=page.wording.label(flag)), where, rule)
    return RuleWords(words.get(rest) or page.text("Rule of your own: {rule}", rule=rule), where, rule)


def citation_in_words(page: Page, citation: str) -> str:
    """Law and article; what is no law in the reader's language."""
    words = citation.removesuffix(_STATES)
    unseen = words.endswith(_UNSEEN)
    words = words.removesuffix(_UNSEEN)
    words = page.text("rule of the house") if words in ("house policy", "policy") else words
    return page.text("{law} (text not checked)", law=words) if unseen else words


def _words(page: Page) -> dict[str, str]:
    t = page.text
    return {
        "input": t("A fact that cannot be read"),
        "unknown-country": t("Country not known"),
        "unknown-zone": t("Time zone not known"),
        "unknown-party": t("Not known whose contact data they are"),
        "unknown-flags": t("Not known whether anything forbids contact"),
        "unknown-contacts": t("Earlier contacts not known"),
        "unknown-balance": t("Balance not known"),
        "missing-hour": t("Hour that this day does not have"),
        "no-template": t("No approved message"),
        "too-early": t("Before the planned moment"),
        "consent": t("Only channels that were agreed to"),
        "party": t("Only the debtor and who answers for the debt"),
        "opt-out": t("Channel that the debtor no longer wants"),
        "settled": t("Nothing left to collect"),
        "not-in-force": t("Law not yet or no longer in force"),
        "window": t("Permitted hours"),
        "no-window": t("No permitted hours"),
        "holiday": t("Sundays and public holidays"),
        "holiday-unknown": t("Public holidays not known"),
        "day": t("Most contacts a day"),
        "week": t("Most contacts a week"),
        "one-channel-week": t("One channel a week"),
        "visit": t("No visits"),
        "workplace": t("Not at the workplace"),
        "live": t("Most conversations a week"),
        "message": t("Most messages a week"),
        "message-gap": t("Days between messages"),
        "tone": t("Tones by days past due"),
        "cheaper-first": t("Cheaper channels first"),
        "seven-in-seven": t("Seven calls in seven days"),
        "wait-after-talk": t("Seven days of silence after a conversation"),
        "two-in-seven": t("Two calls in seven days"),
        "two-in-thirty-elsewhere": t("Two calls in thirty days elsewhere"),
        "due": t("Reminders only shortly before the due date"),
        "due-unknown": t("Due date not known"),
        "due-said": t("Reminded of this due date already"),
        "due-habit": t("Pays on time without a reminder"),
        "due-habit-unknown": t("Not known whether earlier dues were paid late"),
        "promise": t("No promise that is open or has just fallen due"),
        "promise-unknown": t("No promise known"),
        "payment": t("No payment in the last days"),
        "payment-unknown": t("No payment known"),
        "payment-said": t("Thanked for this payment already"),
        "cure": t("Not brought up to date in the last weeks"),
        "cure-unknown": t("Not known to have brought an overdue debt up to date"),
        "cure-overdue": t("Overdue again"),
        "cure-said": t("Welcomed back already"),
        "fraud": t("Nothing suspicious noticed in the last days"),
        "fraud-unknown": t("Nothing suspicious known"),
        "fraud-said": t("Alerted already"),
        "request": t("No request for information in the last days"),
        "request-unknown": t("No request for information known"),
        "request-said": t("Information sent already"),
    }
