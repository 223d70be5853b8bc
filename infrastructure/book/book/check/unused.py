"""Rule on functions of test modules: each is collected, called or requested.

Prevents a test that is none because of its name (a slip of the pen in ``test_``), and a helper or
fixture that went out of use and still looks as if it held something.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from book.chain.walking import walk
from book.check.finding import Finding
from book.testing import standing
from book.testing.standing import FUNCTIONS, Function, Source

WORD = re.compile(r"[A-Za-z_]\w*")
# What pytest and its plugins ask for by name.
ASKED_FOR = {"event_loop_policy", "anyio_backend", "setup_module", "teardown_module"}
ASKED_FOR |= {"setup_function", "teardown_function", "setup_method", "teardown_method"}
ASKED_FOR |= {"setup_class", "teardown_class", "setUp", "tearDown", "runTest"}
# Whose decorators hand a function to nobody.
PLAIN = {"pytest", "contextlib", "functools", "hypothesis", "st", "strategies", "typing", "mark"}


@dataclass
class _Node:
    """A top-level function, a method of a test class, or all else of a module."""

    source: Source
    name: str
    line: int
    is_root: bool
    is_function: bool = False
    mentions: set[str] = field(default_factory=set)
    kind: str = "function"


def unused(sources: list[Source]) -> Iterator[Finding]:
    """A function of a test module that nobody collects, calls or requests."""
    for found in _by_folder(sources).values():
        nodes = [node for source in found for node in _nodes(source)]
        imports = {source.name: _imports(source) for source in found}
        named: dict[str, list[_Node]] = {}
        for node in nodes:
            named.setdefault(node.name, []).append(node)
        used = {id(node) for node in nodes if node.is_root}
        waiting = [node for node in nodes if node.is_root]
        while waiting:
            node = waiting.pop()
            for other in (each for name in node.mentions for each in named.get(name, ())):
                near = _sees(node.source, other.source, imports[node.source.name])
                if near and id(other) not in used:
                    used.add(id(other))
                    waiting.append(other)
        for node in nodes:
            if node.is_function and id(node) not in used:
                yield Finding(
                    f"nobody collects, calls or requests the {node.kind} {node.name}",
                    f"{node.source.name}:{node.line}",
                    "name it test_… if it is a test; else use it or remove it",
                )


def _by_folder(found: list[Source]) -> dict[PurePosixPath, list[Source]]:
    """Modules that can import each other: those of one folder and its conftest above."""
    folders: dict[PurePosixPath, list[Source]] = {}
    for source in found:
        folders.setdefault(_root(source.name), []).append(source)
    return folders


def _root(name: str) -> PurePosixPath:
    """The folder around ``tests`` and ``slow``, which share helpers; else the file's own."""
    path = PurePosixPath(name)
    for parent in path.parents:
        if parent.name in standing.FOLDERS:
            return parent.parent
    return path.parent


def _sees(user: Source, owner: Source, imported: set[str]) -> bool:
    """Whether a name in ``user`` can mean one of ``owner``: the same, imported, or a conftest."""
    if user == owner or owner.path.stem in imported:
        return True
    return owner.path.name == "conftest.py" and user.path.is_relative_to(owner.path.parent)


def _imports(source: Source) -> set[str]:
    found: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.rpartition(".")[2] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").rpartition(".")[2])
            found |= {alias.name for alias in node.names}
    return found


def _nodes(source: Source) -> Iterator[_Node]:
    rest: list[ast.stmt] = []
    for node in _top(source.tree.body):
        if isinstance(node, FUNCTIONS):
            yield _function(source, node, within_test_class=False)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test") and not node.bases:
            for each in node.body:
                if isinstance(each, FUNCTIONS):
                    yield _function(source, each, within_test_class=True)
                else:
                    rest.append(each)
            rest += [ast.Expr(each) for each in node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            # Its methods may be called by what it is given to.
            yield _Node(source, node.name, node.lineno, True, mentions=_mentions([node]))
        else:
            rest.append(node)
    yield _Node(source, "", 1, True, mentions=_mentions(rest))


def _top(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module, those in an ``if`` or ``try`` too."""
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            inner = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
            handled = [each for h in getattr(node, "handlers", []) for each in h.body]
            if isinstance(node, ast.If):
                yield ast.Expr(node.test)
            yield from _top([*inner, *handled])
        else:
            yield node


def _function(source: Source, node: Function, *, within_test_class: bool) -> _Node:
    fixture = standing.is_fixture(node)
    name = node.name
    is_root = (name.startswith("test") and not fixture) or name.startswith("pytest_")
    is_root |= name in ASKED_FOR or (within_test_class and name.startswith("__"))
    for each in node.decorator_list:
        is_root |= _registers(each)
        if fixture and isinstance(each, ast.Call):
            given = {key.arg: key.value for key in each.keywords}
            autouse, alias = given.get("autouse"), given.get("name")
            is_root |= isinstance(autouse, ast.Constant) and bool(autouse.value)
            if isinstance(alias, ast.Constant):
                name = str(alias.value)
    mentions = _mentions([node]) - ({name} if not _asks_for_itself(node) else set())
    kind = "fixture" if fixture else "function"
    return _Node(source, name, node.lineno, is_root, True, mentions, kind)


def _asks_for_itself(node: Function) -> bool:
    """A fixture that wraps the one of its name further up."""
    return any(arg.arg == node.name for arg in node.args.args)


def _registers(decorator: ast.expr) -> bool:
    """``@app.get("/")`` hands the function on; ``@pytest.mark.slow`` and ``@given()`` do not."""
    while isinstance(decorator, ast.Call):
        decorator = decorator.func
    if not isinstance(decorator, ast.Attribute):
        return False
    root: ast.expr = decorator
    while isinstance(root, ast.Attribute | ast.Call):
        root = root.value if isinstance(root, ast.Attribute) else root.func
    return not (isinstance(root, ast.Name) and root.id in PLAIN)


def _mentions(body: list[ast.stmt]) -> set[str]:
    """Every name that code uses, asks for as an argument, or writes in a string."""
    found: set[str] = set()
    docstrings = {id(e.value) for e in body if isinstance(e, ast.Expr)}
    for node in (each for top in body for each in walk(top)):  # what is around comes first
        kind = type(node)  # a look-up tells quicker than isinstance
        if kind is ast.Name:
            found.add(node.id)  # type: ignore[attr-defined]
        elif kind is ast.Attribute:
            found.add(node.attr)  # type: ignore[attr-defined]
        elif kind is ast.arg:
            found.add(node.arg)  # type: ignore[attr-defined]
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and id(node) not in docstrings:
                found.update(WORD.findall(node.value))
        elif isinstance(node, ast.stmt) and (first := _first(node)) is not None:
            docstrings.add(id(first))
    return found


def _first(node: ast.stmt) -> ast.expr | None:
    """The expression that a block begins with: a docstring, if it is a text."""
    body = getattr(node, "body", None)
    return body[0].value if body and isinstance(body[0], ast.Expr) else None
