"""An exported step stands alone: nothing it needs is missing, nothing half-written is left."""

import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from book.chain.chain import Book, ChainError, Step
from book.lessons.export import export

STEPS = """
title = "Trials"
package = "trials"

[[step]]
name = "one"
lesson = 'Call "it" \\ twice, é.'
changes = ["agent.py", "deploy/job.yaml", ".env.example"]

[[step]]
name = "two"
lesson = "Call at last."
changes = ["agent.py", ".env.example"]
"""
PACKAGES = ("early", "late", "trials")
CHAPTER = 'title = "T"\npackage = "{0}"\n'
PROJECT = """
[project]
name = "{0}"
version = "0.1.0"
requires-python = "{1}"
dependencies = [{2}]

[dependency-groups]
dev = [{3}]

[tool.uv.sources]
early-project = {{ workspace = true }}
mock-claude = {{ workspace = true }}
"""
ROOT = """
[dependency-groups]
dev = [
    "early-project",
    "hypothesis>=4",
    "linter>=5",
    "mock-claude",
    "pytest>=1,<2",
    "pytest-thing>=3",
]

[tool.uv.sources]
early-project = { workspace = true }
mock-claude = { workspace = true }

[tool.pytest.ini_options]
addopts = "-ra"
asyncio_mode = "auto"
filterwarnings = ["error", "ignore:a \\"word\\""]
"""
README = """# one

- See [`core.py`](../trials/core.py), [all](../trials), [the chapter](../README.md#one).
- See [`agent.py`](agent.py#L1), [the web](https://example.com/agent.py), [below](#try-it).

## Try it

Run it.
"""


