"""Templates of a file: TOML, or the rows of a table; what is wrong is told by file, template, key and mend."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from jinja2 import TemplateSyntaxError
from pydantic import ValidationError

from recommender.messages.template import CatalogueError, Template, variables_of

__all__ = ["TABLE_COLUMNS", "templates_of"]

_FORMAT = "docs/own-templates.md has the format of a catalogue."
#: What the head of a file may say once for all of its templates.
_DEFAULTS = ("language", "version", "approved_by", "approved_on", "sms_segment_cost_minor")
_LISTS = ("channels", "stages", "purposes", "variables")
TABLE_COLUMNS = tuple(Template.model_fields)
"""Columns of a table of templates: the keys of a template; lists are written with ``;`` between their items."""


def templates_of(name: str, text: str) -> list[Template]:
    """Templates of one file in their order.

    Parameters
    ----------
    name : str
        Of the file, for messages; ``.toml`` is TOML, anything else the rows of a table as a JSON list of objects.
    text : str

    Raises
    ------
    CatalogueError
    """
    if not name.endswith(".json"):
        return [_template(name, at, raw) for at, raw in enumerate(_of_toml(name, text))]
    rows = json.loads(text)
    return [_template(name.removesuffix(".json"), at, _of_row(name, at, row)) for at, row in enumerate(rows)]


def _of_toml(name: str, text: str) -> list[dict[str, Any]]:
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{name} is no TOML: {error}.", mend="Mend the line named.") from error
    known = {"schema", "templates", *_DEFAULTS}
    if not {"schema", "language", "templates"} <= raw.keys() <= known or raw["schema"] != 1:
        raise CatalogueError(
            f"{name} needs schema = 1, language and [[templates]], and may have {', '.join(_DEFAULTS[1:])}; it has "
            f"{sorted(raw)}.",
            column="schema",
            mend=_FORMAT,
        )
    if not isinstance(raw["templates"], list) or not all(isinstance(one, dict) for one in raw["templates"]):
        raise CatalogueError(
            f"{name}: templates is no list of tables.", column="templates", mend="Write [[templates]]."
        )
    head = {key: raw[key] for key in _DEFAULTS if key in raw}
    return [head | one for one in raw["templates"]]


def _of_row(name: str, at: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a row: cells without a value are left out, lists are split, variables read off the text."""
    told = {key: value for key, value in row.items() if value is not None and str(value).strip() != ""}
    told |= {key: _items(told[key]) for key in _LISTS if key in told}
    if isinstance(told.get("approved"), str):
        word = told["approved"].strip().casefold()
        told["approved"] = {"yes": True, "si": True, "sí": True, "sim": True, "no": False, "não": False}.get(word, word)
    for key in ("max_segments", "sms_segment_cost_minor"):
        if isinstance(told.get(key), str):
            told[key] = told[key].strip()
    told["version"] = str(told.get("version", ""))
    if isinstance(told.get("approved_on"), str):
        told["approved_on"] = told["approved_on"][:10]
    if "variables" not in told:
        try:
            told["variables"] = sorted(variables_of(str(told.get("body", "")), told.get("subject")))
        except TemplateSyntaxError as error:
            raise _fault(name.removesuffix(".json"), at, told, "body", f"does not parse: {error}") from error
    return told


def _items(cell: Any) -> list[str]:
    items = cell if isinstance(cell, list | tuple) else str(cell).replace("|", ";").replace(",", ";").split(";")
    return [str(item).strip() for item in items if str(item).strip()]


def _template(name: str, at: int, raw: Mapping[str, Any]) -> Template:
    try:
        return Template.model_validate({"language": "", **raw})
    except ValidationError as error:
        faults = error.errors()
        first = faults[0]
        key = ".".join(map(str, first["loc"])) or "template"
        told = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'template'}: {one['msg']}" for one in faults)
        raise _fault(name, at, raw, key, told, first) from error


def _fault(
    name: str, at: int, raw: Mapping[str, Any], key: str, problem: str, first: Mapping[str, Any] | None = None
) -> CatalogueError:
    """One sentence of fault: the file, which template of it, the key, and the mend."""
    who = f"{name}: template {at + 1} ({raw.get('id', 'without an id')!r})"
    return CatalogueError(f"{who}: {problem}.", column=key, mend=_mend(key, first))


def _mend(key: str, first: Mapping[str, Any] | None) -> str:
    kind = "" if first is None else str(first["type"])
    if kind == "missing":
        return f"Give the template a {key}."
    if kind == "extra_forbidden":
        return f"Leave {key} out; known keys are {', '.join(TABLE_COLUMNS)}."
    if kind == "literal_error" and first is not None:
        return f"Use one of {first['ctx']['expected']}."
    return _FORMAT
