"""What the rules on texts need to know of Markdown: fences, blocks, sections, links, anchors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

FENCE = re.compile(r"\s*(?P<mark>`{3,}|~{3,})(?P<info>[^`]*)$")
HEADING = re.compile(r"(?P<level>#{1,6})\s+(?P<title>.*?)\s*#*\s*$")
UNDERLINE = re.compile(r"\s*(=+|-+)\s*$")
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")
INLINE = re.compile(r"\]\(\s*(?:<([^>]*)>|([^)\s]+))[^)]*\)")
REFERENCE = re.compile(r"\s{0,3}\[[^\]^][^\]]*\]:\s*<?([^\s>]+)>?")
HTML = re.compile(r"""<[a-z]+\s[^>]*?\b(?:href|src)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)
NAMED = re.compile(r"""<[a-z]+\s[^>]*?\b(?:id|name)\s*=\s*["']([^"']+)["']""", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    fenced: bool  # in a code block, or its mark
    generated: bool  # in a block that `book generate` writes


def lines(text: str) -> list[Line]:
    """The lines of a Markdown text, each with what it is part of."""
    found: list[Line] = []
    fence, generated = "", False
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence:
            found.append(Line(number, line, fenced=True, generated=generated))
            closes = mark is not None and mark["mark"].startswith(fence)
            if closes and mark is not None and not mark["info"].strip():
                fence = ""
            continue
        if line.lstrip().startswith("<!-- generated:"):  # not in a sentence that speaks of one
            generated = True
        found.append(Line(number, line, fenced=mark is not None, generated=generated))
        if mark is not None:
            fence = mark["mark"]
        elif line.lstrip().startswith("<!-- end generated"):
            generated = False
    return found


def without_code(text: str) -> str:
    """A line whose code spans are filled with x, so that nothing in them is taken for a link."""
    return SPAN.sub(lambda found: "x" * len(found[0]), text)


def links(text: str) -> Iterator[tuple[int, str]]:
    """Every link and picture with its line; what stands in code is none."""
    for line in lines(text):
        if not line.fenced:
            shown = without_code(line.text)
            yield from ((line.number, angled or bare) for angled, bare in INLINE.findall(shown))
            for pattern in (HTML, REFERENCE):
                yield from ((line.number, target) for target in pattern.findall(shown))


def anchors(text: str) -> set[str]:
    """The names by which GitHub lets a link lead into a text: its headings', and those in HTML."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for title in headings(text):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        plain = re.sub(r"<[^>]+>", "", plain).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    for line in lines(text):
        if not line.fenced:
            found.update(NAMED.findall(without_code(line.text)))
    return found


def headings(text: str) -> Iterator[str]:
    before = ""
    for line in lines(text):
        if line.fenced:
            before = ""
        elif heading := HEADING.match(line.text):
            yield heading["title"]
            before = ""
        elif before.strip() and UNDERLINE.match(line.text) and not before.startswith(("|", "-")):
            yield before.strip()
            before = ""
        else:
            before = line.text


def sections(text: str) -> dict[str, list[Line]]:
    """The lines below each heading of the second level, up to the next one."""
    found: dict[str, list[Line]] = {}
    current: list[Line] = []
    for line in lines(text):
        heading = None if line.fenced else HEADING.match(line.text)
        if heading is not None and len(heading["level"]) <= 2:
            current = []
            if len(heading["level"]) == 2:
                found.setdefault(heading["title"], current)
        else:
            current.append(line)
    return found


def said(section: list[Line]) -> str:
    """What somebody wrote in a section: no generated block, no code block, no link's target."""
    text = "\n".join(line.text for line in section if not (line.fenced or line.generated))
    return re.sub(r"\]\([^)]*\)", "]", text)
