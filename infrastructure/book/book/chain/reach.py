"""What a file's imports lead to within the repository.

Prevents a kept result that misses a cause. Every import counts, wherever it stands; guards of
`book check` (``hidden``) keep code that decides results from importing in any other way.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from book.chain.chain import Book
from book.chain.walking import walk

HARNESS = "book"
SIMULATOR = "mock_claude"


@lru_cache(maxsize=4096)
def _imports_and_words(content: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """``from a import b`` gives a and a.b.

    Once for each content: steps share most of their files, and states of the repository nearly all.
    """
    imports: set[str] = set()
    words: set[str] = set()
    try:
        nodes = walk(ast.parse(content))
    except (SyntaxError, ValueError):
        return frozenset(), frozenset()
    for node in nodes:
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
    return frozenset(imports), frozenset(words)


class Reach:
    """Answers for one state of the repository; each file is read once.

    A chapter's folder is on the path of every process: what lies in it can be imported by name.
    """

    def __init__(self, book: Book) -> None:
        self.book = book
        self._files: dict[Path, tuple[frozenset[str], frozenset[str]]] = {}
        self._homes: dict[str, tuple[Path, ...]] = {}
        self._below: dict[Path, frozenset[Path]] = {}
        self._folders = [chapter.path for chapter in book.chapters]

    def imports(self, file: Path) -> frozenset[str]:
        """What a file imports, dotted; nothing if it is no Python, which lint says."""
        return self._of(file)[0]

    def words(self, file: Path) -> frozenset[str]:
        """Every text that stands in a file: names of files that it reads are among them."""
        return self._of(file)[1]

    def _of(self, file: Path) -> tuple[frozenset[str], frozenset[str]]:
        if file not in self._files:
            try:
                content = file.read_bytes()
            except OSError:
                content = b""
            self._files[file] = _imports_and_words(content)
        return self._files[file]

    def home(self, name: str) -> tuple[Path, ...]:
        """The folders or files in the chapters' folders that a top-level name may be."""
        if name not in self._homes:
            found = [folder / name for folder in self._folders if (folder / name).is_dir()]
            files = [folder / f"{name}.py" for folder in self._folders]
            self._homes[name] = (*found, *(file for file in files if file.is_file()))
        return self._homes[name]

    def packages(self, files: Iterable[Path]) -> set[Path]:
        """All packages (and single modules) of chapters that these files reach, in turn."""
        reached: set[Path] = set()
        left = [home for file in files for home in self._direct(file)]
        while left:
            home = left.pop()
            if home not in reached:
                reached.add(home)
                left += self._of_package(home)
        return reached

    def harness(self, files: Iterable[Path]) -> set[Path]:
        """The harness's modules that these files reach, in turn."""
        root = self.book.root / "infrastructure" / HARNESS
        reached: set[Path] = set()
        left = list(files)
        while left:
            for name in self.imports(left.pop()):
                if name.partition(".")[0] != HARNESS:
                    continue
                file = root.joinpath(*name.split(".")).with_suffix(".py")
                if file.is_file() and file not in reached:
                    reached.add(file)
                    left.append(file)
        return reached

    def _direct(self, file: Path) -> Iterator[Path]:
        for name in {each.partition(".")[0] for each in self.imports(file)}:
            yield from self.home(name)

    def _of_package(self, home: Path) -> frozenset[Path]:
        if home not in self._below:
            files = home.rglob("*.py") if home.is_dir() else (home,)
            self._below[home] = frozenset(each for file in files for each in self._direct(file))
        return self._below[home]
