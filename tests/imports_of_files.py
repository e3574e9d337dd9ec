"""Who imports whom, read from the files: every import counts, deferred and for the type checker alone too."""

import ast
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ((ROOT / "src", "recommender"), (ROOT, "api"), (ROOT, "pipelines"))


def modules() -> dict[str, Path]:
    """Every module of src, api and pipelines by its dotted name; a package by that of its folder."""
    found = {}
    for base, package in PLACES:
        for path in sorted((base / package).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports_of(name: str, path: Path) -> tuple[tuple[int, str, str | None], ...]:
    """Line, module and name (None for ``import module``) of each import in a file; parsed once for all tests."""
    return tuple(_imports_of(name, path))


def _imports_of(name: str, path: Path) -> Iterable[tuple[int, str, str | None]]:
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            for alias in node.names:
                yield node.lineno, module, alias.name


def graph() -> dict[str, set[str]]:
    """Module -> modules of this repository that it imports."""
    known = modules()
    edges: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for _, module, item in imports_of(name, path):
            target = f"{module}.{item}" if item and f"{module}.{item}" in known else module
            if target in known and target != name:
                edges[name].add(target)
    return edges


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that reach each other (strongly connected, Kosaraju: two walks without recursion)."""
    order: list[str] = []
    seen: set[str] = set()
    for root in edges:
        stack = [(root, iter(sorted(edges[root])))] if root not in seen else []
        seen.add(root)
        while stack:
            at, rest = stack[-1]
            onward = next((other for other in rest if other not in seen), None)
            if onward is None:
                order.append(at)
                stack.pop()
            else:
                seen.add(onward)
                stack.append((onward, iter(sorted(edges[onward]))))
    back = defaultdict(set)
    for name, others in edges.items():
        for other in others:
            back[other].add(name)
    groups: list[list[str]] = []
    left = set(edges)
    for root in reversed(order):
        group: list[str] = []
        stack_of_names = [root] if root in left else []
        left.discard(root)
        while stack_of_names:
            name = stack_of_names.pop()
            group.append(name)
            onward_names = sorted(back[name] & left)
            left.difference_update(onward_names)
            stack_of_names += onward_names
        if len(group) > 1:
            groups.append(sorted(group))
    return sorted(groups)
