"""A rule on state of modules: what one run leaves in a module, the next one finds.

Prevents tests and users that meet each other through a global. State belongs to an object that its
owner makes; a table that is written once, where it is defined, is none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.chain.sources import Sources, sources
from book.chain.walking import walk
from book.check.finding import Finding
from book.check.imports import TEST, owner
from book.check.projects import packages

# The state that there is, each with its reason.
LISTED = {
    ("reliability/events.py", "_listeners"): "who hears of events; subscribe returns its undo",
    ("stage/trial.py", "STARTING"): "how many processes of this machine start at once",
}
CONTAINERS = {
    *("list", "dict", "set", "bytearray", "deque", "defaultdict", "Counter", "OrderedDict"),
    *("ChainMap", "UserDict", "UserList", "WeakSet", "WeakKeyDictionary", "WeakValueDictionary"),
    *("array", "SimpleNamespace", "StringIO", "BytesIO"),
}
MOVING = {
    *("count", "cycle", "iter", "Random", "SystemRandom", "Lock", "RLock", "Event", "Condition"),
    *("Semaphore", "BoundedSemaphore", "Barrier", "Queue", "PriorityQueue", "LifoQueue"),
    *("SimpleQueue", "local", "Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor"),
    *("Client", "AsyncClient", "Anthropic", "AsyncAnthropic", "Redis", "Session"),
}
REMEMBERING = {"cache", "lru_cache", "alru_cache", "memoize"}
CHANGING = {
    *("append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear"),
    *("remove", "discard", "appendleft", "popleft", "extendleft", "__setitem__", "set_default"),
}
MEND = "keep it in an object that its owner makes, and pass it in; a table is a MappingProxyType"


def module_state(book: Book) -> Iterator[Finding]:
    """No module of a package, of an agent, the simulator or the harness holds state."""
    read = sources(book)
    homes = tuple(f"{home}/" for home in packages(book).values())
    for file in read.python:
        whose = owner(book, file)
        product = whose.is_product(file) if whose is not None else file.startswith(homes)
        if not product or TEST.fullmatch(PurePosixPath(file).name):
            continue
        chapter = whose is not None
        found = {*_of_text(read, file, caches=chapter), *_objects(read, file)}
        for line, name, what in sorted(found):
            if not any(file.endswith(f"/{end}") and name == one for end, one in LISTED):
                yield Finding(f"{name} is state of a module: {what}", f"{file}:{line}", MEND)


def _of_text(read: Sources, file: str, *, caches: bool) -> list[tuple[int, str, str]]:
    text = read.text(file) or ""
    return read.once(
        (_found, text, caches),
        lambda: list(
            _found(read.tree(file), read.nodes(file), caches=caches, rebinds="global " in text)
        ),
    )


def _found(
    tree: ast.Module, every: Sequence[ast.AST], *, caches: bool, rebinds: bool
) -> Iterator[tuple[int, str, str]]:
    """Line, name and reason of each piece of state; memory of functions only if asked for."""
    tables: set[str] = set()
    made = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tables |= {node.name for node in tree.body if isinstance(node, made)}  # f.calls += 1
    for node in _statements(tree.body):
        for name, value in _bound(node):
            if not isinstance(value, ast.Constant | ast.Tuple):
                tables.add(name)
            if why := _moves(value):
                yield node.lineno, name, why
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                for name, value in _bound(inner):
                    if not _copied(node, inner) and (why := _moves(value)):
                        yield inner.lineno, f"{node.name}.{name}", why
    tables &= {target.id for target in map(_target, every) if target is not None}
    for each in every:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            if tables or rebinds:
                yield from _changed(each, tables)
            remembers = (d.func if isinstance(d, ast.Call) else d for d in each.decorator_list)
            if caches and any(_last(one) in REMEMBERING for one in remembers):
                yield each.lineno, each.name, "what it returned is remembered for good"


def _objects(read: Sources, file: str) -> Iterator[tuple[int, str, str]]:
    """Objects of our own classes that a module makes on import, and that can change."""
    tree = read.tree(file)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for name, home in _imported_classes(read, file):
        classes.setdefault(name, home)
    for node in _statements(tree.body):
        for name, value in _bound(node):
            made = classes.get(_last(value.func)) if isinstance(value, ast.Call) else None
            if made is not None and _can_change(made):
                yield node.lineno, name, f"a {made.name} keeps what it is told"


def _imported_classes(read: Sources, file: str) -> Iterator[tuple[str, ast.ClassDef]]:
    package, _, _ = file.rpartition("/")
    root = package
    while f"{root.rpartition('/')[0]}/__init__.py" in read.listed:
        root = root.rpartition("/")[0]
    above = root.rpartition("/")[0]  # where the package lies
    for _, dotted in read.imported(file):
        module, _, name = dotted.rpartition(".")
        path = f"{above}/{module.replace('.', '/')}.py"
        if path in read.listed:
            for node in read.tree(path).body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    yield name, node


def _can_change(made: ast.ClassDef) -> bool:
    """Whether objects of a class hold anything that is set after they are made."""
    marks = [ast.unparse(each) for each in made.decorator_list]
    if any("dataclass" in mark for mark in marks):
        return not any("frozen=True" in mark for mark in marks)
    setting = [
        node
        for method in made.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in walk(method)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return any(isinstance(node.value, ast.Name) and node.value.id == "self" for node in setting)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run on import, those in ``if`` and ``try`` included."""
    for node in body:
        yield node
        for part in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
                yield from _statements(getattr(node, part, []))


