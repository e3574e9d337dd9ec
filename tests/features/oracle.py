"""A naive second implementation of the point-in-time features: one row, one loop, one clock at a time."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

PARTS = ("night", "morning", "afternoon", "evening")
RESPONSES = {"replied", "right_party_contact", "promise_to_pay", "promise_kept"}


def naive_features(account, moment, contacts, outcomes, payments, channels, zone="UTC"):
    """Features of one account at one moment, from events strictly before it."""
    mine = [row for row in contacts.to_dict("records") if row["account_id"] == account]
    owner = {row["contact_id"]: row for row in mine}
    first_answer = {}
    others = []
    for row in outcomes.to_dict("records"):
        if row["contact_id"] not in owner:
            continue
        if row["outcome"] in RESPONSES:
            held = first_answer.get(row["contact_id"])
            if held is None or row["occurred_at"] < held:
                first_answer[row["contact_id"]] = row["occurred_at"]
        others.append((row["occurred_at"], row["outcome"]))
    answers = [(at, owner[contact]) for contact, at in first_answer.items()]
    paid = [(r["paid_at"], r["amount_minor"]) for r in payments.to_dict("records") if r["account_id"] == account]

    def within(at, days):
        return at < moment and (days is None or at >= moment - timedelta(days=days))

    def part(row):
        return PARTS[row["sent_at"].astimezone(ZoneInfo(zone)).hour // 6]

    def days_since(instants):
        before = [at for at in instants if at < moment]
        return (moment - max(before)).total_seconds() / 86400 if before else np.nan

    out_bound = [row for row in mine if row.get("initiated_by") != "debtor"]
    found = {}
    for label, days in (("7d", 7), ("30d", 30), ("90d", 90), ("ever", None)):
        found[f"contacts_{label}"] = sum(within(row["sent_at"], days) for row in out_bound)
        found[f"responses_{label}"] = sum(within(at, days) for at, _ in answers)
    for channel in channels:
        found[f"contacts_30d_{channel}"] = sum(
            within(row["sent_at"], 30) and row["channel"] == channel for row in out_bound
        )
        found[f"responses_90d_{channel}"] = sum(within(at, 90) and row["channel"] == channel for at, row in answers)
    for name in PARTS:
        found[f"contacts_90d_{name}"] = sum(within(row["sent_at"], 90) and part(row) == name for row in out_bound)
        found[f"responses_90d_{name}"] = sum(within(at, 90) and part(row) == name for at, row in answers)
    found["days_since_contact"] = days_since([row["sent_at"] for row in out_bound])
    found["inbound_90d"] = sum(within(row["sent_at"], 90) for row in mine if row.get("initiated_by") == "debtor")
    found["days_since_response"] = days_since([at for at, _ in answers])
    found["undelivered_90d"] = sum(
        within(at, 90) and outcome in ("not_connected", "bounced", "wrong_party") for at, outcome in others
    )
    found["opt_outs_ever"] = sum(within(at, None) and outcome == "opt_out" for at, outcome in others)
    found["complaints_ever"] = sum(within(at, None) and outcome == "complaint" for at, outcome in others)
    found["promises_90d"] = sum(within(at, 90) and outcome == "promise_to_pay" for at, outcome in others)
    found["promises_kept"] = sum(within(at, None) and outcome == "promise_kept" for at, outcome in others)
    due = sum(within(at + timedelta(days=14), None) and outcome == "promise_to_pay" for at, outcome in others)
    found["promises_broken"] = max(due - found["promises_kept"], 0)
    found["payments_90d"] = sum(within(at, 90) for at, _ in paid)
    found["payments_ever"] = sum(within(at, None) for at, _ in paid)
    found["paid_90d_minor"] = sum(amount for at, amount in paid if within(at, 90))
    found["days_since_payment"] = days_since([at for at, _ in paid])
    last = max((at for at, _ in paid if at < moment), default=None)
    found["last_payment_minor"] = max((amount for at, amount in paid if at == last), default=np.nan)
    return pd.Series(found, dtype=float)