def tree(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def project(name: str, *needs: str, python: str = ">=3.11", dev: tuple[str, ...] = ()) -> str:
    quoted = (", ".join(f'"{each}"' for each in some) for some in (needs, dev))
    return PROJECT.format(name, python, *quoted)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """The steps of chapter 4 import ``trials``, that imports ``late``, and that ``early``.

    Nobody imports ``unused``.
    """
    root = tmp_path / "repository"
    chapters = {"early": "01-a", "late": "02-b", "unused": "03-c", "trials": "04-d"}
    folders = {package: root / "chapters" / f"chapter-{n}" for package, n in chapters.items()}
    tree(root, {"LICENSE": "MIT", "pyproject.toml": ROOT})
    agent = {"agent.py": "import os\n", "tools.py": "t = 1\n", ".env.example": "A=1\n"}
    tree(root / "reference-agent", agent)
    tree(root / "reference-agent", {"pyproject.toml": project("reference-agent", "sdk>=1,<2")})
    for package, folder in folders.items():
        steps = STEPS if package == "trials" else CHAPTER.format(package)
        tree(folder, {"steps.toml": steps, "README.md": "# chapter\n"})
        tree(folder / package, {"__init__.py": "", "core.py": "one = 1\n"})
        own_project = project(f"{package}-project", f"{package}-needs>=2")
        tree(folder, {"pyproject.toml": own_project})
    needs = ("early-project", "late-needs>=2", "sdk>=1,<2")
    tree(
        folders["late"],
        {
            "pyproject.toml": project("late-project", *needs, python=">=3.12"),
            "late/core.py": "def f() -> None:\n    from early.core import one\n",
            "late/data.csv": "a,b\n",
            "late/deep/more.py": "from . import core\nfrom ..unused import one\n",
        },
    )
    tree(folders["trials"], {"trials/core.py": "import late.core as c, os.path\n"})
    for name in ("one", "two"):
        wiring = {"agent.py": f"from trials import core\n{name} = 1\n", ".env.example": "A=2\n"}
        own = {"README.md": README, "test_lesson.py": "import hypothesis\n"}
        others = {"notes.txt": "of nobody\n", ".env": "KEY=secret\n"}
        step = agent | wiring | own | others | {"deploy/job.yaml": "a: 1\n"}
        tree(folders["trials"] / name, step)
    simulator = root / "infrastructure" / "mock-claude"
    tree(simulator, {"pyproject.toml": project("mock-claude", "server>=7", "sdk>=1,<2")})
    plugin = {"__init__.py": "", "pytest_plugin.py": "", "cities.csv": "x\n", "py.typed": ""}
    tree(simulator / "mock_claude", plugin)
    return Book(root)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def project_of(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def test_an_export_holds_the_step_what_it_imports_and_what_its_tests_need(
    book: Book, tmp_path: Path
) -> None:
    assert export(book, book.step("one"), tmp_path / "out") == tmp_path / "out"
    step = {"agent.py", "tools.py", "deploy/job.yaml", ".env.example", "test_lesson.py"}
    ours = {f"{package}/{n}.py" for package in PACKAGES for n in ("__init__", "core")}
    simulator = {"__init__.py", "pytest_plugin.py", "cities.csv", "py.typed"}
    assert names(tmp_path / "out") == {
        *step,
        *("README.md", "LICENSE", "pyproject.toml", ".gitignore"),
        *ours,
        *("late/data.csv", "late/deep/more.py"),
        *(f"simulator/mock_claude/{name}" for name in simulator),
    }
    for name in step:
        assert (tmp_path / "out" / name).read_bytes() == (book.step("one").path / name).read_bytes()


def test_the_first_step_needs_no_package_of_ours(book: Book, tmp_path: Path) -> None:
    export(book, book.steps[0], tmp_path / "out")
    assert not [name for name in names(tmp_path / "out") if name.startswith(PACKAGES)]
    assert project_of(tmp_path / "out")["project"]["dependencies"] == ["sdk>=1,<2"]


def test_ranges_come_from_the_projects_that_are_copied_and_ours_are_no_dependencies(
    book: Book, tmp_path: Path
) -> None:
    export(book, book.step("one"), tmp_path / "out")
    written = project_of(tmp_path / "out")
    needs = ["early-needs>=2", "late-needs>=2", "sdk>=1,<2", "trials-needs>=2"]
    assert written["project"]["dependencies"] == needs
    assert written["project"]["requires-python"] == ">=3.11,>=3.12"
    assert written["project"]["name"] == "chapter-04-one"
    assert written["project"]["description"] == book.step("one").lesson


def test_a_steps_own_chapter_says_what_its_wiring_needs(book: Book, tmp_path: Path) -> None:
    (book.step("two").path / "agent.py").write_text("import trials_needs\n", encoding="utf-8")
    export(book, book.step("two"), tmp_path / "out")
    needs = project_of(tmp_path / "out")["project"]["dependencies"]
    assert needs == ["sdk>=1,<2", "trials-needs>=2"]
    assert not [name for name in names(tmp_path / "out") if name.startswith(PACKAGES)]


def test_tests_get_the_simulators_needs_pytest_and_the_tools_that_they_import(
    book: Book, tmp_path: Path
) -> None:
    export(book, book.step("one"), tmp_path / "out")
    written = project_of(tmp_path / "out")
    wanted = ["hypothesis>=4", "pytest-thing>=3", "pytest>=1,<2", "server>=7"]
    assert written["project"]["optional-dependencies"] == {"test": wanted}
    assert written["dependency-groups"] == {"dev": ["chapter-04-one[test]"]}
    (book.step("two").path / "test_lesson.py").write_text("", encoding="utf-8")
    export(book, book.step("two"), tmp_path / "without")
    extras = project_of(tmp_path / "without")["project"]["optional-dependencies"]
    assert extras["test"] == wanted[1:]


def test_pytest_is_set_up_as_in_the_repository_with_the_simulators_plugin(
    book: Book, tmp_path: Path
) -> None:
    export(book, book.step("one"), tmp_path / "out")
    options = project_of(tmp_path / "out")["tool"]["pytest"]["ini_options"]
    assert options == {
        "addopts": "-ra -p no:mock_claude -p mock_claude.pytest_plugin",
        "asyncio_mode": "auto",
        "filterwarnings": ["error", 'ignore:a "word"'],
        "pythonpath": ["simulator"],
    }


def test_the_readme_says_how_to_run_it_and_its_links_stay_inside(
    book: Book, tmp_path: Path
) -> None:
    export(book, book.step("one"), tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    first, alone, rest = text.split("## ")
    assert first == (
        "# one\n\n- See [`core.py`](trials/core.py), [all](trials), the chapter.\n"
        "- See [`agent.py`](agent.py#L1), [the web](https://example.com/agent.py), "
        "[below](#try-it).\n\n"
    )
    assert alone.startswith("Run it alone\n\nThis folder is `chapter-04/one`")
    assert "together with `trials/`, `late/`, `early/`. " in alone
    assert "uv sync && uv run pytest" in alone
    assert 'pip install ".[test]"' in alone
    assert rest == "Try it\n\nRun it.\n"


def test_nothing_in_an_export_knows_where_it_came_from(book: Book, tmp_path: Path) -> None:
    export(book, book.step("one"), tmp_path / "out")
    for name in names(tmp_path / "out"):
        content = (tmp_path / "out" / name).read_bytes()
        assert str(tmp_path).encode() not in content, name
        assert b"secret" not in content, name


def test_the_same_step_gives_the_same_bytes(book: Book, tmp_path: Path) -> None:
    folders = [export(book, book.step("one"), tmp_path / name) for name in ("a", "b")]
    one, other = ({n: (f / n).read_bytes() for n in names(f)} for f in folders)
    assert one == other


def test_an_empty_folder_is_filled_and_missing_parents_are_made(book: Book, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for target in (tmp_path / "empty", tmp_path / "new" / "deep"):
        export(book, book.step("one"), target)
        assert (target / "agent.py").is_file()
        assert not [path for path in target.parent.iterdir() if path.name.startswith(".book")]


def full(root: Path) -> Path:
    (root / "full").mkdir()
    (root / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    return root / "full"


def a_file(root: Path) -> Path:
    (root / "file").write_text("mine", encoding="utf-8")
    return root / "file"


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (full, r"full is not empty"),
        (a_file, r"file is a file"),
        (lambda root: a_file(root) / "below", r"below cannot be written"),
        (lambda root: root / "repository/chapters/chapter-04-d/one/out", r"lies in chapters/"),
        (lambda root: root / "repository/chapters/chapter-04-d/three", r"lies in chapters/"),
        (lambda root: root / "repository/reference-agent", r"lies in reference-agent/"),
        (lambda root: root / "repository/tests/../reference-agent/x", r"lies in reference-agent/"),
        (lambda root: Path.cwd(), r"is the folder you are in"),
    ],
)
def test_a_wrong_target_is_refused_and_nothing_is_touched(
    book: Book, tmp_path: Path, place: Callable[[Path], Path], says: str
) -> None:
    target = place(tmp_path)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(ChainError, match=says):
        export(book, book.step("one"), target)
    assert set(tmp_path.rglob("*")) == before


def break_syntax(book: Book, step: Step) -> None:
    (step.path / "agent.py").write_text("def (:\n", encoding="utf-8")


def import_the_book(book: Book, step: Step) -> None:
    (book.root / "chapters/chapter-02-b/late/core.py").write_text("import book.chain\n")


def lose_a_package(book: Book, step: Step) -> None:
    shutil.rmtree(book.root / "chapters/chapter-02-b/late")


def lose_a_project(book: Book, step: Step) -> None:
    (book.root / "chapters/chapter-02-b/pyproject.toml").unlink()


def break_a_project(book: Book, step: Step) -> None:
    (book.root / "chapters/chapter-02-b/pyproject.toml").write_text("[", encoding="utf-8")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (break_syntax, r"chapters/chapter-04-d/one/agent\.py is no Python: .*line 1"),
        (import_the_book, r"chapter-02-b/late/core\.py imports book"),
        (lose_a_package, r"late: missing"),
        (lose_a_project, r"chapter-02-b.pyproject\.toml: missing"),
        (break_a_project, r"chapter-02-b.pyproject\.toml: not valid TOML"),
    ],
)
def test_what_cannot_be_exported_is_named_and_nothing_is_written(
    book: Book, tmp_path: Path, broken: Callable[[Book, Step], None], says: str
) -> None:
    broken(book, book.step("one"))
    with pytest.raises(ChainError, match=says):
        export(book, book.step("one"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


ALONE = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/simulator"]
sys.path.append(sys.argv[2])
import agent, config, mock_claude.pytest_plugin, tools
for name, module in sorted(sys.modules.items()):
    if name.partition(".")[0] in ("agent", "config", "tools", "reliability", "mock_claude"):
        print(module.__file__)
print(config.Settings().model)
"""


def test_the_exported_agent_imports_only_itself_and_what_it_declares(tmp_path: Path) -> None:
    book = Book.find()
    target = export(book, book.step("with-retries"), tmp_path / "out")
    # Isolated and without site, so that no editable install puts the repository on the path.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, str(target), sysconfig.get_path("purelib")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *places, model = done.stdout.splitlines()
    assert all(Path(place).is_relative_to(target) for place in places)
    assert len(places) > 6
    assert model.startswith("claude-")
