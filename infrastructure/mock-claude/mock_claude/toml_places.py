"""Which line of a TOML text a key stands on, because ``tomllib`` forgets it.

This prevents an error message that names a key but leaves its reader to find which of twelve
``[[rule]]`` tables is meant. The rule: a path as ``tomllib`` nests it, ``("rule", 2, "status")``,
leads to the line of that key, of that table's header, or of that array item.

The text is taken to be valid TOML, parsed before by ``tomllib``. On anything else the scan stops
where it no longer understands, and the answer is the nearest line known.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

Path = tuple[str | int, ...]

_BLANK = " \t"
_SPACE = " \t\r\n"
_BARE_END = _SPACE + ",]}=#"


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line (from 1) of the key or item at ``path``.

    A key that is missing has the line of the nearest table or key around it; line 1 if none.
    """
    places = _Scanner(text).scan()
    wanted = tuple(path)
    while wanted and wanted not in places:
        wanted = wanted[:-1]
    return places.get(wanted, 1)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, int] = {}
        self.sizes: dict[Path, int] = {}  # arrays of tables: how many tables so far

    def scan(self) -> dict[Path, int]:
        table: Path = ()
        while True:
            self.skip(_SPACE)
            start = self.at
            if not self.peek():
                return self.places
            if self.peek() == "[":
                table = self.header()
            else:
                self.key_value(table)
            if self.at == start:  # not TOML: stop rather than turn in a circle
                return self.places

    # Position

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def starts(self, mark: str) -> bool:
        return self.text.startswith(mark, self.at)

    def skip(self, characters: str) -> None:
        """Over these characters, and over comments where a line may end."""
        while (here := self.peek()) and (here in characters or here == "#"):
            if here == "#" and "\n" not in characters:
                return
            if here == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                self.at += 1

    def note(self, path: Path, at: int) -> None:
        line = self.text.count("\n", 0, at) + 1
        for length in range(1, len(path)):
            self.places.setdefault(path[:length], line)
        self.places[path] = line  # over a line that only a longer path had implied

    # Grammar

    def header(self) -> Path:
        start = self.at
        is_array = self.starts("[[")
        self.at += 2 if is_array else 1
        keys = self.keys()
        while self.peek() == "]":
            self.at += 1
        path = self.last_of(keys[:-1]) + tuple(keys[-1:])
        if is_array:
            number = self.sizes.get(path, 0)
            self.sizes[path] = number + 1
            path += (number,)
        else:
            path = self.last_of(keys)
        self.note(path, start)
        return path

    def last_of(self, keys: Sequence[str]) -> Path:
        """``a.b`` inside ``[[a]]`` means the newest of the tables a."""
        path: Path = ()
        for key in keys:
            path += (key,)
            if path in self.sizes:
                path += (self.sizes[path] - 1,)
        return path

    def keys(self) -> list[str]:
        found = []
        while True:
            self.skip(_BLANK)
            found.append(self.key())
            self.skip(_BLANK)
            if self.peek() != ".":
                return found
            self.at += 1

    def key(self) -> str:
        start = self.at
        if self.peek() in ("'", '"'):
            self.string()
            quoted = self.text[start : self.at]
            try:
                return str(tomllib.loads(f"k = {quoted}")["k"])
            except tomllib.TOMLDecodeError:
                return quoted
        while (here := self.peek()) and here not in _BARE_END + ".":
            self.at += 1
        return self.text[start : self.at]

    def key_value(self, table: Path) -> None:
        start = self.at
        path = table + tuple(self.keys())
        self.note(path, start)
        if self.peek() == "=":
            self.at += 1
            self.value(path)

    def value(self, path: Path) -> None:
        self.skip(_BLANK)
        if self.peek() in ("'", '"'):
            self.string()
        elif self.peek() == "[":
            self.array(path)
        elif self.peek() == "{":
            self.inline_table(path)
        else:
            while (here := self.peek()) and here not in ",]}#\n":
                self.at += 1

    def array(self, path: Path) -> None:
        self.at += 1
        number = 0
        while True:
            self.skip(_SPACE + ",")
            start = self.at
            if self.peek() in ("]", ""):
                self.at += 1
                return
            self.note((*path, number), start)
            self.value((*path, number))
            number += 1
            if self.at == start:
                return

    def inline_table(self, path: Path) -> None:
        self.at += 1
        while True:
            self.skip(_SPACE + ",")
            start = self.at
            if self.peek() in ("}", ""):
                self.at += 1
                return
            self.key_value(path)
            if self.at == start:
                return

    def string(self) -> None:
        quote = self.peek()
        mark = quote * 3 if self.starts(quote * 3) else quote
        self.at += len(mark)
        while self.at < len(self.text) and not self.starts(mark):
            escaped = quote == '"' and self.peek() == "\\"
            self.at += 2 if escaped else 1
        self.at += len(mark)
        while len(mark) == 3 and self.peek() == quote:  # """ may end in up to five quotes
            self.at += 1
