"""Exports as agencies have them: codes of a dialler, attempts without a name for the account, Portuguese."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.quickstart import guess_roles, log_of_file, type_cells

N = 600


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def moments(rng, n=N):
    return pd.Timestamp("2026-03-02 08:00") + pd.to_timedelta(rng.integers(0, 60 * 24 * 12, n) * 5, unit="min")


def dialler(rng):
    code = rng.choice(["PTP", "NA", "B", "AM", "N", "NI", "DNCW"], N, p=[0.12, 0.2, 0.2, 0.2, 0.13, 0.1, 0.05])
    return pd.DataFrame(
        {
            "lead_id": rng.integers(1, 200, N).astype(str),
            "call_date": moments(rng).strftime("%Y-%m-%d %H:%M:%S"),
            "campaign_id": "COB1",
            "status": code,
            "length_in_sec": rng.integers(0, 90, N).astype(str),
            "phone_number": [f"30{number}" for number in rng.integers(10**7, 10**8, N)],
        }
    )


def test_codes_of_a_dialler_are_read_by_its_own_dictionary(rng):
    """PTP and NI are responses, NA is none, and a number that was never called is no contact."""
    frame = dialler(rng)
    typed = type_cells(frame)
    roles = guess_roles(typed)
    log, _ = log_of_file(typed, roles)
    called = frame["status"].ne("DNCW")
    assert any(sentence.startswith("status: codes of VICIdial") for sentence in roles.sentences)
    assert roles.reward == "status" and set(roles.success) == {"promise_to_pay", "right_party_contact"}
    assert len(log) == called.sum()
    assert log.reward.sum() == frame["status"].isin(["PTP", "NI"]).sum()


def test_codes_that_nobody_knows_stay(rng):
    """Where a tenth of the codes and more are an agency's own, none is put in words."""
    frame = dialler(rng)
    frame["status"] = frame["status"].replace({"NA": "QX1", "B": "QX2"})
    with pytest.raises(InvalidInput, match=r"--reward COLUMN"):
        guess_roles(type_cells(frame))
    roles = guess_roles(type_cells(frame), success=["PTP", "NI"])
    assert roles.reward == "status"


def attempts(rng, **facts):
    n = N // 3
    frame = pd.DataFrame(facts, index=range(n))
    for number in (1, 2, 3):
        frame[f"contact_date_{number}"] = moments(rng, n).strftime("%Y-%m-%d %H:%M")
        frame[f"contact_channel_{number}"] = rng.choice(["call", "sms", "email"], n)
        frame[f"contact_result_{number}"] = rng.random(n) < 0.2
    return frame


def test_attempts_of_a_row_are_of_one_account(rng):
    """The column that tells the rows apart is the account, and without one the row is; results are no choice."""
    n = N // 3
    named = attempts(rng, k=[f"k{row}" for row in range(n)])
    for frame in (named, named.drop(columns="k")):
        typed = type_cells(frame)
        roles = guess_roles(typed)
        log, _ = log_of_file(typed, roles)
        assert (roles.reward, roles.factors, roles.account) == ("contact_result", ("contact_channel",), "account_id")
        assert len(log) == N and pd.Series(log.account).value_counts().eq(3).all()


def test_an_account_is_not_made_up_where_there_is_one(rng):
    n = N // 3
    frame = attempts(rng, cuenta=rng.integers(1, 50, n).astype(str), serial=[f"s{row}" for row in range(n)])
    assert guess_roles(type_cells(frame)).account == "cuenta"


@pytest.mark.parametrize("name", ["Gestión final", "status", "tip"])
def test_words_of_the_ladder_are_the_reward_whatever_they_are_called(rng, name):
    """In Portuguese, too; a word that is not known leaves the question to the user, with every word in the message."""
    words = ["Pagou", "Promessa de pagamento", "Não atende", "Caixa postal", "Sem resposta", "Ocupado"]
    said = rng.choice(words, N, p=[0.1, 0.1, 0.2, 0.2, 0.2, 0.2])
    frame = pd.DataFrame(
        {"Nro. Operación": rng.integers(1, 99, N).astype(str), "canal": rng.choice(["TEL", "SMS"], N), name: said}
    )
    roles = guess_roles(type_cells(frame))
    assert (roles.reward, roles.account) == (name, "Nro. Operación")
    assert set(roles.success) == {"Pagou", "Promessa de pagamento"}
    frame[name] = frame[name].replace({"Ocupado": "Recado"})
    with pytest.raises(InvalidInput) as unclear:
        guess_roles(type_cells(frame), reward=name)
    assert all(word in str(unclear.value) for word in {*words, "Recado"} - {"Ocupado"})


@pytest.mark.parametrize("named", [{}, {"reward": "status"}])
def test_a_success_may_be_stated_as_a_code(rng, named):
    """PTP and SALE have one word of the ladder, and who names one of them does not mean the other."""
    frame = dialler(rng)
    frame["status"] = frame["status"].replace({"AM": "SALE"})
    typed = type_cells(frame)
    for _ in range(2):
        roles = guess_roles(typed, success=["PTP"], **named)
        log, _ = log_of_file(typed, roles)
        assert (roles.reward, roles.success) == ("status", ("PTP",))
        assert log.reward.sum() == frame["status"].eq("PTP").sum() and len(log) == frame["status"].ne("DNCW").sum()
    assert set(guess_roles(type_cells(frame)).success) == {"promise_to_pay", "right_party_contact"}


