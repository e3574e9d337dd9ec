"""The shape of the house, read from its files: no circles, faces only, small functions where learning is."""

import ast
import re

import pytest

from tests.imports_of_files import ROOT, circles, graph, imports_of, modules


def test_circles_are_found():
    """The search itself: a circle of three, one of two, and a chain that is none."""
    edges = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}}
    assert circles(edges) == [["a", "b", "c"], ["d", "e"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_no_circles():
    """No file reaches itself by imports, deferred ones and those of the type checker counted."""
    assert circles(graph()) == []


def test_rooms_are_entered_by_their_face():
    """From outside, ``from recommender.room import name`` with a name in the room's ``__all__``; nothing deeper."""
    known = modules()
    packages = {name: path for name, path in known.items() if path.stem == "__init__" and name[0] == "r"}
    # store is three rooms under one roof: files, decision_log, registry
    rooms = {name: path for name, path in packages.items() if name.count(".") == (2 if ".store." in name else 1)}
    rooms.pop("recommender.store", None)
    faces = {name: _all_of(path.read_text(encoding="utf-8")) for name, path in rooms.items()}
    wrong = []
    for name, path in known.items():
        for line, module, item in imports_of(name, path):
            room = ".".join(module.split(".")[: 3 if module.startswith("recommender.store.") else 2])
            if room not in rooms or name == room or name.startswith(f"{room}."):
                continue
            if module != room or (item is not None and item not in faces[room]):
                wrong.append(f"{path.relative_to(ROOT)}:{line} {module} {item}")
    assert not wrong


def _all_of(text: str) -> set[str]:
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def complexity(function: ast.AST) -> int:
    """Ways through a function: branches, loops, comprehensions and their conditions, `and`, `or`, handlers."""
    ways = 1
    for node in ast.walk(function):
        if isinstance(node, ast.If | ast.For | ast.While | ast.IfExp | ast.ExceptHandler | ast.Assert | ast.match_case):
            ways += 1
        elif isinstance(node, ast.comprehension):
            ways += 1 + len(node.ifs)
        elif isinstance(node, ast.BoolOp):
            ways += len(node.values) - 1
    return ways


def test_complexity_is_counted():
    """One way in, one a loop, one a condition, two for an `or` of three."""
    assert complexity(ast.parse("def f(x):\n for i in x:\n  if i or x or f:\n   return [j for j in x if j]")) == 7


@pytest.mark.parametrize("room", ["learning", "strategy"])
def test_functions_stay_small(room):
    """Nobody reads a function of thirty ways: at most twelve."""
    large = [
        f"{path.relative_to(ROOT)} {node.name}: {complexity(node)}"
        for path in sorted((ROOT / "src" / "recommender" / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and complexity(node) > 12
    ]
    assert not large


def test_constants_have_a_reason():
    """A number that was chosen says why, on its line or the one above; aliases of types need none."""
    constant = re.compile(r"^_?[A-Z][A-Z0-9_]*(, _?[A-Z][A-Z0-9_]*)*(: [^=]*)? = ")
    bare = []
    for path in sorted((ROOT / "src" / "recommender" / "learning").rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if constant.match(line) and "#" not in line and not lines[number - 1].startswith("#"):
                bare.append(f"{path.relative_to(ROOT)}:{number + 1} {line}")
    assert not bare
