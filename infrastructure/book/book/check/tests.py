"""Rules on tests as they stand on disk: each runs, can fail, and does not wait.

Prevents a suite that looks larger than it is: a test that pytest passes over, one that another of
its name replaces, a skip without a reason. What is seen only as pytest collects is
``book.testing.collected``'s.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.check.asserting import asserting
from book.check.finding import Finding
from book.check.shadowing import replaced
from book.check.sleeping import sleeping
from book.check.unused import unused
from book.testing import exceptions, standing
from book.testing.exceptions import Exceptions
from book.testing.standing import Source

SKIPS = {"skip", "skipif", "skipIf", "skipUnless", "xfail", "importorskip", "skipTest"}
SKIPS |= {"expectedFailure", "SkipTest"}
GUARD = "guard"


def tests(book: Book) -> Iterator[Finding]:
    """Each test on disk runs, can fail and waits for no clock; each helper is used."""
    sources, allowed = standing.sources(book), exceptions.read(book)
    yield from uncollected(book, sources)
    yield from elsewhere(book, sources, allowed)
    for source in sources:
        yield from replaced(source)
    yield from unused(sources)
    yield from skips(book, sources, allowed)
    yield from asserting(book, sources)
    yield from sleeping(book, sources, allowed)


def uncollected(book: Book, sources: list[Source]) -> Iterator[Finding]:
    """A ``def test…`` whose file, folder, class or place pytest passes over."""
    for each in standing.all_definitions(book, sources):
        if each.lost:
            yield Finding(f"{each.name} never runs: it {each.lost}", each.where, each.mend)


def elsewhere(book: Book, sources: list[Source], allowed: Exceptions) -> Iterator[Finding]:
    """A file whose tests another test runs: both are there, and the one names the other."""
    on_disk = {source.name: source for source in sources}
    for each in allowed.elsewhere:
        file, _, test = each.runs.partition("::")
        runner = on_disk.get(file)
        where = exceptions.line_with(book, f'"{each.file}"')
        if each.file not in on_disk:
            yield Finding(f"there is no file of tests {each.file}", where, "take the entry away")
        elif runner is None or f"def {test}(" not in runner.text:
            yield Finding(f"there is no test {each.runs}", where, "name the test that runs it")
        elif PurePosixPath(each.file).stem not in runner.text:
            what = f"{each.runs} does not name {each.file}, which it is said to run"
            yield Finding(what, where, "name the test that runs it")


def skips(book: Book, sources: list[Source], allowed: Exceptions) -> Iterator[Finding]:
    """A skip or an expected failure whose reason is not listed; a listed reason of no use."""
    used: set[str] = set()
    for source in sources:
        for line, how, reason in _skips(source):
            used.add(reason)
            if not allowed.allows_skip(reason):
                said = f"for the reason {reason!r}" if reason else "without a reason in the text"
                yield Finding(
                    f"{how} leaves a test out {said}, which {exceptions.FILE} does not list",
                    f"{source.name}:{line}",
                    f"let it run; or list its reason in {exceptions.FILE}, and why it must be",
                )
        for line, how in _always_skipped(source):
            yield Finding(
                f"{how} leaves a test out wherever it runs",
                f"{source.name}:{line}",
                "give skipif a condition that asks the machine, or remove the test",
            )
        for line in _bare_guards(source):
            mend = '@pytest.mark.guard("what must stay true, and why")'
            yield Finding("a guard says in words what it guards", f"{source.name}:{line}", mend)
    for each in allowed.skip:
        if each.reason not in used:
            where = exceptions.line_with(book, f'"{each.reason}"')
            yield Finding(f"no test is left out for {each.reason!r}", where, "take the entry away")


def _skips(source: Source) -> Iterator[tuple[int, str, str]]:
    """Line, name and reason of each skip; the reason is empty where it is not a plain text."""
    if not any(word in source.text for word in SKIPS):
        return
    names = _imported(source)
    calls = {id(n.func): n for n in source.nodes if isinstance(n, ast.Call)}
    within = {id(n.value) for n in source.nodes if isinstance(n, ast.Attribute)}
    for node in source.nodes:
        if id(node) in within or not isinstance(node, ast.Attribute | ast.Name):
            continue
        whole = ast.unparse(node).split(".")
        root = names.get(whole[0], whole[0] if whole[0] == "self" else "").split(".")
        path = [*root, *whole[1:]]
        if path[0] in ("pytest", "unittest", "self") and (how := SKIPS & set(path)):
            call = calls.get(id(node))
            yield node.lineno, min(how), _reason(call) if call is not None else ""


def _always_skipped(source: Source) -> Iterator[tuple[int, str]]:
    """Marks that leave a test out for a listed reason, whatever the machine is."""
    for node in source.nodes if "skip" in source.text else ():
        for each in getattr(node, "decorator_list", ()):
            if not isinstance(each, ast.Call):
                continue  # without a reason: told as such
            how = standing.last_name(each)
            given = [*each.args, *(key.value for key in each.keywords if key.arg == "condition")]
            if how == "skip" or (how == "skipif" and given and _is_true(given[0])):
                yield each.lineno, how


def _is_true(condition: ast.expr) -> bool:
    return isinstance(condition, ast.Constant) and bool(condition.value)


def _imported(source: Source) -> dict[str, str]:
    """Names of this module for pytest, unittest and what is taken out of them."""
    found: dict[str, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name: a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return {k: v for k, v in found.items() if v.split(".")[0] in ("pytest", "unittest", "_pytest")}


def _reason(call: ast.Call) -> str:
    given = [key.value for key in call.keywords if key.arg in ("reason", "msg")]
    texts = [
        each.value
        for each in (*given, *([] if given else reversed(call.args)))
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
    return texts[0] if texts else ""


def _bare_guards(source: Source) -> Iterator[int]:
    if GUARD not in source.text:
        return
    calls = {id(n.func): n for n in source.nodes if isinstance(n, ast.Call)}
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(f"mark.{GUARD}"):
            call = calls.get(id(node))
            if call is None or not _reason(call).strip():
                yield node.lineno
