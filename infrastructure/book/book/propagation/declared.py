"""What ``changes`` in steps.toml must say after files were carried.

Prevents a rename that ends in a chain which ``book check`` refuses without saying where. The rule:
a step declares exactly the inherited files in which it differs from the step before.
"""

from __future__ import annotations

from collections.abc import Mapping

from book.chain.chain import Book, Chapter
from book.propagation.flow import Flow
from book.propagation.meeting import Files
from mock_claude.toml_places import line_of


def to_adjust(book: Book, flow: Flow, now: Mapping[str, Files]) -> list[str]:
    """``FILE:LINE: what to do`` for every entry that the carried files made wrong.

    ``now`` are the files on disk of the steps that the flow does not reach, by step name.
    """
    steps = {**now, **{name: folder.then for name, folder in flow.folders.items()}}
    found = []
    for chapter in book.chapters:
        for place, step in enumerate(chapter.steps):
            if step.name in flow.folders:
                files = steps[book.before(step).name], steps[step.name]
                found += _of(book, chapter, place, flow.names, *files)
    return found


def _of(
    book: Book, chapter: Chapter, place: int, names: set[str], before: Files, after: Files
) -> list[str]:
    step = chapter.steps[place]
    file = chapter.path / "steps.toml"
    text = file.read_text(encoding="utf-8")
    where = file.relative_to(book.root).as_posix()
    found = []
    for name in sorted(names):
        differs, declared = before.get(name) != after.get(name), name in step.changes
        key = ("step", place, "changes")
        if differs and not declared:
            line = line_of(text, key)
            found.append(f"{where}:{line}: {step.short} changes {name} now: add it to changes")
        elif declared and not differs:
            line = line_of(text, (*key, step.changes.index(name)))
            found.append(f"{where}:{line}: {step.short} changes {name} no more: remove it")
    return found
