"""Rule on names of test modules: none is given twice in one module or class.

Prevents a test that is gone because a second one of its name, or an import, stands further down.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from book.chain.walking import walk
from book.check.finding import Finding
from book.testing import standing
from book.testing.standing import FUNCTIONS, Source


def replaced(source: Source) -> Iterator[Finding]:
    """Two of one name in one module or class: only the last one is there."""
    for name, line, later in shadowed(source):
        what = f"{name} is gone: line {later} gives its name to something else"
        yield Finding(what, f"{source.name}:{line}", "name one of the two otherwise")


def shadowed(source: Source) -> Iterator[tuple[str, int, int]]:
    """Name, line and the later line of what is defined twice in one module or class."""
    scopes: list[list[ast.stmt]] = [source.tree.body]
    scopes += [node.body for node in source.nodes if isinstance(node, ast.ClassDef)]
    for body in scopes:
        first: dict[str, int] = {}
        for node in body:
            for name, line in _defined(node):
                if name in first and not _is_meant(node):
                    yield name, first[name], line
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                first[node.name] = node.lineno


def _defined(node: ast.stmt) -> Iterator[tuple[str, int]]:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.name, node.lineno
    elif isinstance(node, ast.Assign | ast.Delete):
        yield from ((t.id, node.lineno) for t in node.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((alias.asname or alias.name, node.lineno) for alias in node.names)


def _is_meant(node: ast.stmt) -> bool:
    """A setter, an overload or another registration says what the second one is for."""
    if isinstance(node, ast.Assign):  # send = traced(send): the first is inside of the second
        names = {each.id for each in walk(node.value) if isinstance(each, ast.Name)}
        return any(isinstance(t, ast.Name) and t.id in names for t in node.targets)
    decorators = getattr(node, "decorator_list", [])
    return any(
        standing.last_name(each) in ("overload", "setter", "getter", "deleter", "register")
        for each in decorators
    )
