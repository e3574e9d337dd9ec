"""Adapters of campaign files: the columns that a dialler or gateway loads, and where each value comes from."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recommender.errors import InvalidInput
from recommender.messages import Template

__all__ = ["Adapter", "Column", "MissingValues", "cell_of", "packaged_adapters", "read_adapter"]


class MissingValues(Exception):
    """Variables of a message that nobody fills, where its system would refuse it."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class Column(BaseModel):
    """Where a column's value comes from: the plan, the contact file, an option, or the adapter itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str | None = Field(None, alias="from")
    contact: str | None = None
    option: str | None = None
    value: str | None = None
    default: str = ""
    keep: Literal["all", "digits", "phone", "name"] = "all"
    most: int | None = Field(None, gt=0, description="Characters that the system keeps; it would cut the rest off.")
    variables: Literal["known", "components"] | None = Field(
        None,
        description="Variables of the template: a JSON object of those that are known, or the components of a WhatsApp "
        "template message, which must all be there.",
    )
    less: str | None = Field(None, description="Contact column with a country code that is taken off the front.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = (self.source, self.contact, self.option, self.value, self.variables)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("give one of from, contact, option, value and variables")
        return self


class Adapter(BaseModel):
    """Columns of one system's import file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    channels: tuple[str, ...]
    needs: str | None = Field(None, description="Column of the contact file without which a row cannot be used.")
    format: Literal["csv", "jsonl"]
    split: Literal["hour", "day"]
    extension: str = Field(pattern=r"^[a-z]+$")
    column: tuple[Column, ...]


def packaged_adapters() -> dict[str, Adapter]:
    """Adapters that ship with the package; the plain list is last."""
    folder = resources.files("recommender.planning").joinpath("adapters")
    paths = {path.name.removesuffix(".toml"): path for path in folder.iterdir() if path.name.endswith(".toml")}
    named = sorted(paths, key=lambda name: (name == "plain", name))
    return {name: _adapter(paths[name].read_text(encoding="utf-8"), name) for name in named}


def read_adapter(path: Path) -> Adapter:
    """Read an adapter of the agency's own.

    Raises
    ------
    InvalidInput
        Names the entry that is wrong.
    """
    return _adapter(path.read_text(encoding="utf-8"), str(path))


def _adapter(text: str, name: str) -> Adapter:
    try:
        return Adapter.model_validate(tomllib.loads(text))
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"Adapter {name}: {error}", column="adapter", mend="See docs/planning.md.") from error


def cell_of(
    column: Column,
    contact: Mapping[str, Any],
    point: Mapping[str, str],
    options: Mapping[str, str],
    template: Template | None,
) -> Any:
    """Value of a column for a contact; None where a system expects the entry to be absent.

    Parameters
    ----------
    column : Column
    contact : mapping
        Row of the plan, as text.
    point : mapping
        Row of the contact file.
    options : mapping
        Values that hold for all: ``list_id``, and variables of messages such as ``creditor``.
    template : Template or None
        Of the message, where the catalogue has it.

    Raises
    ------
    MissingValues
        When a variable has no value and the system refuses a message without it.
    InvalidInput
        When a value is longer than its system keeps.
    """
    if column.variables is not None:
        return _variables(template, {**options, **{k: v for k, v in point.items() if v}}, column.variables)
    text = _raw_value(column, contact, point, options)
    if column.most is not None and len(text) > column.most:
        raise InvalidInput.in_column(
            column.name,
            f"is longer than the {column.most} characters that the system keeps",
            values=[text],
            mend="Leave the column out with an adapter of your own.",
        )
    return text


def _raw_value(column: Column, contact: Mapping[str, Any], point: Mapping[str, str], options: Mapping[str, str]) -> str:
    if column.source is not None:
        text = str(contact.get(column.source, ""))
    elif column.contact is not None:
        text = point.get(column.contact, "")
        code = "+" + re.sub(r"\D", "", point.get(column.less or "", ""))
        if code != "+" and text.strip().startswith(code):
            text = text.strip().removeprefix(code)
    elif column.option is not None:
        text = options.get(column.option, "")
    else:
        text = column.value or ""
    if column.keep == "name":  # of a template, as WhatsApp allows them
        return re.sub(r"[^a-z0-9_]", "_", text.lower())
    if column.keep == "digits":
        return re.sub(r"\D", "", text)
    if column.keep == "phone":
        return ("+" if text.strip().startswith("+") else "") + re.sub(r"\D", "", text)
    return text or column.default


def _variables(template: Template | None, given: Mapping[str, str], how: str) -> Any:
    """Values of the variables that the text names; a condition of a script for agents is no variable of a message."""
    names = [] if template is None else list(template.variables)
    values = {name: given[name] for name in names if given.get(name, "").strip()}
    if how == "known":
        return json.dumps(values, ensure_ascii=False) if values else ""
    if missing := [name for name in names if name not in values]:
        raise MissingValues(missing)
    if not values:
        return None
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    return [{"type": "body", "parameters": parameters}]
