"""A rule on what decides results: nothing is loaded, run or read where imports do not show it.

Prevents a kept result that misses a cause. What an incident's verdict rests on is found by imports
(``book.chain.deciding``); code that imports in another way, runs text, or reads a file beside its
package would be trusted after it has changed. The few loaders that must be are in ``LOADERS``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from book.chain.chain import Book
from book.chain.contents import Contents, is_test
from book.chain.deciding import HARNESS, RUNS, SIMULATOR
from book.chain.sources import sources
from book.check.file_paths import leaving
from book.check.finding import Finding, at

# Who may load what imports do not show, and why a digest holds it all the same.
LOADERS = {
    f"{HARNESS}/story/incident.py": "loads an incident's file, which a digest names first",
    f"{HARNESS}/stage/driving.py": "puts a step's folder on the path: it is in each digest, whole",
    f"{HARNESS}/stage/services/programs.py": "finds servers' files in wheels, and imports nothing",
    f"{HARNESS}/stage/serving.py": "runs a file of a step's folder, which is in each digest, whole",
    f"{HARNESS}/stage/noting.py": "listens to a package, if the step has imported it",
    f"{SIMULATOR}/__init__.py": "loads its own modules late; the simulator is taken whole",
    f"{SIMULATOR}/world/places.py": "reads its own data; the simulator is taken whole",
}
MODULES = {"importlib", "imp", "runpy", "pkgutil", "pkg_resources", "zipimport", "zipapp"}
NAMES = {"__import__", "exec", "eval", "compile", "execfile", "__loader__", "__spec__"}
OF_SYS = {"path", "modules", "meta_path", "path_hooks", "path_importer_cache"}
MEND = "import it where it stands, or pass it in: a kept result must rest on what imports show"
STAY = "keep what is read inside the folder, or read it elsewhere and pass it in"


def hidden(book: Book) -> Iterator[Finding]:
    """No package, incident, step or simulator module, and none that runs them, hides a cause."""
    contents = Contents(book.root)
    for home, part in _homes(book):
        for file in [part] if part.suffix == ".py" else contents.whole(part):
            is_code = file.suffix == ".py" and not is_test(file.relative_to(home).as_posix())
            if is_code and file.relative_to(book.root).as_posix() not in LOADERS:
                yield from _in_file(book, file, home)


def _homes(book: Book) -> Iterator[tuple[Path, Path]]:
    """Folders that files may read in, each with the part of it that is looked at."""
    for chapter in book.chapters:
        for folder in (chapter.path / chapter.package, chapter.path / "incidents"):
            yield folder, folder
    for step in book.steps:
        yield step.path, step.path
    yield book.root / SIMULATOR, book.root / SIMULATOR
    for name in RUNS:
        yield book.root / HARNESS, book.root / HARNESS / name


def _in_file(book: Book, file: Path, home: Path) -> Iterator[Finding]:
    read, name = sources(book), file.relative_to(book.root).as_posix()
    text, tree, nodes = read.text(name), read.tree(name), read.nodes(name)
    loads = read.once((_loads, text), lambda: list(_loads(nodes)))
    left = read.once((leaving, text, file, home), lambda: list(leaving(tree, file, home)))
    found = {(line, f"{what} hides what this rests on", MEND) for line, what in loads}
    inside = f"a path built from __file__ leaves {home.relative_to(book.root).as_posix()}"
    found |= {(line, inside, STAY) for line in left}
    for line, what, mend in sorted(found):
        yield Finding(what, at(book, file, line), mend)


def _called(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """What modules are, by the name that ``import … as`` gives them."""
    imported = (node.names for node in nodes if isinstance(node, ast.Import))
    return {each.asname: each.name for names in imported for each in names if each.asname}


def _loads(nodes: Sequence[ast.AST]) -> Iterator[tuple[int, str]]:
    """Lines that load or run something in a way that no import shows."""
    called = _called(nodes)
    for node in nodes:
        if isinstance(node, ast.Import):
            tops = ((alias.name, alias.name.partition(".")[0]) for alias in node.names)
            yield from ((node.lineno, name) for name, top in tops if top in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module.partition(".")[0] in MODULES:
                yield node.lineno, node.module
            taken = {alias.name for alias in node.names}
            if node.module == "sys" and taken & OF_SYS:
                yield node.lineno, f"sys.{min(taken & OF_SYS)}"
            if node.module == "builtins" and taken & (NAMES | {"*"}):
                yield node.lineno, f"builtins.{min(taken & (NAMES | {'*'}))}"
        elif isinstance(node, ast.Name):
            if node.id in NAMES:
                yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            of = node.value.id if isinstance(node.value, ast.Name) else ""
            of = called.get(of, of)
            if of == "sys" and node.attr in OF_SYS:
                yield node.lineno, f"sys.{node.attr}"
            elif of in ("builtins", "__builtins__") and node.attr in NAMES:
                yield node.lineno, f"{of}.{node.attr}"
            elif node.attr in ("__import__", "__loader__", "__spec__"):
                yield node.lineno, node.attr
        elif isinstance(node, ast.Constant) and node.value == "__import__":
            yield node.lineno, "__import__"
