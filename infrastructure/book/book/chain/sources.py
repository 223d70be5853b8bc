"""The repository's files as rules see them: listed, read and parsed once for all of them.

Prevents a check that parses sixty copies of one file twenty times. What is found out about a file
depends on its text alone, so files with the same text share it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar, cast

from book.chain.chain import Book
from book.chain.files import listed
from book.chain.walking import walk

LOADERS = {
    *("importlib", "import_module", "__import__", "runpy", "pkgutil", "find_spec"),
    *("exec", "eval", "importorskip", "run_module", "run_path"),
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
TELLING = {
    *DOCUMENTED,
    *(ast.Constant, ast.Attribute, ast.arg, ast.keyword, ast.Import, ast.ImportFrom, ast.BinOp),
}
WORD = re.compile(r"[A-Za-z_]\w*")
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w*)*(?::\w+)?")
IMPORT = re.compile(r"(?:^|[;\n])\s*(?:import|from)\s+([A-Za-z_]\w*)")
T = TypeVar("T")


@dataclass
class Facts:
    """What one Python text says. Each item of a list begins with its line."""

    imports: list[tuple[int, int, str]] = field(default_factory=list)  # line, dots before, name
    dotted: list[tuple[int, str]] = field(default_factory=list)  # texts that could name a module
    in_texts: list[tuple[int, str]] = field(default_factory=list)  # `import x` in a text
    docstrings: list[tuple[int, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)  # every identifier
    words: set[str] = field(default_factory=set)  # the words of texts
    loads: bool = False  # uses importlib or the like
    runs: bool = False  # has a part for `python FILE`


class Sources:
    """The files of the repository, by name from its root.

    ``like`` is another state of it, or a copy: what is known about texts there is not asked again.
    """

    def __init__(self, root: Path, like: Sources | None = None) -> None:
        self.root = root
        self.names = listed(root)
        self.listed = frozenset(self.names)
        self.python = [name for name in self.names if name.endswith(".py")]
        self._texts: dict[str, str | None] = {}
        self._trees: dict[str, ast.Module | None] = like._trees if like else {}
        self._nodes: dict[str, tuple[ast.AST, ...]] = like._nodes if like else {}
        self._facts: dict[str, Facts] = like._facts if like else {}
        self._known: dict[Hashable, object] = like._known if like else {}

    def text(self, name: str) -> str | None:
        """The text of a file; None for what is no UTF-8 text, or no file."""
        if name not in self._texts:
            try:
                raw = (self.root / name).read_bytes()
                text = None if b"\0" in raw else raw.decode("utf-8")
            except (OSError, ValueError):
                text = None
            self._texts[name] = text and text.replace("\r\n", "\n")
        return self._texts[name]

    def lines(self, name: str) -> list[tuple[int, str]]:
        """The lines of a file with their numbers; none if it is no text."""
        return list(enumerate((self.text(name) or "").splitlines(), 1))

    def parsed(self, name: str) -> ast.Module | None:
        """A Python file, parsed; None where it is no Python, which lint says with the place."""
        text = self.text(name) or ""
        if text not in self._trees:
            try:
                self._trees[text] = ast.parse(text)
            except (SyntaxError, ValueError):
                self._trees[text] = None
        return self._trees[text]

    def tree(self, name: str) -> ast.Module:
        """The same; empty where it is no Python."""
        return self.parsed(name) or ast.Module([], [])

    def nodes(self, name: str) -> tuple[ast.AST, ...]:
        """Every node of the tree, what is around before what is inside."""
        text = self.text(name) or ""
        if text not in self._nodes:
            self._nodes[text] = tuple(walk(self.tree(name)))
        return self._nodes[text]

    def facts(self, name: str) -> Facts:
        text = self.text(name) or ""
        if text not in self._facts:
            self._facts[text] = _facts(self.nodes(name))
        return self._facts[text]

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """What ``find`` finds out from a text; asked once for all files with that text.

        ``key`` holds who asks, the text, and whatever else decides the answer.
        """
        if key not in self._known:
            self._known[key] = find()
        return cast(T, self._known[key])

    def imported(self, name: str) -> list[tuple[int, str]]:
        """What a file imports, by line, whole: ``mock_claude.world.World``."""
        package = PurePosixPath(name).parent.parts
        found = []
        for line, level, dotted in self.facts(name).imports:
            above = ".".join(package[: len(package) - level + 1]) if level else ""
            found.append((line, f"{above}.{dotted}".strip(".") if level else dotted))
        return found

    def toml(self, name: str) -> dict[str, Any]:
        """A TOML file; empty where there is none, or it is wrong, which its reader says."""
        try:
            return tomllib.loads(self.text(name) or "")
        except tomllib.TOMLDecodeError:
            return {}


def sources(book: Book, like: Sources | None = None) -> Sources:
    """The files of the book's repository; kept with the book, as it keeps its chapters."""
    found: Sources | None = vars(book).get("_sources")
    if found is None:
        found = vars(book)["_sources"] = Sources(book.root, like)
    return found


def _facts(nodes: Iterable[ast.AST]) -> Facts:
    facts = Facts()
    documents = set()
    for node in nodes:
        kind = type(node)  # most are neither of these; a look-up tells quicker than isinstance
        if kind is ast.Name:
            facts.names.add(node.id)  # type: ignore[attr-defined]
        elif kind not in TELLING:
            continue
        elif isinstance(node, ast.Attribute):
            facts.names.add(node.attr)
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, str) and node not in documents:
                _said(facts, node.lineno, node.value)
        elif isinstance(node, DOCUMENTED):
            facts.names.add(getattr(node, "name", ""))
            if (document := _docstring(node)) is not None:
                documents.add(document)
                facts.docstrings.append((document.lineno, str(document.value)))
        elif isinstance(node, ast.arg | ast.keyword):
            facts.names.add(node.arg or "")
        elif isinstance(node, ast.Import):
            facts.imports += [(node.lineno, 0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for alias in node.names:
                dotted = module if alias.name == "*" else f"{module}.{alias.name}".strip(".")
                facts.imports.append((node.lineno, node.level, dotted))
        elif isinstance(node, ast.BinOp) and (joined := _joined(node)) is not None:
            _said(facts, node.lineno, joined)
    for _, _, dotted in facts.imports:
        facts.names.update(dotted.split("."))
    facts.loads = bool(LOADERS & facts.names)
    facts.runs = "__name__" in facts.names and "__main__" in facts.words
    return facts


def _docstring(node: ast.AST) -> ast.Constant | None:
    first = next(iter(getattr(node, "body", ())), None)
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return first.value if isinstance(first.value.value, str) else None
    return None


def _said(facts: Facts, line: int, text: str) -> None:
    facts.words.update(WORD.findall(text))
    if DOTTED.fullmatch(text):
        facts.dotted.append((line, text.partition(":")[0]))
    elif "import" in text:
        facts.in_texts += [(line, module) for module in IMPORT.findall(text)]


def _joined(node: ast.expr) -> str | None:
    """The text that a sum of literals makes."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _joined(node.left), _joined(node.right)
        return None if left is None or right is None else left + right
    return None
