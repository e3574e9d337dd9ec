"""Names in pictures: whole where there is room, else without their middle, and never under their figures."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.pages.charts import Bar, Dot, dots, hbars, nice_ticks
from api.pages.model_card import _calibration
from api.pages.rendering import Page
from recommender.settings import Settings

#: Widths of letters at the size of the names, generously: no sans-serif is wider on average.
LETTER, BOLD = 6.2, 6.8
NAMES = st.text("Sin contacto mientras haya: ñáü", min_size=1, max_size=90)
WIDTHS = (340, 760)


def texts(drawing):
    return [shape for shape in drawing.shapes if shape.kind == "text"]


def span(shape):
    wide = len(shape.text) * (BOLD if shape.strong else LETTER)
    left = shape.at[0] - (wide if shape.anchor == "end" else wide / 2 if shape.anchor == "middle" else 0.0)
    return left, left + wide


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("draw", [
    lambda name, width: hbars([Bar(name, 0.5, "+0,003 p. p.", 0.1, 0.9)], width),
    lambda name, width: dots([Dot(name, 0.5, 0.1, 0.9, "−0,51 a 0,52", marked=True)], width, zero="sin costo"),
])  # fmt: skip
@given(name=NAMES)
def test_a_name_ends_before_what_stands_beside_it(draw, width, name):
    """The figure on a narrow picture, bars and dots on a wide one."""
    drawing = draw(name, width)
    shown = next(one for one in texts(drawing) if one.at[0] == 0)
    beside = [one for one in texts(drawing) if one is not shown and one.at[1] == shown.at[1]]
    assert all(span(shown)[1] <= span(one)[0] for one in beside)
    if width == 760:
        marks = [one.at[0] for one in drawing.shapes if one.kind in ("rect", "circle")]
        assert span(shown)[1] <= min(marks) + 1
    if shown.text != name:
        head, tail = shown.text.split("\N{HORIZONTAL ELLIPSIS}")
        assert name.startswith(head)
        assert name.endswith(tail)


def test_a_name_that_fits_is_whole():
    name = "Colombia: Horas permitidas"
    assert name in [one.text for one in texts(hbars([Bar(name, 1.0, "1")], 760))]


def test_rows_that_differ_at_their_ends_are_told_apart():
    """Rules of one kind, on a phone."""
    flags = ("promesa de pago vigente", "deuda en disputa", "dificultad económica")
    bars = [Bar(f"Colombia: Sin contacto mientras haya: {flag}", 0.1, "0,04 p. p.") for flag in flags]
    shown = [one.text for one in texts(hbars(bars, 340)) if one.at[0] == 0]
    assert len(set(shown)) == len(flags)


def test_no_line_crosses_a_name_on_a_phone():
    """The line of zero stands beside each row, not through the names above the rows."""
    rows = [Dot(f"Sin el canal {n}", n - 2.0, n - 3.0, n - 1.0, "x") for n in range(5)]
    drawing = dots(rows, 340, zero="sin costo", ticks=[(-2.0, "−2"), (0.0, "0")])
    names = [one.at[1] for one in texts(drawing) if one.at[0] == 0]
    upright = [one.at for one in drawing.shapes if one.kind == "line" and one.at[0] == one.at[2]]
    assert upright
    assert not [name for name in names for x1, y1, x2, y2 in upright if min(y1, y2) < name - 3 < max(y1, y2)]


@pytest.mark.parametrize("value", [0.024, 0.0004, 0.00003])
def test_what_is_known_for_certain_has_the_digits_that_tell_it_from_zero(value):
    """An interval without width: as many digits as the value needs, not "0,0"."""
    shown = Page("es", Settings(model_path=None)).formats.estimate("rate", value, value, value, difference=False)
    assert not math.isclose(float(shown.value.text.rstrip("%\N{NO-BREAK SPACE}").replace(",", ".")), 0.0)


@given(low=st.floats(-1e6, 1e6), size=st.floats(1e-3, 1e6), most=st.integers(2, 6))
def test_ticks_lie_within_their_axis_and_no_step_is_missing(low, size, most):
    """Round numbers, even steps, none beyond the ends; at most as many steps as asked for.

    Of axes whose steps a float can tell apart where they stand.
    """
    ticks = nice_ticks(low, low + size, most)
    assert 1 <= len(ticks) <= most + 1
    slack = 1e-6 * max(abs(low), size)
    assert low - slack <= min(ticks) and max(ticks) <= low + size + slack
    steps = {round((b - a) / (ticks[1] - ticks[0]), 3) for a, b in pairwise(ticks)}
    assert steps <= {1.0}


@pytest.mark.parametrize("width", WIDTHS)
def test_promised_and_observed_have_an_axis_from_zero_to_their_largest(width):
    """Ten groups up to 30 %: the axis begins at zero and ends beside the largest."""
    groups = [{"predicted": n / 40, "observed": n / 40, "low": n / 50, "high": n / 33, "n": 9} for n in range(1, 11)]
    document = {"calibration": groups, "reward_kind": "binary", "log": {"n_decisions": 90}}
    section = _calibration(Page("en", Settings(model_path=None)), document)
    shown = [one.text for one in texts(section.draw(width))]
    assert {"0%", "10%", "20%", "30%"} <= set(shown)


NUMBERS = st.floats(-1e6, 1e6).filter(lambda one: one == 0.0 or abs(one) > 1e-3)


@pytest.mark.parametrize("width", WIDTHS)
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=6).filter(
        lambda rows: any(map(any, rows))
    ),
    zero_centred=st.booleans(),
)
@settings(max_examples=40)
def test_lengths_of_bars_and_whiskers_are_their_numbers_and_stay_in_the_picture(width, rows, zero_centred):
    """On one scale for all rows, from one line; the widest end, of whatever row, just fits."""
    rows = [sorted(row) if zero_centred else sorted(map(abs, row)) for row in rows]
    drawing = hbars([Bar("x", value, "1", low, high) for low, value, high in rows], width, zero_centred=zero_centred)
    bars = [one.at for one in drawing.shapes if one.kind == "rect"]
    flat = [one.at for one in drawing.shapes if one.kind == "line" and one.at[1] == one.at[3]]
    start = next(x + (wide if value < 0 else 0.0) for (x, _, wide, _), (_, value, _) in zip(bars, rows, strict=True))
    scale = max(abs(x1 - start) for line in flat for x1 in line[::2]) / max(abs(one) for row in rows for one in row)
    for (x, _, wide, _), (x1, _, x2, _), (low, value, high) in zip(bars, flat, rows, strict=True):
        assert x == pytest.approx(start + min(value * scale, 0.0), abs=1e-6)
        assert wide == pytest.approx(abs(value) * scale, abs=1e-6)
        assert (x1, x2) == (pytest.approx(start + low * scale, abs=1e-6), pytest.approx(start + high * scale, abs=1e-6))
        assert min(x, x1, x2) >= -1e-6 and max(x + wide, x1, x2) <= width + 1e-6
