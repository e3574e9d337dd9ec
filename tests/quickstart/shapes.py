"""Fifteen shapes of public files, each drawn here by a small generator of our own; nothing is copied from them.

Each gives the text of a file, its name, and what a reader of the file would take for reward and action.
"""

import io
import json

import numpy as np
import pandas as pd

N = 1_200


def _csv(frame, **how):
    return frame.to_csv(index=False, **how)


def bank_calls(rng):
    """Telephone marketing: semicolons, y as yes/no, a duration that leaks, pdays of 999."""
    frame = pd.DataFrame(
        {
            "job": rng.choice(["admin.", "blue-collar", "retired", "unknown"], N),
            "marital": rng.choice(["married", "single"], N),
            "housing": rng.choice(["yes", "no", "unknown"], N),
            "contact": rng.choice(["cellular", "telephone"], N),
            "month": rng.choice(["may", "jun", "nov"], N),
            "duration": rng.integers(0, 900, N),
            "campaign": rng.integers(1, 6, N),
            "pdays": 999,
            "poutcome": rng.choice(["nonexistent", "failure"], N),
            "euribor3m": rng.normal(3, 1, N).round(3),
            "y": rng.choice(["no", "yes"], N, p=[0.85, 0.15]),
        }
    )
    return "calls.csv", _csv(frame, sep=";"), "y", ("contact",)


def mailing(rng):
    """A randomised e-mail test: segment is the action, channel is where they bought before, three outcomes."""
    frame = pd.DataFrame(
        {
            "recency": rng.integers(1, 13, N),
            "history_segment": rng.choice(["1) $0 - $100", "2) $100 - $200"], N),
            "history": rng.gamma(2, 100, N).round(2),
            "mens": rng.integers(0, 2, N),
            "channel": rng.choice(["Phone", "Web", "Multichannel"], N),
            "segment": rng.choice(["Mens E-Mail", "Womens E-Mail", "No E-Mail"], N),
            "visit": rng.binomial(1, 0.15, N),
        }
    )
    frame["conversion"] = frame["visit"] * rng.binomial(1, 0.2, N)
    frame["spend"] = frame["conversion"] * rng.gamma(2, 50, N).round(2)
    return "mailing.csv", _csv(frame), "conversion", ("segment",)


def clicks_with_propensities(rng):
    """A bandit's log: item, position, click, propensity_score, hashed user features, an index without a name."""
    frame = pd.DataFrame(
        {
            "timestamp": pd.date_range("2019-11-24", periods=N, freq="min", tz="UTC").astype(str),
            "item_id": rng.integers(0, 10, N),
            "position": rng.integers(1, 4, N),
            "click": rng.binomial(1, 0.05, N),
            "propensity_score": 0.1,
            "user_feature_0": rng.choice(["81ce", "4ae3", "cef3"], N),
            "user_feature_1": rng.choice(["03a5", "f1c2"], N),
        }
    )
    return "bandit.csv", frame.to_csv(), "click", ("item_id",)


def uplift_anonymous(rng):
    """An incrementality test: f0..f5, treatment 0/1, visit, conversion, exposure."""
    frame = pd.DataFrame({f"f{number}": rng.normal(size=N).round(4) for number in range(6)})
    frame["treatment"] = rng.binomial(1, 0.85, N)
    frame["conversion"] = rng.binomial(1, 0.06, N)
    frame["visit"] = rng.binomial(1, 0.1, N)
    return "uplift.csv", _csv(frame), "conversion", ("treatment",)


