"""Rule on the real clock: no test sleeps on it but for the few in ``tests/exceptions.toml``.

Prevents tests that are slow on a quiet machine and fail on a busy one. A loop whose clock jumps
(``clocks`` there) may be slept on; so may whatever only tests under such a loop use.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from book.chain.chain import Book
from book.chain.walking import walk
from book.check.finding import Finding
from book.testing import exceptions
from book.testing.exceptions import Exceptions
from book.testing.standing import FUNCTIONS, Source

SLEEPERS = {"time", "asyncio", "anyio", "trio"}
MEND = (
    "inject the clock or the sleep, use a loop whose clock jumps, or wait for an event; "
    f"where only real time will do, say so in {exceptions.FILE}"
)


def sleeping(book: Book, sources: list[Source], allowed: Exceptions) -> Iterator[Finding]:
    """A test that sleeps on the real clock without a listed reason; a reason of no use."""
    seen: set[tuple[str, str]] = set()
    for source in sources:
        for function, line, what in sleeps(source, set(allowed.clocks)):
            seen.add((source.name, function))
            if not allowed.allows_sleep(source.name, function):
                said = f"{function or 'the module'} waits on the real clock: {what}"
                yield Finding(said, f"{source.name}:{line}", MEND)
    for each in allowed.sleep:
        if (each.file, each.function) not in seen:
            yield Finding(
                f"{each.file} has no {each.function} that waits on the real clock",
                exceptions.line_with(book, f'"{each.function}"'),
                "take the entry away, or correct its file and function",
            )


def sleeps(source: Source, clocks: set[str]) -> Iterator[tuple[str, int, str]]:
    """Function, line and text of each sleep of a module on the real clock."""
    if not any(word in source.text for word in ("sleep", "while", "wait")):
        return
    modules, names = _sleepers(source)
    owners = list(_owners(source.tree.body))
    slept = [(owner, node, list(_in(node, modules, names))) for owner, node in owners]
    if not any(found for *_, found in slept):
        return
    mentions = {id(node): _names(node) for _, node in owners}
    for owner, node, found in slept:
        if found and not _jumps(owner, node, owners, mentions, clocks):
            yield from ((owner, line, what) for line, what in found)


def _sleepers(source: Source) -> tuple[set[str], set[str]]:
    """What modules with a ``sleep`` are called here, and such functions themselves."""
    modules: set[str] = set()
    names: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name in SLEEPERS}
        elif isinstance(node, ast.ImportFrom) and node.module in SLEEPERS:
            names |= {a.asname or a.name for a in node.names if a.name == "sleep"}
    return modules, names


def _owners(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Functions and methods with their names, and the statements outside of any."""
    for node in body:
        if isinstance(node, FUNCTIONS):
            yield f"{within}{node.name}", node
        elif isinstance(node, ast.ClassDef):
            yield from _owners(node.body, f"{within}{node.name}.")
        else:
            yield within.rstrip("."), node


def _in(node: ast.stmt, modules: set[str], names: set[str]) -> Iterator[tuple[int, str]]:
    """Each use of a sleep in ``node`` but that of zero seconds, which only lets others run."""
    zero = set()
    for each in walk(node):  # a call comes before what is called
        if isinstance(each, ast.Call):
            given = [*each.args, *(keyword.value for keyword in each.keywords)][:1]
            if any(isinstance(value, ast.Constant) and value.value == 0 for value in given):
                zero.add(id(each.func))
        if id(each) in zero:
            continue
        if _waits_for_nobody(each) or (isinstance(each, ast.While) and _reads_clock(each.test)):
            assert isinstance(each, ast.Call | ast.While)
            shown = each.test if isinstance(each, ast.While) else each
            yield each.lineno, ast.unparse(shown)
        elif isinstance(each, ast.Attribute) and each.attr == "sleep":
            if isinstance(each.value, ast.Name) and each.value.id in modules:
                yield each.lineno, ast.unparse(each)
        elif isinstance(each, ast.Name) and each.id in names:
            yield each.lineno, each.id


def _waits_for_nobody(node: ast.AST) -> bool:
    """``threading.Event().wait(1)``: nobody has the event, so that nobody can set it."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    made = node.func.value
    if node.func.attr != "wait" or not isinstance(made, ast.Call) or not node.args:
        return False
    return ast.unparse(made.func).rpartition(".")[2] in ("Event", "Condition")


def _reads_clock(test: ast.expr) -> bool:
    """``while time.monotonic() < until``: a loop that time ends."""
    clocks = {"time.monotonic", "time.time", "time.perf_counter", "monotonic", "perf_counter"}
    calls = (each for each in walk(test) if isinstance(each, ast.Call))
    return any(ast.unparse(each.func) in clocks for each in calls)


def _jumps(
    owner: str,
    node: ast.stmt,
    owners: list[tuple[str, ast.stmt]],
    mentions: dict[int, set[str]],
    clocks: set[str],
) -> bool:
    """Whether ``node`` runs under a clock that jumps, or is used by nobody who does not."""
    if mentions[id(node)] & clocks:
        return True
    reached, waiting = {id(node)}, [(owner, node)]
    users = 0
    while waiting:
        name, _ = waiting.pop()
        for other, by in owners:
            called = {name.partition(".")[0]} if "." in name else {name}
            if id(by) in reached or not mentions[id(by)] & called:
                continue
            if mentions[id(by)] & clocks:
                users += 1
                continue
            if other.rpartition(".")[2].startswith("test"):
                return False
            reached.add(id(by))
            waiting.append((other, by))
    return users > 0


def _names(node: ast.stmt) -> set[str]:
    nodes = list(walk(node))
    found = {each.id for each in nodes if isinstance(each, ast.Name)}
    found |= {each.attr for each in nodes if isinstance(each, ast.Attribute)}
    return found | {each.arg for each in walk(node) if isinstance(each, ast.arg)}