def test_the_column_that_is_called_so_goes_before_its_name(rng):
    """``status_name`` may be read as ``status``, which stands beside it."""
    frame = dialler(rng)
    frame["status_name"] = frame["status"].map({"NA": "No Answer AutoDial"}).fillna("Other")
    assert guess_roles(type_cells(frame)).reward == "status"


def test_an_outcome_is_no_context_whatever_it_is_called(rng):
    frame = dialler(rng).assign(paid=rng.integers(0, 2, N).astype(str))
    roles = guess_roles(type_cells(frame), reward="paid")
    assert roles.left_out["status"] == "is another outcome"
    frame = frame.assign(status=rng.choice(["Pagou", "Ocupado"], N)).rename(columns={"status": "tip"})
    assert guess_roles(type_cells(frame), reward="paid").left_out["tip"] == "is another outcome"


@pytest.mark.parametrize("name", ["last_outcome", "Resultado anterior", "prev_status", "loanStatus", "estado_cuenta"])
def test_words_of_an_earlier_contact_or_of_the_account_are_no_reward(rng, name):
    said = rng.choice(["paid", "promise", "busy", "no answer"], N)
    frame = pd.DataFrame({"account_id": rng.integers(1, 99, N).astype(str), "channel": rng.choice(["call", "sms"], N)})
    for success in ((), ("paid",)):
        with pytest.raises(InvalidInput, match=r"--reward COLUMN"):
            guess_roles(type_cells(frame.assign(**{name: said})), success=success)
    roles = guess_roles(type_cells(frame.assign(**{name: said, "status": said[::-1]})))
    assert roles.reward == "status" and name in roles.context


@pytest.mark.parametrize("name", ["account_id", "ultimo_pago"])
def test_gaps_and_single_accounts_stay_beside_the_account_of_each_row(rng, name):
    """No column is written over, and no two are called the same."""
    n = N // 3
    ids = [None if row % 20 == 0 else f"a{row // 2}" for row in range(n)]
    for facts in ({name: ids, "k": [f"k{row}" for row in range(n)]}, {name: ids}, {name: ["a"] * n}):
        typed = type_cells(attempts(rng, **facts))
        assert typed.frame.columns.is_unique
        assert typed.frame[name].dropna().nunique() == pd.Series(facts[name]).nunique()
        log, _ = log_of_file(typed, guess_roles(typed))
        assert pd.Series(log.account).value_counts().eq(3).all() and len(log) == N


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("saldo", [str(1_000_000 + 7_919 * row) for row in range(N // 3)]),
        ("opened_at", pd.date_range("2025-01-01", periods=N // 3, freq="h").strftime("%Y-%m-%d %H:%M")),
        ("opened_at", pd.date_range("2025-01-01", periods=N // 3, freq="h")),
        ("email", [f"u{row}@example.com" for row in range(N // 3)]),
        ("nombre", [f"Juana {row}" for row in range(N // 3)]),
    ],
)
def test_what_differs_by_chance_is_no_account(rng, cells, name):
    """Balances, moments and people stay what they are: an account that is an address would be shown on the page."""
    typed = type_cells(attempts(rng, **{name: cells}))
    assert name in typed.frame and typed.frame["account_id"].str.startswith("row ").all()
    assert guess_roles(typed).account == "account_id"


def test_numbers_without_a_gap_are_the_account(rng):
    typed = type_cells(attempts(rng, k=[str(7 + row) for row in range(N // 3)]))
    assert "k" not in typed.frame and guess_roles(typed).account == "account_id"


def test_a_bare_yes_tells_no_column(rng):
    """Who has an e-mail address is a yes, and a tier is 1, too; the column that is called like a reward holds."""
    frame = pd.DataFrame({"account_id": rng.integers(1, 99, N).astype(str), "channel": rng.choice(["call", "sms"], N)})
    frame = frame.assign(responded=rng.integers(0, 2, N).astype(str))
    tiers = frame.assign(tier=rng.choice(["1", "2", "A"], N))
    assert guess_roles(type_cells(tiers), success=["1"]).reward == "responded"
    with pytest.raises(InvalidInput, match="holds numbers, and a success was stated as 'yes'"):
        guess_roles(type_cells(frame.assign(has_email=rng.choice(["yes", "no"], N))), success=["yes"])


def test_a_column_of_one_word_is_not_found_by_it(rng):
    frame = pd.DataFrame({"account_id": rng.integers(1, 99, N).astype(str), "channel": rng.choice(["call", "sms"], N)})
    frame = frame.assign(fixed="gold", outcome=rng.choice(["gold leaf", "iron", "none at all"], N))
    with pytest.raises(InvalidInput, match="'outcome' is text"):
        guess_roles(type_cells(frame), success=["gold"])
