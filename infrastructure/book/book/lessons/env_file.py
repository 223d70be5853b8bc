"""What is wrong with a step's ``.env`` file, said before the agent reads it.

Prevents an error that names a byte and no file, and a line that sets nothing in silence: a file
saved as UTF-16, ``KEY: value``, an empty variable that wins over a filled file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from book.chain.chain import ChainError

KEY = "ANTHROPIC_API_KEY"
MARKS = {codecs.BOM_UTF8: "UTF-8 with a mark", codecs.BOM_UTF16_LE: "UTF-16"}
MARKS |= {codecs.BOM_UTF16_BE: "UTF-16"}
SETS = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][\w.]*|'[^']+')\s*(?:=\s*(?P<value>.*))?")


def refuse(file: Path, given: Mapping[str, str] | None) -> None:
    """Raise ChainError for the first thing wrong with ``file``; one that is not there is right.

    ``given`` are the variables of a person who asks for the real API, or None.
    """
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raw = b""
    except OSError as error:
        raise ChainError(f"{file} cannot be read: {error.strerror}") from None
    for mark, form in MARKS.items():
        if raw.startswith(mark):
            raise ChainError(f"{file}:1 is saved as {form}: save it as plain UTF-8")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ChainError(f"{file}:{line} is not UTF-8: save the file as UTF-8") from None
    if "\0" in text:
        raise ChainError(f"{file}:1 is not text: save it as plain UTF-8")
    names = dict(_read(file, text))
    if given is not None and KEY in given and not given[KEY].strip() and names.get(KEY):
        raise ChainError(
            f"the variable {KEY} is empty and wins over the one in {file}: unset {KEY}"
        )


def _read(file: Path, text: str) -> Iterator[tuple[str, str]]:
    """Names and values. Raises ChainError for a line that sets nothing."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = SETS.fullmatch(line)
        if found is None or found["value"] is None:
            raise ChainError(f"{file}:{number} sets nothing: write NAME=value")
        value = found["value"]
        quote = value[:1]
        if quote and quote in "'\"":  # may go on over lines, up to the same mark
            begun, value = number, value[1:]
            while not re.search(rf"(?<!\\){quote}", value):
                _, more = next(lines, (0, None))
                if more is None:
                    raise ChainError(f"{file}:{begun} opens a quote that nothing closes")
                value += "\n" + more
        yield found["name"], value
