"""Where paths that are built from ``__file__`` lead, as far as reading can tell.

Prevents data that lies outside what is named as a cause: a step up too many is found here, not by
a result that nobody can explain.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from book.chain.walking import walk

SAME = {"resolve", "absolute", "expanduser", "as_posix"}
OS_SAME = {"abspath", "realpath", "normpath", "fspath", "str", "Path", "PurePath", "join"}


def leaving(tree: ast.AST, file: Path, home: Path) -> Iterator[int]:
    """Lines where a path that starts at a module's ``__file__`` ends outside ``home``.

    What a variable adds is not known and counts as a name within; the ``__file__`` of another
    module is outside wherever it is.
    """
    known = _Paths(file)
    inner: set[int] = set()
    for node in _outermost_first(tree):
        known.learn(node)
        if isinstance(node, ast.Attribute) and node.attr in ("__file__", "__path__"):
            yield node.lineno
        if not isinstance(node, ast.expr) or id(node) in inner:
            continue
        path = known.value(node)
        if path is not None:
            inner |= {id(each) for each in walk(node)}
            whole = Path(os.path.normpath(path))
            if whole != home and not whole.is_relative_to(home):
                yield node.lineno


def _outermost_first(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes in the order of the text, so that a name is known before it is used."""
    for child in ast.iter_child_nodes(tree):
        yield child
        yield from _outermost_first(child)


class _Paths:
    """The paths that expressions of one file stand for; names keep what was assigned to them."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.names: dict[str, Path] = {}
        self.words: dict[str, str] = {}

    def learn(self, node: ast.AST) -> None:
        """Take note of what an assignment gives a name."""
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr):
            targets = [node.target]
        else:
            return
        path = None if node.value is None else self.value(node.value)
        for target in targets:
            if isinstance(target, ast.Name):
                self.names.pop(target.id, None)
                if path is not None:
                    self.names[target.id] = path
                elif isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    self.words[target.id] = node.value.value

    def value(self, node: ast.AST) -> Path | None:
        """The path, or None where the expression is none that starts at ``__file__``."""
        match node:
            case ast.Name(id="__file__"):
                return self.file
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Attribute(value=inner, attr="parent"):
                return _above(self.value(inner), 1)
            case ast.Subscript(
                value=ast.Attribute(value=inner, attr="parents"), slice=ast.Constant(value=int(up))
            ):
                return _above(self.value(inner), up + 1)
            case ast.Attribute(value=inner, attr="parents"):
                return None if self.value(inner) is None else Path("/")  # any of them
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self._joined(self.value(left), [right])
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self._written([left, right])
            case ast.JoinedStr(values=[_, *_] as values):
                return self._written(values)
            case ast.Call(func=ast.Attribute(value=inner, attr=name), args=args):
                return self._called(inner, name, args)
            case ast.Call(func=ast.Name(id="dirname"), args=[first]):
                return _above(self.value(first), 1)
            case ast.Call(func=ast.Name(id=name), args=[first, *rest]) if name in OS_SAME:
                return self._joined(self.value(first), rest)
        return None

    def _called(self, inner: ast.expr, name: str, args: list[ast.expr]) -> Path | None:
        path = self.value(inner)
        if path is None:
            first = self.value(args[0]) if args else None
            if name == "dirname":
                return _above(first, 1)
            if name in OS_SAME:  # os.path.join(first, ...), pathlib.Path(...)
                return self._joined(first, args[1:])
            return None
        if name in SAME:
            return path
        if name == "joinpath":
            return self._joined(path, args)
        if name == "with_name":
            return self._joined(_above(path, 1), args)
        return path if name in ("with_suffix", "with_stem") else None

    def _joined(self, path: Path | None, parts: list[ast.expr]) -> Path | None:
        for part in parts:
            path = None if path is None else path / self._word(part)
        return path

    def _written(self, parts: list[ast.expr]) -> Path | None:
        """A path that is written as text, its parts one after the other."""
        first, *rest = [p.value if isinstance(p, ast.FormattedValue) else p for p in parts]
        path = self.value(first)
        return None if path is None else Path(str(path) + "".join(map(self._word, rest)))

    def _word(self, node: ast.AST) -> str:
        """What a part of a path says; a variable's text counts as a name."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Attribute(attr="pardir"):
                return ".."
            case ast.Name(id=name):
                return self.words.get(name, "name")
        return "name"


def _above(path: Path | None, levels: int) -> Path | None:
    for _ in range(levels):
        path = None if path is None else path.parent
    return path
