"""``book export``: one step as a folder that runs and passes its tests alone.

Prevents a copied agent that works only beside the repository it came from. The rule: what the step
imports decides what is copied, and every dependency range comes from the pyproject files of what
was copied. Nothing of ours is installed: packages lie beside agent.py, and the simulator in a
folder that only pytest puts on its path. So plain pip and uv do the same.
"""

from __future__ import annotations

import ast
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from book.chain import files
from book.chain.chain import BASELINE, Book, ChainError, Step

SIMULATOR = "mock_claude"
SIMULATOR_HOME = "infrastructure/mock-claude"
# Its plugin by module; by its entry point it would load twice where a simulator is installed.
PLUGIN = f"-p no:{SIMULATOR} -p {SIMULATOR}.pytest_plugin"
IGNORED = ".env\nnotes.jsonl\n.venv/\n__pycache__/\n.*_cache/\nbuild/\n*.egg-info/\n"
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
ALONE = """## Run it alone

This folder is `{step}` of *Production AI Agent Systems*, copied to stand by itself{packages}. \
`simulator/` holds the simulated Claude API that the tests use. Without uv: \
`pip install ".[test]"` in a virtual environment, then `pytest`.

```console
$ uv sync && uv run pytest
```

`python agent.py "What is 23*19?"` asks Claude, with your key in `.env`. The `make` commands on \
this page belong to the book's repository.

"""


def export(book: Book, step: Step, target: Path) -> Path:
    """Write ``step`` to the folder ``target``, which must be new or empty; that folder.

    It is there whole or not at all. Raises ChainError for a target that cannot be written, and for
    whatever in the step or its packages cannot be exported.
    """
    place = target.resolve()
    _refuse(book, target, place)
    contents = _contents(book, step)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".book-export-", dir=place.parent) as scratch:
            built = Path(scratch) / place.name  # the scratch folder itself is for its owner alone
            for name, content in contents.items():
                (built / name).parent.mkdir(parents=True, exist_ok=True)
                (built / name).write_bytes(content)
            if place.exists():
                place.rmdir()  # empty; not every system renames a folder onto another
            built.rename(place)
    except OSError as error:
        raise ChainError(f"{target} cannot be written: {error.strerror}") from error
    return target


def _refuse(book: Book, target: Path, place: Path) -> None:
    if place.exists() and not place.is_dir():
        raise ChainError(f"{target} is a file; name a folder to export to")
    for owned in (book.root / BASELINE, book.root / "chapters"):
        if place.is_relative_to(owned.resolve()):
            raise ChainError(f"{target} lies in {owned.name}/, which holds the chain; go elsewhere")
    if place == Path.cwd():
        raise ChainError(f"{target} is the folder you are in; name a new one")
    if place.is_dir() and any(place.iterdir()):
        raise ChainError(f"{target} is not empty; name a new folder, or empty this one")


def _contents(book: Book, step: Step) -> dict[str, bytes]:
    """Every file of the export, by name."""
    names = [*files.inherited(book, step), "README.md", "test_lesson.py"]
    sources = {name: step.path / name for name in names if (step.path / name).is_file()}
    packages, imported = _follow(book, sources.values())
    for folder, to in packages.items():
        sources |= {f"{to}/{name}": folder / name for name in files.on_disk(folder)}
    if (book.root / "LICENSE").is_file():
        sources["LICENSE"] = book.root / "LICENSE"
    contents = {name: path.read_bytes() for name, path in sources.items()}
    places = packages | {path: name for name, path in sources.items()}
    readme = contents.get("README.md", f"# {step.short}\n\n".encode()).decode("utf-8")
    contents["README.md"] = _readme(step, readme, places).encode()
    contents["pyproject.toml"] = _pyproject(book, step, packages, imported).encode()
    return {".gitignore": IGNORED.encode()} | contents


def _follow(book: Book, sources: Iterable[Path]) -> tuple[dict[Path, str], set[str]]:
    """Our packages that the files need, with their place in the export; all names imported."""
    ours = {each.package: (each.path / each.package, each.package) for each in book.chapters}
    ours[SIMULATOR] = book.root / SIMULATOR_HOME / SIMULATOR, f"simulator/{SIMULATOR}"
    packages: dict[Path, str] = {}
    imported = {SIMULATOR}  # its fixtures come without an import
    unread = list(sources)
    while unread or imported & ours.keys():
        for path in unread:
            imported |= _imports(book, path) if path.suffix == ".py" else set()
        found = dict(ours.pop(name) for name in sorted(imported & ours.keys()))
        if missing := [str(folder) for folder in found if not folder.is_dir()]:
            raise ChainError(f"{', '.join(missing)}: missing; the step needs it")
        unread = [folder / name for folder in found for name in files.on_disk(folder)]
        packages |= found
    return packages, imported


