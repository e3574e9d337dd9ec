"""A plan that leaves most accounts alone because one fact is unknown is no plan: the tables were not understood."""

from __future__ import annotations

from collections.abc import Mapping

from recommender.errors import InvalidInput
from recommender.planning.plan_inputs import PlanInputs

__all__ = ["refuse_unknowns"]

#: Rule of an unknown fact -> what the user can do about it.
_UNKNOWN = {
    "input": "A fact is written in a way that no rule understands: see the facts in data/README.md.",
    "unknown-country": "Give accounts.country (ISO 3166, e.g. CO).",
    "unknown-zone": "Give accounts.timezone (IANA, e.g. America/Bogota).",
    "unknown-party": "Give accounts.party, or state --party debtor.",
    "unknown-flags": "Give accounts.flags: `none` where an account has none (an empty cell is an unknown one).",
    "unknown-contacts": "Give --contacts, or state --no-contacts-yet.",
    "unknown-balance": "Give accounts.balance_minor.",
    "floor-consent": "Give accounts.consented_channels: the channels that the debtor agreed to.",
    "purpose-due-unknown": "Give accounts.due_date.",
    "no-template": "Give --templates with texts in their language, or correct accounts.language.",
}
#: Share of (account, action) pairs above which a want of texts leaves accounts alone: half says nothing there, since
#: many actions have no text of their own in a plan that contacts people.
_ALL_BUT_A_FEW = 0.9


def refuse_unknowns(
    removed: Mapping[str, int], n_alone: int, inputs: PlanInputs, n_contact_actions: int, *, purpose: str
) -> None:
    """Refuse where one unknown fact leaves most accounts alone: that is no plan, the tables were not understood.

    ``n_alone`` accounts have no contact open: a small catalogue of an agency's own, with texts for few actions but some
    for everybody, is no want of texts. Nor is it one where the purpose has texts for some stages only, as a reminder
    before the due date has none for who is late.
    """
    pairs = inputs.n_accounts * n_contact_actions
    asked = {"consented_channels", "channels_consented"} & set(inputs.columns)
    for rule, mend in _UNKNOWN.items():
        of_texts = rule == "no-template"
        if of_texts and (purpose != "collection" or n_alone <= inputs.n_accounts / 2):
            continue
        most = _ALL_BUT_A_FEW if of_texts else 0.5
        if removed.get(rule, 0) > most * pairs and not (rule == "floor-consent" and asked):
            share = removed[rule] / pairs
            raise InvalidInput(
                f"No plan was written: {rule} leaves {share:.0%} of {inputs.n_accounts:,} accounts alone.",
                column=rule,
                mend=mend,
            )
