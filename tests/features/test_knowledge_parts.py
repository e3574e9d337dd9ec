"""What is known about some accounts is the same from a part as from the whole."""

import numpy as np
import pandas as pd
import pytest

from recommender.features.point_in_time import Knowledge


def tables(rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Accounts with a change history, some of one debtor, some unknown to the accounts table; events of all."""
    start = pd.Timestamp("2026-01-01T00:00Z")
    rows = np.sort(rng.integers(0, n, 3 * n))
    accounts = pd.DataFrame(
        {
            "account_id": rows,
            "valid_from": start + pd.to_timedelta(rng.integers(0, 5_000_000, len(rows)), unit="s").as_unit("us"),
            "debtor_id": np.where(rows % 4 == 0, rows // 8 + 10_000, rows),
            "timezone": np.where(rows % 3 == 0, "America/Bogota", "America/Santiago"),
            "due_date": (start + pd.to_timedelta(rng.integers(0, 90, len(rows)), unit="D")).tz_localize(None),
            "balance_minor": rng.integers(1, 10**9, len(rows)),
            "note": rng.choice(["a", "b", None], len(rows)),
        }
    )
    m = 12 * n
    contacts = pd.DataFrame(
        {
            "contact_id": np.arange(m),
            "account_id": rng.integers(0, n + 5, m),  # the last five have no state
            "sent_at": start + pd.to_timedelta(rng.integers(0, 9_000_000, m), unit="s").as_unit("us"),
            "channel": rng.choice(["call", "sms"], m),
            "initiated_by": rng.choice(["creditor", "debtor"], m, p=[0.9, 0.1]),
        }
    )
    chosen = rng.integers(0, m, 6 * n)
    outcomes = pd.DataFrame(
        {
            "contact_id": chosen,
            "occurred_at": contacts["sent_at"].take(chosen).reset_index(drop=True) + pd.Timedelta(hours=1),
            "outcome": rng.choice(["delivered", "replied", "promise_to_pay", "not_connected"], len(chosen)),
        }
    )
    payments = pd.DataFrame(
        {
            "account_id": rng.integers(0, n + 5, 2 * n),
            "paid_at": start + pd.to_timedelta(rng.integers(0, 9_000_000, 2 * n), unit="s").as_unit("us"),
            "amount_minor": rng.integers(1, 10**6, 2 * n),
        }
    )
    return accounts, contacts, outcomes, payments


@pytest.mark.parametrize(("seed", "n", "n_parts"), [(0, 1, 1), (1, 40, 2), (2, 40, 7), (3, 90, 90)])
def test_parts_tell_what_the_whole_tells(seed: int, n: int, n_parts: int) -> None:
    """Any cut by debtor gives the whole's context, to the bit, for known and unknown accounts at any moment."""
    rng = np.random.default_rng(seed)
    whole = Knowledge.from_tables(*tables(rng, n), channels=["call", "sms"])
    asked = pd.Series(rng.integers(0, n + 8, 300))
    moment = pd.Series(
        pd.Timestamp("2026-01-01T00:00Z") + pd.to_timedelta(rng.integers(0, 9_500_000, 300), unit="s").as_unit("us")
    )
    expected = whole.at(asked, moment)
    part_of = pd.factorize(whole.debtors(asked))[0] % n_parts
    for number in range(n_parts):
        rows = np.flatnonzero(part_of == number)
        part = whole.of_accounts(asked.iloc[rows])
        # and nothing of anybody else, whose facts have no business there
        assert set(part.events.account_ids) <= set(asked.iloc[rows])
        stated = set(asked.iloc[rows]) & set(whole.states.account_ids)
        assert set(part.states.account_ids) == stated or (not stated and len(part.states.account_ids) == 1)
        assert part.debtor_of is None or set(part.debtor_of.index) <= set(asked.iloc[rows])
        found = part.at(asked.iloc[rows], moment.iloc[rows].reset_index(drop=True))
        pd.testing.assert_frame_equal(
            found, expected.iloc[rows].reset_index(drop=True), check_exact=True, check_dtype=False
        )
