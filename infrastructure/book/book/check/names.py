"""Rules on what READMEs tell a reader to type: commands, incidents, steps and settings exist.

Prevents a line that is copied from a README and answered with an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from book.chain.chain import Book, ChainError
from book.chain.sources import sources
from book.check import markdown
from book.check.finding import Finding
from book.check.settings import known_in

CONSOLE = re.compile(r"^```console(?P<mark>[^\n`]*)\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
MAX_UNMARKED = 5
MAKE = re.compile(
    r"(?<![\w./-])make(?P<words>(?: +(?:[A-Z_]+=(?:\"[^\"]*\"|'[^']*'|\S*)|[a-z][a-z0-9-]*))+)"
)
GIVEN = re.compile(r"(?<![A-Z_])(?P<name>[A-Z_]+)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s`,;)]*)")
INCIDENT = re.compile(r"(?:\bINCIDENT=|--incident[ =])[\"']?([A-Za-z0-9_-]+)")
STEP = re.compile(r"(?:\bSTEP=|--step[ =]|\b[AB]=)[\"']?([A-Za-z0-9_/-]*[A-Za-z0-9_-])")
SET = re.compile(r"(?:\bSET=|--set[ =])[\"']?([A-Za-z0-9_]+)(?==)")
AGENT = re.compile(r"(?<![A-Za-z0-9_])((?:AGENT|ANTHROPIC)_[A-Z0-9_]*)(?P<more>…|\.\.\.|\*)?")
# A step by its whole name, as in `book diff reference-agent chapter-02/with-retries`.
WHOLE = re.compile(r"(?<![\w/.-])(chapter-\d\d/[a-z][a-z-]*[a-z])(?![\w/…*-]|\.[\w.])")
PLACEHOLDERS = {"NAME", "name", "VALUE", "INCIDENT", "STEP"}


def commands(book: Book) -> Iterator[Finding]:
    """At most five unmarked console blocks a README; make targets and variables exist."""
    read = sources(book)
    makefile = read.text("Makefile") or ""
    patterns = targets(makefile)
    variables = {*re.findall(r"\$\((?:origin |call \w+,)?([A-Z_]+)\)", makefile), "TASK"}
    for name in _readmes(book):
        text = read.text(name) or ""
        unmarked = [b for b in CONSOLE.finditer(text) if not b["mark"].split()]
        if len(unmarked) > MAX_UNMARKED and name.endswith("README.md"):
            yield Finding(
                f"{len(unmarked)} console blocks are not marked; {MAX_UNMARKED} may be",
                name,
                "mark those that can run as ```console check, with their output",
            )
        for number, said in code(text):
            for found in MAKE.finditer(said):
                yield from _call(book, found["words"], patterns, variables, f"{name}:{number}")


def _call(
    book: Book, words: str, patterns: set[re.Pattern[str]], variables: set[str], where: str
) -> Iterator[Finding]:
    """What is wrong with the words behind ``make``."""
    for target in re.findall(r"(?<= )[a-z][a-z0-9-]*", GIVEN.sub("", words)):
        if not is_target(book, patterns, target):
            yield Finding(
                f"there is no make target {target}",
                where,
                "correct the command; `make help` lists the targets",
            )
    for given in GIVEN.finditer(words):
        if given["name"] not in variables:
            yield Finding(
                f"make takes no {given['name']}=",
                where,
                "correct the command; `make help` lists what it takes",
            )


def targets(makefile: str) -> set[re.Pattern[str]]:
    """What a Makefile can make; a ``%`` in a target's name stands for some words."""
    found = re.findall(r"^([a-z][a-z0-9%-]*):", makefile, re.MULTILINE)
    return {re.compile(target.replace("%", r"([a-z0-9-]+)")) for target in found}


def is_target(book: Book, patterns: set[re.Pattern[str]], word: str) -> bool:
    """Whether ``make WORD`` makes something; a number in it is a chapter's."""
    for pattern in patterns:
        if found := pattern.fullmatch(word):
            number = next(iter(found.groups()), "")
            numbers = {f"{chapter.number:02}" for chapter in book.chapters}
            if not number.isdigit() or number in numbers:
                return True
    return False


def code(text: str) -> Iterator[tuple[int, str]]:
    """Commands as they stand in code: lines after a ``$`` in fences, and spans."""
    for line in markdown.lines(text):
        if line.fenced and line.text.lstrip().startswith("$ "):
            yield line.number, line.text
        elif not line.fenced:
            yield from ((line.number, found[2]) for found in markdown.SPAN.finditer(line.text))


def _readmes(book: Book) -> list[str]:
    return [name for name in sources(book).names if name.endswith(".md")]


def named(book: Book) -> Iterator[Finding]:
    """INCIDENT, STEP, SET and AGENT_ names in Markdown files are names of something."""
    read = sources(book)
    incidents = {
        name: chapter.name
        for chapter in book.chapters
        for name in (*chapter.shows, *(each for step in chapter.steps for each in step.solves))
    }
    every = {each for step in book.steps for each in known_in(book, f"{_folder(book, step.path)}/")}
    units = {step.name for step in book.steps}
    units |= {f"{chapter.name}/{chapter.package}" for chapter in book.chapters}
    for name in _readmes(book):
        known = known_in(book, name)
        for number, line in read.lines(name):
            where = f"{name}:{number}"
            for incident in INCIDENT.findall(line):
                if incident not in incidents and incident not in PLACEHOLDERS:
                    yield _missing("incident", incident, incidents, where)
            yield from _of_chapter(incidents, line, where)
            for step in STEP.findall(line):
                try:
                    book.step(step)
                except ChainError:
                    if step not in PLACEHOLDERS:
                        yield _missing("step", step, [each.name for each in book.steps], where)
            given = STEP.findall(line)
            for whole in WHOLE.findall(line):
                if whole not in units and whole not in given:
                    yield _missing("step", whole, units, where)
            for setting in SET.findall(line):
                if setting not in every and setting not in PLACEHOLDERS:
                    yield _missing("setting", setting, every, where)
            for found in AGENT.finditer(line):
                setting, prefix = found[1], bool(found["more"]) or found[1].endswith("_")
                fits = any(each.startswith(setting) for each in known)
                if not (fits if prefix else setting in known) and setting not in SET.findall(line):
                    yield _missing("setting", setting, known, where)


def _of_chapter(incidents: dict[str, str], line: str, where: str) -> Iterator[Finding]:
    for chapter, incident in re.findall(r"\bmake (chapter-\d\d)[^`\n]*? INCIDENT=([\w-]+)", line):
        owner = incidents.get(incident)
        if owner is not None and owner != chapter:
            what = f"{incident} is no incident of {chapter}"
            yield Finding(what, where, f"make {owner} INCIDENT={incident}")


def _missing(kind: str, name: str, known: Iterable[str], where: str) -> Finding:
    valid = sorted(known)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    mend = f"did you mean {close[0]}?" if close else f"one of: {', '.join(valid)}"
    return Finding(f"there is no {kind} {name}", where, mend)


def _folder(book: Book, path: object) -> str:
    return str(path).removeprefix(str(book.root)).replace("\\", "/").strip("/")
