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
