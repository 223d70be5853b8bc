"""What decides a result, as one key: the same key, the same result.

Prevents a kept result that is trusted too long (something that it rests on is not in the key) or
too short (the key holds what cannot matter, and everything runs again). For an incident on a step
``pair`` takes exactly:

- the incident with its data and what it imports,
- the harness's modules that run and judge (``RUNS``), the whole simulator with its data,
- the step's folder and that of the step before the solving one, without README and tests, and the
  servers that they need,
- each chapter's package that these reach, and that those reach in turn, whole,
- the locked versions of what all these depend on; Python, the system, the seed.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from book.chain.chain import BASELINE, Book, Step
from book.chain.contents import Contents, digest, is_test
from book.chain.locked import Lock
from book.chain.reach import Reach

HARNESS = "infrastructure/book/book"
SIMULATOR = "infrastructure/mock-claude/mock_claude"
# Folders and files of the harness that run a story and judge it. A test holds this list to what
# they import; `chain` is left out, because what it says about a pair is in the key itself.
RUNS = ("story", "stage", "replay/replay.py", "replay/cells.py")
RUNS_LESSONS = ("stage/processes.py", "check/lessons.py")
TESTS = ("pytest", "pytest-asyncio", "hypothesis")


class Deciding:
    """Answers for the repository as it is at this moment."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.contents = Contents(book.root)
        self.reach = Reach(book)
        self.lock = Lock(book.root / "uv.lock")
        self._of_step: dict[str, tuple[list[str], set[Path]]] = {}
        self._of_incident: dict[Path, tuple[list[str], set[Path]]] = {}
        self._versions: dict[frozenset[str], list[str]] = {}
        self._project_of: dict[Path, str] = {}

    def pair(self, incident: Path, before: Step, step: Step, seed: int, how: str = "") -> str:
        """The key of an incident's verdict on ``step``; ``how`` tells other ways to run it."""
        parts = [f"seed {seed}", how, *self.machine, *self._pair(incident, before, step)]
        where = incident.relative_to(self.book.root).as_posix()
        return f"incident {where} {step.name} {seed} {digest(parts)}"

    def told(self, incident: Path, before: Step, step: Step, seed: int) -> str:
        """What decides a figure that a README tells of a pair, on any machine, without a person's
        ``.env``; no key of a kept result."""
        parts = self._pair(incident, before, step)
        return digest([f"seed {seed}", *(part for part in parts if not part.startswith(".env "))])

    def _pair(self, incident: Path, before: Step, step: Step) -> list[str]:
        """What decides a pair but the machine and the seed."""
        told, reached = self._incident(incident)
        parts = [*self.ground, *told]
        for each in (before, step):
            lines, packages = self._step(each)
            parts += [each.name, *(f"needs {name}" for name in each.services), *lines]
            reached = reached | packages
        return [*parts, *self._packages(reached, (before, step), self._runs_on)]

    def lesson(self, lesson: Path, other: Step) -> str:
        """The key of a lesson's result on the agent of ``other``."""
        lines, packages = self._step(other)
        reached = packages | self.reach.packages([lesson])
        files = [*self._modules(RUNS_LESSONS), lesson, *self._of_tests]
        parts = [*self.machine, *self._simulator, *self.contents.lines(files), other.name, *lines]
        parts += self._packages(reached, (other,), frozenset(TESTS))
        where = lesson.relative_to(self.book.root).as_posix()
        return f"lesson {where} {other.name} {digest(parts)}"

    def collection(self, name: str, folder: Path) -> str:
        """The key of what pytest collects in a folder, which any code may decide."""
        parts = [*self.machine, *self._everything, *self.contents.lines(self._of_tests)]
        parts += self.contents.lines(self.contents.whole(folder))
        return f"collects {name} {digest(parts)}"

    def command(self, where: str, body: str) -> str:
        """The key of what a README's commands print; they may run anything but its tests."""
        return f"commands {where} {digest([*self.machine, body, *self._everything])}"

    def printed(self, commands: str) -> str:
        """What decides what commands print, on any machine; no key of a kept result."""
        return digest([commands, *self._everything])

    def files(self, name: str, files: Iterable[str]) -> str:
        """The key of what some files, by their names, decide alone."""
        lines = self.contents.lines(self.book.root / each for each in files)
        return f"{name} {digest([*self.machine, *lines])}"

    @cached_property
    def machine(self) -> list[str]:
        """Python and the system, by name."""
        return [f"Python {platform.python_version()}", platform.system()]

    @cached_property
    def ground(self) -> list[str]:
        """What decides every pair on any machine."""
        return [*self.contents.lines(self._modules(RUNS)), *self._simulator]

    @cached_property
    def _simulator(self) -> list[str]:
        return self.contents.lines(self.contents.whole(self.book.root / SIMULATOR))

    @cached_property
    def _of_tests(self) -> list[Path]:
        """How tests are run, and which of them may be left out."""
        named = ("pyproject.toml", "tests/exceptions.toml")
        return [file for file in (self.book.root / name for name in named) if file.is_file()]

    @cached_property
    def _everything(self) -> list[str]:
        shown = {".md", ".svg"}
        names = (name for name in self.contents.names if PurePosixPath(name).suffix not in shown)
        return self.contents.lines(self.book.root / name for name in names if not is_test(name))

    @cached_property
    def _runs_on(self) -> frozenset[str]:
        """The harness's dependencies but those that only its other modules import, to show."""
        needs = self.lock.needs("book")
        runs = set(self._modules(RUNS))
        rest = [f for f in self.contents.whole(self.book.root / HARNESS) if f not in runs]
        running, showing = self._tops(runs), self._tops(rest)
        return frozenset(n for n in needs if _module(n) in running or _module(n) not in showing)

    def _tops(self, files: Iterable[Path]) -> set[str]:
        return {
            name.partition(".")[0]
            for file in files
            if file.suffix == ".py"
            for name in self.reach.imports(file)
        }

    def _modules(self, names: Iterable[str]) -> list[Path]:
        root = self.book.root / HARNESS
        found: list[Path] = []
        for name in names:
            found += [root / name] if name.endswith(".py") else self.contents.whole(root / name)
        return found

    def _step(self, step: Step) -> tuple[list[str], set[Path]]:
        """The files that make a step's agent, by name within it, and the packages they reach.

        A person's ``.env`` is no part of the repository, but the agent reads it.
        """
        if step.name not in self._of_step:
            files = [f for f in self.contents.whole(step.path) if f.name != "README.md"]
            files = [f for f in files if not is_test(f.relative_to(step.path).as_posix())]
            env = step.path / ".env"
            files += [env] if env.is_file() and env not in files else []
            code = [f for f in files if f.suffix == ".py"]
            lines = self.contents.lines(files, step.path)
            self._of_step[step.name] = lines, self.reach.packages(code)
        return self._of_step[step.name]

    def _incident(self, file: Path) -> tuple[list[str], set[Path]]:
        if file not in self._of_incident:
            files = sorted(set(incident_files(file, self.contents.whole(file.parent), self.reach)))
            code = [each for each in files if each.suffix == ".py"]
            extra = self.reach.harness(code) - set(self._modules(RUNS))
            lines = self.contents.lines([*files, *sorted(extra)])
            self._of_incident[file] = lines, self.reach.packages([*code, *extra])
        return self._of_incident[file]

    def _packages(
        self, reached: set[Path], steps: Iterable[Step], also: frozenset[str]
    ) -> Iterator[str]:
        """The packages, whole, and the locked versions that they and the steps run on."""
        for home in sorted(reached):
            yield from self.contents.lines(self.contents.whole(home) if home.is_dir() else [home])
        projects = {BASELINE, "mock-claude", *also}
        folders = [*(home.parent for home in reached), *(step.path.parent for step in steps)]
        projects |= {self._project(each) for each in folders if each != self.book.root}
        asked = frozenset(projects)
        if asked not in self._versions:
            self._versions[asked] = self.lock.versions(asked)
        yield from self._versions[asked]

    def _project(self, folder: Path) -> str:
        """The name of the project in a chapter's folder."""
        if folder not in self._project_of:
            name = folder.name
            try:
                read = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
                name = str(read["project"]["name"])
            except (OSError, ValueError, KeyError, TypeError):
                pass  # uv says what is wrong with it; the folder is named like the project
            self._project_of[folder] = name
        return self._project_of[folder]


class Watched:
    """Keys as they were when a command began, and whether they still are.

    What runs while somebody edits may run on the old files or the new ones: its result belongs to
    neither key.
    """

    def __init__(self, book: Book) -> None:
        self.began = self._last = Deciding(book)

    def still(self, key: str, make: Callable[[Deciding], str]) -> bool:
        """Whether ``make`` gives this key for the files as they are now."""
        if self._last.contents.is_stale():
            self._last = Deciding(self.began.book)
        return make(self._last) == key


def incident_files(file: Path, beside: Iterable[Path], reach: Reach) -> Iterator[Path]:
    """An incident with its data: what is named like it, and what is named like no other incident.

    Where it names another incident's file, or imports it, that one's files are its own, too.
    """
    beside = list(beside)
    others = {each.stem for each in beside if each.suffix == ".py" and each.parent == file.parent}
    named = {PurePosixPath(word).stem for word in reach.words(file) if len(word) < 99}
    named |= {part for module in reach.imports(file) for part in module.split(".")}
    foreign = others - {file.stem} - named
    for each in beside:
        if PurePosixPath(each.relative_to(file.parent).parts[0]).stem not in foreign:
            yield each


def _module(project: str) -> str:
    return project.replace("-", "_")
