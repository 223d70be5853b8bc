"""``book check``: what keeps sixty copies of an agent one chain.

Every rule returns findings: what is wrong, where, and the command or edit that mends it. Rules
here only read; those that run code are in ``check_runs``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from book import checklist, generate
from book.chain import Book, Chapter
from book.files import OWN, WIRING_LIMIT, inherited, on_disk
from readiness.pricing import PRICES, RETIRES_ON

SECTIONS = ("Try it", "What changed", "What it costs", "What can still go wrong")
CHAPTER_SECTIONS = (
    "Problem",
    "Principles",
    "Implementation",
    "Monitoring",
    "Cost",
    "Security",
    "Trade-offs",
    "Exercises",
    "Key takeaways",
    "Checkpoint questions",
)
PICTURE = "scoreboard.svg"
COMPLETE = ("agent.py", "tools.py", "config.py", ".env.example", "test_agent.py", "README.md")
MODEL_ID = re.compile(r"\bclaude-(?:fable|mythos|opus|sonnet|haiku|instant|\d)[a-z0-9.-]*[a-z0-9]")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
CONSOLE = re.compile(r"^```console(?P<mark>[^\n]*)\n(?P<body>.*?)^```", re.DOTALL | re.MULTILINE)
MAX_UNMARKED = 5
IGNORED_DIRS = {"incidents", "tests", "exercises"}


@dataclass(frozen=True)
class Finding:
    """What is wrong, where (FILE or FILE:LINE, from the root), and how to mend it."""

    what: str
    where: str
    mend: str


Rule = Callable[[Book], Iterator[Finding]]


def _at(book: Book, path: Path, line: int | None = None) -> str:
    name = path.relative_to(book.root).as_posix()
    return name if line is None else f"{name}:{line}"


def drift(book: Book) -> Iterator[Finding]:
    """Rule 1: undeclared files are identical to the step before; declared ones really differ."""
    for step in book.steps[1:]:
        before = book.before(step)
        steps_toml = _at(book, step.path.parent / "steps.toml")
        for name in inherited(book, step):
            old, new = before.path / name, step.path / name
            same = _content(old) == _content(new)
            declared = name in step.changes
            if not declared and not same:
                yield Finding(
                    f"{step.name}/{name} differs from {before.name} and is not declared",
                    _at(book, new),
                    f"carry the edit: book propagate {before.name}; or take it back: "
                    f"cp {_at(book, old)} {_at(book, new)}; or declare {name} in {steps_toml}",
                )
            if declared and same and (old.is_file() or not new.is_file()):
                yield Finding(
                    f"{step.name} declares {name}, which does not differ from {before.name}",
                    steps_toml,
                    f'remove "{name}" from changes of {step.short} in {steps_toml}',
                )
        known = {*inherited(book, step), *OWN}
        for name in sorted(set(on_disk(step.path)) - known):
            yield Finding(
                f"{step.name} has a file that nothing declares: {name}",
                _at(book, step.path / name),
                f"remove it, or add it to changes of {step.short} in {steps_toml}",
            )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def size_of_lessons(book: Book) -> Iterator[Finding]:
    """Rule 4: the wiring of a lesson changes at most forty lines."""
    for step in book.steps[1:]:
        counts = generate.wiring_changes(book, step)
        total = sum(counts.values())
        if total > WIRING_LIMIT:
            largest = max(counts, key=lambda name: counts[name])
            yield Finding(
                f"{step.name} changes {total} lines of wiring; {WIRING_LIMIT} are allowed",
                _at(book, step.path / largest),
                f"move code into the package, or improve the seam: book diff {step.name}",
            )


def completeness(book: Book) -> Iterator[Finding]:
    """Rule 5: a step is a complete example."""
    for step in book.steps:
        first = step is book.steps[0]
        for name in (*COMPLETE, *(() if first else ("test_lesson.py",))):
            if not (step.path / name).is_file():
                yield Finding(f"{step.name} has no {name}", _at(book, step.path / name), "write it")
        readme = step.path / "README.md"
        if readme.is_file():
            text = readme.read_text(encoding="utf-8")
            yield from _sections(book, readme, text, SECTIONS)
            yield from _bullets(book, readme, text, first)
        tests = step.path / "test_agent.py"
        if tests.is_file():
            source = tests.read_text(encoding="utf-8")
            if "simulator" not in source or "def test_" not in source:
                yield Finding(
                    f"{step.name} has no test against the simulator",
                    _at(book, tests),
                    "write one that takes the fixture `simulator`",
                )
    for chapter in book.chapters:
        if chapter.steps and (chapter.path / "README.md").is_file():
            readme = chapter.path / "README.md"
            text = readme.read_text(encoding="utf-8")
            yield from _sections(book, readme, text, CHAPTER_SECTIONS)


def _sections(book: Book, readme: Path, text: str, wanted: tuple[str, ...]) -> Iterator[Finding]:
    found = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    for name in wanted:
        if name not in found:
            yield Finding(f"the section {name!r} is missing", _at(book, readme), "write it")
        elif not found[name].strip() or re.search(r"\bTODO\b", found[name]):
            yield Finding(f"the section {name!r} is not filled in", _at(book, readme), "write it")


def _bullets(book: Book, readme: Path, text: str, first: bool) -> Iterator[Finding]:
    bullets = re.findall(r"^- .+", text.split("\n## ")[0], re.MULTILINE)
    if len(bullets) != 3 or any("TODO" in bullet for bullet in bullets):
        yield Finding("a step begins with three bullets", _at(book, readme), "write three")
    elif not LINK.search(bullets[0]):
        what = "its files" if first else "its module"
        yield Finding(f"the first bullet links {what}", _at(book, readme), "add the link")


def imports(book: Book) -> Iterator[Finding]:
    """A chapter imports the packages of earlier chapters and its own, never of later ones."""
    numbers = {chapter.package: chapter.number for chapter in book.chapters}
    for chapter in book.chapters:
        folders = [chapter.path / chapter.package, chapter.path / "tests"]
        folders += [step.path for step in chapter.steps]
        for path in sorted(file for folder in folders for file in folder.rglob("*.py")):
            for line, package in _imported(path):
                if numbers.get(package, 0) > chapter.number:
                    yield Finding(
                        f"{chapter.name} imports {package} of chapter {numbers[package]}",
                        _at(book, path, line),
                        "imports run to earlier chapters only: pass it in, or move the code",
                    )
    for path in sorted(book.steps[0].path.glob("*.py")):
        for line, package in _imported(path):
            if package in numbers:
                yield Finding(
                    f"the reference agent imports {package}",
                    _at(book, path, line),
                    "the baseline uses no chapter's package",
                )


def _imported(path: Path) -> Iterator[tuple[int, str]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return  # lint says so, with the place
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.split(".")[0]


def inventory(book: Book) -> Iterator[Finding]:
    """Everything on disk is named in a steps.toml, and everything named is on disk."""
    for chapter in book.chapters:
        steps_toml = _at(book, chapter.path / "steps.toml")
        named = {step.short for step in chapter.steps}
        for folder in sorted(path for path in chapter.path.iterdir() if path.is_dir()):
            is_step = bool(set(on_disk(folder)) & {"agent.py", "test_agent.py", "test_lesson.py"})
            if is_step and folder.name not in named and folder.name not in IGNORED_DIRS:
                yield Finding(
                    f"{_at(book, folder)} looks like a step and no steps.toml names it",
                    steps_toml,
                    f"add a [[step]] named {folder.name}, or remove the folder",
                )
        yield from _modules(book, chapter)
        yield from _incidents(book, chapter)


def _modules(book: Book, chapter: Chapter) -> Iterator[Finding]:
    steps_toml = _at(book, chapter.path / "steps.toml")
    package = chapter.path / chapter.package
    present = {p.stem for p in package.glob("*.py")} - {"__init__"}
    named = {*chapter.modules, *(module for step in chapter.steps for module in step.modules)}
    for module in sorted(named - present):
        yield Finding(
            f"steps.toml names the module {module}, which does not exist",
            steps_toml,
            f"write {_at(book, package / module)}.py, or remove the name",
        )
    for module in sorted(present - named):
        yield Finding(
            f"no step brings in the module {chapter.package}/{module}.py",
            _at(book, package / f"{module}.py"),
            f'add "{module}" to modules of its step in {steps_toml}',
        )


def _incidents(book: Book, chapter: Chapter) -> Iterator[Finding]:
    steps_toml = _at(book, chapter.path / "steps.toml")
    solved = [name for step in chapter.steps for name in step.solves]
    named = {chapter.incident_file(name) for name in (*chapter.shows, *solved)}
    present = set((chapter.path / "incidents").glob("*.py"))
    for path in sorted(named - present):
        yield Finding(
            "steps.toml names an incident that does not exist",
            steps_toml,
            f"write {_at(book, path)}, or remove the name from solves",
        )
    for path in sorted(present - named):
        yield Finding(
            f"no step solves the incident {_at(book, path)}",
            steps_toml,
            f'add "{path.stem.replace("_", "-")}" to solves of its step',
        )


def texts(book: Book) -> Iterator[Path]:
    """Every text file of the repository."""
    for name in on_disk(book.root):
        path = book.root / name
        if path.suffix in {".md", ".py", ".toml", ".yml", ".yaml", ".example", ".json", ".sh"}:
            yield path


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
                        _at(book, path, number),
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
                        _at(book, path, number),
                        f"use one of {current}",
                    )


def generated(book: Book) -> Iterator[Finding]:
    """Generated blocks are fresh."""
    for each in generate.stale(book):
        mend = "book generate"
        if each.fresh is None:
            mend = "add the two marker comments (any other README shows them), then book generate"
        yield Finding(each.reason, _at(book, each.path, each.line), mend)


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
                _at(book, path),
                "mark those that can run as ```console check, with their output",
            )
        for block in blocks:
            line = text[: block.start()].count("\n") + 1
            for target in re.findall(r"^\$ make ([a-z0-9-]+)", block["body"], re.MULTILINE):
                if not any(pattern.fullmatch(target) for pattern in patterns):
                    yield Finding(
                        f"there is no make target {target}",
                        _at(book, path, line),
                        "correct the command; `make help` lists the targets",
                    )


READING: tuple[Rule, ...] = (
    drift,
    size_of_lessons,
    completeness,
    imports,
    inventory,
    links,
    model_ids,
    generated,
    checklists,
    picture,
    commands,
)
