"""Which features an account may bring: those of the model that serves, else those that the service declares."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Literal

from recommender.calendar_days import PAYDAY
from recommender.errors import InvalidInput
from recommender.intake import feature_says_stop
from recommender.settings import Settings
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["FeatureContract", "FeatureRule"]

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ][\d:.+\-]+Z?)?")
#: What is worked out from facts, and may be sent instead; and the pay day, which columns of the calendar follow from.
_SITUATION = ("days_past_due", "stage", "balance_minor", "country", PAYDAY)


@dataclass(frozen=True)
class FeatureRule:
    """One feature.

    Attributes
    ----------
    name : str
    kind : {"number", "category", "any"}
    unit : str or None
    levels : frozenset of str
        Levels that the model learnt; empty where none are known. Another level is taken, and told.
    low, high : float
        Range that the model learnt. A number outside is taken, and told.
    """

    name: str
    kind: Literal["number", "category", "any"]
    unit: str | None = None
    levels: frozenset[str] = frozenset()
    low: float = float("-inf")
    high: float = float("inf")

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        is_number = self.kind == "number" and self.low > float("-inf")
        return {
            "name": self.name,
            "kind": self.kind,
            "unit": self.unit,
            "levels": sorted(self.levels),
            "range": [self.low, self.high] if is_number else None,
        }


@dataclass(frozen=True)
class FeatureContract:
    """The features that are taken.

    Attributes
    ----------
    rules : mapping of str to FeatureRule
    is_open : bool
        Whether features that are not named are taken as well: with neither a model nor a declaration, all are kept to
        learn from.
    source : {"model", "declared", "none"}
    numeric_ids : bool
        Whether ids of many digits are taken: they are the system's own.
    """

    rules: Mapping[str, FeatureRule] = field(default_factory=dict)
    is_open: bool = True
    source: Literal["model", "declared", "none"] = "none"
    numeric_ids: bool = False

    @classmethod
    def of(
        cls,
        strategy: ContactStrategy | SeedStrategy,
        settings: Settings,
    ) -> FeatureContract:
        """Contract of a model; without one the declared features of the settings stand in.

        A feature that is declared beside the model's is taken too (and kept for the next one to learn from).
        """
        declared, refuses_others = settings.features, settings.undeclared_features == "refuse"
        own = settings.numeric_ids
        rules = {
            name: FeatureRule(name, feature.kind, feature.unit, frozenset(feature.levels), *(feature.range or ()))
            for name, feature in declared.items()
        }
        if isinstance(strategy, SeedStrategy):
            return cls(rules, not declared or not refuses_others, "declared" if declared else "none", own)
        names = {str(name) for name in strategy.feature_names_in_}
        for column in strategy.reward_model_.encoder.columns:
            if column.name in names:
                unit = rules[column.name].unit if column.name in rules else None
                low_high = column.range or ()
                rules[column.name] = FeatureRule(
                    column.name, column.kind, unit, frozenset(column.categories), *low_high
                )
        for name in _SITUATION:
            rules.setdefault(name, FeatureRule(name, "any"))
        return cls(rules, not refuses_others, "model", own)

    def check(self, features: Mapping[str, Any], position: int, unusual: set[str]) -> None:
        """Check the features of one account.

        Parameters
        ----------
        features : mapping
        position : int
            Of the account, for the error.
        unusual : set of str
            Names of features are added whose value lies outside of what the model learnt from.

        Raises
        ------
        InvalidInput
            For a feature that is not declared, a value of another type, or one that says a stop; values are not
            repeated.
        """
        rules = self.rules
        for name, value in features.items():
            rule = rules.get(name)
            if rule is not None and rule.kind == "number" and type(value) is float:  # most of them are
                if not rule.low <= value <= rule.high:
                    unusual.add(name)
                continue
            if _may_stop(rule, value) and feature_says_stop(name, value):
                raise _stop_unread(name, position)
            if rule is None:
                if rules and not self.is_open:
                    raise self._unknown(name, position)
                continue
            if value is None or rule.kind == "any":
                continue
            if rule.kind == "number":
                if type(value) is str:
                    if not _DATE.fullmatch(value):
                        raise _wrong_type(name, "a number", position)
                elif not rule.low <= value <= rule.high:
                    unusual.add(name)
            elif type(value) is str:
                if rule.levels and value not in rule.levels:
                    unusual.add(name)
            elif type(value) is float and not value.is_integer():
                raise _wrong_type(name, "a level (text)", position)

    def column_passes(self, name: str, values: Sequence[Any], unusual: set[str]) -> bool:
        """Whether :meth:`check` passes every value of a feature of many accounts; what is unusual is added as there."""
        rule = self.rules.get(name)
        if (rule is None or rule.kind != "number") and any(
            _may_stop(rule, value) and feature_says_stop(name, value)
            for _, value in {(type(one), one) for one in values}
        ):
            return False
        if rule is None:
            return self.is_open or not self.rules
        all_kinds = set(map(type, values))
        kinds = all_kinds - {type(None)}
        if rule.kind == "any" or not kinds:
            return True
        if rule.kind == "number":
            if str in kinds:
                return False
            numbers = values if kinds == all_kinds else [value for value in values if value is not None]
            if not rule.low <= min(numbers) <= max(numbers) <= rule.high:
                unusual.add(name)
            return True
        if float in kinds:
            return False
        if rule.levels and any(type(value) is str and value not in rule.levels for value in set(values)):
            unusual.add(name)
        return True

    def to_list(self) -> list[dict[str, Any]]:
        """The rules as plain values, by name."""
        return [self.rules[name].to_dict() for name in sorted(self.rules)]

    def _unknown(self, name: str, position: int) -> InvalidInput:
        near = get_close_matches(name, self.rules, n=1)
        said = f"Did you mean {near[0]!r}? " if near else ""
        return InvalidInput(
            f"accounts[{position}].features names {name[:64]!r}, which {self.source} features do not have.",
            column=name[:64],
            rows=[position],
            mend=f"{said}GET /v1/features lists them; declare others in RECOMMENDER_FEATURES, or set "
            "RECOMMENDER_UNDECLARED_FEATURES=ignore.",
        )


def _wrong_type(name: str, wanted: str, position: int) -> InvalidInput:
    return InvalidInput(
        f"accounts[{position}].features.{name} is not {wanted}, which it was when the model was trained.",
        column=name,
        rows=[position],
        mend="Send the type that was learnt from, or null where it is not known.",
    )


def _may_stop(rule: FeatureRule | None, value: Any) -> bool:
    """Whether a value may be a stop: a level or a number that was learnt or declared is a feature by statement."""
    return rule is None or (rule.kind != "number" and not (isinstance(value, str) and value in rule.levels))


def _stop_unread(name: str, position: int) -> InvalidInput:
    return InvalidInput(
        f"accounts[{position}].features.{name[:64]} says what stops a contact, and features stop nothing.",
        column=name[:64],
        rows=[position],
        mend="Send it as what it is (flags, a balance_minor of 0), leave the account or the feature out, or declare "
        "the value as a level of the feature (RECOMMENDER_FEATURES), which states that it says no such thing.",
    )
