"""Small files of the agency: contact points and appointments, as Excel and people write them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pytest

from recommender.errors import InvalidInput
from recommender.planning import Appointments, read_contact_points

AS_OF = datetime.fromisoformat("2026-11-23T08:00:00-05:00")


def test_contact_points_are_read_as_they_are_exported(tmp_path):
    """In Spanish, by semicolons; an account is found however its zeros were lost."""
    text = "Cuenta;Teléfono;Correo electrónico;Nombre;saldo\n00107;+573001234567;;Ana Peña;5\nB-2;;b@x.co;NA;\n"
    (tmp_path / "points.csv").write_text(text, encoding="utf-8-sig")
    table = pd.read_csv(tmp_path / "points.csv", sep=";", dtype="str", keep_default_na=False, encoding="utf-8-sig")
    table.to_parquet(tmp_path / "points.parquet")
    for name in ("points.csv", "points.parquet"):
        points = read_contact_points(tmp_path / name)
        assert points.loc["107", ["phone", "email", "first_name", "saldo"]].tolist() == [
            "+573001234567",
            "",
            "Ana Peña",
            "5",
        ]
        assert points.loc["107", "Nombre"] == "Ana Peña"  # a text may name its variable so
        assert points.loc["B-2", ["phone", "email"]].tolist() == ["", "b@x.co"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("account_id,phone\n107,1\n00107,2\n", "repeated"),
        ("telefono,celular,account_id\n1,2,3\n", "several columns"),
        ("debtor,phone\n1,2\n", "account_id"),
    ],
)
def test_contact_points_that_may_mean_two_things_are_refused(tmp_path, text, problem):
    (tmp_path / "points.csv").write_text(text)
    with pytest.raises(InvalidInput, match=problem):
        read_contact_points(tmp_path / "points.csv")


def appointments(tmp_path, *rows, header="account_id;at;channel;kind"):
    (tmp_path / "due.csv").write_text("\n".join([header, *rows]))
    return Appointments.read(tmp_path / "due.csv", AS_OF, 7)


def test_appointments_are_read_in_spanish_words(tmp_path):
    due = appointments(
        tmp_path, "00107;2026-11-23 15:00-05;Llamada;Promesa de pago", "B-2;23/11/2026 16:00 -05:00;WhatsApp;rellamada",
        header="Cuenta;Fecha y hora;Canal;Tipo",
    )  # fmt: skip
    assert due.table["at"].dt.hour.tolist() == [20, 21]
    assert due.table[["channel", "kind"]].to_numpy().tolist() == [["call", "promise"], ["whatsapp", "callback"]]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("A;2026-11-23T15:00:00;call;promise", "at"),  # of which clock?
        ("A;2026-11-23;call;promise", "at"),
        ("A;;call;promise", "at"),
        ("A;2026-11-23T15:00:00-05:00;paloma;promise", "channel"),
        ("A;2026-11-23T15:00:00-05:00;call;visita", "kind"),
    ],
)
def test_an_appointment_that_cannot_be_read_is_refused_by_column_and_value(tmp_path, row, column):
    with pytest.raises(InvalidInput) as refused:
        appointments(tmp_path, row)
    assert refused.value.column == column and refused.value.rows == (0,)


@pytest.mark.parametrize("days", [1, 3])
def test_an_appointment_is_of_one_day_of_the_plan_or_of_none(tmp_path, days):
    """Days begin just after the instant at which the plan begins, and end at that time of the next, to the second."""
    begin = AS_OF
    seconds = [day * 86_400 + near for day in range(days + 1) for near in (-1, 0, 1)]
    path = tmp_path / "appointments.csv"
    lines = [f"A{at};{(begin + timedelta(seconds=at)).isoformat()};call;promise" for at in seconds]
    path.write_text("\n".join(["account_id;at;channel;kind", *lines]), encoding="utf-8")
    read = Appointments.read(path, begin, days)
    told = [read.of_day(day).table["account_id"].tolist() for day in range(-1, days + 1)]
    expected = [
        [f"A{at}" for at in seconds if 0 < at <= days * 86_400 and (at - 1) // 86_400 == day]
        for day in range(-1, days + 1)
    ]
    assert told == expected
    assert [one for day in told for one in day] == read.table["account_id"].tolist() != []
