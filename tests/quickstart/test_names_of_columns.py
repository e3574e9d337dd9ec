"""Names as programs write them: humps, a table before a dot, codes; what counts rows, and what was chosen twice."""

import numpy as np
import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.quickstart import guess_roles, type_cells
from recommender.reports import Words

N = 600


def roles_of(columns):
    return guess_roles(type_cells(pd.DataFrame(columns).astype(str)))


def draw(seed=5):
    rng = np.random.default_rng(seed)
    moments = pd.date_range("2026-01-05 08:10", periods=N, freq="37min")
    return rng, moments


def test_humps_are_words():
    """``sentAt`` in milliseconds, ``openedAt`` empty where nobody did; a gender and a birth are not learnt from."""
    rng, moments = draw()
    sent = moments.as_unit("ms").astype("int64")
    opened = [str(one + 60_000) if u < 0.2 else "" for one, u in zip(sent, rng.random(N), strict=True)]
    roles = roles_of({"userId": rng.integers(1, 200, N), "campaignVariant": rng.choice(["v1", "v2"], N), "sentAt": sent,
                      "openedAt": opened, "customerGender": rng.choice(["F", "M"], N),
                      "birthYear": rng.integers(1950, 2000, N), "os": rng.choice(["ios", "android"], N)})  # fmt: skip
    assert (roles.reward, roles.factors, roles.time) == ("openedAt", ("campaignVariant",), "sentAt")
    assert (roles.account, roles.context) == ("userId", ("os",))


def test_a_table_before_the_name_and_a_code_behind_it():
    rng, moments = draw()
    roles = roles_of({"log.account_no": rng.integers(1, 200, N), "log.call_time": moments.strftime("%Y%m%d%H%M%S"),
                      "log.channel_cd": rng.choice(["C", "S"], N), "log.paid": rng.integers(0, 2, N),
                      "log.dpd": rng.integers(1, 90, N)})  # fmt: skip
    assert (roles.reward, roles.factors, roles.hour_from) == ("log.paid", ("log.channel_cd",), "log.call_time")
    assert (roles.account, roles.context) == ("log.account_no", ("log.dpd",))


def test_a_unit_is_an_account_where_its_cells_count_through():
    """``loan`` is a number of a contract in one file, a yes or an amount in the next."""
    rng, _ = draw()
    rest = {"channel": rng.choice(["sms", "call"], N), "paid": rng.integers(0, 2, N)}
    assert roles_of({"loan": rng.integers(1, 150, N), **rest}).account == "loan"
    assert roles_of({"Expediente": rng.integers(5_000_000, 5_900_000, N), **rest}).account == "Expediente"
    assert roles_of({"loan": rng.choice(["yes", "no"], N), **rest}).context == ("loan",)
    assert roles_of({"credit": rng.integers(1, 90, N) * 1_000, **rest}).context == ("credit",)


def test_a_number_called_id_is_context_while_it_names_groups():
    """Two rows a value: a branch or a campaign; hardly two: a person or a contact."""
    rng, _ = draw()
    rest = {"arm": rng.choice(["a", "b"], N), "reward": rng.integers(0, 2, N), "x": rng.normal(size=N)}
    groups = {"branch_id": np.resize(rng.permutation(N // 2) * 7, N), "one_id": np.resize(np.arange(301) * 7, N)}
    roles = roles_of({**groups, **rest, "account_id": rng.integers(1, 200, N)})
    assert "branch_id" in roles.context
    assert roles.left_out["one_id"] == "is an id"


def test_rows_that_are_numbered_are_no_context_whatever_the_column_is_called():
    rng, _ = draw()
    roles = roles_of({"req": rng.permutation(N) + 7, "arm": rng.choice(["a", "b"], N), "reward": rng.integers(0, 2, N),
                      "score": rng.permutation(N) * 3, "x": rng.normal(size=N)})  # fmt: skip
    assert roles.context == ("score", "x") and roles.left_out == {"req": "counts the rows"}


def test_what_was_chosen_is_no_context_under_a_second_name():
    """It would tell the action apart without a doubt, and nothing could be compared any more."""
    rng, _ = draw()
    chosen, x = rng.integers(0, 3, N), rng.normal(size=N)
    names = np.array(["a", "b", "c"])[chosen]
    roles = roles_of({"variant_id": chosen, "variant_name": names, "x": x, "clicked": rng.integers(0, 2, N)})
    assert len(roles.factors) == 1 and roles.context == ("x",)
    roles = roles_of(
        {"treatment": chosen, "exposure": rng.integers(0, 2, N), "x": x, "conversion": rng.integers(0, 2, N)}
    )
    assert (roles.factors, roles.context) == (("treatment",), ("x",))
    product = np.array(["card", "loan", "car"])[chosen]  # whom, not what: it must stay, and the log be refused
    roles = roles_of(
        {"channel": np.array(["sms", "call", "email"])[chosen], "product": product, "paid": rng.integers(0, 2, N)}
    )
    assert roles.context == ("product",)


def test_a_text_goes_with_its_channel():
    rng, _ = draw()
    roles = roles_of({"channel": rng.choice(["sms", "call"], N), "tone": rng.choice(["kind", "firm"], N),
                      "template_id": rng.choice(["t1", "t2"], N), "paid": rng.integers(0, 2, N)})  # fmt: skip
    assert roles.factors == ("channel", "tone")


def test_two_columns_of_one_name_are_refused_by_name():
    """Which of the two is meant is not known; it was an AttributeError of pandas."""
    frame = pd.DataFrame([["1", "2", "0"]], columns=["balance", "balance", "responded"])
    with pytest.raises(InvalidInput, match="'balance' appears more than once"):
        type_cells(frame)


@pytest.mark.parametrize(
    ("cells", "numbers", "said"),
    [
        (["950", "1.234", "15.750"], [950.0, 1234.0, 15750.0], "parts thousands"),
        (["-1.250", "0", "12"], [-1250.0, 0.0, 12.0], "parts thousands"),
        (["950", "1.234.567"], [950.0, 1234567.0], "parts thousands"),
        (["1.234", "2.001"], [1.234, 2.001], "that of decimals"),
        (["950.5", "1.234"], [950.5, 1.234], None),
        (["1500", "1.234"], [1500.0, 1.234], None),
        (["0.123", "1.234", "5"], [0.123, 1.234, 5.0], None),
    ],
)
def test_points_part_thousands_where_every_cell_agrees(cells, numbers, said):
    """950 beside 1.234 are pesos; where the column leaves it open, what was taken is told in both languages."""
    typed = type_cells(pd.DataFrame({"saldo": cells}))
    assert typed.frame["saldo"].tolist() == numbers
    assert [said in line for line in typed.told] == ([] if said is None else [True])
    for line in typed.told:
        assert Words("es").of(line) != line
