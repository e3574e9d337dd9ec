"""Pictures in text and on the page say what the numbers say."""

from importlib.metadata import entry_points

import numpy as np

from pipelines.demo_redraws import Redraw, interval_lines
from recommender.reports import (
    AccountLine,
    FirstPage,
    PolicyLine,
    ValueMap,
    Words,
    first_page,
    map_in_text,
    policies_in_text,
    shown_value,
)

GRID = ValueMap(
    "channel", "hour", ("call", "sms"), ("9", "18"), np.array([[0.10, 0.02], [0.05, 0.04]]), np.array([[9, 3], [5, 0]])
)


def page(**further):
    """A page of two policies and one account."""
    told = {
        "title": "A <b>title</b>",
        "verdict": "better",
        "reasons": ("Because.",),
        "facts": {"contacts": "17"},
        "findings": (("care", "Few rows.", "Collect more."),),
        "good_for": "learn",
        "map": GRID,
        "policies": (
            PolicyLine("the learnt policy", 0.08, 0.06, 0.11, 0.09),
            PolicyLine("what was done", 0.05, None, None, 0.05, "better", 0.03, 0.01, 0.06),
        ),
        "accounts": (AccountLine("A1", "call", "sms", 0.1, 0.05, 0.2, "It answers calls.", 0.04),),
        "unit": "per 1,000 contacts",
    }
    return FirstPage(**(told | further))


def test_the_map_is_darkest_where_most_is_expected_and_blank_where_nothing_was_done():
    """Four shades from least to most; the cell that the log never shows is blank."""
    lines = map_in_text(GRID)
    call, sms = (next(line for line in lines if line.strip().startswith(name)) for name in ("call", "sms"))
    assert "\u2588" in call
    assert "\u2591" in call
    assert sms.rstrip().endswith("\u2592\u2592") or sms.rstrip().endswith("\u2591\u2591")
    assert len(sms.rstrip()) < len(call.rstrip())


def test_a_map_without_differences_says_so_and_shades_nothing():
    """A thousandth of a response is no finding: one shade for all cells that were tried."""
    flat = ValueMap("channel", "hour", ("call", "sms"), ("9", "18"), np.array([[0.1962, 0.1963], [0.1961, 0.1962]]),
                    np.array([[9, 3], [5, 4]]))  # fmt: skip
    lines = map_in_text(flat)
    assert "all alike, 0.196" in lines[0]
    assert len(set("".join(lines[2:])) & set("\u2591\u2592\u2593\u2588")) == 1


def test_one_factor_is_drawn_as_bars_with_the_best_first():
    """Bars by value, each with how often it was done."""
    lines = map_in_text(ValueMap("arm", "", ("a", "b"), ("",), np.array([[0.1], [0.3]]), np.array([[7], [2]])))
    assert lines[1].split()[0] == "b"
    assert lines[1].count("\u2588") > lines[2].count("\u2588") > 0
    assert "(7 times)" in lines[2]


def test_policies_are_drawn_on_one_scale_with_interval_and_truth():
    """Estimate, interval ends, truth and the paired difference stand in the line."""
    learnt, done = policies_in_text(page())[1:]
    assert "80.0 [60.0, 110]" in learnt
    assert "--o--" in learnt
    assert "|" in learnt
    assert "learnt is better: +30.0 [+10.0, +60.0]" in done


def test_the_page_holds_everything_and_escapes_what_it_is_given():
    """Every number of the data is on the page; text is escaped; nothing is fetched."""
    text = first_page(page())
    for told in (
        "80.0",
        "60.0 to 110",
        "90.0",
        "+30.0",
        "100",
        "It answers calls.",
        "Few rows.",
        "\u2013",
        "sms (40.0)",
    ):
        assert told in text
    assert "<b>title</b>" not in text
    assert "&lt;b&gt;" in text
    assert 'src="http' not in text
    assert "<script" not in text


def test_values_without_a_number_are_words():
    """Missing is empty, infinite is unbounded, small values keep telling digits."""
    assert shown_value(None) == ""
    assert shown_value(float("inf")) == "unbounded"
    assert shown_value(0.00123) == "0.0012"
    assert shown_value(0.0123, 1000.0, sign=True) == "+12.3"


def test_an_interval_that_misses_is_named():
    """Each redraw stands on one scale; the one that does not hold the truth says so."""
    drawn = [Redraw(0.11, 0.08, 0.15), Redraw(0.2, 0.16, 0.25)]
    lines = interval_lines(drawn, truth=0.1, in_use=0.05, t=Words("en"))
    assert [("does not hold it" in line) for line in lines] == [False, True]
    assert all("|" in line and ":" in line for line in lines)


def test_the_console_script_is_installed():
    """``recommender`` leads to the command."""
    script = next(one for one in entry_points(group="console_scripts") if one.name == "recommender")
    assert script.load().__module__ == "recommender.quickstart.command"
