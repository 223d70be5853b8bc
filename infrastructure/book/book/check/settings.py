"""The settings that each step knows, read from its ``.env.example`` without running it."""

from __future__ import annotations

import re

from book.chain.chain import Book, Step
from book.chain.sources import sources

VARIABLE = re.compile(r"^#? ?((?:AGENT|ANTHROPIC)_[A-Z0-9_]+)=", re.MULTILINE)


def variables(book: Book, step: Step) -> set[str]:
    """Names of the environment variables that a step reads; a test of it holds file to code."""
    name = (step.path / ".env.example").relative_to(book.root).as_posix()
    return set(VARIABLE.findall(sources(book).text(name) or ""))


def known_in(book: Book, name: str) -> set[str]:
    """The variables that a text may name: its own step's, its chapter's so far, or all."""
    path = book.root / name
    steps = book.steps
    for chapter in book.chapters:
        if path.is_relative_to(chapter.path) and chapter.steps:
            steps = book.steps[: book.steps.index(chapter.steps[-1]) + 1]
    for step in book.steps:
        if path.is_relative_to(step.path):
            steps = (step,)
    return {variable for step in steps for variable in variables(book, step)}
