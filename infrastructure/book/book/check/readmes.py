"""Rules on the READMEs of steps and chapters: each section says something, risk and cost included.

Prevents the section that is there because a rule asks for it: a heading, a sentence, nothing that a
reader could look up or count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from book.chain.chain import Book, Step
from book.chain.sources import sources
from book.check import markdown
from book.check.finding import Finding
from book.check.markdown import Line

SECTIONS = ("Try it", "What changed", "What it costs", "What can still go wrong")
CHAPTER_SECTIONS = (
    *("Problem", "Principles", "Implementation", "Monitoring", "Cost", "Security", "Trade-offs"),
    *("Exercises", "Key takeaways", "Checkpoint questions"),
)
COSTS = ("Latency", "Money", "Complexity")
RISKS = "What can still go wrong"
SHORTEST, SHORTEST_NOTE = 12, 6  # words
WORD = re.compile(r"[^\W\d_][\w'.-]*")
UNWRITTEN = re.compile(r"\b(?:TODO|TBD|FIXME|XXX)\b|lorem ipsum|\.\.\.\s*$", re.IGNORECASE)
# Something to hold on to: a figure, code, a link, a word with a capital within a sentence.
CONCRETE = re.compile(
    r"\d|`|\]|\b(?:two|three|four|five|six|seven|eight|nine|ten|twice)\b|"
    r"(?<=[a-z,;:] )[A-Z]\w+|\b[A-Z]{2,}\b"
)
NOTHING = re.compile(
    r"^\W*(?:none|nothing|n/a|no (?:risk|issue|concern)s?)\b[^,;:]*$", re.IGNORECASE
)


def readme_sections(book: Book) -> Iterator[Finding]:
    """Every section has twelve words, and a figure, a name or a link; steps and chapters have all
    that are asked of them.
    """
    asked: dict[str, tuple[str, ...]] = {
        f"{_at(book, step)}/README.md": SECTIONS for step in book.steps
    }
    for chapter in book.chapters:
        name = (chapter.path / "README.md").relative_to(book.root).as_posix()
        asked[name] = CHAPTER_SECTIONS
    for name in sources(book).names:
        if name == "README.md" or name.endswith("/README.md"):
            yield from _sections(book, name, asked.get(name, ()))


def _sections(book: Book, name: str, wanted: tuple[str, ...]) -> Iterator[Finding]:
    text = sources(book).text(name)
    if text is None:
        return  # that it is missing is another rule's finding
    names = _names(book)
    found = markdown.sections(text)
    places = {h: number for number, h in _places(text)}
    for title in dict.fromkeys((*wanted, *found)):
        if title not in found:
            yield Finding(f"the section {title!r} is missing", name, "write it")
            continue
        where, section = f"{name}:{places[title]}", found[title]
        said = markdown.said(section)
        words = len(WORD.findall(said))
        if UNWRITTEN.search(said) or not said.strip():
            yield Finding(f"the section {title!r} is not filled in", where, "write it")
        elif words < SHORTEST:
            yield Finding(
                f"the section {title!r} has {words} words; {SHORTEST} are the least",
                where,
                "say what a reader needs: what happens, how much, where to look; or write it",
            )
        elif not (
            CONCRETE.search(said)
            or any(each in said for each in names)
            or any(line.fenced or line.generated for line in section)
        ):
            yield Finding(
                f"the section {title!r} has no figure, name or link",
                where,
                "name the module, the setting or the number that it speaks of",
            )


def notes(book: Book) -> Iterator[Finding]:
    """A step says what it costs in time, money and complexity, and what it means for security."""
    before: dict[str, str] = {}
    for step in book.steps:
        name = f"{_at(book, step)}/README.md"
        text = sources(book).text(name)
        if text is None:
            continue
        found = markdown.sections(text)
        for title, labels in (("What it costs", COSTS), (RISKS, ("Security",))):
            for label in labels:
                yield from _note(name, found.get(title, []), title, label, before)


def _note(
    name: str, section: list[Line], title: str, label: str, before: dict[str, str]
) -> Iterator[Finding]:
    for line in section:
        said = re.match(rf"\s*[-*] \**{label}\**:\**\s*(.*)", line.text)
        if said is None:
            continue
        where, note = f"{name}:{line.number}", said[1]
        few = len(WORD.findall(note)) < (SHORTEST_NOTE if label == "Security" else 3)
        if few or UNWRITTEN.search(note) or (label == "Security" and NOTHING.match(note)):
            yield Finding(
                f"the note on {label.lower()} says nothing",
                where,
                "say who could do what, and what holds them; or what is left to a later step"
                if label == "Security"
                else "say how much, or why it costs nothing",
            )
        elif label == "Security" and note in before:
            yield Finding(
                f"the note on security is that of {before[note]}",
                where,
                "say what this step changes: what it logs, shares, trusts or lets in",
            )
        before[note] = name
        return
    yield Finding(
        f"{title!r} has no note on {label.lower()}", name, f"write a line that begins `- {label}: `"
    )


def _at(book: Book, step: Step) -> str:
    return step.path.relative_to(book.root).as_posix()


def _places(text: str) -> Iterator[tuple[int, str]]:
    for line in markdown.lines(text):
        heading = None if line.fenced else markdown.HEADING.match(line.text)
        if heading is not None:
            yield line.number, heading["title"]


def _names(book: Book) -> set[str]:
    """Names of steps, incidents and modules, which count as something to look up."""
    found = {step.short for step in book.steps}
    for step in book.steps:
        found |= {*step.solves, *step.modules}
    return found - {"complete", "errors", "events", "health"}  # ordinary words, too
