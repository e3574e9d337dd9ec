"""``python -m api.service.client_types``: types of the client, written from the description of the API.

A test holds ``src/recommender/client/bodies.py`` against what this writes, so that the two cannot drift apart.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from api.main import create_app
from recommender.settings import Settings

__all__ = ["client_types"]

_HEAD = '''"""Bodies of requests and answers; written by ``python -m api.service.client_types``, not by hand."""

from __future__ import annotations

from typing import Any, Literal, TypedDict
'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def client_types() -> str:
    """Source text of the types."""
    description = create_app(Settings(model_path=None, pages=False)).openapi()
    schemas: dict[str, Any] = description["components"]["schemas"]
    named = sorted(name for name, schema in schemas.items() if schema.get("type") == "object" and _is_ours(name))
    names = "\n".join(f'    "{name}",' for name in named)
    return "\n".join([_HEAD, f"__all__ = [\n{names}\n]\n", *(_class(name, schemas[name]) for name in named)])


def _is_ours(name: str) -> bool:
    return name.isidentifier() and not name.startswith(("HTTPValidation", "ValidationError", "Body_"))


def _class(name: str, schema: Mapping[str, Any]) -> str:
    properties = schema.get("properties", {})
    required = set(schema.get("required", ()))
    summary = schema.get("description", name).strip().splitlines()[0].replace('"', "'")
    lines: list[str] = []
    must = [part for part in properties if part in required]
    may = [part for part in properties if part not in required]
    base = "TypedDict"
    if must and may:
        lines += [f"class _{name}(TypedDict):", *(f"    {part}: {_kind(properties[part])}" for part in must), "", ""]
        base = f"_{name}"
    total = ", total=False" if may else ""
    lines += [f"class {name}({base}{total}):", f'    """{summary}"""', ""]
    lines += [f"    {part}: {_kind(properties[part])}" for part in (may or must)]
    return "\n".join(["", *lines, ""])


def _kind(schema: Mapping[str, Any]) -> str:
    """Annotation of a schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return name if _is_ours(name) else "Any"
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if some := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_kind(one) for one in some))
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return f"list[{' | '.join(dict.fromkeys(_kind(one) for one in schema['prefixItems']))}]"
        return f"list[{_kind(schema['items'])}]" if "items" in schema else "list[Any]"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"dict[str, {_kind(inner) if isinstance(inner, Mapping) and inner else 'Any'}]"
    return _PLAIN.get(str(kind), "Any")


if __name__ == "__main__":
    sys.stdout.write(client_types())
