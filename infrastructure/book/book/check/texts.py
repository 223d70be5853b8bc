"""Rules on what is written: links lead somewhere, model ids live, blocks are fresh, commands exist.

Prevents a README that was true once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from book.chain import checklist, generate
from book.chain.chain import Book
from book.chain.files import texts
from book.check.finding import Finding, at
from book.testing import units
from mock_claude.api.catalog import PRICES, RETIRES_ON

PICTURE = "scoreboard.svg"
MODEL_ID = re.compile(r"\bclaude-(?:fable|mythos|opus|sonnet|haiku|instant|\d)[a-z0-9.-]*[a-z0-9]")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
CONSOLE = re.compile(r"^```console(?P<mark>[^\n]*)\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
MAX_UNMARKED = 5


def links(book: Book) -> Iterator[Finding]:
    """Links in READMEs lead to something."""
    for path in texts(book):
        if path.suffix != ".md":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for target in LINK.findall(line):
                local = not re.match(r"[a-z]+:", target)
                if local and not (path.parent / target).exists():
                    yield Finding(
                        f"the link {target} leads nowhere",
                        at(book, path, number),
                        "correct the path",
                    )


def model_ids(book: Book) -> Iterator[Finding]:
    """Retired or unknown model ids stand nowhere outside the simulator's tables and tests."""
    today = date.today()  # noqa: DTZ011 - the day on the calendar is what retires a model
    for path in texts(book):
        place = path.relative_to(book.root).parts
        test = "tests" in place or path.name.startswith("test_")
        tables = path.name == "pricing.py" and "readiness" in place
        if test or tables or "mock-claude" in place:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for model in MODEL_ID.findall(line):
                retired = RETIRES_ON.get(model)
                if model not in PRICES or (retired is not None and retired <= today):
                    kind = "an unknown or retired" if model not in PRICES else "a retired"
                    current = ", ".join(name for name in PRICES if name not in RETIRES_ON)
                    yield Finding(
                        f"{model} is {kind} model id",
                        at(book, path, number),
                        f"use one of {current}",
                    )


def generated(book: Book) -> Iterator[Finding]:
    """Generated blocks are fresh."""
    for each in generate.stale(book, units.blocks(book)):
        mend = "book generate"
        if each.fresh is None:
            mend = "add the two marker comments (any other README shows them), then book generate"
        yield Finding(each.reason, at(book, each.path, each.line), mend)


def picture(book: Book) -> Iterator[Finding]:
    """The README's picture of the scoreboard shows the incidents that there are."""
    path = book.root / PICTURE
    if not path.is_file():
        return  # whether a link leads anywhere is another rule's
    shown = path.read_text(encoding="utf-8")
    solved = [name for step in book.steps for name in step.solves]
    if missing := [name for name in solved if f">{name}<" not in shown]:
        what = f"the picture lacks {', '.join(missing)}"
        yield Finding(what, PICTURE, f"make scoreboard ALL_STEPS=1 PICTURE={PICTURE}")


def checklists(book: Book) -> Iterator[Finding]:
    """Every test that a chapter's checklist names exists."""
    return (Finding(*each) for each in checklist.findings(book))


def commands(book: Book) -> Iterator[Finding]:
    """At most five unmarked console blocks a README; make targets in them exist."""
    makefile = (book.root / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z0-9%-]*):", makefile, re.MULTILINE)
    patterns = [re.compile(target.replace("%", r"[a-z0-9-]+")) for target in targets]
    for path in texts(book):
        if path.name != "README.md":
            continue
        text = path.read_text(encoding="utf-8")
        blocks = list(CONSOLE.finditer(text))
        unmarked = [block for block in blocks if block["mark"].strip() != "check"]
        if len(unmarked) > MAX_UNMARKED:
            yield Finding(
                f"{len(unmarked)} console blocks are not marked `check`; {MAX_UNMARKED} may be",
                at(book, path),
                "mark those that can run as ```console check, with their output",
            )
        for block in blocks:
            line = text[: block.start()].count("\n") + 1
            for target in re.findall(r"^\$ make ([a-z0-9-]+)", block["body"], re.MULTILINE):
                if not any(pattern.fullmatch(target) for pattern in patterns):
                    yield Finding(
                        f"there is no make target {target}",
                        at(book, path, line),
                        "correct the command; `make help` lists the targets",
                    )
