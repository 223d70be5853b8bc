"""Rule on asserts: each can fail, and so can each test that a checklist names.

Prevents a line of a checklist that is said to be held by a test which holds nothing.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator

from book.chain import checklist
from book.chain.chain import Book
from book.chain.walking import walk
from book.check.finding import Finding
from book.testing.standing import FUNCTIONS, Function, Source

FAILS = {"raises", "warns", "fail", "deprecated_call", "raise_for_status", "find", "falsifying"}
MEND_ASSERT = "assert on a value that the code under test made"
MEND = "assert what the line of the checklist says, on a value that the code under test made"


def asserting(book: Book, sources: list[Source]) -> Iterator[Finding]:
    """An assert that cannot fail; a test that a checklist names and that cannot."""
    for each in (s for s in sources if "assert" in s.text):
        things = _things(each)
        for node in each.nodes:
            if not isinstance(node, ast.Assert):
                continue
            if is_constant(node.test) or (
                isinstance(node.test, ast.Name) and node.test.id in things
            ):
                what = f"assert {ast.unparse(node.test)[:60]} cannot fail"
                yield Finding(what, f"{each.name}:{node.lineno}", MEND_ASSERT)
    by_path = {source.path.resolve(): source for source in sources}
    own = {source.name: _functions(source.nodes) for source in sources}
    helpers = {node.name: node for nodes in own.values() for node in nodes}
    for line in checklist.named(book):
        source = by_path.get(line.path.resolve())
        if source is None:
            continue  # that there is no such file is another rule's
        for test in _tests(source.nodes, line.name.split("::")):
            near = {**helpers, **{node.name: node for node in own[source.name]}}
            if not fails(test, near, set()):
                yield Finding(
                    f"{test.name} asserts nothing that can fail, and is said to hold: {line.says}",
                    f"{source.name}:{test.lineno}",
                    MEND,
                )


def _things(source: Source) -> set[str]:
    """Functions, classes and modules by their names here, which are true whatever they do."""
    found: set[str] = set()
    stored: set[str] = set()
    for node in source.nodes:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Import):
            found |= {each.asname or each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stored.add(node.id)
        elif isinstance(node, ast.arg):  # a fixture's value goes by the fixture's name
            stored.add(node.arg)
    return found - stored


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
    fixed = _fixed(function)
    inner = {each.name for each in _functions(walk(function)) if each is not function}
    for node in _live(function.body):
        if isinstance(node, ast.Assert) and not is_constant(node.test, fixed):
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
    names = {each.id for top in body for each in walk(top) if isinstance(each, ast.Name)}
    for node in body:
        if isinstance(node, FUNCTIONS) and node.name not in names and not node.decorator_list:
            continue
        if isinstance(node, ast.If | ast.While) and _is_value(node.test, frozenset()):
            always = bool(getattr(node.test, "value", True))
            yield from _live(node.body if always else node.orelse)
            continue
        if isinstance(node, ast.For) and _is_empty(node.iter):
            yield from _live(node.orelse)
            continue
        if isinstance(node, ast.With) and any(_suppresses(each) for each in node.items):
            continue
        if isinstance(node, ast.With) and _raises_itself(node):
            continue
        yield node
        if isinstance(node, ast.Try) and any(_swallows(each) for each in node.handlers):
            yield from _live([*node.orelse, *node.finalbody])
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _live(getattr(node, name, None) or [])
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _live(handler.body)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from walk(child)
        if isinstance(node, ast.Return | ast.Raise):
            return


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple) and not node.elts


def _suppresses(item: ast.withitem) -> bool:
    """``contextlib.suppress(AssertionError)``, or what is wider."""
    call = item.context_expr
    if not isinstance(call, ast.Call) or _called(call.func) != "suppress":
        return False
    taken = {_called(each) for each in call.args}
    return bool(taken & {"AssertionError", "Exception", "BaseException"})


def _raises_itself(node: ast.With) -> bool:
    """``with pytest.raises(E): raise E``: the test raises what it waits for."""
    calls = (each.context_expr for each in node.items)
    waits = any(isinstance(c, ast.Call) and _called(c.func) == "raises" for c in calls)
    return waits and isinstance(node.body[0], ast.Raise)


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes a failed assert and says nothing of it."""
    caught = "BaseException" if handler.type is None else ast.unparse(handler.type)
    takes = any(each in caught for each in ("AssertionError", "BaseException"))
    takes |= caught == "Exception"
    nodes = [each for top in handler.body for each in walk(top)]
    return takes and not any(isinstance(e, ast.Raise | ast.Assert | ast.Call) for e in nodes)


def _fixed(function: Function) -> frozenset[str]:
    """Names of a function that hold a literal, and nothing else."""
    stored = [
        each.id
        for each in walk(function)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    ]
    return frozenset(
        each.targets[0].id
        for each in walk(function)
        if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name)
        if stored.count(each.targets[0].id) == 1 and isinstance(each.value, ast.Constant)
    )


def _called(node: ast.AST) -> str | None:
    """What is called, or handed on to be called: its last name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def is_constant(test: ast.expr, fixed: frozenset[str] = frozenset()) -> bool:
    """Whether an expression says the same whatever the code under test does."""
    match test:
        case ast.Constant():
            return bool(test.value)  # `assert False` says that nobody comes here
        case ast.Lambda():
            return True
        case ast.JoinedStr():
            return any(isinstance(each, ast.Constant) for each in test.values)
        case ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
            return True  # as a condition it only says whether it is empty
        case ast.BoolOp(op=ast.Or()):
            return any(is_constant(each, fixed) for each in test.values)
        case ast.UnaryOp(op=ast.Not()):
            return _is_value(test.operand, fixed)
        case ast.Compare():
            return _compares_with_itself(test) or _is_value(test, fixed)
    return _is_value(test, fixed)


def _is_value(node: ast.expr, fixed: frozenset[str]) -> bool:
    """A literal, however deep, or what builtins make of literals."""
    known = fixed | set(dir(builtins))
    return not any(
        (isinstance(e, ast.Name) and e.id not in known) or isinstance(e, ast.Attribute | ast.Await)
        for e in walk(node)
    )


def _compares_with_itself(test: ast.Compare) -> bool:
    """``x == x``, without a call on either side."""
    sides = [test.left, *test.comparators]
    plain = not any(isinstance(each, ast.Call | ast.Await) for each in walk(test))
    like = all(isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE) for op in test.ops)
    return plain and like and len({ast.dump(each) for each in sides}) == 1
