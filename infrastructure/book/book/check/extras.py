"""A chapter takes the servers that its steps name, and no others.

Prevents a chapter whose incidents are skipped on a machine without that server, though a wheel has
it, and readers who download a database for a chapter that needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from book.chain.chain import Book, Chapter
from book.chain.sources import sources
from book.check.finding import Finding, at

SERVERS = ("postgres", "redis")  # those that a wheel brings


def extras(book: Book) -> Iterator[Finding]:
    """What a chapter's steps and incidents name is what its project takes of ``book``'s extras."""
    for chapter in book.chapters:
        project = chapter.path / "pyproject.toml"
        if not project.is_file():
            continue
        where, taken, named = at(book, project), _taken(book, chapter), _named(book, chapter)
        for server in sorted(named - taken):
            yield Finding(
                f"{chapter.name} needs {server}, and its project does not take it",
                where,
                f'write "book[{",".join(sorted(taken | {server}))}]" in its group dev',
            )
        for server in sorted(taken - named):
            yield Finding(
                f"{chapter.name} takes {server}, which no step or incident of it names",
                where,
                f"leave {server} out of book[…], or name it in services",
            )


def _taken(book: Book, chapter: Chapter) -> set[str]:
    """The servers' extras of ``book`` that the chapter's project takes, in any list."""
    said = sources(book).toml((chapter.path / "pyproject.toml").relative_to(book.root).as_posix())
    lists = [said.get("project", {}).get("dependencies", [])]
    lists += said.get("dependency-groups", {}).values()
    found: set[str] = set()
    for need in (each for one in lists for each in one if isinstance(each, str)):
        if match := re.match(r"book\s*\[([^\]]*)\]", need.strip()):
            found |= {extra.strip() for extra in match[1].split(",")}
    return found & set(SERVERS)


def _named(book: Book, chapter: Chapter) -> set[str]:
    """The servers that a step of the chapter needs, or an incident names."""
    found = {server for step in chapter.steps for server in step.services}
    for file in sorted((chapter.path / "incidents").glob("*.py")):
        text = sources(book).text(file.relative_to(book.root).as_posix()) or ""
        found |= set(re.findall(r"[\"']([a-z]+)[\"']", text))
    return found & set(SERVERS)