def dialler_log(rng):
    """A dialler: call_date, status words of the outcome ladder, length in seconds, phone numbers."""
    frame = pd.DataFrame(
        {
            "lead_id": rng.integers(1, 300, N),
            "call_date": pd.date_range("2026-01-05 08:00", periods=N, freq="11min").strftime("%Y-%m-%d %H:%M:%S"),
            "phone_number": rng.integers(3_000_000_000, 3_200_000_000, N),
            "channel": rng.choice(["call", "sms", "whatsapp"], N),
            "days_past_due": rng.integers(1, 90, N),
            "length_in_sec": rng.integers(0, 300, N),
            "outcome": rng.choice(["no_answer", "promise_to_pay", "wrong_number", "right_party_contact"], N),
        }
    )
    return "dialler.csv", _csv(frame), "outcome", ("channel", "hour")


def collections_in_spanish(rng):
    """A collector's file: Spanish names, day first, decimal commas, Latin accents, Sí and No."""
    dates = pd.date_range("2026-02-01 08:00", periods=N, freq="17min")
    frame = pd.DataFrame(
        {
            "No. Crédito": rng.integers(10_000, 10_400, N),
            "Fecha Gestión": dates.strftime("%d/%m/%Y %H:%M"),
            "Canal": rng.choice(["Llamada", "WhatsApp", "Correo"], N),
            "Tono": rng.choice(["Amable", "Firme"], N),
            "Saldo": [f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".") for value in
                      rng.gamma(2, 500_000, N)],
            "Cédula": rng.integers(10_000_000, 99_999_999, N),
            "Días mora": rng.integers(0, 180, N),
            "Contestó": rng.choice(["Sí", "No"], N, p=[0.2, 0.8]),
        }
    )  # fmt: skip
    return "gestiones.csv", _csv(frame, sep=";"), "Contestó", ("Canal", "Tono", "hour")


def ab_test(rng):
    """An A/B test of a landing page: user_id, timestamp, group, converted."""
    frame = pd.DataFrame(
        {
            "user_id": rng.permutation(10 * N)[:N],
            "timestamp": pd.date_range("2017-01-02", periods=N, freq="90s").astype(str),
            "group": rng.choice(["control", "treatment"], N),
            "country": rng.choice(["US", "UK", "CA"], N),
            "converted": rng.binomial(1, 0.12, N),
        }
    )
    return "ab.csv", _csv(frame), "converted", ("group",)


def get_out_the_vote(rng):
    """A letter experiment: treatment words with blanks, outcome voted, sex and year of birth."""
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["male", "female"], N),
            "yob": rng.integers(1930, 1988, N),
            "p2002": rng.choice(["Yes", "No"], N),
            "hh_size": rng.integers(1, 5, N),
            "treatment": rng.choice([" Control", " Civic Duty", " Neighbors", " Self"], N),
            "voted": rng.choice(["Yes", "No"], N, p=[0.32, 0.68]),
        }
    )
    return "vote.csv", _csv(frame), "voted", ("treatment",)


def job_training(rng):
    """A job programme: treat 0/1, earnings after as an amount re78, no word that says so."""
    frame = pd.DataFrame(
        {
            "treat": rng.binomial(1, 0.4, N),
            "educ": rng.integers(3, 16, N),
            "re74": rng.gamma(0.5, 5_000, N).round(2),
            "re75": rng.gamma(0.5, 5_000, N).round(2),
            "re78": rng.gamma(0.7, 6_000, N).round(2),
        }
    )
    return "jobs.csv", _csv(frame), None, None


def push_messages(rng):
    """App pushes as JSON lines: epoch milliseconds, template, opened."""
    rows = [
        {
            "user": f"u{rng.integers(0, 200)}",
            "sent": {"ts": 1_700_000_000_000 + 60_000 * number},
            "template": str(rng.choice(["due_soon", "offer", "thanks"])),
            "badge": int(rng.integers(0, 9)),
            "clicked": bool(rng.random() < 0.1),
        }
        for number in range(N)
    ]
    return "push.jsonl", "\n".join(json.dumps(row) for row in rows), "clicked", ("template",)


