"""What the page "Tomorrow" says of a plan: answer, key figures and what limits it."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
from babel.numbers import get_currency_precision

from api.pages.content import Tile
from api.pages.plan_desk import MadePlan
from api.pages.rendering import Page
from api.pages.shown import Estimate, Shown

__all__ = ["PlanText", "local_hours"]

_HOURLY = re.compile(r"(?P<queue>.*) (?P<hour>\d\d)h minutes")


class PlanText:
    """A plan in words and figures.

    Parameters
    ----------
    page : Page
    plan : MadePlan
    """

    def __init__(self, page: Page, plan: MadePlan) -> None:
        self.page, self.plan = page, plan
        self.about, self.contacts = plan.about, plan.contacts
        self.capacity: dict[str, Any] = plan.about["capacity"]
        unit = str(plan.about["unit"])
        self.currency = unit if re.fullmatch("[A-Z]{3}", unit) else ""
        self.hours = local_hours(plan)

    # -- figures -----------------------------------------------------------------------------------------------------
    def money(self, amount: float, *, signed: bool = False) -> Shown:
        """An amount in the currency of the plan; points of the seed rules are plain numbers."""
        if not self.currency:
            return self.page.formats.number(amount, 1, signed=signed)
        minor = amount * 10 ** get_currency_precision(self.currency)
        return self.page.formats.money(minor, self.currency, signed=signed)

    def estimate(self, low: float, middle: float, high: float) -> Estimate:
        """An amount with its interval."""
        if not self.currency:
            return self.page.formats.estimate("number", middle, low, high, difference=False)
        scale = 10 ** get_currency_precision(self.currency)
        ends = (middle * scale, low * scale, high * scale)
        return self.page.formats.estimate("money", *ends, currency=self.currency, difference=False)

    @property
    def day(self) -> str:
        """Day of the contacts, on the agents' clock."""
        at = self.contacts["contact_at"].dropna()
        moment = at.min() if len(at) else pd.Timestamp(self.about["as_of"])
        return self.page.formats.day(moment.tz_convert(self.capacity["timezone"]).date()).text

    @property
    def expected(self) -> Estimate | None:
        """Payments expected of those contacted; None where nothing was learnt."""
        expected = self.contacts[["expected_low", "expected", "expected_high"]]
        if not len(expected) or expected["expected"].isna().all():
            return None
        low, middle, high = (float(expected[name].sum()) for name in expected)
        return self.estimate(low, middle, high)

    def agent_hours(self) -> list[dict[str, Any]]:
        """Hours of agents: queue, hour, hours used and there, what one more brings."""
        minutes = {queue["name"]: queue["minutes_per_agent_hour"] for queue in self.capacity["queue"]}
        hours = []
        for row in self.about["capacities"]:
            match = _HOURLY.fullmatch(row["name"])
            if match is None or (row["limit"] <= 0 and row["used"] <= 0):
                continue
            per_hour = minutes[match["queue"]]
            hours.append(
                {
                    "queue": match["queue"],
                    "hour": int(match["hour"]),
                    "used": row["used"] / per_hour,
                    "there": row["limit"] / per_hour,
                    "more": row["price"] * per_hour,
                }
            )
        return hours

    # -- words -------------------------------------------------------------------------------------------------------
    def answer(self) -> str:
        """The plan in a sentence or two."""
        page, n = self.page, len(self.contacts)
        if not n:
            return page.text("On {day} nobody can be contacted: see below what stands in the way.", day=self.day)
        people = self.contacts["debtor"].nunique()
        answer = page.texts(
            "On {day} the plan makes {count} contact with {people} people.",
            "On {day} the plan makes {count} contacts with {people} people.",
            n,
            day=self.day,
            people=page.formats.count(people),
        )
        value = self.money(float(self.contacts["value"].sum()))
        expected = self.expected
        if expected is None:
            answer += " " + page.text(
                "Nothing was learnt yet: the contacts follow the trade's advice, worth {value} points.", value=value
            )
        else:
            answer += " " + page.text(
                "They are expected to bring payments of {value} (95% CI {interval}), {more} of it through the "
                "contacts, costs taken off.",
                value=expected.value,
                interval=expected.interval,
                more=value,
            )
        best = max(self.agent_hours(), key=lambda row: row["more"], default=None)
        if best is not None and best["more"] > 0:
            answer += " " + self.hour_in_words(best)
        return answer

    def hour_in_words(self, row: dict[str, Any]) -> str:
        """Price of an agent hour in words."""
        return self.page.text(
            "One more agent hour at {hour}:00 brings {money}.", hour=row["hour"], money=self.money(row["more"])
        )

    def tiles(self) -> list[Tile]:
        """Key figures."""
        page, hours = self.page, self.agent_hours()
        used, there = sum(row["used"] for row in hours), sum(row["there"] for row in hours)
        tiles = [
            Tile(
                page.text("Contacts"),
                page.formats.count(len(self.contacts)).text,
                page.text("of {n} accounts", n=page.formats.count(self.about["accounts"])),
            ),
            Tile(
                page.text("Brought by the contacts"),
                self.money(float(self.contacts["value"].sum())).text,
                page.text("beyond what comes anyway, less cost") if self.currency else page.text("points"),
            ),
        ]
        if hours:
            share = page.formats.percent(used / there if there else 0.0, 0)
            tiles.append(
                Tile(
                    page.text("Agent hours in use"),
                    page.text(
                        "{used} of {there}", used=page.formats.number(used, 1), there=page.formats.number(there, 1)
                    ),
                    share.text,
                )
            )
        tiles.append(
            Tile(
                page.text("Proven distance from the best plan"),
                page.text("{gap} at most", gap=page.formats.percent(float(self.about["gap"]), 2)),
                page.text("no plan within the limits can beat it by more"),
            )
        )
        return tiles

    def notices(self) -> list[str]:
        """What limits the plan."""
        page, notices = self.page, []
        shut_out = int(self.about["shut_out"])
        if shut_out:
            notices.append(
                page.texts(
                    "{count} account of {all} may not be contacted at all on that day.",
                    "{count} accounts of {all} may not be contacted at all on that day.",
                    shut_out,
                    all=page.formats.count(self.about["accounts"]),
                )
            )
        if self.about.get("stopped_since"):
            notices.append(
                page.texts(
                    "{count} contact of this plan was taken out: a person stopped it.",
                    "{count} contacts of this plan were taken out: a person stopped them.",
                    self.about["stopped_since"],
                )
            )
        if self.about.get("gone_since"):
            notices.append(
                page.texts(
                    "{count} contact of this plan does not take place: something was heard since, or it was taken "
                    "back.",
                    "{count} contacts of this plan do not take place: something was heard since, or they were taken "
                    "back.",
                    self.about["gone_since"],
                )
            )
        if self.about["unplaced"]:
            notices.append(
                page.texts(
                    "{count} callback or promise could not be kept.",
                    "{count} callbacks or promises could not be kept.",
                    len(self.about["unplaced"]),
                )
            )
        return notices


def local_hours(plan: MadePlan) -> pd.Series:
    """Hour of each contact on the agents' clock."""
    at = plan.contacts["contact_at"].dt.tz_convert(plan.about["capacity"]["timezone"])
    return at.dt.hour.fillna(-1).astype("int64")