def _bound(node: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Assign):
        yield from ((t.id, node.value) for t in node.targets if isinstance(t, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
        yield node.target.id, node.value


def _moves(value: ast.expr) -> str | None:
    """Why a value is state, whoever uses it; None for a constant or a table."""
    if isinstance(value, ast.List | ast.Set) and not value.elts:
        return "an empty container waits to be filled"
    if isinstance(value, ast.Dict) and not value.keys:
        return "an empty container waits to be filled"
    if isinstance(value, ast.Call):
        called = value.func.value if isinstance(value.func, ast.Subscript) else value.func
        name = _last(called)
        if name in CONTAINERS and (not value.args or name not in ("list", "dict", "set")):
            return f"{name}() waits to be filled"
        if name in MOVING:
            return f"{name}() changes when it is used"
    return None


def _changed(
    function: ast.FunctionDef | ast.AsyncFunctionDef, tables: set[str]
) -> Iterator[tuple[int, str, str]]:
    """Names of the module that a function rebinds or changes in place."""
    own = {arg.arg for arg in walk(function.args) if isinstance(arg, ast.arg)}
    shared: set[str] = set()
    inside = list(walk(function))
    for node in inside:
        if isinstance(node, ast.Global):
            shared |= set(node.names)
            yield from ((node.lineno, name, "a function rebinds it") for name in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    tables = tables - (own - shared)
    for node in inside if tables else ():
        target = _target(node)
        if target is not None and target.id in tables:
            yield target.lineno, target.id, "a function changes it"


def _target(node: ast.AST) -> ast.Name | None:
    """The name whose object a node changes: ``NAME[k] = v``, ``NAME.x = v``, ``NAME.append(v)``."""
    changed: ast.expr | None = None
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        changed = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        changed = node.func.value if node.func.attr in CHANGING else None
    while isinstance(changed, ast.Subscript):  # NAME[k].append(v) changes what NAME holds
        changed = changed.value
    return changed if isinstance(changed, ast.Name) else None


def _copied(node: ast.ClassDef, inner: ast.stmt) -> bool:
    """Whether this is a field of a model, which pydantic copies for each instance."""
    if not node.bases or not isinstance(inner, ast.AnnAssign):
        return False
    return "ClassVar" not in ast.unparse(inner.annotation)


def _last(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