def rewards_of_minus_one(rng):
    """A recommender's log: action index, reward -1/1, action_prob, context x1..x3, tabs."""
    frame = pd.DataFrame({f"x{number}": rng.normal(size=N).round(3) for number in range(1, 4)})
    frame["action"] = rng.integers(0, 5, N)
    frame["action_prob"] = 0.2
    frame["reward"] = rng.choice([-1, 1], N)
    return "bandit.tsv", _csv(frame, sep="\t"), "reward", ("action",)


def coupons(rng):
    """Coupons: Y as 0/1 in a capital letter, a coupon with blanks, time of day in words, hand-made missing marks."""
    frame = pd.DataFrame(
        {
            "destination": rng.choice(["Home", "Work", "No Urgent Place"], N),
            "weather": rng.choice(["Sunny", "Rainy", "?"], N),
            "time": rng.choice(["2PM", "10AM", "6PM"], N),
            "coupon": rng.choice(["Bar", "Coffee House", "Restaurant(<20)"], N),
            "income": rng.choice(["$12500 - $24999", "$50000 - $62499", "NA"], N),
            "Y": rng.binomial(1, 0.55, N),
        }
    )
    return "coupons.csv", _csv(frame), "Y", None


def emails_dated_only(rng):
    """E-mail campaign: month first, a percentage, response as responded/ignored."""
    frame = pd.DataFrame(
        {
            "Customer ID": rng.integers(1, 500, N),
            "Send Date": pd.date_range("2025-01-02", periods=N, freq="7h").strftime("%m/%d/%Y"),
            "Campaign Type": rng.choice(["reminder", "discount"], N),
            "Open Rate": [f"{value}%" for value in rng.integers(0, 100, N)],
            "Response": rng.choice(["Responded", "Ignored"], N, p=[0.2, 0.8]),
        }
    )
    return "campaign.csv", _csv(frame), "Response", ("Campaign Type",)


def money_recovered(rng):
    """Recovery of loans: strategy in words, amount recovered as the reward, identifiers with leading zeros."""
    frame = pd.DataFrame(
        {
            "loan_id": [f"{number:08d}" for number in rng.integers(0, 400, N)],
            "contact_date": pd.date_range("2026-01-01", periods=N, freq="1h").strftime("%Y-%m-%d"),
            "contact_method": rng.choice(["letter", "call", "visit"], N),
            "outstanding": rng.gamma(2, 1_000, N).round(2),
            "due_date": pd.date_range("2025-10-01", periods=N, freq="2h").strftime("%Y-%m-%d"),
            "amount_recovered": rng.binomial(1, 0.15, N) * rng.gamma(2, 100, N).round(2),
        }
    )
    return "recovered.csv", _csv(frame), "amount_recovered", ("contact_method",)


def spreadsheet_export(rng):
    """A spreadsheet: a sep line, an empty column, a unit in the header, Yes/No and missing actions."""
    frame = pd.DataFrame(
        {
            "Row": range(N),
            "Account": rng.integers(1, 300, N),
            "Channel": rng.choice(["SMS", "E-mail", "Phone"], N),
            "Hour": rng.choice([9, 12, 15, 18], N),
            "Balance (USD)": [f"$ {value:,.2f}" for value in rng.gamma(2, 700, N)],
            "Notes": "",
            "Paid": rng.choice(["Yes", "No"], N, p=[0.1, 0.9]),
        }
    )
    stream = io.StringIO()
    stream.write("sep=,\n")
    frame.to_csv(stream, index=False)
    return "sheet.csv", stream.getvalue(), "Paid", ("Channel", "Hour")


SHAPES = (
    bank_calls, mailing, clicks_with_propensities, uplift_anonymous, dialler_log, collections_in_spanish, ab_test,
    get_out_the_vote, job_training, push_messages, rewards_of_minus_one, coupons, emails_dated_only, money_recovered,
    spreadsheet_export,
)  # fmt: skip


def written(shape, folder):
    """Write a shape's file and say what is expected of it."""
    name, text, reward, action = shape(np.random.default_rng(7))
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path, reward, action
