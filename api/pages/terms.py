"""Words of the pages that need an explanation, and their meaning."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["terms"]


def terms(t: Callable[[str], str]) -> dict[str, str]:
    """Meaning of each word, in the language of ``t``, by the word as it stands in headings."""
    return {
        t("95% CI"): t("Where the true value lies 95 times in 100; the wider, the less is known."),
        t("Expected result"): t(
            "How likely the contact brings what is counted as a success (an answer of the debtor, or what the model "
            "was trained on); in %, for one contact."
        ),
        t("Policy"): t("What decides whom to contact, how and when: the learnt model, under the rules."),
        t("Control"): t("Debtors drawn at random whom the old way goes on contacting, so that both can be compared."),
        t("Difference"): t("Policy minus control; of shares in percentage points."),
        t("Lead over the next"): t("How much more the chosen action is expected to bring than the best other one."),
        t("Tries on accounts like these"): t("How often the action was tried before with such accounts."),
        t("Probability of being sent"): t("How likely chance and ranking together pick this action."),
        t("Stage"): t("Before the due date, 1 to 30 days, 31 to 90 days, or more than 90 days past due."),
        t("Right-party contact"): t("The debtor answered, and not somebody else."),
        t("Verdict"): t("Whether the interval lies wholly on one side of no difference."),
    }
