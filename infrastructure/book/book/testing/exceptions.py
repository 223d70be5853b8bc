"""What single tests may do that tests else must not, each with its reason, in one file.

Prevents exceptions that nobody can count: a skip, or a test that waits on the real clock, stands in
``tests/exceptions.toml`` or is a finding, and so is an entry that nothing uses any more.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from book.chain.chain import Book, ChainError
from mock_claude.toml_places import line_of

FILE = "tests/exceptions.toml"
Text = Annotated[str, Field(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Skip(_Entry):
    """A reason that a test may give for not running, and when it runs."""

    reason: Text
    why: Text


class Sleep(_Entry):
    """A function (``name`` or ``Class.name``) of a file that waits on the real clock, and why."""

    file: Text
    function: Text
    why: Text


class Elsewhere(_Entry):
    """A file of tests that no unit collects, the test (FILE::TEST) that runs it, and why."""

    file: Text
    runs: Text
    why: Text


class Exceptions(_Entry):
    """``clocks`` are names of decorators and loops under which no time passes while one waits."""

    clocks: tuple[Text, ...] = ()
    skip: tuple[Skip, ...] = ()
    sleep: tuple[Sleep, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()

    def allows_skip(self, reason: str) -> bool:
        return any(reason == each.reason for each in self.skip)

    def allows_sleep(self, file: str, function: str) -> bool:
        return any((each.file, each.function) == (file, function) for each in self.sleep)


def read(book: Book) -> Exceptions:
    """The book's file; empty where there is none. Raises ChainError where it is wrong."""
    path = book.root / FILE
    return _parsed(path.read_text(encoding="utf-8"), path) if path.is_file() else Exceptions()


def _parsed(text: str, path: Path) -> Exceptions:
    try:
        return Exceptions.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise ChainError(f"{path}:{line}: not valid TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ChainError(f"{path}:{line_of(text, first['loc'])}: {key}: {first['msg']}") from None


def line_with(book: Book, text: str) -> str:
    """Where in the file ``text`` stands first, as FILE:LINE."""
    lines = (book.root / FILE).read_text(encoding="utf-8").splitlines()
    return f"{FILE}:{next((n for n, line in enumerate(lines, 1) if text in line), 1)}"


def skip_reason(shown: object) -> str:
    """The reason that a test gave, from what pytest reports of a skip."""
    text = str(shown[2]) if isinstance(shown, tuple) and len(shown) == 3 else str(shown)
    return text.removeprefix("Skipped: ")
