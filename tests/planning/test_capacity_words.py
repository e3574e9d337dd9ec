"""``capacity.toml`` as an operations manager writes it, and what is said of what cannot be read."""

from __future__ import annotations

import tomllib

import pytest

from recommender.errors import InvalidInput
from recommender.planning import capacity_of, with_changes

SMALL = """
timezone = "America/Bogota"
[[queue]]
name = "asesores"
channels = ["Llamada"]
minutes_per_contact = 5
agents = { 8 = 1, 9-13 = 2, "14:00-18:00" = 3, "18 a 20" = 0.5, 20 = 0 }
on = { domingo = 0, "sábado" = 0.5, Mon = 2, "2026-12-25" = 0 }
[[queue]]
name = "mensajes"
channels = ["SMS", "correo electrónico", "paloma"]
quota_by_hour = { "9–11" = 30 }
"""


def read(text):
    return capacity_of(tomllib.loads(text), "capacity.toml")


def test_spans_of_hours_weekdays_and_channels_are_read_in_both_languages():
    agents, messages = read(SMALL).queue
    assert agents.channels == ("call",) and messages.channels == ("sms", "email", "paloma")
    hours = {8: 1, **dict.fromkeys(range(9, 13), 2), **dict.fromkeys(range(14, 18), 3), 18: 0.5, 19: 0.5, 20: 0}
    assert agents.agents == hours and messages.quota_by_hour == {9: 30, 10: 30}
    assert agents.on == {"sunday": 0, "saturday": 0.5, "monday": 2, "2026-12-25": 0}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("9-13 = 2", "9-13 = 2, 12 = 1", r"hour 12 is given by '9-13' and by '12'"),
        ("9-13 = 2", "13-9 = 2", r"'13-9' is neither"),
        ("9-13 = 2", "9-25 = 2", r"'9-25' is neither"),
        ("9-13 = 2", '"9:30-13" = 2', r"'9:30-13' is neither.*0\.5 agents"),
        ("9-13 = 2", "manana = 2", r"'manana' is neither"),
        ("9-13 = 2", '9-13 = "0,5"', r"Write 0\.5 \(a decimal point, no quotes\)"),
        ("9-13 = 2", '9-13 = "1.000"', r"agents: '1\.000' may be 1000 or a fraction"),
        ("quota_by_hour", 'quota = "1,000,000"\nquota_by_hour', r"quota: '1,000,000' may be 1000000 or a fraction"),
        ("quota_by_hour", 'quota = "2 500"\nquota_by_hour', r"quota: '2 500' may be 2500"),
        ("9-13 = 2", "9-13 = true", r"agents: true is no number"),
        ("domingo = 0", "domingo = false", r"on: false is no number"),
        ("[[queue]]", 'budget = "400.000"\n[[queue]]', r"budget: '400\.000' may be 400000"),
        ("domingo = 0", "festivo = 0", r"'festivo' is neither a date"),
        ("domingo = 0", "domingo = 0, sunday = 1", r"sunday is told twice"),
        ("minutes_per_contact", "minutos", r"Write minutes_per_contact for minutos"),
        ("timezone", "zona_horaria", r"Write timezone for zona_horaria"),
        ("[[queue]]", "[[cola]]", r"Write queue for cola"),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_write(old, new, problem):
    with pytest.raises(InvalidInput, match=problem):
        read(SMALL.replace(old, new))


def test_a_scenario_changes_hours_and_days_however_they_are_written(tmp_path):
    (tmp_path / "base.toml").write_text(SMALL)
    (tmp_path / "more.toml").write_text(
        '[[queue]]\nname = "asesores"\nagents = { 12 = 9, "14-16" = 8 }\non = { sunday = 1 }\n'
    )
    changed = with_changes(tmp_path / "base.toml", tmp_path / "more.toml").queue[0]
    same = read(SMALL).queue[0]
    assert changed.agents == same.agents | {12: 9, 14: 8, 15: 8}
    assert changed.on == same.on | {"sunday": 1}


def test_a_quoted_number_that_means_one_thing_is_read():
    order = read(SMALL.replace("9-13 = 2", '9-13 = "2"').replace("[[queue]]", 'budget = "0.050"\n[[queue]]', 1))
    assert order.queue[0].agents[9] == 2 and order.budget == 0.05
