"""The projects of the workspace as their pyproject files describe them.

One place says which folder belongs to which project, what it declares, and which import comes from
which distribution, without asking what happens to be installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from book.chain.chain import Book
from book.chain.sources import Sources, sources

FILE = "pyproject.toml"
# Imports whose distribution has another name. All others: the same, with hyphens.
DISTRIBUTIONS = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fakeredis": "fakeredis",
    "git": "gitpython",
    "google": "google-api-core",
    "grpc": "grpcio",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "kubernetes": "kubernetes",
    "multipart": "python-multipart",
    "OpenSSL": "pyopenssl",
    "opentelemetry": "opentelemetry-api",
    "PIL": "pillow",
    "pydantic_core": "pydantic",  # its other half, pinned by it
    "pkg_resources": "setuptools",
    "sklearn": "scikit-learn",
    "_pytest": "pytest",
    "yaml": "pyyaml",
}


@dataclass(frozen=True)
class Project:
    """One pyproject: its folder (from the root), what it needs, and what only its groups need."""

    folder: str  # "" for the root
    name: str
    package: str | None
    needs: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]
    not_imported: dict[str, str]  # declared though nothing imports it: why
    not_declared: dict[str, str]  # imported though it may be missing: why


def projects(book: Book) -> list[Project]:
    """The root's project first, then the workspace's members by folder."""
    read = sources(book)
    files = [name for name in read.names if PurePosixPath(name).name == FILE]
    return [_project(read, name) for name in sorted(files, key=lambda n: (n.count("/"), n))]


def packages(book: Book) -> dict[str, str]:
    """The folder of each package of the workspace, by the name that is imported."""
    found = {each.package: each.folder for each in projects(book) if each.package}
    homes = {package: f"{folder}/{package}".strip("/") for package, folder in found.items()}
    for chapter in book.chapters:
        home = (chapter.path / chapter.package).relative_to(book.root).as_posix()
        homes.setdefault(chapter.package, home)
    return homes


def project_of(found: list[Project], file: str) -> Project | None:
    """The project in whose folder a file lies."""
    inside = [p for p in found if not p.folder or file.startswith(f"{p.folder}/")]
    return max(inside, key=lambda project: len(project.folder), default=None)


def distribution(module: str) -> str:
    """What is installed for ``import module``."""
    return DISTRIBUTIONS.get(module, module.lower().replace("_", "-"))


def required(requirement: str) -> str:
    """``Pytest_Asyncio[x]>=1.5`` is pytest-asyncio."""
    name = re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _project(read: Sources, file: str) -> Project:
    said = read.toml(file)
    project: dict[str, Any] = said.get("project", {})
    tool: dict[str, Any] = said.get("tool", {})
    extras = project.get("optional-dependencies", {}).values()
    needs = [*project.get("dependencies", ()), *(each for extra in extras for each in extra)]
    groups = {
        name: tuple(required(each) for each in listed if isinstance(each, str))
        for name, listed in said.get("dependency-groups", {}).items()
    }
    return Project(
        folder="" if file == FILE else PurePosixPath(file).parent.as_posix(),
        name=required(str(project.get("name", ""))),
        package=tool.get("uv", {}).get("build-backend", {}).get("module-name"),
        needs=tuple(map(required, needs)),
        groups=groups,
        not_imported=tool.get("book", {}).get("not-imported", {}),
        not_declared=tool.get("book", {}).get("not-declared", {}),
    )
