"""Rule on checklists: a test that one names can fail; it asserts more than a constant.

Prevents a line of a checklist that is said to be held by a test which holds nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from book.chain import checklist
from book.chain.chain import Book
from book.check.finding import Finding
from book.testing.reading import FUNCTIONS, Function, Source

FAILS = {"raises", "warns", "fail", "deprecated_call", "raise_for_status", "find", "falsifying"}
MEND = "assert what the line of the checklist says, on a value that the code under test made"


def asserting(book: Book, sources: list[Source]) -> Iterator[Finding]:
    """A test that a checklist names and that cannot fail."""
    by_path = {source.path.resolve(): source for source in sources}
    own = {source.name: _functions(source.nodes) for source in sources}
    helpers = {node.name: node for nodes in own.values() for node in nodes}
    for each in checklist.named(book):
        source = by_path.get(each.path.resolve())
        if source is None:
            continue  # that there is no such file is another rule's
        for test in _tests(source.nodes, each.name.split("::")):
            near = {**helpers, **{node.name: node for node in own[source.name]}}
            if not fails(test, near, set()):
                yield Finding(
                    f"{test.name} asserts nothing that can fail, and is said to hold: {each.says}",
                    f"{source.name}:{test.lineno}",
                    MEND,
                )


def _functions(nodes: Iterable[ast.AST]) -> list[Function]:
    return [node for node in nodes if isinstance(node, FUNCTIONS)]


def _tests(nodes: Iterable[ast.AST], name: list[str]) -> Iterator[Function]:
    """The function of this name; all tests of a class of this name."""
    for node in nodes:
        if isinstance(node, FUNCTIONS) and name == [node.name]:
            yield node
        elif isinstance(node, ast.ClassDef) and node.name == name[0]:
            if name[1:]:
                yield from _tests(node.body, name[1:])
            else:
                yield from (each for each in _functions(node.body) if each.name[:4] == "test")


def fails(function: Function, helpers: dict[str, Function], seen: set[str]) -> bool:
    """Whether a function can fail by more than an accident: an assert, a raise, or a helper's."""
    seen.add(function.name)
    inner = {each.name for each in _functions(ast.walk(function)) if each is not function}
    for node in _live(function.body):
        if isinstance(node, ast.Assert) and not is_constant(node.test):
            return True
        if isinstance(node, ast.Raise) and "Assertion" in ast.unparse(node):
            return True
        name = _called(node)
        if name is None:
            continue
        if name in FAILS or (name.startswith("assert") and name not in helpers):
            return True
        if name in helpers and name not in seen | inner and fails(helpers[name], helpers, seen):
            return True
    for arg in function.args.args:  # a fixture may hold it, when the test is over
        if arg.arg in helpers and arg.arg not in seen and fails(helpers[arg.arg], helpers, seen):
            return True
    return False


def _live(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """All nodes but what stands after a return, below ``if False``, or in a function not used."""
    names = {each.id for top in body for each in ast.walk(top) if isinstance(each, ast.Name)}
    for node in body:
        if isinstance(node, FUNCTIONS) and node.name not in names and not node.decorator_list:
            continue
        if isinstance(node, ast.If | ast.While) and is_constant(node.test):
            always = bool(getattr(node.test, "value", True))
            yield from _live(node.body if always else node.orelse)
            continue
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from _live(getattr(node, name, None) or [])
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _live(handler.body)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from ast.walk(child)
        if isinstance(node, ast.Return | ast.Raise):
            return


def _called(node: ast.AST) -> str | None:
    """What is called, or handed on to be called: its last name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def is_constant(test: ast.expr) -> bool:
    """Whether an expression says the same whatever the code under test does."""
    match test:
        case ast.Constant() | ast.Lambda():
            return True
        case ast.JoinedStr():
            return any(isinstance(each, ast.Constant) for each in test.values)
        case ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
            return True  # as a condition it only says whether it is empty
        case ast.BoolOp(op=ast.Or()):
            return any(is_constant(each) for each in test.values)
        case ast.BoolOp() | ast.BinOp() | ast.UnaryOp() | ast.Compare():
            same = isinstance(test, ast.Compare) and _compares_with_itself(test)
            inner = [each for each in ast.iter_child_nodes(test) if isinstance(each, ast.expr)]
            return same or all(_is_value(each) for each in inner)
        case ast.Call(func=ast.Name(id="bool" | "len" | "str" | "int"), args=[only]):
            return _is_value(only)
    return False


def _is_value(node: ast.expr) -> bool:
    """A literal, however deep."""
    return not any(isinstance(e, ast.Name | ast.Call | ast.Attribute) for e in ast.walk(node))


def _compares_with_itself(test: ast.Compare) -> bool:
    """``x == x``, without a call on either side."""
    sides = [test.left, *test.comparators]
    plain = not any(isinstance(each, ast.Call | ast.Await) for each in ast.walk(test))
    like = all(isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE) for op in test.ops)
    return plain and like and len({ast.dump(each) for each in sides}) == 1
