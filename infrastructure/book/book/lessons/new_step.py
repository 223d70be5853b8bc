"""``book new``: the next step as a copy of the one before, with all that a step must have.

Prevents the copy by hand that takes a ``.env`` along, forgets the README or stands in the wrong
place of the chain. The rule: after it the chain reads again with the new step in its place, or
nothing has changed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from pathlib import Path

from book.chain import files
from book.chain.chain import Book, ChainError, Chapter, Step
from mock_claude.toml_places import line_of

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RESERVED = ("tests", "incidents", "exercises")
END_STATE = "complete"  # the one name that every chapter may use
TABLE = re.compile(r"\s*\[")

README = """\
# {name}

- TODO: the module, linked, and what it decides.
- TODO: what went wrong before this step, and what happens now.
- TODO: the one thing to remember.

## Try it

```console
$ make {chapter}
```

TODO: what the table shows.

```console
$ make agent STEP={chapter}/{name} TASK="What is 23*19?"
```

## What changed

<!-- generated: changes -->
<!-- end generated -->

- `agent.py`: TODO

## What it costs

- Latency: TODO
- Money: TODO
- Complexity: TODO

## What can still go wrong

- TODO: a failure that this step does not prevent, and which step does.
- Security: TODO
"""

TEST = '''\
"""The lesson: TODO, in one sentence."""


def test_the_lesson_is_written() -> None:
    lesson = "TODO: what this step survives and the step before does not"
    assert not lesson.startswith("TODO"), lesson
'''

ENTRY = """\
[[step]]
name = "{name}"
lesson = "TODO: what this step teaches, in one sentence."
changes = ["agent.py"] # TODO: every file that differs from {source}
"""


def create(book: Book, name: str, after: str) -> Path:
    """Make the step ``name`` behind the step ``after`` and return its folder.

    ``after`` may be a chapter: then the step becomes that chapter's first, copied from the last
    step before the chapter. Raises ChainError, with nothing changed, for a name that is bad or in
    use, an unknown ``after`` and a folder that exists.
    """
    chapter, source, place = _between(book, after)
    _refuse(book, chapter, name)
    target = chapter.path / name
    listing = chapter.path / "steps.toml"
    before = listing.read_bytes()
    words = {"name": name, "chapter": chapter.name, "source": source.name}
    done = False
    with tempfile.TemporaryDirectory(prefix=".book-", dir=chapter.path) as scratch:
        made = Path(scratch, name)
        try:
            _fill(made, book, source, words)
            made.rename(target)
            text = before.decode("utf-8")
            entry = ENTRY.format(**words)
            files.replace(listing, _inserted(text, entry, place).encode("utf-8"))
            _reread(book, f"{chapter.name}/{name}", source)
            done = True
        finally:  # Ctrl-C, too, leaves all or nothing
            if not done:
                if listing.read_bytes() != before:
                    files.replace(listing, before)
                if target.exists() and not made.exists():
                    shutil.rmtree(target)
    return target


def what_is_next(book: Book, folder: Path) -> list[str]:
    """What a person has to do with a step just created, one line each.

    ``book`` may have been read before the step was.
    """
    fresh = Book(book.root)
    step = next(each for each in fresh.steps if each.path == folder)
    listing = step.path.parent.joinpath("steps.toml").relative_to(book.root).as_posix()
    todo = [f"write what {step.name} changes, its README.md, its test_lesson.py"]
    todo.append(f"in {listing}: fill in its lesson and changes; add modules and solves")
    later = fresh.steps[fresh.steps.index(step) + 1 :]
    if later:
        todo.append(
            f"before you commit, carry it into {later[0].name} and what follows: "
            f"book propagate {step.name}"
        )
    return todo


def _between(book: Book, after: str) -> tuple[Chapter, Step, int]:
    """The chapter, the step to copy, and how many of the chapter's steps come first."""
    try:
        source = book.step(after)
    except ChainError as unknown:
        try:
            chapter = book.chapter(after)
        except ChainError:
            names = ", ".join(chapter.name for chapter in book.chapters)
            raise ChainError(f"{unknown}; or a chapter, for its first step: {names}") from None
        earlier = [
            step for each in book.chapters if each.number < chapter.number for step in each.steps
        ]
        return chapter, (book.steps[0], *earlier)[-1], 0
    for chapter in book.chapters:
        if source in chapter.steps:
            return chapter, source, chapter.steps.index(source) + 1
    names = ", ".join(chapter.name for chapter in book.chapters)
    raise ChainError(f"{source.name} is in no chapter; for a first step name the chapter: {names}")


def _refuse(book: Book, chapter: Chapter, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ChainError(f"a step is named in lower-case words joined by hyphens, not {name!r}")
    if name in (*RESERVED, chapter.package):
        raise ChainError(f"{name} is the name of another folder in every chapter")
    for step in book.steps:
        if step.short == name and (name != END_STATE or step in chapter.steps):
            raise ChainError(f"the name {name} is in use: {step.name}")
    target = chapter.path / name
    if target.exists() or target.is_symlink():
        where = target.relative_to(book.root).as_posix()
        raise ChainError(f"{where}: this exists and is no step; move it or choose another name")


def _fill(folder: Path, book: Book, source: Step, words: dict[str, str]) -> None:
    for name in files.inherited(book, source):
        if (source.path / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source.path / name, folder / name)
    for name, text in (("README.md", README.format(**words)), ("test_lesson.py", TEST)):
        (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _inserted(text: str, entry: str, place: int) -> str:
    """``text`` with ``entry`` as its step number ``place``; every other line stays as it is.

    A comment directly above a table belongs to that table.
    """
    end = "\r\n" if "\r\n" in text else "\n"
    if not text.endswith("\n"):
        text += end
    lines = text.split("\n")  # the last one is empty
    at = _first_line_behind(text, place)
    if at is None:
        at = len(lines) - 1
    else:
        while at and lines[at - 1].lstrip().startswith("#"):
            at -= 1
    above = [""] if at and lines[at - 1].strip() else []
    below = [""] if any(line.strip() for line in lines[at:]) else []
    new = [line + end.removesuffix("\n") for line in (*above, *entry.splitlines(), *below)]
    return "\n".join([*lines[:at], *new, *lines[at:]])


def _first_line_behind(text: str, place: int) -> int | None:
    """The index of the line with the first table behind the chapter's step ``place - 1``."""
    read = tomllib.loads(text)
    headers = set()
    for key, value in read.items():
        for number in range(len(value)) if isinstance(value, list) else ():
            headers.add(line_of(text, (key, number)) - 1)
        if isinstance(value, dict):
            headers.add(line_of(text, (key,)) - 1)
    lines = text.split("\n")
    tables = sorted(line for line in headers if TABLE.match(lines[line]))
    if place == 0:
        return tables[0] if tables else None
    own = line_of(text, ("step", place - 1)) - 1
    return next((line for line in tables if line > own), None)


def _reread(book: Book, name: str, source: Step) -> None:
    """Raises ChainError unless the chain is the old one with the new step behind ``source``."""
    fresh = Book(book.root)
    step = fresh.step(name)
    rest = tuple(each for each in fresh.steps if each != step)
    if fresh.before(step).name != source.name or rest != book.steps:
        raise ChainError(f"{name} could not be put behind {source.name}; nothing is changed")