def _imports(book: Book, path: Path) -> set[str]:
    shown = path.relative_to(book.root).as_posix()
    try:
        tree = ast.parse(path.read_bytes(), shown)
    except (SyntaxError, ValueError) as error:
        raise ChainError(f"{shown} is no Python: {error}") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            names.add(node.module.partition(".")[0])
    if "book" in names:
        raise ChainError(f"{shown} imports book, which stays in the repository")
    return names


def _readme(step: Step, text: str, places: dict[Path, str]) -> str:
    """The step's own page with a section on top; a link leads into the export, or is plain text."""

    def link(found: re.Match[str]) -> str:
        label, to, anchor = found.groups(default="")
        place = places.get(Path(os.path.normpath(step.path / to)))
        if place is None:
            return found[0] if ":" in to else label
        return f"[{label}]({place}{anchor})"

    beside = [f"`{to}/`" for path, to in places.items() if path.is_dir() and "/" not in to]
    packages = f", together with {', '.join(beside)}" if beside else ""
    alone = ALONE.format(step=step.name, packages=packages)
    first, heading, rest = LINK.sub(link, text).partition("\n## ")
    return f"{first.rstrip()}\n\n{alone}{heading[1:]}{rest}"


def _pyproject(book: Book, step: Step, packages: Iterable[Path], imported: set[str]) -> str:
    """Ranges as in the projects that are copied; for tests pytest and what they import, too."""
    simulator, root = _read(book.root / SIMULATOR_HOME), _read(book.root)
    folders = [book.steps[0].path, *(each.path for each in book.chapters if step in each.steps)]
    folders += [package.parent for package in packages if package.name != SIMULATOR]
    runtime = [_read(folder) for folder in dict.fromkeys(folders)]
    needs = {each for project in runtime for each in _others(project, "project", "dependencies")}
    tools = {e for read in (root, *runtime) for e in _others(read, "dependency-groups", "dev")}
    tests = {each for each in tools if _name(each) in imported or each.startswith("pytest")}
    tests |= _others(simulator, "project", "dependencies")
    pythons = {read.get("project", {}).get("requires-python") for read in (*runtime, simulator)}
    settings = root.get("tool", {}).get("pytest", {}).get("ini_options", {})
    options = {"addopts": f"{settings.get('addopts', '')} {PLUGIN}".strip()}
    name = step.name.replace("/", "-")
    tables: dict[str, dict[str, object]] = {
        "project": {
            "name": name,
            "version": "0.1.0",
            "description": step.lesson,
            "requires-python": ",".join(sorted(filter(None, pythons))),
            "dependencies": sorted(needs),
        },
        "project.optional-dependencies": {"test": sorted(tests - needs)},
        "dependency-groups": {"dev": [f"{name}[test]"]},  # what uv sync installs
        "tool.setuptools": {"py-modules": []},  # for pip, which builds; uv does not
        "tool.pytest.ini_options": settings | options | {"pythonpath": ["simulator"]},
    }
    return "\n".join(_table(name, values) for name, values in tables.items())


def _read(folder: Path) -> dict[str, Any]:
    file = folder / "pyproject.toml"
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ChainError(f"{file}: missing; it names what the export depends on") from None
    except tomllib.TOMLDecodeError as error:
        raise ChainError(f"{file}: not valid TOML: {error}") from None


def _others(project: dict[str, Any], table: str, key: str) -> set[str]:
    """Requirements but those of the workspace, which uv's sources name."""
    ours = {_name(each) for each in project.get("tool", {}).get("uv", {}).get("sources", {})}
    listed = (each for each in project.get(table, {}).get(key, ()) if isinstance(each, str))
    return {each for each in listed if _name(each) not in ours}


def _name(requirement: str) -> str:
    """As Python would import it, most often: ``pytest-asyncio>=1.5`` is pytest_asyncio."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower().replace("-", "_")


def _table(name: str, values: dict[str, object]) -> str:
    """TOML: strings, numbers, truths and lists of them are written as in JSON."""
    lines = [f"{key} = {json.dumps(v, ensure_ascii=False, indent=4)}" for key, v in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
