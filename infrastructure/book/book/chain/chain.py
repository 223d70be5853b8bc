"""The chain of steps: reference-agent, then every chapter's steps in the order of ``steps.toml``.

Everything that walks the chain asks here, so that order and names have one home. A wrong
``steps.toml`` is reported as ``FILE:LINE: KEY: reason``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mock_claude.toml_places import line_of

BASELINE = "reference-agent"
# Servers that a step can ask for; a test holds them to those that the harness can start.
SERVICES = ("alertmanager", "postgres", "prometheus", "redis")
CHAPTER_FOLDER = re.compile(r"chapter-(\d\d)-[a-z0-9-]+")


class ChainError(ValueError):
    """The repository or a name given for a part of it is wrong; the text says what is valid."""


class _StepEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    lesson: str = Field(min_length=1)
    modules: tuple[str, ...] = ()
    changes: tuple[str, ...] = Field(min_length=1)
    solves: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @field_validator("services")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in SERVICES:
                raise ValueError(str(_unknown("service", name, [*SERVICES])))
            if names.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return names


class _StepsFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    title: str = Field(min_length=1)
    package: str = Field(pattern=r"^[a-z_]+$")
    modules: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    demonstration: str | None = Field(default=None, pattern=r"^[a-z_]+\.py$")
    measures: str | None = Field(default=None, min_length=1)
    step: tuple[_StepEntry, ...] = ()


@dataclass(frozen=True)
class Step:
    """One folder with an agent in it.

    ``modules`` are the package modules that its lesson adds, ``changes`` the files that differ
    from the step before, ``solves`` the incidents that hold from here on, ``services`` the servers
    that it needs: those that it declares, and those of the steps before it.
    """

    name: str  # "reference-agent" or "chapter-02/with-retries"
    path: Path
    lesson: str
    modules: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    solves: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        return self.name.rpartition("/")[2]


@dataclass(frozen=True)
class Chapter:
    number: int
    path: Path
    title: str
    package: str
    steps: tuple[Step, ...]
    modules: tuple[str, ...] = ()  # those that no step brings in
    shows: tuple[str, ...] = ()  # incidents without trouble, that no step has to solve
    demonstration: Path | None = None  # what the chapter runs where it has no steps
    measures: str | None = None  # and what it measures then, for the table of chapters

    @property
    def name(self) -> str:
        return f"chapter-{self.number:02}"

    def incident_file(self, incident: str) -> Path:
        return self.path / "incidents" / f"{incident.replace('-', '_')}.py"


class Book:
    """The repository at ``root``. Raises ChainError where its chain is broken."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def find(cls) -> Book:
        """The repository that this command is installed from."""
        for folder in Path(__file__).resolve().parents:
            if (folder / BASELINE / "agent.py").is_file():
                return cls(folder)
        raise ChainError("the book command must be installed from its repository (uv sync)")

    @cached_property
    def chapters(self) -> tuple[Chapter, ...]:
        folders = sorted((self.root / "chapters").glob("chapter-*"))
        chapters: list[Chapter] = []
        services: tuple[str, ...] = ()
        for folder in filter(Path.is_dir, folders):
            chapters.append(_read_chapter(folder, services))
            services = chapters[-1].steps[-1].services if chapters[-1].steps else services
        return tuple(chapters)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The whole chain, first to last."""
        first = Step(BASELINE, self.root / BASELINE, "A small agent that works on a good day.")
        return (first, *(step for chapter in self.chapters for step in chapter.steps))

    def before(self, step: Step) -> Step:
        """The step that ``step`` was copied from."""
        place = self.steps.index(step)
        if place == 0:
            raise ChainError(f"{step.name} is the first step; nothing comes before it")
        return self.steps[place - 1]

    def chapter(self, name: str) -> Chapter:
        """A chapter by number (2, 02, chapter-2), name (chapter-02), folder or package."""
        wanted = name.strip("/").rpartition("/")[2].lower().removeprefix("chapter-")
        for chapter in self.chapters:
            number = f"{chapter.number}", f"{chapter.number:02}"
            if wanted in (*number, chapter.path.name.removeprefix("chapter-"), chapter.package):
                return chapter
        raise _unknown("chapter", name, [chapter.name for chapter in self.chapters])

    def step(self, name: str) -> Step:
        """A step by name (chapter-02/with-retries), folder name alone, or path."""
        wanted = name.strip("/").removeprefix("chapters/")
        for step in self.steps:
            folder = step.path.relative_to(self.root).as_posix().removeprefix("chapters/")
            if wanted in (step.name, step.short, folder) or Path(name).resolve() == step.path:
                if wanted == step.short and [s.short for s in self.steps].count(wanted) > 1:
                    continue  # "complete" alone could be any chapter's
                return step
        raise _unknown("step", name, [step.name for step in self.steps])


def _unknown(kind: str, name: str, valid: list[str]) -> ChainError:
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]}?" if close else ""
    return ChainError(f"there is no {kind} {name!r}.{hint} Valid: {', '.join(valid) or 'none yet'}")


def _read_chapter(folder: Path, services: tuple[str, ...]) -> Chapter:
    """A chapter; its steps need ``services``, which those before it declare, too."""
    match = CHAPTER_FOLDER.fullmatch(folder.name)
    file = folder / "steps.toml"
    if match is None:
        raise ChainError(f"{folder}: a chapter's folder is named chapter-NN-some-words")
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ChainError(f"{file}: missing; every chapter lists its steps in one") from None
    try:
        read = _StepsFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else len(text.splitlines())
        raise ChainError(f"{file}:{line}: not valid TOML: {error}") from None
    except ValidationError as error:
        # A misspelt key says more than the missing one that it causes.
        first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        key = ".".join(map(str, first["loc"]))
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            level = _StepEntry if len(first["loc"]) > 1 else _StepsFile
            reason = f"unknown key; allowed: {', '.join(level.model_fields)}"
        raise ChainError(f"{file}:{line_of(text, first['loc'])}: {key}: {reason}") from None
    number = int(match[1])
    steps = []
    for place, entry in enumerate(read.step):
        path = folder / entry.name
        if not (path / "agent.py").is_file():
            line = line_of(text, ("step", place, "name"))
            raise ChainError(f"{file}:{line}: step.name: no folder {entry.name} with an agent.py")
        name = f"chapter-{number:02}/{entry.name}"
        services = tuple(dict.fromkeys((*services, *entry.services)))
        told = (entry.lesson, entry.modules, entry.changes, entry.solves, services)
        steps.append(Step(name, path, *told))
    shown = read.demonstration and folder / "demonstration" / read.demonstration
    if shown and not shown.is_file():
        line = line_of(text, ("demonstration",))
        raise ChainError(f"{file}:{line}: demonstration: there is no file {shown}")
    return Chapter(
        number,
        folder,
        read.title,
        read.package,
        tuple(steps),
        read.modules,
        read.shows,
        shown or None,
        read.measures,
    )
